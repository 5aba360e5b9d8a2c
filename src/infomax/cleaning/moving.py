"""Move the surplus of duplicates into a folder, with a journal, and move it back. Nothing is ever deleted."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import final

from infomax.cleaning.choice import GroupChoice
from infomax.cleaning.journal import Journal, Move, MoveState
from infomax.cleaning.sidecars import sidecars_of
from infomax.cleaning.transfer import content_hash
from infomax.errors import InfoMaxError
from infomax.files import locked_folder
from infomax.paths import printable, quoted_path
from infomax.search.index import Index
from infomax.search.presence import container_of, file_key, is_gone, native
from infomax.search.results import IndexedImage


@dataclass(frozen=True)
class Left:
    """A file that stays where it is.

    Attributes:
        path: Path of the file, or of the row of an image in a file of many.
        reason: Why it stays.
        failed: Whether somebody should look at it: it has changed, or the system refused.

    """

    path: str
    reason: str
    failed: bool = True


@dataclass(frozen=True)
class Outcome:
    """What was moved and what was not. For a dry run, what would be.

    Attributes:
        folder: The folder with the journal, absolute.
        moves: The moves made, images and their sidecars.
        left: Files that stay, though they were to be moved.
        groups: Number of groups that an image was moved out of.

    """

    folder: Path
    moves: list[Move] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    groups: int = 0

    @property
    def failed(self) -> bool:
        """Whether somebody should look at a file that stays."""
        return any(each.failed for each in self.left)

    @property
    def images(self) -> int:
        """Number of images moved, without sidecars."""
        return sum(move.image is None for move in self.moves)

    @property
    def bytes(self) -> int:
        """Size of all files moved, in bytes."""
        return sum(move.size for move in self.moves)


ROW_REASON = "an image in a file of many, which cannot be moved"
LINK_REASON = "a symbolic link, which takes no room"


def move_surplus(index: Index, choices: Sequence[GroupChoice], folder: str | Path, *, dry_run: bool = False) -> Outcome:
    """Move all but the best of each group into a folder, below their whole paths, sidecars along with them.

    Before an image is moved, it and the best image are compared with the index: size, time and hash of the content. The
    rows of moved images count as gone, as those of any file that is not there. What a killed process has begun is
    finished first.

    Args:
        index: The index that the groups come from.
        choices: Groups with the image to keep, as `choose` finds them.
        folder: The folder to move to, made if there is something to move.
        dry_run: Check everything, but change nothing.

    Returns:
        What was moved, and what stays for which reason.

    Raises:
        InfoMaxError: The folder is unusable, or another process moves files of it or of the index.
        OSError: The journal cannot be written.

    """
    place = Path(folder).absolute()
    _refuse_unusable(index, place)
    worth = [choice for choice in choices if choice.surplus]
    images = [image for choice in worth for image in choice.group.images]
    surplus = [image for choice in worth for image in choice.surplus]
    if dry_run:
        return _move_groups(_Mover(index, images, surplus, Journal(place), Outcome(place)), worth, dry_run=True)
    if not surplus and not place.exists():
        return Outcome(place)  # nothing to move, and nothing that a killed process has begun
    with _moving(index, place) as (journal, outcome):
        return _move_groups(_Mover(index, images, surplus, journal, outcome), worth, dry_run=False)


def move_images(index: Index, images: Sequence[IndexedImage], folder: str | Path) -> Outcome:
    """Move images into a folder, below their whole paths, sidecars along with them; see `move_surplus`.

    Args:
        index: The index of the images.
        images: The images. One that has changed since it was indexed stays, and so does a row of a file of many.
        folder: The folder to move to, made if need be.

    Returns:
        What was moved, and what stays for which reason.

    Raises:
        InfoMaxError: The folder is unusable, or another process moves files of it or of the index.
        OSError: The journal cannot be written.

    """
    place = Path(folder).absolute()
    _refuse_unusable(index, place)
    with _moving(index, place) as (journal, outcome):
        mover = _Mover(index, images, images, journal, outcome)
        for image in images:
            mover.move(image, dry_run=False)
        return outcome


@contextmanager
def _moving(index: Index, folder: Path) -> Iterator[tuple[Journal, Outcome]]:
    """Make and lock the folder to move to, and lock the index."""
    folder.mkdir(parents=True, exist_ok=True)
    busy = "another process moves images of this index: wait for it"
    with locked_folder(index.path, busy), _open_journal(folder, MoveState.DONE) as opened:
        yield opened


def undo_moves(folder: str | Path, only: Collection[int] | None = None) -> Outcome:
    """Move everything back that was moved into a folder. A file that exists again is not replaced.

    Args:
        folder: The folder that was moved to, or the journal in it.
        only: Numbers of the moves of images to undo, their sidecars along with them; None for all.

    Returns:
        What was moved back, and what stays in the folder for which reason.

    Raises:
        InfoMaxError: There is no journal, or another process moves files of the folder.
        OSError: The journal cannot be written.

    """
    place = Path(folder).absolute()
    place = place.parent if place.is_file() else place
    if not Journal(place).moves:
        raise InfoMaxError(f"{quoted_path(folder)} has no undo file: give the folder that --move-to named")
    with _open_journal(place, MoveState.UNDONE) as (journal, outcome):
        done = [
            move
            for number, move in journal.moves.items()
            if journal.states[number] is MoveState.DONE and (only is None or (move.image or number) in only)
        ]
        # the latest first, so that a file that was moved twice gets its latest content; an image before its sidecars
        for move in sorted(done, key=lambda move: (-(move.image or move.number), move.number)):
            _move_back(journal, move, outcome)
    return outcome


@contextmanager
def _open_journal(folder: Path, end: MoveState) -> Iterator[tuple[Journal, Outcome]]:
    """Lock a folder, and finish what a killed process has begun there; moves that came to `end` are in the outcome."""
    with locked_folder(folder, f"another process moves files of {quoted_path(folder)}: wait for it"):
        journal = Journal(folder)
        finished = [move for move in journal.recover() if journal.states[move.number] is end]
        yield journal, Outcome(folder, finished)


def _refuse_unusable(index: Index, folder: Path) -> None:
    """Raise InfoMaxError for a folder that is a file, the index, or a part of the collection."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise InfoMaxError(f"{quoted_path(folder)} is a file: give --move-to a folder")
    real = folder.resolve()
    if index.path.resolve() in (real, *real.parents):
        raise InfoMaxError(f"{quoted_path(folder)} is in the index: give --move-to another folder")
    if count := index.count(folder=real):
        raise InfoMaxError(
            f"{quoted_path(folder)} holds images of the index ({count}), and moved ones would be among them: "
            "give --move-to another folder"
        )


