"""The trash folder of an index: what is in it, and the marks by which the page leaves these images out."""

from pathlib import Path

from infomax.cleaning.journal import Journal, Move, MoveState
from infomax.cleaning.moving import Outcome
from infomax.paths import printable
from infomax.search.index import Index
from infomax.search.row_writer import id_of
from infomax.search.tags import TRASHED


def trashed_images(folder: Path) -> list[Move]:
    """List the images in a trash folder, the latest first.

    Args:
        folder: The folder, which need not exist.

    Returns:
        The moves that brought them there, sidecars aside.

    Raises:
        InfoMaxError: The journal of the folder is damaged.

    """
    journal = Journal(folder)
    there = (MoveState.DONE, MoveState.UNDOING)
    moves = [move for number, move in sorted(journal.moves.items(), reverse=True) if journal.states[number] in there]
    return [move for move in moves if move.image is None]


def id_of_moved(move: Move) -> str:
    """Find the id that the image of a move has in an index.

    Args:
        move: The move.

    Returns:
        The id.

    """
    return id_of(printable(str(move.source)))


def ids_of_moved(outcome: Outcome) -> list[str]:
    """Find the ids of all images that were moved.

    Args:
        outcome: What was moved.

    Returns:
        Their ids, sidecars aside.

    """
    return [id_of_moved(move) for move in outcome.moves if move.image is None]


def mark_trashed(index: Index, folder: Path) -> None:
    """Mark all images in a trash folder. A process that was killed may have moved some, and not marked them yet.

    Args:
        index: The index of the images.
        folder: The trash folder, which need not exist.

    """
    index.tag([id_of_moved(move) for move in trashed_images(folder)], TRASHED)
