"""The journal of moves: what was moved where, written before it happens, so that a kill at any moment loses nothing.

    {"move": 1, "from": "/photos/copy.jpg", "to": "photos/copy.jpg", "size": 5120, "hash": "...", "mtime_ns": ...}
    {"done": 1}
    {"undo": 1}
    {"undone": 1}

`from` is absolute and `to` is below the folder of the journal, so that the folder may be moved elsewhere. A move that
could not be made ends with {"failed": 1}.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, final

from infomax.cleaning.transfer import content_hash, finish_move, move_file
from infomax.errors import InfoMaxError
from infomax.files import append_lines, complete_lines
from infomax.paths import JOURNAL, quoted_path


class MoveState(Enum):
    """How far a move has come."""

    PLANNED = "move"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undo"
    UNDONE = "undone"


@dataclass(frozen=True)
class Move:
    """A file that is moved.

    Attributes:
        number: Number of the move in its journal, from 1 on.
        source: Absolute path of the file.
        target: Its path in the folder of the journal.
        size: Size in bytes.
        digest: Digest of the content.
        mtime_ns: Time of its last change, in nanoseconds since 1970.
        image: Number of the move of the image that this file is a sidecar of; None for an image.

    """

    number: int
    source: Path
    target: Path
    size: int
    digest: str
    mtime_ns: int
    image: int | None = None


@final
class Journal:
    """The journal of a folder, and the moves that it lists.

    Args:
        folder: The folder that files are moved to.

    Attributes:
        folder: The folder, absolute.
        file: The journal in it, which need not exist yet.
        moves: The moves, by number.
        states: How far each has come.

    Raises:
        InfoMaxError: The journal is damaged.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.file = self.folder / JOURNAL
        self.moves: dict[int, Move] = {}
        self.states: dict[int, MoveState] = {}
        for number, line in enumerate(complete_lines(self.file), 1):
            try:
                self._read(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise InfoMaxError(
                    f"line {number} of {quoted_path(self.file)} is damaged: mend it, or remove the line"
                ) from None

    def plan(self, moves: Sequence[Move]) -> None:
        """Write down moves before they are made.

        Args:
            moves: An image, and its sidecars.

        Raises:
            OSError: The journal cannot be written. Then nothing may be moved.

        """
        append_lines(self.file, [json.dumps(self._record(move)) for move in moves])
        for move in moves:
            self.moves[move.number], self.states[move.number] = move, MoveState.PLANNED

    def mark(self, number: int, state: MoveState) -> None:
        """Write down how far a move has come.

        Args:
            number: Number of the move.
            state: Its new state.

        Raises:
            OSError: The journal cannot be written.

        """
        # a mark that a power cut loses is found again by the files; an intention must come before its deed
        append_lines(self.file, [json.dumps({state.value: number})], flush=state is MoveState.UNDOING)
        self.states[number] = state

    def make(self, move: Move) -> None:
        """Make a move that is planned, and write down how it ended.

        Args:
            move: The move.

        Raises:
            OSError: The file cannot be moved. It is where it was.

        """
        try:
            move_file(move.source, move.target, move.digest)
        except OSError:
            self.mark(move.number, MoveState.FAILED)
            raise
        self.mark(move.number, MoveState.DONE)

    def unmake(self, move: Move) -> None:
        """Move a file back, and write down how that ended. It gets the time of its last change back, too.

        Args:
            move: A move that is done.

        Raises:
            OSError: The file cannot be moved back. It is where it was.

        """
        self.mark(move.number, MoveState.UNDOING)
        try:
            move_file(move.target, move.source, move.digest)
        except OSError:
            self.mark(move.number, MoveState.DONE)
            raise
        status = move.source.stat()
        if status.st_mtime_ns != move.mtime_ns:  # some file systems keep times to two seconds only
            with suppress(OSError):
                os.utime(move.source, ns=(status.st_atime_ns, move.mtime_ns))
        self.mark(move.number, MoveState.UNDONE)

    def recover(self) -> list[Move]:
        """Finish what a killed process has begun: each file is afterwards at one of its two places alone.

        A move that had not begun counts as failed. A sidecar follows its image.

        Returns:
            The moves that are done now, and those that are undone now.

        Raises:
            OSError: A file cannot be read or removed, or the journal cannot be written.

        """
        finished = []
        for number, state in list(self.states.items()):
            move = self.moves[number]
            if state is MoveState.PLANNED:
                moved = finish_move(move.source, move.target, move.digest) or self._follow(move)
                self.mark(number, MoveState.DONE if moved else MoveState.FAILED)
            elif state is MoveState.UNDOING:
                moved = finish_move(move.target, move.source, move.digest)
                self.mark(number, MoveState.UNDONE if moved else MoveState.DONE)
            else:
                continue
            if moved:
                finished.append(move)
        return finished

    def _follow(self, move: Move) -> bool:
        """Move a sidecar whose image was moved just before a kill."""
        if move.image is None or self.states[move.image] is not MoveState.DONE:
            return False
        with suppress(OSError):
            if not move.source.is_symlink() and content_hash(move.source) == move.digest:
                move_file(move.source, move.target, move.digest)
                return True
        return False

    def _record(self, move: Move) -> dict[str, Any]:
        record = {
            "move": move.number,
            "from": str(move.source),
            "to": move.target.relative_to(self.folder).as_posix(),
            "size": move.size,
            "hash": move.digest,
            "mtime_ns": move.mtime_ns,
        }
        return record if move.image is None else {**record, "image": move.image}

    def _read(self, record: dict[str, Any]) -> None:
        if "move" in record:
            number, target = int(record["move"]), Path(record["to"])
            if target.is_absolute() or ".." in target.parts:
                raise ValueError("a target outside the folder")
            self.moves[number] = Move(
                number,
                Path(record["from"]),
                self.folder / target,
                int(record["size"]),
                str(record["hash"]),
                int(record["mtime_ns"]),
                record.get("image"),
            )
            self.states[number] = MoveState.PLANNED
        else:
            [(word, number)] = record.items()
            self.states[self.moves[number].number] = MoveState(word)