def _move_back(journal: Journal, move: Move, outcome: Outcome) -> None:
    """Move a file back, or say why it stays."""
    try:
        if not move.target.is_file():
            raise _StaysError("is no longer there, so it cannot be moved back")
        if os.path.lexists(move.source):
            raise _StaysError(f"stays: {quoted_path(move.source)} exists again, and is not replaced")
        if content_hash(move.target) != move.digest:
            raise _StaysError("stays: it has changed since it was moved")
        journal.unmake(move)
    except _StaysError as reason:
        outcome.left.append(Left(str(move.target), str(reason)))
    except OSError as error:
        outcome.left.append(Left(str(move.target), f"stays: {_told(error)}"))
    else:
        outcome.moves.append(move)
        _remove_empty_folders(move.target.parent, journal.folder)


def _remove_empty_folders(folder: Path, top: Path) -> None:
    """Remove a folder and those above it, below `top`, as far as they are empty."""
    while folder != top:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _move_groups(mover: "_Mover", choices: Sequence[GroupChoice], *, dry_run: bool) -> Outcome:
    """Move the surplus of each group whose best image is there, or only check that."""
    moved_from = 0
    for choice in choices:
        try:
            mover.check_kept(choice.best)
        except _StaysError as reason:
            told = f"the image to keep, {quoted_path(choice.best.path)}, {reason}"
            mover.outcome.left.extend(Left(image.path, told) for image in choice.surplus)
            continue
        moved = [mover.move(image, dry_run=dry_run) for image in choice.surplus]
        moved_from += any(moved)
    return replace(mover.outcome, groups=moved_from)


class _StaysError(Exception):
    """Why a file is not moved."""

    def __init__(self, reason: str, *, failed: bool = True) -> None:
        super().__init__(reason)
        self.failed = failed


