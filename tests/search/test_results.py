"""The matches of a search as a list, a figure, a table, and HTML."""

import pickle
import re
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from infomax import Index, InfoMax, InfoMaxError
from infomax.images.thumbnails import thumbnail
from infomax.search.display import CAPTION, GAP, PER_ROW, TILE, contact_sheet
from infomax.search.results import IndexedImage, Match, Matches


def match(rank: int, path: str, label: str | None = None) -> Match:
    return Match(rank, IndexedImage(f"{rank:032x}", path, label, 8, 8, 99, None), rank / 10, 1 - rank / 10)


def colored_thumbnail(color: tuple[int, int, int], size: tuple[int, int] = (40, 20)) -> bytes:
    return thumbnail(np.asarray(Image.new("RGB", size, color))).content


@pytest.fixture
def matches() -> Matches:
    """Three matches, of which the last has been removed from its index since."""
    known = {f"{1:032x}": colored_thumbnail((200, 0, 0)), f"{2:032x}": colored_thumbnail((0, 0, 200))}
    found = [match(1, "/p/<b>.png", "<i>&"), match(2, "/p/2.png"), match(3, "/p/3.png", "cat")]
    return Matches(found, lambda ids: {each: known[each] for each in ids if each in known})


def test_matches_are_a_list(matches: Matches) -> None:
    assert len(matches) == 3
    assert [each.rank for each in matches] == [1, 2, 3]
    assert matches.paths == ["/p/<b>.png", "/p/2.png", "/p/3.png"]
    assert matches.distances == [0.1, 0.2, 0.3]
    assert matches[1].image.path == "/p/2.png"
    assert isinstance(matches[1:], Matches)
    assert matches[1:].paths == ["/p/2.png", "/p/3.png"]
    assert matches == list(matches)
    assert Matches([], matches._thumbnails) == []


def test_a_search_returns_matches_that_can_be_pickled(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model, device="cpu").add(photos)
    found = index.search(photos / "cat" / "04.png", 3)
    assert found.paths[0] == str(photos / "cat" / "04.png")
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again, Matches)
    assert again == found
    assert again.show().tobytes() == found.show().tobytes()
    assert isinstance(index.similar(found[0].image.id, 3), Matches)


def test_the_figure_shows_the_thumbnails_in_order(matches: Matches) -> None:
    sheet = np.asarray(matches.show()).astype(int)
    assert sheet.shape == (TILE + CAPTION + 2 * GAP, 3 * (TILE + GAP) + GAP, 3)
    middle = GAP + TILE // 2
    red, blue, gray = (sheet[middle, GAP + place * (TILE + GAP) + TILE // 2] for place in range(3))
    assert abs(red - (200, 0, 0)).max() < 12
    assert abs(blue - (0, 0, 200)).max() < 12
    assert gray.tolist() == [211] * 3
    assert (sheet[GAP + 2, GAP + 2] == 255).all()  # a wide image leaves white above it
    assert (sheet[GAP + TILE :] < 128).any()  # the caption


def test_a_figure_has_ten_thumbnails_in_a_row() -> None:
    tiles = [(colored_thumbnail((9, 9, 9)), "1")] * 23
    assert contact_sheet(tiles).size == (PER_ROW * (TILE + GAP) + GAP, 3 * (TILE + CAPTION + GAP) + GAP)
    assert contact_sheet([]).size == (1, 1)


def test_the_html_holds_images_and_escaped_text(matches: Matches) -> None:
    html = matches._repr_html_()
    assert html.count("<figure") == 3
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;i&gt;&amp;" in html
    assert 'title="/p/&lt;b&gt;.png"' in html
    contents = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    assert len(contents) == 2  # the third image has no thumbnail any more
    with Image.open(BytesIO(b64decode(contents[0]))) as image:
        assert image.size == (40, 20)
    assert html.index("0.100") < html.index("0.200") < html.index("0.300")


def test_hostile_text_stays_text() -> None:
    hostile = match(1, '"><script>alert(1)</script>', '"onload="x')
    html = Matches([hostile], lambda _: {})._repr_html_()
    assert "<script" not in html
    assert '"onload' not in html


def test_a_table_has_one_row_a_match(matches: Matches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    assert matches.to_pandas() == {
        "rank": [1, 2, 3],
        "path": matches.paths,
        "label": ["<i>&", None, "cat"],
        "distance": matches.distances,
        "similarity": [each.similarity for each in matches],
        **{name: [None] * 3 for name in ("format", "taken", "camera", "latitude", "longitude")},
        "gone": [True] * 3,
    }


def test_a_table_needs_pandas(matches: Matches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InfoMaxError, match=r"needs pandas.*pip install pandas"):
        matches.to_pandas()
