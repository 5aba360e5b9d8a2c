"""Miniatures: every thumbnail at 32 x 32 pixels, with what it says of frames and emptiness; kept in the index folder.

Making a miniature decodes a thumbnail, which takes a millisecond or two. So they are kept by the hash of the content,
and only those of new images are made.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from infomax.devices import cores
from infomax.files import written_atomically

MINIATURE = 32
"""Pixels of both sides of a miniature."""

BLANK_SHARE = 0.006
"""Largest share of pixels that a blank image shows beside its ground."""

BLANK_LEVELS = 12
"""Largest difference, in levels of 255, of a pixel that belongs to the ground."""

DRAWN_SHARE = 0.2
"""Least share of pixels of a drawing, a page or a screen that are its ground, as even as only drawn ones are."""

GROUND_LEVELS = 3
"""Largest difference, in levels of 255, of a pixel of a drawn ground from its color. A clear sky differs by more."""

EVEN_LEVELS = 0.8
"""Largest difference, in levels of 255, of neighboring pixels of an even ground."""

FRAME_LEVELS = 14
"""Largest difference, in levels of 255, of a pixel that belongs to a frame."""

FRAME_SHARE = 0.97
"""Least share of pixels of the frame's color in a line of the frame."""

THINNEST_FRAME = 0.015
"""Least part of a side that a frame takes."""

LEAST_INSIDE = 0.2
"""Least part of a side that is left within a frame."""

READ_AT_ONCE = 500
_FORMAT = "3"

Rectangle = tuple[float, float, float, float]
UNCUT: Rectangle = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Miniatures:
    """Small versions of n images.

    Attributes:
        pixels: The whole images, squeezed into squares, shape (n, 32, 32, 3).
        trimmed: The images without their frames, shape (n, 32, 32, 3); equal to `pixels` where there is no frame.
        boxes: Left, top, right and bottom of what is within the frame, as parts of the sides, shape (n, 4).
        sides: Shorter side of the thumbnail, in pixels, shape (n,).
        aspects: Width of the thumbnail by its height, shape (n,).
        blank: Which images are blank or nearly so, shape (n,).
        drawn: Which images are drawings, pages or screens on an even ground, shape (n,).

    """

    pixels: UInt8[np.ndarray, "n 32 32 3"]
    trimmed: UInt8[np.ndarray, "n 32 32 3"]
    boxes: Float[np.ndarray, "n 4"]
    sides: Float[np.ndarray, " n"]
    aspects: Float[np.ndarray, " n"]
    blank: Bool[np.ndarray, " n"]
    drawn: Bool[np.ndarray, " n"]

    def take(self, rows: Int[np.ndarray, " m"]) -> "Miniatures":
        """Choose some images.

        Args:
            rows: Which ones, in the order of the result, shape (m,).

        Returns:
            Their miniatures.

        """
        return Miniatures(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def framed(self) -> Bool[np.ndarray, " n"]:
        """Which images have a frame or bars of one color, shape (n,)."""
        framed: Bool[np.ndarray, " n"] = (self.boxes != UNCUT).any(1)
        return framed


def miniatures_of(contents: Sequence[bytes]) -> Miniatures:
    """Make miniatures.

    Args:
        contents: Contents of n thumbnails (WebP).

    Returns:
        The miniatures, in the same order.

    """
    made = Miniatures(*_empty(len(contents)))
    for row, content in enumerate(contents):
        _fill(made, row, content)
    return made


def load_or_make(
    keys: Sequence[str], thumbnails: Callable[[Sequence[int]], list[bytes | None]], file: Path | None = None
) -> Miniatures:
    """Load miniatures from a file, and make those that it lacks from thumbnails.

    Args:
        keys: Hash of each image's content; images with the hash "" are not kept.
        thumbnails: Maps rows, positions in `keys`, to their thumbnails. One without is blank and has a side of 0.
        file: Where they are kept; None for nowhere. A file that cannot be written is none.

    Returns:
        The miniatures, in the order of the keys.

    """
    made = Miniatures(*_empty(len(keys)))
    known = _read(file, keys, made) if file is not None else np.zeros(len(keys), np.bool_)
    todo = np.flatnonzero(~known).tolist()
    with ThreadPoolExecutor(cores()) as pool:
        for part in _parts(todo):
            contents = thumbnails(part)
            list(pool.map(lambda row, content: _fill(made, row, content), part, contents))
    if todo and file is not None:
        with suppress(OSError):  # the folder may be read-only
            _write(file, keys, made)
    return made


def square(content: bytes, side: int, box: Rectangle = UNCUT) -> UInt8[np.ndarray, "side side 3"]:
    """Squeeze a thumbnail, or what is within a box, into a square.

    Args:
        content: The content of a thumbnail (WebP).
        side: Side of the square, in pixels.
        box: Left, top, right and bottom, as parts of the sides.

    Returns:
        Pixels, shape (side, side, 3).

    """
    with Image.open(BytesIO(content), formats=["WEBP"]) as image:
        return _squeezed(image.convert("RGB"), side, box)


def _squeezed(image: Image.Image, side: int, box: Rectangle) -> UInt8[np.ndarray, "side side 3"]:
    left, top, right, bottom = box
    part = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, part))