@final
class _Mover:
    """Moves images, each with its sidecars. `images` are all that it is asked about, and `leaving` those to move."""

    def __init__(
        self,
        index: Index,
        images: Sequence[IndexedImage],
        leaving: Sequence[IndexedImage],
        journal: Journal,
        outcome: Outcome,
    ) -> None:
        self.journal = journal
        self.outcome = outcome
        self._moved_before = {move.source for move in outcome.moves}
        self._hashes = index.hashes([image.id for image in images])
        self._leaving = {Path(native(image.path)) for image in leaving}
        self._keys = Counter(key for image in images if not _is_row(image) and (key := file_key(image.path)))
        self._targets: set[Path] = set()
        self._number = max(journal.moves, default=0)

    def move(self, image: IndexedImage, *, dry_run: bool) -> bool:
        """Move an image and its sidecars, or say why they stay. One that a killed process had begun with is moved."""
        path = Path(native(image.path))
        if path in self._moved_before:
            return True
        try:
            self._check_movable(image)
            planned = [self._plan(path)]
        except _StaysError as reason:
            self.outcome.left.append(Left(image.path, str(reason), reason.failed))
            return False
        for sidecar in sidecars_of(path, self._leaving):
            try:
                planned.append(self._plan(sidecar, planned[0].number))
            except _StaysError as reason:
                self.outcome.left.append(Left(printable(str(sidecar)), str(reason)))
        if dry_run:
            self.outcome.moves.extend(planned)
            return True
        self.journal.plan(planned)
        return self._make(planned)

    def _plan(self, path: Path, image: int | None = None) -> Move:
        """The move of a file."""
        try:
            status, digest = path.stat(), content_hash(path)
        except OSError as error:
            raise _StaysError(_told(error)) from None
        self._number += 1
        return Move(self._number, path, self._free_target(path), status.st_size, digest, status.st_mtime_ns, image)

    def _make(self, planned: Sequence[Move]) -> bool:
        """Move an image, and then its sidecars. They stay if it has to stay."""
        for move in planned:
            try:
                self.journal.make(move)
            except OSError as error:
                self.outcome.left.append(Left(printable(str(move.source)), _told(error)))
                if move.image is None:
                    for sidecar in planned[1:]:
                        self.journal.mark(sidecar.number, MoveState.FAILED)
                    return False
            else:
                self.outcome.moves.append(move)
        return True

    def _free_target(self, path: Path) -> Path:
        """The whole path below the folder; with a number if an earlier file of this path is there."""
        drive = path.drive.replace(":", "").strip("\\/").replace("\\", "/")
        target = wanted = self.journal.folder / drive / path.relative_to(path.anchor)
        number = 2
        while target in self._targets or os.path.lexists(target):
            target = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
            number += 1
        self._targets.add(target)
        return target

    def check_kept(self, image: IndexedImage) -> None:
        """Raise _StaysError unless the image to keep is there as it was indexed."""
        if not os.path.isabs(image.path):  # noqa: PTH117 - of a str
            raise _StaysError("is no file that can be checked")
        if is_gone(image.path):
            raise _StaysError("is gone: run infomax index again")
        if _is_row(image):
            self._check_container(image)
        else:
            self._check_unchanged(image)

    def _check_movable(self, image: IndexedImage) -> None:
        """Raise _StaysError if an image must or should stay where it is."""
        if _is_row(image):
            raise _StaysError(ROW_REASON, failed=False)
        path = native(image.path)
        if os.path.islink(path):  # noqa: PTH114 - of a str
            raise _StaysError(LINK_REASON, failed=False)
        key = file_key(image.path)
        if key is not None and self._keys[key] > 1:
            raise _StaysError("another path of the index leads to the same file", failed=False)
        self._check_unchanged(image)

    def _check_container(self, image: IndexedImage) -> None:
        """Raise _StaysError unless the file that holds an image has the time that it had."""
        try:
            mtime = os.stat(native(container_of(image.path))).st_mtime_ns / 1e9  # noqa: PTH116 - of a str
        except OSError as error:
            raise _StaysError(_told(error)) from None
        if mtime != image.mtime:
            raise _StaysError("is in a file that has changed since it was indexed: run infomax index again")

    def _check_unchanged(self, image: IndexedImage) -> None:
        """Raise _StaysError unless a file has the size, time and content that its row has."""
        path = Path(native(image.path))
        try:
            status = path.lstat()
            if S_ISLNK(status.st_mode):
                status = path.stat()
            if not S_ISREG(status.st_mode):
                raise _StaysError("is no regular file")
            is_same = (status.st_size, status.st_mtime_ns / 1e9) == (image.size, image.mtime)
            if not is_same or content_hash(path) != self._hashes.get(image.id):
                raise _StaysError("has changed since it was indexed: run infomax index again")
        except OSError as error:
            raise _StaysError(_told(error)) from None


def _is_row(image: IndexedImage) -> bool:
    """Whether an image is in a file of many, or in memory."""
    path = native(image.path)
    return not os.path.isabs(path) or (  # noqa: PTH117
        container_of(path) != path and not os.path.lexists(path)
    )


def _told(error: OSError) -> str:
    return f"cannot be moved ({(error.strerror or str(error)).lower()})"


def target_of(move: Move, folder: Path) -> str:
    """Name the new path of a move for people.

    Args:
        move: The move.
        folder: The folder of the journal.

    Returns:
        The path below the folder, as valid Unicode.

    """
    return printable(move.target.relative_to(folder).as_posix())
