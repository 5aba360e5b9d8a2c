"""Tools of the figures that Pillow draws: colors, fonts, text cut to a width, and PNG files."""

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFont

from infomax.files import written_atomically

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

INK, FAINT, PAPER = "#1b1b1f", "#66666e", "#ffffff"


def font(size: int) -> Font:
    """The font of all figures.

    Args:
        size: Height in pixels.

    Returns:
        Pillow's own font, so that a figure looks the same on every machine.

    """
    return ImageFont.load_default(size)


def fit_text(text: str, font: Font, width: int, *, keep: Literal["start", "end"] = "start") -> str:
    """Put text on one line and cut it to a width.

    Args:
        text: Any text; line breaks become spaces.
        font: The font in which it will be drawn.
        width: Greatest width in pixels.
        keep: Which part of the text to keep: the end of a path says more than its start.

    Returns:
        The part of the text that fits.

    Examples:
        >>> fit_text("photos/2024/cat.png", font(12), 50, keep="end")
        '/cat.png'

    """
    line = " ".join(text.split())
    line = line[:width] if keep == "start" else line[-width:]  # a fast first cut: no character is narrower than a pixel
    while line and font.getlength(line) > width:
        line = line[:-1] if keep == "start" else line[1:]
    return line


def resized(pixels: UInt8[np.ndarray, "s s 3"], side: int) -> Image.Image:
    """Resize a square image for drawing.

    Args:
        pixels: The image, shape (s, s, 3), uint8.
        side: Width and height of the result in pixels.

    Returns:
        The image, resampled by bicubic interpolation.

    """
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG file completely or not at all.

    Args:
        image: The figure.
        path: The file; its folder is made if it does not exist.

    Raises:
        OSError: The file cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        image.save(file, "png", optimize=True)