def _fill(made: Miniatures, row: int, content: bytes | None) -> None:
    """Set one row from its thumbnail."""
    try:
        with Image.open(BytesIO(content or b""), formats=["WEBP"]) as opened:
            image = opened.convert("RGB")
    except OSError:
        made.blank[row] = True  # like no other image; the side stays 0
        return
    pixels = np.asarray(image)
    made.pixels[row] = made.trimmed[row] = _squeezed(image, MINIATURE, UNCUT)
    made.sides[row] = min(image.size)
    made.aspects[row] = image.width / image.height
    made.blank[row] = is_blank(pixels)
    if not made.blank[row]:
        made.drawn[row] = is_drawn(pixels)
        box = inner_box(pixels)
        made.boxes[row] = box
        if box != UNCUT:
            made.trimmed[row] = _squeezed(image, MINIATURE, box)


def is_blank(pixels: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether an image shows next to nothing: one color, a smooth gradient, or a page with a few strokes.

    Args:
        pixels: Pixels, shape (h, w, 3).

    Returns:
        Whether at most `BLANK_SHARE` of the pixels differ from the ground.

    """
    if _is_beside(pixels - _ground(pixels)).mean() <= BLANK_SHARE:
        return True
    height, width, _ = pixels.shape
    small = pixels[:: -(-height // 64), :: -(-width // 64)].astype(np.float32)  # a gradient shows in few pixels
    middle, slopes = small.mean((0, 1)), []
    for axis, count in enumerate(small.shape[:2]):
        along = (np.arange(count, dtype=np.float32) - (count - 1) / 2).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        power = max(float((along**2).mean()), 1e-6)
        slopes.append((along * small).mean((0, 1)) / power * along)
    return bool(_is_beside(small - middle - slopes[0] - slopes[1]).mean() <= BLANK_SHARE)


def is_drawn(pixels: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether an image is a drawing, a page or a screen: much of it is a ground of one color without any noise.

    Args:
        pixels: Pixels, shape (h, w, 3).

    Returns:
        Whether at least `DRAWN_SHARE` of the pixels are an even ground.

    """
    gray = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    across, down = np.abs(np.diff(gray, axis=1))[:-1], np.abs(np.diff(gray, axis=0))[:, :-1]
    even = (across <= EVEN_LEVELS) & (down <= EVEN_LEVELS)
    even &= ~_is_beside(pixels - _ground(pixels), GROUND_LEVELS)[:-1, :-1]
    return bool(even.sum() >= DRAWN_SHARE * max(even.size, 1))


def _ground(pixels: UInt8[np.ndarray, "h w 3"]) -> NDArray[np.int16]:
    """The most frequent level of each channel."""
    return np.array([np.bincount(pixels[..., c].ravel(), minlength=256).argmax() for c in range(3)], np.int16)


def _is_beside(differences: NDArray[Any], levels: int = BLANK_LEVELS) -> Bool[np.ndarray, "h w"]:
    """Which pixels differ from the ground in some channel."""
    red, green, blue = (np.abs(differences[..., channel]) > levels for channel in range(3))
    beside: Bool[np.ndarray, "h w"] = red | green | blue
    return beside


def inner_box(pixels: UInt8[np.ndarray, "h w 3"]) -> Rectangle:
    """Find what is within a frame, or between bars, of one color.

    Args:
        pixels: Pixels, shape (h, w, 3).

    Returns:
        Left, top, right and bottom as parts of the sides; `UNCUT` where there is no frame.

    """
    values = pixels.astype(np.int16)
    height, width, _ = pixels.shape
    top, bottom = _bars(values)
    left, right = _bars(values[top : height - bottom].swapaxes(0, 1))
    box = (left / width, top / height, 1 - right / width, 1 - bottom / height)
    thick = (left + right) / width >= THINNEST_FRAME or (top + bottom) / height >= THINNEST_FRAME
    enough = box[2] - box[0] >= LEAST_INSIDE and box[3] - box[1] >= LEAST_INSIDE
    return box if thick and enough else UNCUT


def _bars(lines: Int[np.ndarray, "lines length 3"]) -> tuple[int, int]:
    """Numbers of lines of one color at the start and at the end. A bar at one end only may be sky, so it is none."""
    first, last = _plain_lines(lines), _plain_lines(lines[::-1])
    return (first, last) if first and last and first + last < len(lines) else (0, 0)


def _plain_lines(lines: Int[np.ndarray, "lines length 3"]) -> int:
    """Number of lines at the start that have the color of the first one; most images have none."""
    color = np.median(lines[0], axis=0)
    for number, line in enumerate(lines):
        red, green, blue = (np.abs(line[:, channel] - color[channel]) <= FRAME_LEVELS for channel in range(3))
        if (red & green & blue).mean() < FRAME_SHARE:
            return number
    return len(lines)


def _parts(rows: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(rows), READ_AT_ONCE):
        yield rows[start : start + READ_AT_ONCE]


def _empty(n: int) -> tuple[np.ndarray, ...]:
    shape = (n, MINIATURE, MINIATURE, 3)
    boxes = np.tile(np.array(UNCUT, np.float32), (n, 1))
    return (
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.uint8),
        boxes,
        np.zeros(n, np.float32),
        np.ones(n, np.float32),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
    )


