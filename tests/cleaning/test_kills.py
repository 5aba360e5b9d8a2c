"""A process killed at any step of a move or of an undo: nothing is lost, and the next call finishes.

A forked child counts its steps, each a call of the file system that Python announces to an audit hook, or the half of a
copy, and kills itself at one of them. All steps are tried, one after the other.
"""

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from infomax import files
from infomax.cleaning.journal import Journal
from infomax.cleaning.moving import move_surplus, undo_moves
from infomax.paths import JOURNAL
from tests.cleaning.conftest import NewIndex, Tree, chosen, contents, tree

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]
OTHER = Path("/dev/shm")
WATCHED = {"open", "os.link", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.utime", "os.chmod", "os.setxattr"}


def refuse_link(source: Path, target: Path) -> None:
    """What FAT, exFAT and some network drives answer."""
    raise PermissionError(errno.EPERM, "no second names here", str(target))


@pytest.fixture(params=["the same file system", "without hard links", "another"])
def trash(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if request.param != "another":
        if request.param == "without hard links":
            monkeypatch.setattr(os, "link", refuse_link)
        yield tmp_path / "trash"
        return
    if not OTHER.is_dir() or OTHER.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with TemporaryDirectory(dir=OTHER) as folder:
        yield Path(folder) / "trash"


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do some work in a child that is killed at a step. False if the work is done before it comes to that."""
    child = os.fork()
    if not child:
        left = step

        def take(*_: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            if event in WATCHED and not (event == "open" and str(arguments[0]).endswith(".py")):
                take()

        _step_within_calls(take)
        sys.addaudithook(watch)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed"
    return os.WIFSIGNALED(status)


def _step_within_calls(take: Callable[..., None]) -> None:
    """In this process, a step comes in the middle of each copy and before each flush, too."""
    copy = shutil.copyfile

    def copy_in_halves(source: Path, target: Path, **options: bool) -> None:
        content = source.read_bytes()
        target.write_bytes(content[: len(content) // 2])
        take()
        copy(source, target, **options)

    vars(shutil)["copyfile"] = copy_in_halves
    vars(files)["fsync"] = vars(os)["fsync"] = take


def state(photos: Path, trash: Path) -> tuple[Tree, Tree]:
    moved = tree(trash) if trash.exists() else {}
    moved.pop(str(trash / JOURNAL), None)
    return tree(photos), moved


@pytest.fixture
def collection(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with sidecars, on a disk that writes at once: a kill, unlike a power cut, loses no write."""
    monkeypatch.setattr(files, "fsync", int)
    monkeypatch.setattr(os, "fsync", int)
    for copy in ("cat/again.png", "dog/0.png"):
        (photos / copy).unlink()
    (photos / "dog" / "one.xmp").write_text("a sidecar")
    return photos


def tear(trash: Path) -> None:
    """A kernel that dies may leave half of a line, too."""
    if (trash / JOURNAL).exists():
        with (trash / JOURNAL).open("a") as file:
            file.write('{"move": 99, "fr')


def keep(photos: Path, trash: Path, place: Path) -> None:
    """Copy both folders away."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(photos, place / "photos")
    if trash.exists():
        shutil.copytree(trash, place / "trash")


def put_back(photos: Path, trash: Path, place: Path) -> None:
    """Make both folders what they were when they were kept."""
    for folder, kept in ((photos, place / "photos"), (trash, place / "trash")):
        shutil.rmtree(folder, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, folder)


def test_a_move_killed_at_any_step(new_index: NewIndex, collection: Path, trash: Path, tmp_path: Path) -> None:
    """Then either the same command comes again, and an undo after it; or the undo comes at once."""
    index, saved, killed = new_index(collection), tmp_path / "saved", tmp_path / "killed"
    keep(collection, trash, saved)
    before, everything, choices = tree(collection), contents(collection), chosen(index)
    move_surplus(index, choices, trash)
    finished = state(collection, trash)
    assert len(finished[1]) == 3
    for step in count(1):
        put_back(collection, trash, saved)
        if not killed_at(step, lambda: move_surplus(index, choices, trash)):
            break
        assert contents(collection, trash) >= everything
        tear(trash)
        keep(collection, trash, killed)
        assert move_surplus(index, chosen(index), trash).left == []
        assert state(collection, trash) == finished, step
        for rerun in (True, False):
            if not rerun:
                put_back(collection, trash, killed)
            if Journal(trash).moves:
                assert undo_moves(trash).left == []
            assert tree(collection) == before, step
            assert state(collection, trash)[1] == {}, step
    assert step > 25


def test_an_undo_killed_at_any_step(new_index: NewIndex, collection: Path, trash: Path, tmp_path: Path) -> None:
    """Then either the undo comes again, or the move and an undo after it."""
    index, saved, killed = new_index(collection), tmp_path / "saved", tmp_path / "killed"
    before, everything = tree(collection), contents(collection)
    move_surplus(index, chosen(index), trash)
    keep(collection, trash, saved)
    finished = contents_of_both(collection, trash)
    for step in count(1):
        put_back(collection, trash, saved)
        if not killed_at(step, lambda: undo_moves(trash)):
            break
        assert contents(collection, trash) >= everything
        tear(trash)
        keep(collection, trash, killed)
        assert move_surplus(index, chosen(index), trash).left == []
        assert contents_of_both(collection, trash) == finished
        for rerun in (True, False):
            if not rerun:
                put_back(collection, trash, killed)
            assert undo_moves(trash).left == []
            assert tree(collection) == before, step
            assert state(collection, trash)[1] == {}, step
    assert step > 20


def contents_of_both(photos: Path, trash: Path) -> list[list[str]]:
    """Digests of what is in either folder, whatever the names."""
    return [sorted(digest for digest, *_ in part.values()) for part in state(photos, trash)]
