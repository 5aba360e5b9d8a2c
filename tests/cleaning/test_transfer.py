"""Moving one file within a file system and between two."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infomax.cleaning.transfer import content_hash, finish_move, move_file, temporary_of
from tests.cleaning.conftest import tree

OTHER = Path("/dev/shm")


@pytest.fixture(params=["the same", "the same without hard links", "another", "as if another"])
def target_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the same file system as tmp_path, or on another one."""
    real_link = os.link

    def link(source: Path, target: Path, **options: bool) -> None:
        if request.param == "the same without hard links":
            raise OSError(errno.EPERM, "not permitted", str(source))
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "another device", str(source))
        real_link(source, target, **options)

    if request.param == "another":
        if not OTHER.is_dir() or OTHER.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system")
        with TemporaryDirectory(dir=OTHER) as folder:
            yield Path(folder)
        return
    if request.param != "the same":
        monkeypatch.setattr(os, "link", link)
    yield tmp_path / "target"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"content" * 1000)
    path.chmod(0o640)
    os.utime(path, ns=(10**18 + 5, 10**18 + 123_456_789))
    return path


def test_content_time_and_permissions_go_along(source: Path, target_folder: Path) -> None:
    before = tree(source.parent)[str(source)]
    target = target_folder / "deep" / "b.jpg"
    move_file(source, target, content_hash(source))
    assert not source.exists()
    assert tree(target_folder) == {str(target): before}


def test_extended_attributes_go_along(source: Path, target_folder: Path) -> None:
    try:
        os.setxattr(source, "user.rating", b"5")
        target_folder.mkdir(exist_ok=True)
        (target_folder / "probe").touch()
        os.setxattr(target_folder / "probe", "user.rating", b"5")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    move_file(source, target_folder / "b.jpg", content_hash(source))
    assert os.getxattr(target_folder / "b.jpg", "user.rating") == b"5"


def test_nothing_is_replaced(source: Path, target_folder: Path) -> None:
    target = target_folder / "b.jpg"
    target_folder.mkdir(exist_ok=True)
    target.write_bytes(b"other")
    before = tree(source.parent, target_folder)
    with pytest.raises(FileExistsError):
        move_file(source, target, content_hash(source))
    assert tree(source.parent, target_folder) == before
    target.unlink()
    target.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        move_file(source, target, content_hash(source))
    assert target.is_symlink()


def test_a_file_that_cannot_be_removed_stays(
    source: Path, target_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that is read-only: what was made of the target is taken back."""
    unlink, rename = Path.unlink, Path.rename

    def refuse(path: Path) -> None:
        if path == source:
            raise PermissionError(errno.EACCES, "permission denied", str(path))

    def refusing_unlink(path: Path, missing_ok: bool = False) -> None:
        refuse(path)
        unlink(path, missing_ok)

    def refusing_rename(path: Path, target: Path) -> Path:
        refuse(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "unlink", refusing_unlink)
    monkeypatch.setattr(Path, "rename", refusing_rename)
    before = tree(source.parent)
    with pytest.raises(PermissionError):
        move_file(source, target_folder / "b.jpg", content_hash(source))
    assert tree(source.parent, target_folder) == before


def test_a_copy_with_another_digest_is_discarded(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: Path, target: Path, **options: bool) -> None:
        raise OSError(errno.EXDEV, "another device", str(source))

    monkeypatch.setattr(os, "link", link)
    before = tree(source.parent)
    with pytest.raises(OSError, match="the copy differs"):
        move_file(source, tmp_path / "target" / "b.jpg", "0" * 32)
    assert tree(source.parent, tmp_path / "target") == before


def test_an_interrupted_move_is_finished_only_if_the_target_is_whole(source: Path, tmp_path: Path) -> None:
    target, digest = tmp_path / "target" / "b.jpg", content_hash(source)
    target.parent.mkdir()
    temporary_of(target).write_bytes(b"cont")
    assert not finish_move(source, target, digest)
    assert not temporary_of(target).exists()
    target.write_bytes(b"somebody else's")
    assert not finish_move(source, target, digest)
    assert target.read_bytes() == b"somebody else's"
    assert source.exists()
    target.write_bytes(source.read_bytes())
    source.write_bytes(b"a new one")  # since the kill
    assert not finish_move(source, target, digest)
    assert source.read_bytes() == b"a new one"
    source.write_bytes(target.read_bytes())
    assert finish_move(source, target, digest)
    assert not source.exists()
    assert finish_move(source, target, digest)
