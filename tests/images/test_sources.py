"""Special cases of each kind of source, and wrong input. What all kinds share is in test_source_conformance.py."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax.errors import InfoMaxError
from infomax.images import LoadedImages, SourceLike, load_images, load_rows
from infomax.images.named import NAMED
from infomax.images.opening import open_source
from infomax.images.probe import SourceProbe, probe_source
from tests.images.conftest import noise, put, put_parquet, stored

CIFAR10 = Path(__file__).parents[3] / "shared/data/cifar10"
FIVE = [noise(8, 8, seed=i) for i in range(5)]


def test_a_probe_measures_the_shorter_side_of_intact_images(tmp_path: Path) -> None:
    for name, shape in {"a": (10, 40), "b": (30, 20), "c": (50, 60)}.items():
        put(tmp_path / f"{name}.png", noise(*shape))
    put(tmp_path / "broken.png", b"text")
    assert probe_source(tmp_path) == SourceProbe(count=4, side=20)
    assert probe_source(tmp_path / "broken.png") == SourceProbe(count=1, side=0)


def test_a_few_images_at_another_size(tmp_path: Path, cache: Path) -> None:
    source = put_parquet(tmp_path / "a.parquet", [stored(FIVE[0]), None, stored(FIVE[2]), b"text", stored(FIVE[4])])
    images = load_images(source, 4)
    assert images.rows == [0, 2, 4]
    first, gone, last = load_rows(source, [0, 1, images.rows[-1]], 8)
    assert np.array_equal(first, FIVE[0])
    assert (gone == 128).all()
    assert np.array_equal(last, FIVE[4])
    assert [build.parent.name[:4] for build in cache.glob("images/*/*")] == ["4px-"]


# folders


def test_keys_and_labels_of_a_folder(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/x/y/1.PNG", "top.bmp", ".hidden/3.png", "a/.3.png"):
        put(tmp_path / name, stored(noise(4, 4)))
    put(tmp_path / "a/notes.txt", b"not looked at")
    images = load_images(tmp_path, 4)
    assert images.keys == ["a/x/y/1.PNG", "b/2.png", "top.bmp"]
    assert images.labels == ["a", "b", ""]


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(4, 4))
    assert load_images(tmp_path, 4).labels is None


def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path / "photos/real/1.png", noise(4, 4))
    put(tmp_path / "elsewhere/2.png", noise(4, 4, seed=2))
    (tmp_path / "photos/a link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/again").symlink_to(tmp_path / "photos/real")
    (tmp_path / "photos/real/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "photos/real")
    (tmp_path / "photos/itself").symlink_to("itself")
    assert load_images(tmp_path / "photos", 4).keys == ["a link/2.png", "real/1.png"]


def test_odd_names_survive(tmp_path: Path) -> None:
    names = ["naïve 写真.png", "two\nlines.png", 'a,"b".png', os.fsdecode(b"\xff\xfe.png")]
    for i, name in enumerate(names):
        put(tmp_path / "ü" / name, noise(4, 4, seed=i))
    first, again = load_images(tmp_path, 4), load_images(tmp_path, 4)
    assert sorted(first.keys) == again.keys == sorted(f"ü/{name}" for name in names)
    assert set(first.labels or ()) == {"ü"}


def test_broken_images_are_skipped_with_a_reason(tmp_path: Path) -> None:
    whole = stored(noise(64, 64), "JPEG")
    put(tmp_path / "whole.jpg", whole)
    put(tmp_path / "half.jpg", whole[: len(whole) // 2])
    put(tmp_path / "half.png", stored(noise(64, 64))[:5000])
    put(tmp_path / "text.jpg", b"hello")
    put(tmp_path / "zero.jpg", b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("nowhere")
    for size in (1, 7):
        put(tmp_path / f"{size}.png", noise(size, size, 4))
    images = load_images(tmp_path, 8)
    assert images.keys == ["1.png", "7.png", "whole.jpg"]
    assert images.pixels.shape == (3, 8, 8, 3)
    assert {entry.where: entry.reason for entry in images.skipped} == {
        "half.jpg": "truncated: the end of the image is missing",
        "half.png": "truncated: the end of the image is missing",
        "link.jpg": "there is no such file, or it is a link to nothing",
        "pipe.jpg": "not a regular file",
        "text.jpg": "not an image",
        "zero.jpg": "an empty file",
    }


def test_a_folder_that_cannot_be_opened_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "open/1.png", noise(4, 4))
    put(tmp_path / "shut/2.png", noise(4, 4))
    listing = Path.iterdir

    def guarded(self: Path) -> Any:
        if self.name == "shut":
            raise PermissionError(13, "Permission denied")
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", guarded)
    source = open_source(tmp_path)
    assert source.paths() == [f"{tmp_path}/open/1.png", f"{tmp_path}/shut"]
    assert source.labels() == [None, None]
    assert [content.folder for content in source.read([0, 1])] == ["open", None]
    assert source.unreadable_roots() == [f"{tmp_path}/shut/"]
    images = load_images(source, 4)
    assert images.keys == ["open/1.png"]
    assert [(entry.where, entry.reason) for entry in images.skipped] == [("shut", "a folder that cannot be opened")]
    with pytest.raises(InfoMaxError, match=r"cannot be opened \(Permission denied\): check its permissions"):
        load_images(tmp_path / "shut", 4)


def test_one_image_is_a_collection_of_one(tmp_path: Path) -> None:
    images = load_images(put(tmp_path / "a.png", noise(4, 4)), 4)
    assert (images.keys, images.labels, len(images.pixels)) == (["a.png"], None, 1)


# parquet


def test_keys_and_nulls_of_parquet(tmp_path: Path) -> None:
    whole = stored(noise(4, 4))
    images = load_images(put_parquet(tmp_path / "a.parquet", [whole, None, b"text", whole], [0, 1, 1, -1]), 4)
    assert images.keys == ["a.parquet#0", "a.parquet#3"]
    assert images.labels == ["0", "-1"]
    assert [(entry.where, entry.reason) for entry in images.skipped] == [
        ("a.parquet#1", "the row holds no image (null)"),
        ("a.parquet#2", "not an image"),
    ]


def test_parquet_files_of_the_same_name_keep_their_folders(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        put_parquet(tmp_path / name / "x.parquet", [stored(noise(4, 4))])
    assert load_images(str(tmp_path / "**/*.parquet"), 4).keys == ["a/x.parquet#0", "b/x.parquet#0"]


def test_a_single_column_of_images_may_have_any_name(tmp_path: Path) -> None:
    table = pq.read_table(put_parquet(tmp_path / "a.parquet", [stored(FIVE[0])], [1])).rename_columns(["img", "label"])
    pq.write_table(table, tmp_path / "b.parquet")
    assert np.array_equal(load_images(tmp_path / "b.parquet", 8).pixels[0], FIVE[0])


def test_rows_in_the_middle_of_large_groups(tmp_path: Path) -> None:
    gray = [stored(np.full((2, 2), i % 256, np.uint8)) for i in range(300)]
    source = open_source(put_parquet(tmp_path / "a.parquet", list(gray), list(range(300)), group=130))
    wanted = [0, 63, 64, 129, 130, 131, 259, 260, 299]
    contents = list(source.read(wanted))
    assert [content.label for content in contents] == [str(i) for i in wanted]
    assert [content.data for content in contents] == [gray[i] for i in wanted]


def test_a_parquet_file_damaged_inside(tmp_path: Path) -> None:
    path = put_parquet(tmp_path / "a.parquet", [stored(noise(64, 64, seed=i)) for i in range(9)], group=9)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(InfoMaxError, match=r"a\.parquet' is damaged \(.*\): fetch the file again"):
        load_images(path, 8)


# arrays


@pytest.mark.parametrize("shape", [(2, 6, 9), (2, 6, 9, 1), (2, 6, 9, 3), (2, 6, 9, 4)])
def test_shapes_of_arrays(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if shape[-1] == 4:
        pixels[..., 3] = 255
    np.save(tmp_path / "a.npy", pixels)
    center = (pixels if len(shape) == 4 else pixels[..., None])[:, :, 1:7, :3]
    for source in (pixels, tmp_path / "a.npy"):
        assert np.array_equal(load_images(source, 6).pixels, np.broadcast_to(center, (2, 6, 6, 3)))


def test_an_array_that_fits_is_not_copied(tmp_path: Path, cache: Path) -> None:
    pixels = np.stack(FIVE)
    np.save(tmp_path / "a.npy", pixels)
    assert np.shares_memory(load_images(pixels, 8).pixels, pixels)
    assert isinstance(load_images(tmp_path / "a.npy", 8).pixels, np.memmap)
    assert load_images(tmp_path / "a.npy", 8).keys[4] == "a.npy#4"
    assert list(cache.iterdir()) == []
    pixels[:] = 0  # the caller may still change it


@pytest.mark.parametrize("name", ["images", "pixels", "x", "whatever"])
def test_names_in_archives(name: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: np.stack(FIVE), "y": np.arange(5), "mean": np.zeros(3)}
    np.savez(tmp_path / "a.npz", **arrays)
    images = load_images(tmp_path / "a.npz", 8)
    assert np.array_equal(images.pixels, np.stack(FIVE))
    assert images.labels == list("01234")


# names


def test_digits() -> None:
    whole, train, test = (load_images(name, 8) for name in ("digits", "digits:train", "digits:test"))
    assert (len(whole.pixels), len(train.pixels), len(test.pixels)) == (1797, 1347, 450)
    assert np.array_equal(whole.pixels, np.concatenate([train.pixels, test.pixels]))
    assert whole.keys == train.keys + test.keys
    assert test.keys[0] == "digits#1347"
    assert (whole.labels or [])[:11] == list("01234567890")
    assert (whole.pixels.min(), whole.pixels.max()) == (0, 255)
    assert load_images("digits:test", 16).pixels.shape == (450, 16, 16, 3)


def test_a_name_wins_over_a_folder_unless_written_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(Path("digits/a.png"), noise(8, 8))
    assert len(load_images("digits", 8).pixels) == 1797
    for path in ("./digits", Path("digits")):
        assert load_images(path, 8).keys == ["a.png"]


def test_cifar10_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOMAX_DATA", str(tmp_path))
    with pytest.raises(
        InfoMaxError, match=r"put the files train-\*\.parquet of the public dataset uoft-cs/cifar10 into"
    ):
        load_images("cifar10", 8)
    (tmp_path / "cifar10").mkdir()
    put_parquet(tmp_path / "cifar10/train-0.parquet", [stored(p) for p in FIVE[:3]], [0, 1, 0], names=True)
    put_parquet(tmp_path / "cifar10/test-0.parquet", [stored(p) for p in FIVE[3:]], [0, 1], names=True)
    assert (
        load_images("cifar10", 8).keys
        == load_images("cifar10:train", 8).keys
        == [f"train-0.parquet#{i}" for i in range(3)]
    )
    assert load_images("cifar10:test", 8).labels == ["cat", "dog"]


@pytest.mark.skipif(not CIFAR10.is_dir(), reason="needs CIFAR-10 beside the repository, in ../shared/data/cifar10")
def test_the_real_cifar10(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOMAX_DATA", str(CIFAR10.parent))
    train, test = open_source("cifar10"), open_source("cifar10:test")
    assert (len(train.entries), len(test.entries)) == (50_000, 10_000)
    contents = list(test.read(range(0, 200, 20)))
    assert {content.label for content in contents} <= {
        *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    }
    assert all(isinstance(content.data, bytes) and content.data.startswith(b"\x89PNG") for content in contents)


# wrong input


def refused(source: SourceLike, size: int = 8) -> str:
    with pytest.raises(InfoMaxError) as raised:
        load_images(source, size)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    assert refused("digit") == "no such file or folder: 'digit'; did you mean digits?"
    assert refused("cifar-10").endswith("did you mean cifar10?")
    message = refused(tmp_path / "two\nlines")
    assert "two\\nlines'; give a folder, " in message
    assert all(name in message for name in NAMED)
    assert refused("x" * 5000).endswith("cannot be reached (File name too long): check the path")
    assert refused(str(tmp_path / "*.parquet")).startswith("no file matches")
    assert "neither a folder nor a file" in refused(tmp_path / "link")
    assert "neither a folder nor a file" in refused(tmp_path / "pipe")
    assert "is an empty folder" in refused(tmp_path / "empty")
    assert refused([]) == "no files given: name at least one"
    assert refused([tmp_path / "a.png", tmp_path / "b.png"]).startswith("no such file: ")


def test_a_folder_without_images(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.txt", "b/d.pdf", "README"):
        put(tmp_path / name, b"words")
    refusal = refused(tmp_path)
    assert "holds no images, only 4 files of other kinds (not looked at: " in refusal
    assert "1 .pdf (convert to PNG), 2 .txt, 1 without extension)" in refusal


def test_unsupported_files(tmp_path: Path) -> None:
    image = put(tmp_path / "a.png", noise(4, 4))
    parquet = put_parquet(tmp_path / "a.parquet", [stored(noise(4, 4))])
    assert "is of no supported kind" in refused(put(tmp_path / "a.pdf", b"words"))
    assert "is of no supported kind" in refused([image, tmp_path / "a.pdf"])
    assert load_images([image, parquet], 8).keys == ["a.png", "a.parquet#0"]
    assert "is not a parquet file" in refused(put(tmp_path / "b.parquet", b"words"))
    assert "is not a parquet file" in refused(put(tmp_path / "b.parquet", b""))
    assert "is not a .npy file" in refused(put(tmp_path / "b.npy", b"words"))
    assert "is not a .npy file" in refused(put(tmp_path / "b.npy", b""))
    assert "is not a .npz archive" in refused(put(tmp_path / "b.npz", b"words"))
    assert "is not a .npz archive" in refused(put(tmp_path / "b.npz", b""))


def test_parquet_of_something_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet")
    assert "only text: string, label: int64" in refused(tmp_path / "a.parquet")
    assert "has no rows" in refused(put_parquet(tmp_path / "b.parquet", []))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 8, 8, 3), np.uint16),
        np.zeros((2, 8, 8, 3), np.int64),
        np.zeros((2, 8, 8, 3), complex),
        np.zeros((8, 8), np.uint8),
        np.zeros((2, 5, 8, 8), np.uint8),
        np.zeros((0, 8, 8), np.uint8),
        np.zeros((2, 0, 8, 3), np.uint8),
        np.zeros((2, 2, 8, 8, 3), np.uint8),
        np.zeros((1, 3)),
        np.array([["a", "b"]]),
    ],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape}",
)
def test_arrays_of_the_wrong_type_or_shape(pixels: np.ndarray[Any, Any], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels)
    np.savez(tmp_path / "a.npz", x=pixels)
    for source in (pixels, tmp_path / "a.npy", tmp_path / "a.npz"):
        message = refused(source)
        assert f"is {pixels.dtype} of shape {pixels.shape}" in message or "mmap" in message
    assert "expected uint8 of shape (n, h, w)" in refused(pixels)


def test_arrays_of_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([{"any": "thing"}], object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=objects)
    np.savez(tmp_path / "b.npz", images=np.stack(FIVE[:1]), labels=objects)
    assert "is not a .npy file of numbers" in refused(tmp_path / "a.npy")
    assert "images in" in refused(tmp_path / "a.npz")
    assert "is not a .npz archive of numbers" in refused(tmp_path / "b.npz")


def test_unsuitable_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.stack(FIVE), b=np.stack(FIVE))
    assert "holds a: uint8 (5, 8, 8, 3), b: uint8 (5, 8, 8, 3): store the images under `images`" in refused(path)
    np.savez(path, a=np.zeros(3))
    assert "holds a: float64 (3,)" in refused(path)
    np.savez(path, images=np.stack(FIVE), labels=np.arange(4))
    assert "labels of shape (4,) for 5 images" in refused(path)
    np.savez(path, images=np.asfortranarray(np.stack(FIVE)))
    assert "is in Fortran order" in refused(path)
    np.savez(path, images=np.zeros((5, 64, 64, 3), np.uint8))
    data = bytearray(path.read_bytes())
    data[30_000] ^= 1
    path.write_bytes(data)
    assert "is damaged" in refused(path)


def test_a_source_of_broken_images_only(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        put(tmp_path / name, b"text")
    assert refused(tmp_path).endswith("none of its 2 images can be decoded; the first is 'a.jpg': not an image")


def test_a_size_of_zero(tmp_path: Path) -> None:
    assert refused("digits", 0) == "images of size 0: give a size of at least 1 pixel"


def test_nothing_is_lost_in_a_large_mixed_collection(tmp_path: Path) -> None:
    for i in range(120):
        put(tmp_path / f"{i:03}.png", b"" if i % 7 == 0 else noise(3 + i % 5, 3 + i % 4, (1, 3, 4)[i % 3], seed=i))
    images: LoadedImages = load_images(tmp_path, 4, workers=3)
    assert images.keys == [f"{i:03}.png" for i in range(120) if i % 7]
    assert [entry.where for entry in images.skipped] == [f"{i:03}.png" for i in range(0, 120, 7)]
    alone = [load_images(tmp_path / key, 4).pixels[0] for key in images.keys[::20]]
    assert np.array_equal(images.pixels[::20], np.stack(alone))
