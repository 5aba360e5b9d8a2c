"""Move the surplus of duplicates into a folder, with a journal, and move it back. Nothing is ever deleted."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
        folder: The folder to move to, made if need be.
        dry_run: Check everything, but change nothing.

    Returns:
        What was moved, and what stays for which reason.

    Raises:
        InfoMaxError: The folder is unusable, or another process moves files of it or of the index.
        OSError: The journal cannot be written.

    """
    place = Path(folder).absolute()
    _refuse_unusable(index, place)
    if dry_run:
        return _Mover(index, choices, Journal(place), Outcome(place)).run(dry_run=True)
    place.mkdir(parents=True, exist_ok=True)
    busy = "another process moves duplicates of this index: wait for it"
    with locked_folder(index.path, busy), _open_journal(place, MoveState.DONE) as (journal, outcome):
        return _Mover(index, choices, journal, outcome).run(dry_run=False)


def undo_moves(folder: str | Path) -> Outcome:
    """Move everything back that was moved into a folder. A file that exists again is not replaced.

    Args:
        folder: The folder that was moved to, or the journal in it.

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
        done = [move for number, move in journal.moves.items() if journal.states[number] is MoveState.DONE]
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
            f"{quoted_path(folder)} holds {count} images of the index, and moved ones would be among them: "
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


class _StaysError(Exception):
    """Why a file is not moved."""

    def __init__(self, reason: str, *, failed: bool = True) -> None:
        super().__init__(reason)
        self.failed = failed


@final
class _Mover:
    """Moves the surplus of some choices, one group after the other."""

    def __init__(self, index: Index, choices: Sequence[GroupChoice], journal: Journal, outcome: Outcome) -> None:
        self._choices = [choice for choice in choices if choice.surplus]
        self._journal = journal
        self._outcome = outcome
        self._moved_before = {move.source for move in outcome.moves}
        images = [image for choice in self._choices for image in choice.group.images]
        self._hashes = index.hashes([image.id for image in images])
        self._leaving = {Path(native(image.path)) for choice in self._choices for image in choice.surplus}
        self._keys = Counter(key for image in images if not _is_row(image) and (key := file_key(image.path)))
        self._targets: set[Path] = set()
        self._number = max(journal.moves, default=0)

    def run(self, *, dry_run: bool) -> Outcome:
        """Check and move, or only check."""
        moved_from = 0
        for choice in self._choices:
            try:
                self._check_kept(choice.best)
            except _StaysError as reason:
                told = f"the image to keep, {quoted_path(choice.best.path)}, {reason}"
                self._outcome.left.extend(Left(image.path, told) for image in choice.surplus)
                continue
            surplus = [image for image in choice.surplus if Path(native(image.path)) not in self._moved_before]
            moved = [self._move(image, dry_run=dry_run) for image in surplus]
            moved_from += any(moved) or len(surplus) < len(choice.surplus)
        return Outcome(self._journal.folder, self._outcome.moves, self._outcome.left, moved_from)

    def _move(self, image: IndexedImage, *, dry_run: bool) -> bool:
        """Move an image and its sidecars, or say why they stay."""
        path = Path(native(image.path))
        try:
            self._check_movable(image)
            planned = [self._plan(path)]
        except _StaysError as reason:
            self._outcome.left.append(Left(image.path, str(reason), reason.failed))
            return False
        for sidecar in sidecars_of(path, self._leaving):
            try:
                planned.append(self._plan(sidecar, planned[0].number))
            except _StaysError as reason:
                self._outcome.left.append(Left(printable(str(sidecar)), str(reason)))
        if dry_run:
            self._outcome.moves.extend(planned)
            return True
        self._journal.plan(planned)
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
                self._journal.make(move)
            except OSError as error:
                self._outcome.left.append(Left(printable(str(move.source)), _told(error)))
                if move.image is None:
                    for sidecar in planned[1:]:
                        self._journal.mark(sidecar.number, MoveState.FAILED)
                    return False
            else:
                self._outcome.moves.append(move)
        return True

    def _free_target(self, path: Path) -> Path:
        """The whole path below the folder; with a number if an earlier file of this path is there."""
        drive = path.drive.replace(":", "").strip("\\/").replace("\\", "/")
        target = wanted = self._journal.folder / drive / path.relative_to(path.anchor)
        number = 2
        while target in self._targets or os.path.lexists(target):
            target = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
            number += 1
        self._targets.add(target)
        return target

    def _check_kept(self, image: IndexedImage) -> None:
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
