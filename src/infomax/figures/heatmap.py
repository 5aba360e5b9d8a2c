"""Maps of pointwise information drawn over the images they belong to."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from infomax.evaluation.explanation import Explanation, Heat

SIDE, GAP, MARGIN, HEAD, CAPTION = 256, 16, 24, 72, 36
BAR, LEGEND = 14, 36  # width of the color bar, and of the numbers beside it
INK, FAINT, PAPER = "#1b1b1f", "#66666e", "#ffffff"
BELOW, ABOVE = (33, 102, 172), (178, 24, 43)  # blue and red of ColorBrewer's RdBu, told apart by the color-blind
DARKEST = 0.7  # the image under a map keeps its shapes in the upper part of the scale, so that colors stay legible
LARGEST_GRID_WITH_NUMBERS = 8
LIGHT_INK_FROM = 0.55  # of the scale: white letters on the darker half of the colors


@dataclass(frozen=True)
class Drawn:
    """An image at the size it is drawn, and what it is called."""

    pixels: UInt8[np.ndarray, "s s 3"]
    name: str


def draw_explanation(query: Drawn, match: Drawn, maps: Explanation) -> Image.Image:
    """A row for each image: itself, its positions with the other's code, its positions with its own.

    One scale for all four maps, centered at 0. It ends at the largest value above 0, and what lies farther below 0 has
    the color of the end: the number is in the cell.
    """
    limit = _scale_end(maps)
    rows = [
        (query, "query", "the match's code", maps.query_by_match, maps.query_by_itself),
        (match, "match", "the query's code", maps.match_by_query, maps.match_by_itself),
    ]
    title, small = ImageFont.load_default(17), ImageFont.load_default(13)
    body, step = MARGIN + 3 * (SIDE + GAP), SIDE + CAPTION
    image = Image.new("RGB", (body + BAR + LEGEND + MARGIN, HEAD + 2 * step + GAP), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text(
        (MARGIN, MARGIN), "Where the match comes from: pointwise mutual information of position and code", INK, title
    )
    for row, (drawn, role, other, across, within) in enumerate(rows):
        y = HEAD + row * step
        image.paste(_enlarged(drawn.pixels), (MARGIN, y))
        draw.text((MARGIN, y + SIDE + 6), f"{role}: {_fitted(drawn.name, small, SIDE - 50)}", INK, small)
        for column, (code, values) in enumerate([(other, across), ("its own code", within)], 1):
            x = MARGIN + column * (SIDE + GAP)
            image.paste(_overlay(drawn.pixels, values, limit), (x, y))
            draw.text((x, y + SIDE + 6), f"with {code}", INK, small)
            draw.text((x + SIDE, y + SIDE + 6), f"mean {values.mean():+.1f}", FAINT, small, anchor="ra")
    _draw_bar(draw, body, HEAD, step + SIDE, limit, small)
    return image


def color(value: float, limit: float) -> tuple[int, int, int]:
    """White at 0, red at +limit and above, blue at -limit and below."""
    strength = min(abs(value) / limit, 1.0)
    end = ABOVE if value > 0 else BELOW
    red, green, blue = (round(255 + (channel - 255) * strength) for channel in end)
    return red, green, blue


def _scale_end(maps: Explanation) -> float:
    """The largest value above 0, rounded up to a plain number, and no less than 1 nat."""
    every = (maps.query_by_match, maps.match_by_query, maps.query_by_itself, maps.match_by_itself)
    largest = max(1.0, *(float(values.max()) for values in every))
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= largest)


def _overlay(pixels: UInt8[np.ndarray, "s s 3"], values: Heat, limit: float) -> Image.Image:
    """The image in light grays, tinted position by position, with the value in each cell where it fits."""
    tints = np.array([[color(float(value), limit) for value in row] for row in values], np.uint8)
    tint = np.asarray(Image.fromarray(tints).resize((SIDE, SIDE), Image.Resampling.NEAREST))
    gray = np.asarray(_enlarged(pixels).convert("L"))[..., None] / 255
    image = Image.fromarray(np.rint((DARKEST + (1 - DARKEST) * gray) * tint).astype(np.uint8))
    if max(values.shape) <= LARGEST_GRID_WITH_NUMBERS:
        _write_numbers(ImageDraw.Draw(image), values, limit)
    return image


def _write_numbers(draw: ImageDraw.ImageDraw, values: Heat, limit: float) -> None:
    """Each value in the middle of its cell."""
    rows, columns = values.shape
    font = ImageFont.load_default(15 if max(rows, columns) <= 5 else 11)
    for (row, column), value in np.ndenumerate(values):
        middle = ((column + 0.5) * SIDE / columns, (row + 0.5) * SIDE / rows)
        ink = PAPER if abs(value) > LIGHT_INK_FROM * limit else INK
        draw.text(middle, f"{value:+.1f}", ink, font, anchor="mm")


def _draw_bar(
    draw: ImageDraw.ImageDraw,
    x: int,
    top: int,
    height: int,
    limit: float,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """The color bar with its ticks in nats."""
    for offset in range(height):
        draw.line((x, top + offset, x + BAR, top + offset), color(limit * (1 - 2 * offset / (height - 1)), limit))
    draw.rectangle((x, top, x + BAR, top + height - 1), outline=FAINT)
    for half in (2, 1, 0, -1, -2):
        y = top + (height - 1) * (2 - half) / 4
        draw.line((x + BAR, y, x + BAR + 4, y), FAINT)
        draw.text((x + BAR + 9, y), f"{half * limit / 2:+g}" if half else "0", INK, font, anchor="lm")
    draw.text((x, top + height + 6), "and less", FAINT, font)
    draw.text((x, top - 8), "nats", INK, font, anchor="ls")


def _enlarged(pixels: UInt8[np.ndarray, "s s 3"]) -> Image.Image:
    return Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """The end of a name on one line, cut to a width in pixels."""
    text = " ".join(text.split())[-width:]  # no character is narrower than a pixel
    while text and font.getlength(text) > width:
        text = text[1:]
    return text