def _read(file: Path, keys: Sequence[str], made: Miniatures) -> Bool[np.ndarray, " n"]:
    """Set the rows that a file holds; which they are."""
    known = np.zeros(len(keys), np.bool_)
    try:
        with safe_open(file, "np") as stored:
            if (stored.metadata() or {}).get("format") != _FORMAT:
                return known
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError):
        return known
    place = {key: at for at, key in enumerate(bytes(tensors["keys"]).decode().split("\n"))}
    found = np.array([place.get(key, -1) if key else -1 for key in keys], np.int64)
    known = found >= 0
    made.pixels[known] = made.trimmed[known] = tensors["pixels"][found[known]]
    for name in ("boxes", "sides", "aspects", "blank", "drawn"):
        getattr(made, name)[known] = tensors[name][found[known]]
    cut = {at: row for row, at in enumerate(tensors["framed"].tolist())}
    for row in np.flatnonzero(known & made.framed):
        made.trimmed[row] = tensors["trimmed"][cut[int(found[row])]]
    return known


def _write(file: Path, keys: Sequence[str], made: Miniatures) -> None:
    """Write all rows that have a key, each content once."""
    first = {key: row for row, key in enumerate(keys) if key and made.sides[row]}
    if not first:
        return
    rows = np.array(sorted(first.values()), np.int64)
    framed = np.flatnonzero(made.framed[rows])
    tensors = {
        "keys": np.frombuffer("\n".join(keys[row] for row in rows).encode(), np.uint8),
        "pixels": made.pixels[rows],
        "framed": framed,
        "trimmed": made.trimmed[rows[framed]],
        "boxes": made.boxes[rows],
        "sides": made.sides[rows],
        "aspects": made.aspects[rows],
        "blank": made.blank[rows],
        "drawn": made.drawn[rows],
    }
    with written_atomically(file) as out:
        out.write(save({name: np.ascontiguousarray(each) for name, each in tensors.items()}, {"format": _FORMAT}))
