"""Maps of pointwise mutual information, drawn over the images to which they belong."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from infomax.evaluation.explanation import Explanation, NatsMap
from infomax.figures.canvas import FAINT, INK, PAPER, Font, fit_text, font, resized

IMAGE_SIDE = 256  # pixels

_GAP, _MARGIN, _HEADER, _CAPTION = 16, 24, 72, 36  # pixels
_BAR_WIDTH, _LEGEND_WIDTH = 14, 36  # the color bar, and the numbers beside it
_BELOW, _ABOVE = (33, 102, 172), (178, 24, 43)  # blue and red of ColorBrewer's RdBu, safe for the color-blind
_DARKEST = 0.7  # the image below a map uses only the light end of the gray scale, so that the tint stays legible
_LARGEST_GRID_WITH_NUMBERS = 8
_WHITE_NUMBERS_FROM = 0.55  # fraction of the scale: on darker colors numbers are white


@dataclass(frozen=True)
class NamedImage:
    """An image of the figure and its name.

    Attributes:
        pixels: The image, shape (s, s, 3), uint8; it is drawn with a side of IMAGE_SIDE pixels.
        name: Its name as the caption shows it.

    """

    pixels: UInt8[np.ndarray, "s s 3"]
    name: str


def draw_explanation(query: NamedImage, match: NamedImage, maps: Explanation) -> Image.Image:
    """Draw a row for each image: the image, its positions with the other's code, its positions with its own code.

    All four maps share one color scale, centered at 0. The scale ends at the largest positive value. Values farther
    below 0 have the color of the end, and the cell shows the number.

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
    small = font(13)
    bar, step = _MARGIN + 3 * (IMAGE_SIDE + _GAP), IMAGE_SIDE + _CAPTION
    image = Image.new("RGB", (bar + _BAR_WIDTH + _LEGEND_WIDTH + _MARGIN, _HEADER + 2 * step + _GAP), PAPER)
    draw = ImageDraw.Draw(image)
    title = "Where the match comes from: pointwise mutual information of position and code"
    draw.text((_MARGIN, _MARGIN), title, INK, font(17))
    for row, (drawn, role, other, across, within) in enumerate(rows):
        y = _HEADER + row * step
        image.paste(resized(drawn.pixels, IMAGE_SIDE), (_MARGIN, y))
        name = fit_text(drawn.name, small, IMAGE_SIDE - 50, keep="end")
        draw.text((_MARGIN, y + IMAGE_SIDE + 6), f"{role}: {name}", INK, small)
        for column, (code, values) in enumerate([(other, across), ("its own code", within)], 1):
            x = _MARGIN + column * (IMAGE_SIDE + _GAP)
            image.paste(_overlay(drawn.pixels, values, limit), (x, y))
            draw.text((x, y + IMAGE_SIDE + 6), f"with {code}", INK, small)
            mean = f"mean {signed(float(values.mean()))}"
            draw.text((x + IMAGE_SIDE, y + IMAGE_SIDE + 6), mean, FAINT, small, anchor="ra")
    _draw_color_bar(draw, bar, _HEADER, step + IMAGE_SIDE, limit, small)
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


def _overlay(pixels: UInt8[np.ndarray, "s s 3"], values: NatsMap, limit: float) -> Image.Image:
    """The image in light grays, tinted position by position, with the value in each cell if there is room."""
    tints = np.array([[_color(float(value), limit) for value in row] for row in values], np.uint8)
    tint = np.asarray(Image.fromarray(tints).resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.NEAREST))
    gray = np.asarray(resized(pixels, IMAGE_SIDE).convert("L"))[..., None] / 255
    image = Image.fromarray(np.rint((_DARKEST + (1 - _DARKEST) * gray) * tint).astype(np.uint8))
    if max(values.shape) <= _LARGEST_GRID_WITH_NUMBERS:
        _write_numbers(ImageDraw.Draw(image), values, limit)
    return image


def _write_numbers(draw: ImageDraw.ImageDraw, values: NatsMap, limit: float) -> None:
    """Write each value in the middle of its cell."""
    rows, columns = values.shape
    small = font(15 if max(rows, columns) <= 5 else 11)
    for (row, column), value in np.ndenumerate(values):
        middle = ((column + 0.5) * IMAGE_SIDE / columns, (row + 0.5) * IMAGE_SIDE / rows)
        ink = PAPER if abs(value) > _WHITE_NUMBERS_FROM * limit else INK
        draw.text(middle, signed(float(value)), ink, small, anchor="mm")


def _draw_color_bar(draw: ImageDraw.ImageDraw, x: int, top: int, height: int, limit: float, small: Font) -> None:
    """Draw the color bar with its ticks in nats."""
    for offset in range(height):
        color = _color(limit * (1 - 2 * offset / (height - 1)), limit)
        draw.line((x, top + offset, x + _BAR_WIDTH, top + offset), color)
    draw.rectangle((x, top, x + _BAR_WIDTH, top + height - 1), outline=FAINT)
    for half in (2, 1, 0, -1, -2):
        y = top + (height - 1) * (2 - half) / 4
        draw.line((x + _BAR_WIDTH, y, x + _BAR_WIDTH + 4, y), FAINT)
        draw.text((x + _BAR_WIDTH + 9, y), f"{half * limit / 2:+g}" if half else "0", INK, small, anchor="lm")
    draw.text((x, top + height + 6), "and less", FAINT, small)
    draw.text((x, top - 8), "nats", INK, small, anchor="ls")
