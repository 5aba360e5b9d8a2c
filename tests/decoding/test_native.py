"""Libraries of other languages write nothing to stderr."""

import os
from pathlib import Path
from threading import Barrier, Thread

import pytest
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import decode
from infomax.decoding.native import _loaded_libtiff, pillow_limit_at_least, without_stderr_lines
from tests.images.conftest import noise, stored


def test_libtiff_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    whole = bytearray(stored(noise(64, 64), "TIFF", compression="tiff_lzw"))
    outcomes = set()
    for place in range(8, len(whole), 97):
        damaged = whole.copy()
        damaged[place : place + 9] = b"\xff" * len(damaged[place : place + 9])
        try:
            decode(bytes(damaged), 8)
            outcomes.add("used")
        except BrokenImage:
            outcomes.add("broken")
    assert "broken" in outcomes
    assert capfd.readouterr() == ("", "")


def test_a_library_of_pillow_is_found() -> None:
    assert all("tiff" in Path(library).name for library in _loaded_libtiff())
    assert _loaded_libtiff()


def test_lines_of_a_library_are_kept_back_and_no_others(capfd: pytest.CaptureFixture[str]) -> None:
    with without_stderr_lines(b"unknown file: "):
        os.write(2, b"unknown file: Unexpected end of file\nour own line\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "our own line\nafter\n"


def test_lines_survive_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"our own line\n")
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"), without_stderr_lines(b"x"):
        fail()
    assert capfd.readouterr().err == "our own line\n"


def test_the_limit_of_pillow_is_put_back_by_the_last_thread() -> None:
    before, inside = Image.MAX_IMAGE_PIXELS, Barrier(3)
    seen = []

    def raise_to(pixels: int) -> None:
        with pillow_limit_at_least(pixels):
            inside.wait()
            seen.append(Image.MAX_IMAGE_PIXELS)
            inside.wait()

    threads = [Thread(target=raise_to, args=(pixels,)) for pixels in (1 << 30, 1 << 31, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1 << 31] * 3
    assert before == Image.MAX_IMAGE_PIXELS
