"""Thumbnails of an index as one image, or as HTML for a notebook."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageOps

from infomax.decoding.image import decode

TILE = 128
"""Pixels of the side of a thumbnail as it is shown."""

PER_ROW = 10
"""Thumbnails in a row."""

GAP, CAPTION = 8, 20
"""Pixels between thumbnails, and below each for its caption."""


def contact_sheet(tiles: Sequence[tuple[bytes | None, str]]) -> Image.Image:
    """Draw thumbnails in rows of ten, each centered in a square above its caption.

    Args:
        tiles: For each thumbnail its content (WebP), or None for a gray square, and its caption.

    Returns:
        An RGB image; of a single pixel where there are no thumbnails.

    """
    if not tiles:
        return Image.new("RGB", (1, 1), "white")
    columns, rows = min(PER_ROW, len(tiles)), -(-len(tiles) // PER_ROW)
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, rows * (TILE + CAPTION + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (content, caption) in enumerate(tiles):
        left, top = GAP + place % PER_ROW * (TILE + GAP), GAP + place // PER_ROW * (TILE + CAPTION + GAP)
        if content is None:
            draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), "lightgray")
        else:
            with Image.open(BytesIO(content), formats=["WEBP"]) as image:
                small = ImageOps.contain(image.convert("RGB"), (TILE, TILE))
            sheet.paste(small, (left + (TILE - small.width) // 2, top + (TILE - small.height) // 2))
        draw.text((left + TILE / 2, top + TILE + CAPTION / 2), caption, "black", anchor="mm")
    return sheet


def html_gallery(tiles: Sequence[tuple[bytes | None, str, Sequence[str]]]) -> str:
    """Write thumbnails as HTML that holds all it needs: images are data URIs, and all text is escaped.

    Args:
        tiles: For each thumbnail its content (WebP) or None, its title (a tooltip), and the lines of its caption.

    Returns:
        A `div` with one `figure` for each thumbnail.

    """
    figures = []
    for content, title, lines in tiles:
        source = "" if content is None else f"data:image/webp;base64,{b64encode(content).decode()}"
        image = (
            f'<img src="{source}" alt="" style="max-width:{TILE}px;max-height:{TILE}px">'
            if source
            else f'<div style="width:{TILE}px;height:{TILE}px;background:lightgray"></div>'
        )
        caption = "<br>".join(escape(line) for line in lines)
        figures.append(
            f'<figure title="{escape(title)}" style="margin:0;width:{TILE}px;overflow-wrap:anywhere">{image}'
            f'<figcaption style="font-size:12px;white-space:pre-wrap">{caption}</figcaption></figure>'
        )
    return f'<div style="display:flex;flex-wrap:wrap;gap:{GAP}px">{"".join(figures)}</div>'


def decode_tiles(
    thumbnails: Mapping[str, bytes], ids: Sequence[str], side: int
) -> list[UInt8[np.ndarray, "side side 3"]]:
    """Decode thumbnails to squares of pixels, to draw.

    Args:
        thumbnails: Contents of thumbnails, by the ids of their images.
        ids: Ids of the images to draw.
        side: Side of a square, in pixels.

    Returns:
        Pixels, shape (side, side, 3) for each id; gray where it has no thumbnail.

    """
    gray = np.full((side, side, 3), 128, np.uint8)
    return [decode(thumbnails[each], side) if each in thumbnails else gray for each in ids]
