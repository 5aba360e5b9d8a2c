"""The cache of prepared images: each image is decoded once, damage is noticed, and nothing is left half-written."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images import Skipped, load_images, write_skipped
from infomax.images.cache import _STALE, BuildInfo, PreparedImage, write_cache
from infomax.images.source import Entry
from tests.images.conftest import noise, put, put_parquet, stored


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(6):
        put(tmp_path / f"photos/{'ab'[i % 2]}/{i}.png", noise(8, 8, seed=i))
    put(tmp_path / "photos/b/broken.png", b"text")
    return tmp_path / "photos"


def builds(cache: Path) -> list[Path]:
    return sorted(cache.glob("images/*/[0-9]*"))


def leftovers(cache: Path) -> list[Path]:
    return sorted(cache.glob("images/*/.*"))


def python(code: str, *arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.PIPE, text=True)


# reuse


def test_unchanged_images_are_not_decoded_again(photos: Path, decodes: Callable[[], int]) -> None:
    first = load_images(photos, 8)
    assert decodes() == 7
    again = load_images(photos, 8)
    assert decodes() == 0
    assert np.array_equal(first.pixels, again.pixels)
    assert (first.keys, first.labels, first.skipped) == (again.keys, again.labels, again.skipped)
    assert first.fingerprint == again.fingerprint
    assert again.skipped == [Skipped("b/broken.png", "not an image")]


def test_each_size_and_source_has_its_own_build(photos: Path, decodes: Callable[[], int]) -> None:
    load_images(photos, 8)
    load_images(photos, 4)
    load_images(photos / "a", 8)
    assert decodes() == 7 + 7 + 3
    assert load_images(photos, 4).pixels.shape == (6, 4, 4, 3)
    assert decodes() == 0


def test_only_changed_images_are_decoded(photos: Path, decodes: Callable[[], int]) -> None:
    load_images(photos, 8)
    decodes()
    put(photos / "b/1.png", noise(8, 8, seed=100))
    put(photos / "a/new.png", noise(8, 8, seed=101))
    put(photos / "b/broken.png", noise(8, 8, seed=102))
    (photos / "a/0.png").unlink()
    changed = load_images(photos, 8)
    assert decodes() == 3
    assert changed.keys == ["a/2.png", "a/4.png", "a/new.png", "b/1.png", "b/3.png", "b/5.png", "b/broken.png"]
    assert np.array_equal(changed.pixels, np.stack([noise(8, 8, seed=i) for i in (2, 4, 101, 100, 3, 5, 102)]))
    assert changed.labels == ["a"] * 3 + ["b"] * 4
    assert changed.skipped == []


def test_a_change_that_keeps_the_size_is_noticed(photos: Path, decodes: Callable[[], int]) -> None:
    path = put(photos / "a/0.bmp", stored(noise(8, 8, seed=1), "BMP"))
    load_images(photos, 8)
    os.utime(put(path, stored(noise(8, 8, seed=2), "BMP")), ns=(1, 1))
    decodes()
    images = load_images(photos, 8)
    assert decodes() == 1
    assert np.array_equal(images.pixels[images.keys.index("a/0.bmp")], noise(8, 8, seed=2))


def test_files_of_one_size_and_time_that_change_places_are_decoded_again(
    photos: Path, decodes: Callable[[], int]
) -> None:
    files = [put(photos / f"a/{name}.bmp", stored(noise(8, 8, seed=seed), "BMP")) for seed, name in enumerate("xyz")]
    for file in files:
        os.utime(file, (5, 5))
    load_images(photos, 8)
    decodes()
    files[0].rename(photos / "aside")
    files[1].rename(files[0])
    (photos / "aside").rename(files[1])
    images = load_images(photos, 8)
    assert decodes() == 2
    swapped = [images.pixels[images.keys.index(f"a/{name}.bmp")] for name in "xyz"]
    assert np.array_equal(swapped, np.stack([noise(8, 8, seed=seed) for seed in (1, 0, 2)]))
    assert [file.stat().st_mtime for file in files] == [5, 5, 5]


def test_a_new_parquet_file_leaves_the_others_alone(tmp_path: Path, decodes: Callable[[], int]) -> None:
    put_parquet(tmp_path / "b.parquet", [stored(noise(4, 4, seed=i)) for i in range(3)], [0, 1, 0], names=True)
    load_images(str(tmp_path / "*.parquet"), 4)
    put_parquet(tmp_path / "a.parquet", [stored(noise(4, 4, seed=3)), None], [1, 0], names=True)
    decodes()
    images = load_images(str(tmp_path / "*.parquet"), 4)
    assert decodes() == 1
    assert images.keys == ["a.parquet#0", "b.parquet#0", "b.parquet#1", "b.parquet#2"]
    assert images.labels == ["dog", "cat", "dog", "cat"]
    assert np.array_equal(images.pixels, np.stack([noise(4, 4, seed=i) for i in (3, 0, 1, 2)]))


def test_an_image_that_could_not_be_read_is_tried_again(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self.name == "2.png":
            raise PermissionError(13, "Permission denied")
        return opening(self, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as context:
        context.setattr(Path, "open", refuse)
        for _ in range(2):
            assert Skipped("a/2.png", "cannot be read: Permission denied") in load_images(photos, 8).skipped
    assert "a/2.png" in load_images(photos, 8).keys


def test_the_folder_of_the_cache(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_images(photos, 8, cache=tmp_path / "given")
    assert len(builds(tmp_path / "given")) == 1
    monkeypatch.delenv("INFOMAX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load_images(photos, 8)
    assert len(builds(tmp_path / "xdg/infomax")) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load_images(photos, 8)
    assert len(builds(tmp_path / "home/.cache/infomax")) == 1


def test_an_older_build_is_removed_but_stays_readable(photos: Path, cache: Path) -> None:
    first = load_images(photos, 8)
    put(photos / "a/new.png", noise(8, 8))
    load_images(photos, 8)
    assert len(builds(cache)) == 1
    assert leftovers(cache) == []
    assert np.array_equal(first.pixels[0], noise(8, 8, seed=0))


# damage


def cut(build: Path) -> None:
    os.truncate(build / "pixels.npy", 500)


def scribble(build: Path) -> None:
    with (build / "pixels.npy").open("r+b") as file:
        file.seek(300)
        file.write(b"scribble")


def overwrite(build: Path) -> None:
    np.save(build / "pixels.npy", np.zeros((6, 8, 8, 3)))


def halve(build: Path) -> None:
    manifest = build / "manifest.json"
    os.truncate(manifest, manifest.stat().st_size // 2)


def forget(build: Path) -> None:
    manifest = build / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "records": content["records"][1:]}))


def confuse(build: Path) -> None:
    (build / "manifest.json").write_text("[1, 2]")


def lose_pixels(build: Path) -> None:
    (build / "pixels.npy").unlink()


def lose_manifest(build: Path) -> None:
    (build / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [cut, scribble, overwrite, halve, forget, confuse, lose_pixels, lose_manifest])
def test_a_damaged_cache_is_built_again(
    damage: Callable[[Path], None], photos: Path, cache: Path, decodes: Callable[[], int]
) -> None:
    before = load_images(photos, 8).fingerprint
    damage(builds(cache)[0])
    decodes()
    assert load_images(photos, 8).fingerprint == before
    assert decodes() == 7
    assert load_images(photos, 8).fingerprint == before
    assert decodes() == 0
    assert len(builds(cache)) == 1


# interruption, two processes at once, a full disk


LOAD = "import sys; from infomax.images import load_images; print(len(load_images(sys.argv[1], 8).pixels))"
KILLED = """
import os, signal, sys
from infomax.images import load_images, loading
decode, left = loading.center_crop_resize, [20]
def decode_some(data, size, options):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(data, size)
loading.center_crop_resize = decode_some
load_images(sys.argv[1], 8, workers=1)
"""
FULL = """
import resource, sys
from infomax.errors import InfoMaxError
from infomax.images import load_images
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    load_images(sys.argv[1], 64)
except InfoMaxError as error:
    sys.exit(str(error))
