import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from infomax import Index, InfoMax, InfoMaxError
from infomax.search import row_comparison
from infomax.search import scan as scan_module
from infomax.search.identity import identities
from infomax.search.stores.lance import LanceStore
from infomax.search.sync import Changes
from tests.conftest import colored, labeled
from tests.images.conftest import put_parquet, stored
from tests.search.conftest import assert_same, save

Embedded = Callable[[], int]


@pytest.fixture
def index(model: InfoMax, tmp_path: Path) -> Index:
    return Index.create(tmp_path / "index", model)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """Number of images embedded since the last call."""
    count, encode = 0, InfoMax.encode

    def counted(self: InfoMax, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal count
        count += len(images)
        return encode(self, images)

    def since() -> int:
        nonlocal count
        count, before = 0, count
        return before

    monkeypatch.setattr(InfoMax, "encode", counted)
    return since


def counts(changes: Changes) -> tuple[int, int, int, int, int]:
    """Added, updated, unchanged, skipped, removed."""
    return (changes.added, changes.updated, changes.unchanged, len(changes.skipped), changes.removed)


def scratch(index: Index, model: InfoMax, *sources: Path) -> Index:
    """A new index of the same sources."""
    built = Index.create(index.path.with_name("scratch"), model)
    for source in sources:
        built.add(source)
    return built


def test_only_new_or_changed_images_are_embedded(
    index: Index, model: InfoMax, photos: Path, embedded: Embedded
) -> None:
    assert counts(index.synchronize(photos)) == (31, 0, 0, 0, 0)
    assert embedded() == 31
    assert counts(index.synchronize(photos)) == (0, 0, 31, 0, 0)
    assert embedded() == 0
    new = colored(6, 12, seed=1)
    save(photos / "cat" / "00.png", new[0])
    save(photos / "dog" / "01.png", new[1])
    for number in range(2, 6):
        save(photos / "fox" / f"{number}.png", new[number])
    (photos / "cat" / "02.png").unlink()
    (photos / "30.png").unlink()
    (photos / "dog" / "03.png").rename(photos / "cat" / "03.png")
    changes = index.synchronize(photos)
    assert (counts(changes), changes.moved, changes.gone) == ((4, 2, 26, 0, 0), 1, 2)
    assert embedded() == 6
    assert len(index) == 35
    assert counts(index.synchronize(photos, prune=True)) == (0, 0, 33, 0, 2)
    assert embedded() == 0
    assert_same(index, scratch(index, model, photos))


def test_a_touched_image_is_not_embedded_again(index: Index, photos: Path, embedded: Embedded) -> None:
    index.add(photos)
    embedded()
    for name in ("cat/00.png", "30.png"):
        os.utime(photos / name, (5, 5))
    assert counts(index.synchronize(photos)) == (0, 0, 31, 0, 0)
    assert embedded() == 0
    assert {each.mtime for each in index.page(limit=99) if each.path.endswith(("cat/00.png", "30.png"))} == {5}
    hashed = 0

    def no_hash(*_: object) -> None:
        nonlocal hashed
        hashed += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infomax.search.scan.content_digest", no_hash)
        index.add(photos)
    assert hashed == 0


def test_a_change_that_keeps_size_and_time_is_the_only_one_missed(index: Index, photos: Path) -> None:
    file = photos / "30.bmp"
    save(file, colored(1, 12)[0])
    index.add(photos)
    before = file.stat()
    save(file, colored(1, 12, seed=1)[0])
    assert file.stat().st_size == before.st_size
    assert counts(index.synchronize(photos))[1] == 1


def test_files_of_one_size_and_time_that_change_places_are_told_apart(
    index: Index, model: InfoMax, photos: Path, tmp_path: Path, embedded: Embedded
) -> None:
    files = [photos / f"{number}.bmp" for number in range(30, 34)]
    for file, pixels in zip(files, colored(4, 12), strict=True):
        save(file, pixels)
        os.utime(file, (5, 5))
    index.add(photos)
    embedded()
    before = [file.read_bytes() for file in files]
    files[0].rename(tmp_path / "aside")
    files[1].rename(files[0])
    (tmp_path / "aside").rename(files[1])
    assert counts(index.synchronize(photos))[:2] == (0, 2)
    assert embedded() == 2
    assert [file.read_bytes() for file in files[:2]] == before[1::-1]
    assert_same(index, scratch(index, model, photos))
    assert counts(index.synchronize(photos))[:2] == (0, 0)


def test_a_file_that_replaces_one_of_its_size_and_time_is_noticed(
    index: Index, photos: Path, tmp_path: Path, embedded: Embedded
) -> None:
    file, other = photos / "30.bmp", tmp_path / "other.bmp"
    save(file, colored(1, 12)[0])
    index.add(photos)
    embedded()
    for pixels, changed in ((colored(1, 12)[0], 0), (colored(1, 12, seed=1)[0], 1)):
        status = file.stat()
        save(other, pixels)
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.rename(file)
        assert counts(index.synchronize(photos))[1] == changed
        assert embedded() == changed
    assert counts(index.synchronize(photos))[1] == 0


def test_a_disk_that_numbers_its_files_anew_is_not_read_again(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As exFAT does whenever it is mounted."""
    index.add(photos)
    monkeypatch.setattr(row_comparison, "FEW", 3)
    monkeypatch.setattr(scan_module, "content_digest", None)  # nothing may be read

    def anew(paths: Sequence[str]) -> NDArray[np.uint64]:
        return identities(paths) + np.array([0, 1_000_000, 0], np.uint64)

    monkeypatch.setattr(row_comparison, "identities", anew)
    assert counts(index.synchronize(photos))[:3] == (0, 0, 31)


def test_rows_are_pruned_on_request_and_only_below_the_folder_given(index: Index, photos: Path) -> None:
    index.add(photos)
    other = save(photos.with_name("photos2") / "a.png", colored(1)[0])
    index.add(other.parent)
    for gone in (photos / "cat" / "00.png", photos / "dog" / "01.png", other):
        gone.unlink()
    save(other.with_name("b.png"), colored(1, seed=1)[0])
    assert counts(index.synchronize(photos)) == (0, 0, 29, 0, 0)
    assert counts(index.synchronize(photos / "dog", prune=True))[4] == 1
    assert len(index) == 31
    assert counts(index.synchronize(photos, prune=True))[4] == 1
    assert index.count(folder=other.parent) == 1
    assert counts(index.synchronize(other.parent, prune=True)) == (1, 0, 0, 0, 1)


def test_images_that_cannot_be_listed_are_kept(index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without permission, and a folder that is empty because its disk is not mounted."""
    index.add(photos)
    listed = Path.iterdir

    def closed(path: Path) -> object:
        if path.name == "cat":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    assert counts(index.synchronize(photos, prune=True)) == (0, 0, 16, 1, 0)
    monkeypatch.undo()
    photos.rename(photos.with_name("elsewhere"))
    photos.mkdir()
    with pytest.raises(InfoMaxError, match="is an empty folder"):
        index.synchronize(photos, prune=True)
    photos.rmdir()
    with pytest.raises(InfoMaxError, match="no such file or folder"):
        index.synchronize(photos)
    assert len(index) == 31


def test_an_image_that_breaks_keeps_its_row_until_pruned(index: Index, model: InfoMax, photos: Path) -> None:
    index.add(photos)
    (photos / "cat" / "00.png").write_bytes(b"broken")
    assert counts(index.synchronize(photos)) == (0, 0, 30, 1, 0)
    assert len(index) == 31
    assert counts(index.synchronize(photos, prune=True)) == (0, 0, 30, 1, 1)
    assert_same(index, scratch(index, model, photos))


def test_skipped_images_are_listed_with_reasons(index: Index, photos: Path) -> None:
    (photos / "empty.png").touch()
    (photos / "text.jpg").write_text("text")
    (photos / "line\nbreak.png").symlink_to("nowhere")
    os.mkfifo(photos / "pipe.png")
    changes = index.synchronize(photos)
    assert counts(changes) == (31, 0, 0, 4, 0)
    assert {Path(each.where).name: each.reason for each in changes.skipped} == {
        "empty.png": "an empty file",
        "text.jpg": "not an image",
        "line\nbreak.png": "there is no such file, or it is a link to nothing",
        "pipe.png": "not a regular file",
    }
    listed = (index.path / "skipped.csv").read_text()
    assert listed.startswith("where,reason\n")
    assert f"{photos}/empty.png,an empty file\n" in listed
    for name in ("empty.png", "text.jpg", "line\nbreak.png", "pipe.png"):
        (photos / name).unlink()
    index.add(photos)
    assert (index.path / "skipped.csv").read_text() == "where,reason\n"


def test_a_dry_run_counts_and_writes_nothing(index: Index, photos: Path, embedded: Embedded) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        files = (path for path in index.path.rglob("*") if path.is_file())
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    assert counts(index.synchronize(photos, dry_run=True)) == (31, 0, 0, 0, 0)
    assert state() == before
    index.add(photos)
    embedded()
    save(photos / "new.png", colored(1)[0])
    save(photos / "cat" / "00.png", colored(1)[0])
    os.utime(photos / "cat" / "02.png", (5, 5))
    (photos / "dog" / "01.png").unlink()
    before = state()
    assert counts(index.synchronize(photos, prune=True, dry_run=True)) == (1, 1, 29, 0, 1)
    assert state() == before
    assert embedded() == 0
    assert counts(index.synchronize(photos, prune=True)) == (1, 1, 29, 0, 1)


def test_nested_folders_give_one_row_per_image(index: Index, photos: Path, embedded: Embedded) -> None:
    index.add(photos / "cat")
    embedded()
    assert counts(index.synchronize(photos)) == (16, 0, 15, 0, 0)
    assert embedded() == 16
    assert index.statistics().labels == {None: 31}
    link = photos.with_name("link")
    link.symlink_to(photos)
    assert counts(index.synchronize(link)) == (0, 0, 31, 0, 0)


HOSTILE = ["o'brien.png", "'; DROP TABLE images; --.png", 'a"b\\.png', "new\nline.png", "é日本🦊 %_.png", "<b>.png"]


def test_hostile_file_names_and_labels(index: Index, model: InfoMax, tmp_path: Path) -> None:
    folder = tmp_path / "it's; -- <b>"
    for name, pixels in zip(HOSTILE, colored(len(HOSTILE)), strict=True):
        save(folder / "l'abel\n--" / name, pixels)
    undecodable = Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png"))
    undecodable.write_bytes((folder / "l'abel\n--" / HOSTILE[0]).read_bytes())
    assert counts(index.synchronize(labeled(folder))) == (7, 0, 0, 0, 0)
    assert counts(index.synchronize(labeled(folder))) == (0, 0, 7, 0, 0)
    assert {Path(each.path).name for each in index.page()} == {*HOSTILE, "\\udcff.png"}
    assert len(index.search(undecodable, 9, folder=folder, label="l'abel\n--")) == 6
    for path in list(folder.rglob("*.png")):
        os.utime(path, (5, 5))
    assert counts(index.synchronize(folder)) == (0, 0, 7, 0, 0)
    assert index.statistics().labels == {None: 7}
    undecodable.unlink()
    (folder / "l'abel\n--" / HOSTILE[1]).unlink()
    assert counts(index.synchronize(folder, prune=True)) == (0, 0, 5, 0, 2)
    assert_same(index, scratch(index, model, folder))


def test_any_source_can_be_indexed(index: Index, tmp_path: Path, embedded: Embedded) -> None:
    images = colored(6)
    put_parquet(tmp_path / "a.parquet", [stored(each) for each in images], [0, 1, 0, 1, 0, 1], names=True)
    np.save(tmp_path / "b.npy", images[:4])
    np.savez(tmp_path / "c.npz", images=images[:3], labels=np.arange(3))
    for source, count in {"a.parquet": 6, "b.npy": 4, "c.npz": 3}.items():
        assert counts(index.synchronize(tmp_path / source, prune=True)) == (count, 0, 0, 0, 0)
        assert counts(index.synchronize(tmp_path / source, prune=True)) == (0, 0, count, 0, 0)
    assert counts(index.synchronize(images)) == (6, 0, 0, 0, 0)
    assert counts(index.synchronize("digits:test")) == (450, 0, 0, 0, 0)
    embedded()
    assert counts(index.synchronize("digits:test")) == (0, 0, 450, 0, 0)
    assert embedded() == 0
    assert index.count(label="dog") == 3
    paths = {each.path for each in index.page(limit=1000)}
    assert {f"{tmp_path}/a.parquet#5", f"{tmp_path}/b.npy#3", f"{tmp_path}/c.npz#2", "array#5", "digits#1796"} <= paths
    put_parquet(tmp_path / "a.parquet", [stored(each) for each in images[[0, 2, 1]]], [1, 0, 1], names=True)
    embedded()
    assert counts(index.synchronize(tmp_path / "a.parquet", prune=True)) == (0, 2, 1, 0, 3)
    assert embedded() == 2
    assert [each.label for each in index.page(0, 3, folder=None)] == ["dog", "cat", "dog"]
    np.save(tmp_path / "b.npy", images[:2])
    assert counts(index.synchronize(tmp_path / "b.npy", prune=True)) == (0, 0, 2, 0, 2)
    save(tmp_path / "few" / "a.png", images[0])
    assert counts(index.synchronize(str(tmp_path / "few" / "*.png"))) == (1, 0, 0, 0, 0)
    with pytest.raises(InfoMaxError, match="to prune, name the folder"):
        index.synchronize(str(tmp_path / "few" / "*.png"), prune=True)


def test_every_batch_is_committed(index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    upsert = LanceStore.upsert

    def failing(self: LanceStore, rows: object) -> None:
        if len(sizes) == 3:
            raise KeyboardInterrupt
        upsert(self, rows)
        sizes.append(len(self._table))

    monkeypatch.setattr(LanceStore, "upsert", failing)
    with pytest.raises(KeyboardInterrupt):
        index.synchronize(photos, batch=4)
    assert sizes == [4, 8, 12]
    monkeypatch.undo()
    assert counts(index.synchronize(photos, batch=4)) == (19, 0, 12, 0, 0)


def test_conflicts_are_tried_again_and_other_failures_reported(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    index.add(photos)
    store = index._store
    assert isinstance(store, LanceStore)
    failures = iter([RuntimeError("Retryable commit conflict for version 3"), RuntimeError("Commit conflict")])

    def sometimes() -> str:
        for failure in failures:
            raise failure
        return "written"

    assert store._write(sometimes) == "written"

    def never() -> None:
        raise RuntimeError("Retryable commit conflict for version 3\nmore, /root/.cargo/x.rs")

    with pytest.raises(
        InfoMaxError, match=r"cannot write to the index '.*' \(Retryable commit conflict for version 3\)"
    ):
        store._write(never)


def test_a_renamed_file_keeps_vector_and_thumbnail(index: Index, photos: Path, embedded: Embedded) -> None:
    """Renamed, moved to another folder, and a whole folder renamed."""
    index.add(photos)
    before = rows_by_content(index)
    (photos / "30.png").rename(photos / "renamed.png")
    (photos / "cat" / "00.png").rename(photos / "dog" / "moved.png")
    (photos / "cat").rename(photos / "kittens")
    embedded()
    changes = index.synchronize(photos)
    assert (counts(changes), changes.moved, changes.gone) == ((0, 0, 15, 0, 0), 16, 0)
    assert embedded() == 0
    after = rows_by_content(index)
    assert after.keys() == before.keys()
    assert all((after[content][1:] == before[content][1:]) for content in before)
    assert {each.path for each in index.page(limit=99)} == {str(path) for path in photos.rglob("*.png")}
    assert counts(index.synchronize(photos, prune=True)) == (0, 0, 31, 0, 0)


def rows_by_content(index: Index) -> dict[str, tuple[str, bytes, tuple[float, ...]]]:
    """Path, thumbnail and vector of each row, by the hash of its content."""
    columns = ["hash", "path", "thumbnail", "vector"]
    rows = [row for batch in index._store.scan(columns) for row in batch.to_pylist()]
    found = {row["hash"]: (row["path"], row["thumbnail"], tuple(row["vector"])) for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_renamed_root_is_followed_and_a_copy_of_it_is_not(index: Index, photos: Path, embedded: Embedded) -> None:
    """Without its folder, only the inode tells a renamed file from a copy of what is on an unplugged disk."""
    index.add(photos)
    renamed = photos.rename(photos.with_name("renamed"))
    embedded()
    changes = index.synchronize(renamed)
    assert (counts(changes), changes.moved, embedded()) == ((0, 0, 0, 0, 0), 31, 0)
    copied = shutil.copytree(renamed, photos.with_name("copied"))
    renamed.rename(photos.with_name("unplugged"))
    changes = index.synchronize(copied)
    assert (counts(changes), changes.moved, embedded()) == ((31, 0, 0, 0, 0), 0, 0)
    assert index.count(folder=renamed) == index.count(folder=copied) == 31


def test_copies_of_a_gone_file_share_its_vector(index: Index, photos: Path, embedded: Embedded) -> None:
    index.add(photos)
    content = (photos / "30.png").read_bytes()
    (photos / "30.png").unlink()
    for number in range(5):
        (photos / f"copy{number}.png").write_bytes(content)
    embedded()
    changes = index.synchronize(photos, batch=2)
    assert (counts(changes), changes.moved, embedded()) == ((4, 0, 30, 0, 0), 1, 0)
    vectors = {tuple(vector.tolist()) for image, vector in zip(*index.vectors(), strict=True) if "copy" in image.path}
    assert len(vectors) == 1
    assert index.count() == 35


def test_two_equal_files_that_are_renamed_both_move(index: Index, photos: Path) -> None:
    (photos / "twin.png").write_bytes((photos / "30.png").read_bytes())
    index.add(photos)
    for name in ("30.png", "twin.png"):
        (photos / name).rename(photos / f"new {name}")
    changes = index.synchronize(photos, batch=1)
    assert (counts(changes), changes.moved, changes.gone, len(index)) == ((0, 0, 30, 0, 0), 2, 0, 32)


def test_a_renamed_table_keeps_its_vectors(index: Index, tmp_path: Path, embedded: Embedded) -> None:
    put_parquet(tmp_path / "a.parquet", [stored(each) for each in colored(6)], [0, 1, 0, 1, 0, 1], names=True)
    index.add(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").rename(tmp_path / "b.parquet")
    embedded()
    changes = index.synchronize(tmp_path / "b.parquet")
    assert (counts(changes), changes.moved, embedded()) == ((0, 0, 0, 0, 0), 6, 0)
    assert [Path(each.path).name for each in index.page()] == [f"b.parquet#{row}" for row in range(6)]
    assert counts(index.synchronize(tmp_path / "b.parquet")) == (0, 0, 6, 0, 0)


def test_a_kill_between_the_new_path_and_the_old_one_loses_nothing(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(photos)
    (photos / "30.png").rename(photos / "new.png")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LanceStore, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        index.synchronize(photos)
    monkeypatch.undo()
    assert len(index) == 32
    changes = index.synchronize(photos, prune=True)
    assert (counts(changes), len(index)) == ((0, 0, 31, 0, 1), 31)


def test_a_dry_run_tells_of_moves_and_makes_none(index: Index, photos: Path) -> None:
    index.add(photos)
    (photos / "30.png").rename(photos / "new.png")
    (photos / "hard.png").hardlink_to(photos / "new.png")
    version = index.version
    changes = index.synchronize(photos, dry_run=True)
    assert (counts(changes), changes.moved, changes.same_file) == ((0, 0, 30, 0, 0), 1, 1)
    assert index.version == version


def test_one_file_has_one_row_whatever_was_indexed_first(index: Index, model: InfoMax, photos: Path) -> None:
    """A hard link in another folder, a link to a file, a link to a folder: the same rows from either end."""
    other = photos.with_name("another")
    save(other / "own.png", colored(1, 12, seed=3)[0])
    (other / "hard.png").hardlink_to(photos / "cat" / "00.png")
    (other / "link.png").symlink_to(photos / "dog" / "01.png")
    (other / "folder").symlink_to(photos / "cat")
    expected = {str(other / "hard.png"), str(other / "own.png")}
    expected |= {str(path) for path in photos.rglob("*.png")} - {str(photos / "cat" / "00.png")}
    reverse = Index.create(index.path.with_name("reverse"), model)
    for made, order in ((index, (photos, other)), (reverse, (other, photos))):
        for source in (*order, *order, *order[::-1]):
            made.synchronize(source, prune=True)
            if made.count() == 32:
                assert {each.path for each in made.page(limit=99)} == expected
        assert {each.path for each in made.page(limit=99)} == expected
    assert_same(index, reverse)
    assert index.synchronize(photos).same_file == 1
    assert index.synchronize(other).same_file == 16


def test_the_other_path_takes_over_when_the_better_one_is_removed(
    index: Index, photos: Path, embedded: Embedded
) -> None:
    (photos / "0hard.png").hardlink_to(photos / "cat" / "00.png")
    index.add(photos)
    assert index.count() == 31
    assert index.count(folder=photos / "cat") == 14
    (photos / "0hard.png").unlink()
    embedded()
    changes = index.synchronize(photos, prune=True)
    assert (counts(changes), changes.moved, embedded()) == ((0, 0, 30, 0, 0), 1, 0)
    assert index.count(folder=photos / "cat") == 15


def test_copies_that_become_links_of_one_file_lose_the_second_row(index: Index, photos: Path) -> None:
    """As tools that save disk space do."""
    (photos / "copy.png").write_bytes((photos / "30.png").read_bytes())
    index.add(photos)
    assert index.count() == 32
    (photos / "copy.png").unlink()
    (photos / "copy.png").hardlink_to(photos / "30.png")
    changes = index.synchronize(photos)
    assert (counts(changes), changes.same_file, len(index)) == ((0, 0, 31, 0, 0), 1, 31)


def test_a_link_beside_a_changed_file_gives_no_second_row(index: Index, photos: Path) -> None:
    """The row was found through a link, and is out of date when its file is indexed by its own path."""
    links = photos.with_name("links")
    links.mkdir()
    (links / "a.png").symlink_to(photos / "30.png")
    index.add(links)
    assert [each.path for each in index.page()] == [str(links / "a.png")]
    (photos / "30.png").write_bytes((photos / "cat" / "00.png").read_bytes())
    assert counts(index.synchronize(photos)) == (31, 0, 0, 0, 0)
    assert str(links / "a.png") not in {each.path for each in index.page(limit=99)}


def test_a_batch_of_none_is_refused(index: Index, photos: Path) -> None:
    with pytest.raises(InfoMaxError, match="batch is 0: ask for 1 or more"):
        index.synchronize(photos, batch=0)
