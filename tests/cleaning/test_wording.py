"""Sizes, dates and formats as people read them."""

from datetime import datetime

import pytest

from infomax.cleaning.wording import date_of, format_of, size_of


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_949, "9.9 kB"), (999_499, "999 kB"), (999_600, "1.0 MB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size_of(count) == text


def test_dates_are_local() -> None:
    assert date_of(datetime(2024, 5, 1, 12, 30, 59).timestamp()) == "2024-05-01 12:30"
    assert date_of(None) == ""


@pytest.mark.parametrize(
    ("path", "name"), [("/a/b.JPG", "JPEG"), ("/a/b.tif", "TIFF"), ("/a.b/c", ""), ("/a.npz#3", ""), ("digits#3", "")]
)
def test_formats(path: str, name: str) -> None:
    assert format_of(path) == name
