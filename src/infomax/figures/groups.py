"""Figure of groups of duplicates: their images side by side, the best one framed; as many groups in a row as fit."""

from collections.abc import Sequence
from io import BytesIO
from math import floor, sqrt
from pathlib import PurePath

from PIL import Image, ImageDraw, ImageOps

from infomax.cleaning.choice import GroupChoice
from infomax.cleaning.wording import date_of, format_of, size_of
from infomax.errors import InfoMaxError
from infomax.figures.canvas import FAINT, INK, PAPER, fit_text, font
from infomax.search.index import Index
from infomax.search.results import IndexedImage

MOST_GROUPS, IMAGES_PER_GROUP = 50, 8
"""Groups in a figure, and images of each. What is left out is told in the figure."""

_SIDE, _GAP, _MARGIN, _LINE, _HEADER = 128, 12, 16, 15, 24  # pixels
_APART = 3 * _GAP  # pixels between two groups of a row
_BEST, _GROUND = "#1a7f37", "#f0f0f3"
_LINES = 5
_STEP = _HEADER + _SIDE + _LINES * _LINE + 2 * _GAP  # from row to row
_WIDER = 1.3  # a figure is about this many times as wide as it is high


def draw_groups(index: Index, choices: Sequence[GroupChoice]) -> Image.Image:
    """Draw groups side by side: the best image first, with a frame; size, format, date and name below each.

    Images are drawn from the thumbnails of the index.

    Args:
        index: The index that the groups come from.
        choices: Groups with the image to keep.

    Returns:
        The figure. It shows the first MOST_GROUPS groups, and IMAGES_PER_GROUP images of each.

    Raises:
        InfoMaxError: There are no groups.

    """
    if not choices:
        raise InfoMaxError("no duplicates were found, so there is nothing to draw")
    shown = choices[:MOST_GROUPS]
    groups = [_shown(choice) for choice in shown]
    places, width, height = _arranged([len(images) for images in groups])
    rest = len(choices) - len(shown)
    figure = Image.new("RGB", (width, height + (_HEADER if rest else 0)), PAPER)
    draw = ImageDraw.Draw(figure)
    thumbnails = index.thumbnails([image.id for images in groups for image in images])
    for choice, images, (left, top) in zip(shown, groups, places, strict=True):
        title = fit_text(_title(choice, len(images)), font(13), min(_width(len(images)) + _APART - _GAP, width - left))
        draw.text((left, top), title, INK, font(13))
        for column, image in enumerate(images):
            place = left + column * (_SIDE + _GAP), top + _HEADER
            _draw_image(figure, thumbnails.get(image.id), image, place, is_best=image == choice.best)
    if rest:
        draw.text((_MARGIN, height - _MARGIN), f"and {rest} more {'group' if rest == 1 else 'groups'}", INK, font(13))
    return figure


def _width(images: int) -> int:
    """Pixels that some images take side by side; a title needs those of two."""
    return max(images, 2) * (_SIDE + _GAP) - _GAP


def _arranged(counts: Sequence[int]) -> tuple[list[tuple[int, int]], int, int]:
    """Places of groups, in rows from left to right, and the size of the figure."""
    widths = [_width(count) for count in counts]
    widest = max(*widths, round(sqrt(_WIDER * sum(width + _APART for width in widths) * _STEP)))
    places, left, top = [], _MARGIN, _MARGIN
    for width in widths:
        if left > _MARGIN and left + width > _MARGIN + widest:
            left, top = _MARGIN, top + _STEP
        places.append((left, top))
        left += width + _APART
    right = max(place[0] + width for place, width in zip(places, widths, strict=True))
    return places, right + _MARGIN, top + _STEP + _MARGIN


def _shown(choice: GroupChoice) -> list[IndexedImage]:
    """The images of a group that are drawn: the best first."""
    return [choice.best, *(image for image in choice.group.images if image != choice.best)][:IMAGES_PER_GROUP]


def _title(choice: GroupChoice, shown: int) -> str:
    count = len(choice.group.images)
    least = (
        ""
        if choice.group.kind == "same bytes"
        else f", similarity {floor(1000 * choice.group.similarity) / 1000:.3f} or more"
    )
    return f"{count} images, {choice.group.kind}{least}{'' if shown == count else f'; {shown} of them shown'}"


def _draw_image(
    figure: Image.Image, thumbnail: bytes | None, image: IndexedImage, place: tuple[int, int], *, is_best: bool
) -> None:
    """Draw a whole image, centered in a square, above what is known of it."""
    left, top = place
    draw, small = ImageDraw.Draw(figure), font(12)
    draw.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), _GROUND)
    if thumbnail is not None:
        with Image.open(BytesIO(thumbnail), formats=["WEBP"]) as opened:
            tile = ImageOps.contain(opened.convert("RGB"), (_SIDE, _SIDE))
        figure.paste(tile, (left + (_SIDE - tile.width) // 2, top + (_SIDE - tile.height) // 2))
    if is_best:
        draw.rectangle((left - 4, top - 4, left + _SIDE + 3, top + _SIDE + 3), outline=_BEST, width=3)
    path = PurePath(image.path)
    lines = [
        (f"{image.width} x {image.height} {format_of(image.path)}", FAINT),
        (f"{size_of(image.size)}{', best' if is_best else ''}", _BEST if is_best else FAINT),
        (date_of(image.mtime), FAINT),
        (fit_text(path.name, small, _SIDE, keep="end"), INK),
        (fit_text(path.parent.name, small, _SIDE, keep="end"), FAINT),
    ]
    for number, (line, color) in enumerate(lines):
        draw.text((left, top + _SIDE + 6 + number * _LINE), fit_text(line, small, _SIDE), color, small)
