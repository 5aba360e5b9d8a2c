"""One conformance suite for every kind of source."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from infomax.images import SourceLike, load_images, load_rows
from infomax.images.opening import open_source
from infomax.images.probe import SourceProbe, probe_source
from infomax.images.source import Source
from tests.images.conftest import noise, put, put_parquet, stored

FIVE = [noise(8, 8, seed=i) for i in range(5)]
LABELS = ["cat", "cat", "dog", "dog", "dog"]


def folder(where: Path) -> SourceLike:
    for i, (pixels, label) in enumerate(zip(FIVE, LABELS, strict=True)):
        put(where / "photos" / label / f"deep/{i}.png", pixels)
    return where / "photos"


def one_parquet(where: Path) -> SourceLike:
    return put_parquet(where / "a.parquet", [stored(p) for p in FIVE], [0, 0, 1, 1, 1], names=True)


def two_parquets(where: Path) -> SourceLike:
    put_parquet(where / "a.parquet", [stored(p) for p in FIVE[:3]], [0, 0, 1], names=True)
    put_parquet(where / "b.parquet", [stored(p) for p in FIVE[3:]], [1, 1], names=True)
    return str(where / "?.parquet")


def several_files(where: Path) -> SourceLike:
    return [put(where / label / f"{i}.png", p) for i, (p, label) in enumerate(zip(FIVE, LABELS, strict=True))]


def npz(where: Path) -> SourceLike:
    np.savez_compressed(where / "a.npz", images=np.stack(FIVE), labels=LABELS)
    return where / "a.npz"


def npy(where: Path) -> SourceLike:
    np.save(where / "a.npy", np.stack(FIVE))
    return where / "a.npy"


def in_memory(where: Path) -> SourceLike:
    return np.stack(FIVE)


def in_memory_one_by_one(where: Path) -> SourceLike:
    return [FIVE[0], Image.fromarray(FIVE[1]), torch.from_numpy(FIVE[2]), stored(FIVE[3]), FIVE[4] / 255]


def paths_in_parquet(where: Path) -> SourceLike:
    for i, pixels in enumerate(FIVE):
        put(where / f"files/{i}.png", pixels)
    pq.write_table(pa.table({"file_name": [f"files/{i}.png" for i in range(5)], "label": LABELS}), where / "a.parquet")
    return where / "a.parquet"


def text_file(where: Path) -> SourceLike:
    several_files(where)
    names = [f"{label}/{i}.png" for i, label in enumerate(LABELS)]
    return put(where / "list.txt", "\n".join(["# in this order", *names, ""]).encode())


def two_folders(where: Path) -> SourceLike:
    for i, (pixels, label) in enumerate(zip(FIVE, LABELS, strict=True)):
        put(where / "photos" / label / f"{i}.png", pixels)
    return iter([str(where / "photos/cat"), where / "photos/dog"])


def mixed(where: Path) -> SourceLike:
    for i, pixels in enumerate(FIVE[:2]):
        put(where / "cat" / f"{i}.png", pixels)
    put_parquet(where / "b.parquet", [stored(p) for p in FIVE[2:]], [1, 1, 1], names=True)
    return (where / "cat", where / "b.parquet")


KINDS = [
    *(folder, one_parquet, two_parquets, several_files, npz, npy, in_memory, in_memory_one_by_one),
    *(paths_in_parquet, text_file, two_folders, mixed),
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_gives_the_same_collection(kind: Callable[[Path], SourceLike], tmp_path: Path) -> None:
    images = load_images(kind(tmp_path), 8)
    assert np.array_equal(images.pixels, np.stack(FIVE))
    assert images.pixels.dtype == np.uint8
    assert not images.pixels.flags.writeable
    assert images.labels == (None if kind in (npy, in_memory, in_memory_one_by_one) else LABELS)
    assert images.skipped == []
    assert len(set(images.keys)) == 5
    assert images.fingerprint == load_images(np.stack(FIVE), 8).fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_reads_the_wanted_entries(kind: Callable[[Path], SourceLike], tmp_path: Path) -> None:
    source = open_source(kind(tmp_path))
    assert isinstance(source, Source)
    everything = list(source.read(range(5)))
    some = list(source.read([1, 4]))
    assert [(each.label, each.folder) for each in some] == [(everything[i].label, everything[i].folder) for i in (1, 4)]
    for content, i in zip(some, (1, 4), strict=True):
        assert np.array_equal(np.asarray(content.data), np.asarray(everything[i].data))
    assert list(source.read([])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_is_resized_in_the_same_way(kind: Callable[[Path], SourceLike], tmp_path: Path) -> None:
    assert load_images(kind(tmp_path), 12).fingerprint == load_images(np.stack(FIVE), 12).fingerprint


FOLDER_PATHS = [f"photos/{label}/deep/{i}.png" for i, label in enumerate(LABELS)]
FLAT_PATHS = [f"photos/{label}/{i}.png" for i, label in enumerate(LABELS)]
PREFIXES = ["a.parquet#", "b.parquet#"]
NONE: list[str | None] = [None] * 5
LISTED: dict[Callable[[Path], SourceLike], tuple[list[str], Sequence[str | None] | None, list[str] | None]] = {
    folder: (FOLDER_PATHS, NONE, ["photos/"]),
    one_parquet: ([f"a.parquet#{i}" for i in range(5)], None, ["a.parquet#"]),
    two_parquets: (
        [f"a.parquet#{i}" for i in range(3)] + ["b.parquet#0", "b.parquet#1"],
        None,
        ["a.parquet#", "b.parquet#"],
    ),
    several_files: ([f"{label}/{i}.png" for i, label in enumerate(LABELS)], NONE, None),
    npz: ([f"a.npz#{i}" for i in range(5)], LABELS, ["a.npz#"]),
    npy: ([f"a.npy#{i}" for i in range(5)], None, ["a.npy#"]),
    paths_in_parquet: ([f"a.parquet#{i}" for i in range(5)], None, ["a.parquet#"]),
    text_file: ([f"{label}/{i}.png" for i, label in enumerate(LABELS)], NONE, None),
    two_folders: (
        [f"photos/{label}/{i}.png" for i, label in enumerate(LABELS)],
        [None] * 5,
        ["photos/cat/", "photos/dog/"],
    ),
    mixed: (["cat/0.png", "cat/1.png", *(f"b.parquet#{i}" for i in range(3))], None, ["cat/", "b.parquet#"]),
}  # kind -> paths, labels and roots, relative to the folder of the test


@pytest.mark.parametrize("kind", LISTED)
def test_every_source_knows_its_paths_labels_and_roots(kind: Callable[[Path], SourceLike], tmp_path: Path) -> None:
    paths, labels, roots = LISTED[kind]
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    source = open_source(kind(tmp_path / "link"))
    assert source.paths() == [f"{tmp_path}/real/{path}" for path in paths]
    assert source.labels() == labels
    assert source.roots() == (None if roots is None else [f"{tmp_path}/real/{root}" for root in roots])
    assert source.unreadable_roots() == []


def test_sources_in_memory_have_no_roots() -> None:
    source, digits = open_source(np.stack(FIVE)), open_source("digits:test")
    assert source.paths() == [f"array#{i}" for i in range(5)]
    assert (source.labels(), source.roots(), source.unreadable_roots()) == (None, [], [])
    assert (digits.paths()[0], digits.roots()) == ("digits#1347", [])
    assert (digits.labels() or [])[:3] == ["3", "7", "3"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_from_listing_are_those_from_reading(kind: Callable[[Path], SourceLike], tmp_path: Path) -> None:
    source = open_source(kind(tmp_path))
    labels = source.labels()
    assert labels is None or labels == [content.label for content in source.read(range(5))]


@pytest.mark.parametrize("kind", KINDS)
def test_only_arrays_need_no_preparation(kind: Callable[[Path], SourceLike], tmp_path: Path) -> None:
    source = open_source(kind(tmp_path))
    pixels = source.pixels_of_size(8)
    assert (pixels is not None) == (kind in (npy, in_memory))
    assert pixels is None or (np.array_equal(pixels, np.stack(FIVE)) and not pixels.flags.writeable)
    assert source.pixels_of_size(9) is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_open_source_is_not_opened_again(
    kind: Callable[[Path], SourceLike], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(kind(tmp_path))
    assert open_source(source) is source

    def refuse(self: Path) -> None:
        raise AssertionError("the folder was walked again")

    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr("infomax.images.opening._open_path", refuse)
    assert np.array_equal(load_images(source, 8, cache=tmp_path / "cache").pixels, np.stack(FIVE))
    assert np.array_equal(load_rows(source, [1, 3], 8), np.stack(FIVE)[[1, 3]])
    assert probe_source(source) == SourceProbe(5, 8)


def test_the_fingerprint_depends_on_the_content_only(tmp_path: Path) -> None:
    other = np.stack(FIVE)
    other[4, 7, 7, 2] ^= 1
    assert load_images(other, 8).fingerprint != load_images(np.stack(FIVE), 8).fingerprint
    folder(tmp_path / "here")
    folder(tmp_path / "there")
    assert load_images(tmp_path / "here/photos", 8).fingerprint == load_images(tmp_path / "there/photos", 8).fingerprint
