"""Maps of pointwise mutual information, drawn over the images to which they belong."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from infomax.evaluation.explanation import Explanation, NatsMap
from infomax.figures.canvas import FAINT, INK, PAPER, Font, fit_text, font, resized

LEAST_SIDE, MOST_SIDE = 256, 1024
"""Pixels per side of an image in the figure: its own, within these."""

_GAP, _MARGIN, _HEADER, _CAPTION = 16, 24, 72, 36  # pixels, beside images of LEAST_SIDE
_BAR_WIDTH, _LEGEND_WIDTH = 14, 36  # the color bar, and the numbers beside it
_BELOW, _ABOVE = (33, 102, 172), (178, 24, 43)  # blue and red of ColorBrewer's RdBu, safe for the color-blind
_DARKEST = 0.7  # the image below a map uses only the light end of the gray scale, so that the tint stays legible
_LARGEST_GRID_WITH_NUMBERS = 8
_WHITE_NUMBERS_FROM = 0.55  # fraction of the scale: on darker colors numbers are white


@dataclass(frozen=True)
class NamedImage:
    """An image of the figure and its name.

    Attributes:
        pixels: The image, shape (s, s, 3), uint8, at its own resolution.
        name: Its name as the caption shows it.

    """

    pixels: UInt8[np.ndarray, "s s 3"]
    name: str


@dataclass(frozen=True)
class _Scale:
    """Lengths of a figure whose images have a given side; they grow with it.

    Attributes:
        side: Side of an image in the figure, in pixels.

    """

    side: int

    def __call__(self, length: int) -> int:
        """Pixels of a length that is given for images of LEAST_SIDE."""
        return round(length * self.side / LEAST_SIDE)

    def font(self, height: int) -> Font:
        """A font whose height is given for images of LEAST_SIDE."""
        return font(self(height))


def draw_explanation(query: NamedImage, match: NamedImage, maps: Explanation) -> Image.Image:
    """Draw a row for each image: the image, its positions with the other's code, its positions with its own code.

    Images are drawn at the own size of the larger one, between LEAST_SIDE and MOST_SIDE pixels. All four maps share one
    color scale, centered at 0. The scale ends at the largest positive value. Values farther below 0 have the color of
    the end, and the cell shows the number.

    Args:
        query: The query.
        match: Its match.
        maps: The maps of both, in nats.

    Returns:
        The figure.

    """
    limit = _scale_end(maps)
    rows = [
        (query, "query", "the match's code", maps.query_by_match, maps.query_by_itself),
        (match, "match", "the query's code", maps.match_by_query, maps.match_by_itself),
    ]
    own = max(len(query.pixels), len(match.pixels))
    side = min(max(own, LEAST_SIDE), MOST_SIDE)
    scale = _Scale(side)
    small, margin, header = scale.font(13), scale(_MARGIN), scale(_HEADER)
    across, down = side + scale(_GAP), side + scale(_CAPTION)  # from an image to the next one
    bar = margin + 3 * across
    width = bar + scale(_BAR_WIDTH + _LEGEND_WIDTH + _MARGIN)
    image = Image.new("RGB", (width, header + 2 * down + scale(_GAP)), PAPER)
    draw = ImageDraw.Draw(image)
    title = "Where the match comes from: pointwise mutual information of position and code"
    draw.text((margin, margin), title, INK, scale.font(17))
    for row, (drawn, role, other, with_other, with_own) in enumerate(rows):
        y = header + row * down
        below = y + side + scale(6)
        image.paste(resized(drawn.pixels, side), (margin, y))
        name = fit_text(drawn.name, small, side - scale(50), keep="end")
        draw.text((margin, below), f"{role}: {name}", INK, small)
        for column, (code, values) in enumerate([(other, with_other), ("its own code", with_own)], 1):
            x = margin + column * across
            image.paste(_overlay(drawn.pixels, values, limit, scale), (x, y))
            draw.text((x, below), f"with {code}", INK, small)
            draw.text((x + side, below), f"mean {signed(float(values.mean()))}", FAINT, small, anchor="ra")
    _draw_color_bar(draw, (bar, header), down + side, limit, scale)
    return image


def signed(nats: float, decimals: int = 1) -> str:
    """Format a number of nats with its sign; a number that rounds to 0 never reads -0.0.

    Args:
        nats: The number.
        decimals: Digits after the point.

    Returns:
        The text.

    Examples:
        >>> signed(1.26), signed(-0.04)
        ('+1.3', '+0.0')

    """
    return f"{nats:+z.{decimals}f}"


def _color(value: float, limit: float) -> tuple[int, int, int]:
    """White at 0, red at +limit and above, blue at -limit and below."""
    strength = min(abs(value) / limit, 1.0)
    end = _ABOVE if value > 0 else _BELOW
    red, green, blue = (round(255 + (channel - 255) * strength) for channel in end)
    return red, green, blue


def _scale_end(maps: Explanation) -> float:
    """The largest positive value, rounded up to a round number; at least 1 nat."""
    every = (maps.query_by_match, maps.match_by_query, maps.query_by_itself, maps.match_by_itself)
    largest = max(1.0, *(float(values.max()) for values in every))
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= largest)


def _overlay(pixels: UInt8[np.ndarray, "s s 3"], values: NatsMap, limit: float, scale: _Scale) -> Image.Image:
    """The image in light grays, tinted position by position, with the value in each cell if there is room."""
    tints = np.array([[_color(float(value), limit) for value in row] for row in values], np.uint8)
    tint = np.asarray(Image.fromarray(tints).resize((scale.side, scale.side), Image.Resampling.NEAREST))
    gray = np.asarray(resized(pixels, scale.side).convert("L"))[..., None] / 255
    image = Image.fromarray(np.rint((_DARKEST + (1 - _DARKEST) * gray) * tint).astype(np.uint8))
    if max(values.shape) <= _LARGEST_GRID_WITH_NUMBERS:
        _write_numbers(ImageDraw.Draw(image), values, limit, scale)
    return image


def _write_numbers(draw: ImageDraw.ImageDraw, values: NatsMap, limit: float, scale: _Scale) -> None:
    """Write each value in the middle of its cell."""
    rows, columns = values.shape
    small = scale.font(15 if max(rows, columns) <= 5 else 11)
    for (row, column), value in np.ndenumerate(values):
        middle = ((column + 0.5) * scale.side / columns, (row + 0.5) * scale.side / rows)
        ink = PAPER if abs(value) > _WHITE_NUMBERS_FROM * limit else INK
        draw.text(middle, signed(float(value)), ink, small, anchor="mm")


def _draw_color_bar(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], height: int, limit: float, scale: _Scale
) -> None:
    """Draw the color bar with its ticks in nats."""
    (x, top), width, small = corner, scale(_BAR_WIDTH), scale.font(13)
    for offset in range(height):
        color = _color(limit * (1 - 2 * offset / (height - 1)), limit)
        draw.line((x, top + offset, x + width, top + offset), color)
    draw.rectangle((x, top, x + width, top + height - 1), outline=FAINT)
    for half in (2, 1, 0, -1, -2):
        y = top + (height - 1) * (2 - half) / 4
        draw.line((x + width, y, x + width + scale(4), y), FAINT)
        tick = f"{half * limit / 2:+g}" if half else "0"
        draw.text((x + width + scale(9), y), tick, INK, small, anchor="lm")
    draw.text((x, top + height + scale(6)), "and less", FAINT, small)
    draw.text((x, top - scale(8)), "nats", INK, small, anchor="ls")
