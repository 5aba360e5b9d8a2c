"""Text cut to a width, and figures saved as PNG files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax.figures.canvas import fit_text, font, save_png


@pytest.mark.parametrize("text", ["a" * 1000, "photos/" * 30 + "cat.png", "W\r\n\tW\u2028W" * 50, "\udcff", ""])
def test_text_is_cut_to_its_width_on_one_line(text: str) -> None:
    small = font(12)
    start, end = fit_text(text, small, 80), fit_text(text, small, 80, keep="end")
    line = " ".join(text.split())
    assert line.startswith(start)
    assert line.endswith(end)
    for kept in (start, end):
        assert small.getlength(kept) <= 80
        assert kept == line or small.getlength(kept) > 80 - small.getlength("W")


def test_a_figure_is_saved_completely_into_a_new_folder(tmp_path: Path) -> None:
    figure = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    save_png(figure, tmp_path / "new" / "figure.png")
    with Image.open(tmp_path / "new" / "figure.png") as read:
        assert read.format == "PNG"
        assert np.array_equal(np.asarray(read), np.asarray(figure))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["figure.png"]
