"""Maps of pointwise information: their colors, their numbers, and where the figure shows them."""

import numpy as np
import pytest

from infomax.evaluation.explanation import Explanation
from infomax.figures.heatmap import _BELOW, LEAST_SIDE, NamedImage, _color, draw_explanation, signed


def test_colors_change_at_zero_and_stop_at_the_ends() -> None:
    assert _color(0.0, 4.0) == (255, 255, 255)
    assert _color(-4.0, 4.0) == _color(-np.inf, 4.0) == _BELOW
    warm, cold = _color(1.0, 4.0), _color(-1.0, 4.0)
    assert warm[0] > warm[2]
    assert cold[0] < cold[2]


@pytest.mark.parametrize("grid", [(4, 4), (16, 16), (2, 3)])
def test_the_figure_shows_where_the_map_is_high(grid: tuple[int, int]) -> None:
    values = np.full(grid, -2.0)
    values[0, 0] = 2.0
    flat = np.zeros(grid)
    gray = NamedImage(np.full((8, 8, 3), 200, np.uint8), "a name " * 30)
    image = np.asarray(draw_explanation(gray, gray, Explanation(values, flat, flat, flat))).astype(int)
    corner = (24 + LEAST_SIDE + 16, 72)  # of the first map
    red, _, blue = image[corner[1] + 3, corner[0] + 3]
    assert red > blue
    red, _, blue = image[corner[1] + LEAST_SIDE - 4, corner[0] + LEAST_SIDE - 4]
    assert red < blue


@pytest.mark.parametrize(("nats", "text"), [(0.04, "+0.0"), (-0.04, "+0.0"), (-0.06, "-0.1"), (-np.inf, "-inf")])
def test_numbers_that_round_to_zero_are_not_negative(nats: float, text: str) -> None:
    assert signed(nats) == text


def test_the_figure_writes_no_negative_zero() -> None:
    def drawn(value: float) -> np.ndarray:
        image, values = NamedImage(np.full((8, 8, 3), 200, np.uint8), "x"), np.full((2, 2), value)
        values[0, 0] = 2.0
        return np.asarray(draw_explanation(image, image, Explanation(values, values, values, values))).astype(int)

    assert np.abs(drawn(-1e-9) - drawn(1e-9)).max() <= 1  # the color alone may differ
