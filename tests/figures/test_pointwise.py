"""The figure of an estimate: what its axes, colors and titles say."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from infomax.figures.pointwise import draw_pointwise, pointwise_figure
from infomax.information import MutualInformation, SampleSizeCurve

FOUND = MutualInformation(0.512, 0.03, "donsker-varadhan", 5.0)
CURVE = SampleSizeCurve((500, 1000, 2000), (0.3, 0.4, 0.45), (0.05, 0.03, 0.02))


def samples(n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, noise = np.random.default_rng(0).normal(size=(2, n))
    return x, x + noise, 0.35 - noise**2 / 2 + 0.5


def test_the_file_is_an_image_of_both_panels() -> None:
    with Image.open(BytesIO(draw_pointwise(*samples(), CURVE, FOUND))) as image:
        assert image.format == "PNG"
        assert image.width > 2 * image.height > 1000
        pixels = np.asarray(image.convert("RGB"), int)
    red, blue = pixels[..., 0] - pixels[..., 2] > 60, pixels[..., 2] - pixels[..., 0] > 60
    assert red[:, : image.width // 2].sum() > 500
    assert blue[:, : image.width // 2].sum() > 200


def test_titles_and_axes_say_what_is_shown_and_in_which_unit() -> None:
    figure = pointwise_figure(*samples(), CURVE, FOUND)
    left, right, bar = figure.axes
    assert figure.get_suptitle() == "x and y share 0.51 nats (standard error 0.03)"
    assert (left.get_xlabel(), left.get_ylabel()) == ("x", "y")
    assert "in nats" in bar.get_ylabel()
    assert right.get_title(loc="left") == "The bound still rises: more samples would show more"
    assert right.get_ylabel() == "information, in nats"
    assert [each.get_text() for each in right.get_xticklabels()] == ["500", "1,000", "2,000"]
    legend = right.get_legend()
    assert legend is not None
    assert [each.get_text() for each in legend.get_texts()] == ["estimate from all samples", "held-out lower bound"]
    bottom, top = right.get_ylim()
    assert bottom == 0
    assert top > max(0.512 + 0.06, 0.4 + 0.06)


def test_each_pair_has_its_color_and_rows_without_a_value_are_left_out() -> None:
    x, y, values = samples()
    values[7] = np.nan
    (dots,) = pointwise_figure(x, y, values, CURVE, FOUND).axes[0].collections
    colors, places = np.asarray(dots.get_array()), np.asarray(dots.get_offsets())
    assert len(places) == 299
    assert (np.diff(np.abs(colors)) >= 0).all()
    row = int(np.nanargmax(np.abs(values)))
    assert places[-1].tolist() == [x[row], y[row]]
    assert colors[-1] == values[row]
    limit = float(np.quantile(np.abs(colors), 0.99))
    assert (dots.norm.vmin, dots.norm.vmax) == pytest.approx((-limit, limit))


def test_columns_that_are_not_single_numbers_have_a_place_and_a_word_for_it() -> None:
    x, y, values = samples()
    words = np.where(x > 0, "yes", "no")
    left = pointwise_figure(words, np.stack([y, x, y], 1), values, CURVE, FOUND).axes[0]
    assert left.get_xlabel() == "x: 2 values, each spread a little"
    assert left.get_ylabel() == "y: first component of the ranks of 3 columns"
    (dots,) = left.collections
    places = np.asarray(dots.get_offsets())[:, 0]
    assert ((np.abs(places) <= 0.35) | (np.abs(places - 1) <= 0.35)).all()
    assert np.std(places[places < 0.5]) > 0.1


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e300])
def test_a_few_outliers_do_not_squeeze_the_others(scale: float) -> None:
    x, y, values = samples(1000)
    x[:3] = 1e5
    left = pointwise_figure(x * scale, y, values, CURVE, FOUND).axes[0]
    low, high = left.get_xlim()
    assert -4 * scale < low < high < 4 * scale
    assert "samples lie beyond the axis" in left.get_xlabel()
    assert left.get_ylabel() == "y"


def test_a_figure_of_nothing_is_a_figure() -> None:
    nothing = MutualInformation(0.0, 0.0, "donsker-varadhan", 4.0)
    figure = pointwise_figure(
        np.ones(60), np.arange(60.0), np.zeros(60), SampleSizeCurve((60,), (0.0,), (0.0,)), nothing
    )
    assert figure.axes[1].get_ylim() == (0, 0.05)
    assert figure.axes[1].get_title(loc="left") == "The bound no longer rises"
    assert draw_pointwise(np.ones(60), np.arange(60.0), np.zeros(60), SampleSizeCurve((60,), (0.0,), (0.0,)), nothing)
