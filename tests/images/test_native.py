"""Libraries of other languages write nothing to stderr."""

from pathlib import Path

import pytest

from infomax.images.broken import BrokenImage
from infomax.images.decoding import decode
from infomax.images.native import _loaded_libtiff
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