"""


def test_two_processes_at_once(photos: Path, cache: Path, decodes: Callable[[], int]) -> None:
    for i in range(300):
        put(photos / f"c/{i}.png", noise(8, 8, seed=i))
    children = [python(LOAD, photos) for _ in range(2)]
    assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0)] * 2
    assert len(load_images(photos, 8).pixels) == 306
    assert decodes() == 0
    assert leftovers(cache) == []


def test_killed_in_the_middle(photos: Path, cache: Path, decodes: Callable[[], int]) -> None:
    before = load_images(photos, 8)
    for i in range(60):
        put(photos / f"c/{i}.png", noise(8, 8, seed=i))
    victim = python(KILLED, photos)
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    (left,) = leftovers(cache)
    (kept,) = builds(cache)
    assert np.array_equal(np.load(kept / "pixels.npy"), before.pixels)
    decodes()
    assert len(load_images(photos, 8).pixels) == 66
    assert decodes() == 60
    assert leftovers(cache) == [left]  # another process might still be writing it
    for path in (*left.iterdir(), left):
        os.utime(path, (time.time() - _STALE - 60,) * 2)
    load_images(photos, 8)
    assert leftovers(cache) == []


def test_a_full_disk(photos: Path, cache: Path) -> None:
    victim = python(FULL, photos, str(6 * 64 * 64 * 3 // 2))
    _, message = victim.communicate()
    assert victim.returncode == 1
    assert re.fullmatch(
        rf"cannot keep prepared images in '{cache}/images/64px-\w+' \(File too large\): "
        r"make room there, or set INFOMAX_CACHE to a folder on another disk\n",
        message,
    )
    assert builds(cache) == leftovers(cache) == []


def test_a_cache_that_cannot_be_written(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "file", b"in the way")
    for place, reason in ((tmp_path / "file", "Not a directory"), (Path("/proc"), "No such file or directory")):
        with pytest.raises(InfoMaxError, match=rf"\({reason}\): set INFOMAX_CACHE to a folder that you may write to"):
            load_images(photos, 8, cache=place)

    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InfoMaxError, match=r"\(Read-only file system\).* set INFOMAX_CACHE"):
        load_images(photos, 8)


def test_an_interruption_leaves_nothing(cache: Path) -> None:
    def images() -> Iterator[PreparedImage]:
        yield PreparedImage(Entry("a", "1"), None, noise(4, 4))
        raise KeyboardInterrupt

    folder = cache / "images" / "builds"
    with pytest.raises(KeyboardInterrupt):
        write_cache(folder, images(), BuildInfo(4))
    assert list(folder.iterdir()) == []


def test_no_more_than_a_few_images_are_read_ahead(photos: Path, cache: Path) -> None:
    written = 0

    def images() -> Iterator[PreparedImage]:
        nonlocal written
        for i in range(2000):  # 24 MB in all, through a buffer of one
            yield PreparedImage(Entry(str(i), "1"), None, np.zeros((64, 64, 3), np.uint8))
            (unfinished,) = folder.iterdir()
            written = (unfinished / "pixels.npy").stat().st_size
            assert i * 64 * 64 * 3 - written <= 1 << 20

    folder = cache / "images" / "builds"
    assert write_cache(folder, images(), BuildInfo(64)).pixels.shape == (2000, 64, 64, 3)


def test_progress_goes_to_stderr(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    monkeypatch.setenv("COLUMNS", "200")
    load_images(photos, 8, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert all(words in re.sub(r"\x1b\[[0-9;?]*\w", "", err) for words in ("decoding", "7/7", "images/s"))


# the list of skipped images, and atomic files


def test_write_skipped(tmp_path: Path) -> None:
    odd = os.fsdecode(b'\xff,"\n.jpg')
    write_skipped(tmp_path / "skipped.csv", [Skipped(odd, "not an image"), Skipped("写真.jpg", "an empty file")])
    content = (tmp_path / "skipped.csv").read_bytes()
    assert content == b'where,reason\n"\xff,""\n.jpg",not an image\n' + "写真.jpg,an empty file\n".encode()
    with (tmp_path / "skipped.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        assert [row["where"] for row in csv.DictReader(file)] == [odd, "写真.jpg"]


def interrupt(_: int) -> None:
    raise KeyboardInterrupt


def test_files_appear_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with written_atomically(path) as file:
        file.write(b"old")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt), written_atomically(path) as file:
        interrupt(file.write(b"new"))
    assert path.read_bytes() == b"old"
    with written_atomically(path, "w") as file:
        file.write("newer\n")
    assert path.read_bytes() == b"newer\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]
