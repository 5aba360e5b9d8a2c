"""Groups of duplicates side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax.cleaning.choice import GroupChoice
from infomax.errors import InfoMaxError
from infomax.figures import groups as groups_module
from infomax.figures.groups import _BEST, _HEADER, _MARGIN, _SIDE, draw_groups
from infomax.images.thumbnails import thumbnail
from infomax.search.index import Index
from infomax.search.results import Group, IndexedImage
from tests.search.memory import MemoryStore

RED, BLUE = (200, 0, 0), (0, 0, 200)


def choice(*widths: int, best: int = 0, start: int = 0) -> GroupChoice:
    images = tuple(
        IndexedImage(str(number), f"/p/{number} {'long ' * 20}.jpg", None, width, 100, 10**number, 1e9 + number)
        for number, width in enumerate(widths, start)
    )
    rest = tuple(image for image in images if image is not images[best])
    return GroupChoice(Group(images, 0.987, "same image"), images[best], rest)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index of a red image, wide, and blue ones; the last one has no thumbnail."""

    def thumbnails(self: Index, ids: Sequence[str]) -> dict[str, bytes]:
        wide, square = np.full((32, 64, 3), RED, np.uint8), np.full((64, 64, 3), BLUE, np.uint8)
        return {each: thumbnail(wide if each == "0" else square).content for each in ids if each != "3"}

    monkeypatch.setattr(Index, "thumbnails", thumbnails)
    index = object.__new__(Index)
    vars(index)["_store"] = MemoryStore(8)
    return index


def middle(figure: Image.Image, row_top: int, column: int) -> tuple[int, ...]:
    place = (_MARGIN + column * (_SIDE + 12) + _SIDE // 2, row_top + _HEADER + _SIDE // 2)
    return tuple(np.asarray(figure)[place[1], place[0]].tolist())


def test_the_best_comes_first_and_is_framed(index: Index) -> None:
    figure = draw_groups(index, [choice(64, 64, best=1)])
    first, second = middle(figure, _MARGIN, 0), middle(figure, _MARGIN, 1)
    assert first[2] > 150 > first[0]
    assert second[0] > 150 > second[2]
    frame = tuple(int(_BEST[at : at + 2], 16) for at in (1, 3, 5))
    columns = np.argwhere((np.asarray(figure) == frame).all(2))[:, 1]
    assert columns.min() < _MARGIN
    assert columns.max() < _MARGIN + _SIDE + 6  # no frame around the second


def test_an_image_is_drawn_whole(index: Index) -> None:
    """A copy that was cropped differs at its edges."""
    pixels = np.asarray(draw_groups(index, [choice(64, 64, best=0)])).astype(int)
    column = pixels[_MARGIN + _HEADER : _MARGIN + _HEADER + _SIDE, _MARGIN + _SIDE // 2]
    assert (column[:, 0] - column[:, 1] > 100).sum() == pytest.approx(_SIDE // 2, abs=2)


@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_groups_fill_rows(index: Index, n: int) -> None:
    figure = draw_groups(index, [choice(*[9] * (2 + number % 3)) for number in range(n)])
    if n > 2:
        assert 0.7 < figure.width / figure.height < 2
    assert figure.width >= 2 * _MARGIN + 2 * _SIDE + 12
    pixels = np.asarray(figure).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0] > 100).sum()  # the first of a group is red, and the fourth has no thumbnail
    tiles = sum(1 + min(number % 3, 1) for number in range(n))
    assert blue == pytest.approx(_SIDE**2 * tiles, rel=0.05)


def test_what_is_left_out_is_told(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    few = draw_groups(index, [choice(9, 9)] * 9)
    monkeypatch.setattr(groups_module, "MOST_GROUPS", 2)
    monkeypatch.setattr(groups_module, "IMAGES_PER_GROUP", 2)
    fewer = draw_groups(index, [choice(9, 9)] * 9)
    assert fewer.height < few.height
    two = draw_groups(index, [choice(9, 9)] * 2)
    assert fewer.height > two.height  # by a line
    assert np.array_equal(np.asarray(fewer)[: two.height - _MARGIN], np.asarray(two)[: two.height - _MARGIN])
    cut = draw_groups(index, [choice(9, 9, 9)])
    assert cut.size == draw_groups(index, [choice(9, 9)]).size
    assert middle(draw_groups(index, [choice(9, 9, start=3)]), _MARGIN, 0) == pytest.approx((240, 240, 243))


def test_without_groups_there_is_nothing_to_draw(index: Index, tmp_path: Path) -> None:
    with pytest.raises(InfoMaxError, match="nothing to draw"):
        draw_groups(index, [])
