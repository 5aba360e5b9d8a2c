"""Montage: each row a query and its nearest neighbors, as in Su (2018), https://kexue.fm/archives/6024."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from infomax.errors import InfoMaxError
from infomax.figures.canvas import FAINT, INK, PAPER, Font, fit_text, font, resized
from infomax.images import LoadedImages, SourceLike, load_rows
from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import neighbors as exact_neighbors

TILE_SIDE = 80  # pixels

_GAP, _MARGIN, _LINE_HEIGHT, _HEADER = 6, 16, 14, 30  # pixels
_RULE = "#d9d9e0"


@dataclass(frozen=True)
class Tile:
    """An image of the montage and the lines of text below it.

    Attributes:
        pixels: The image, shape (s, s, 3), uint8; it is drawn with a side of TILE_SIDE pixels.
        lines: Lines of text; empty ones are left out.

    """

    pixels: UInt8[np.ndarray, "s s 3"]
    lines: tuple[str, ...] = ()


def montage_of(
    source: SourceLike,
    images: LoadedImages,
    codes: Float[np.ndarray, "n d"],
    *,
    metric: Metric = "cosine",
    queries: int = 10,
    neighbors: int = 9,
    seed: int = 0,
) -> Image.Image:
    """Draw random images of a collection, each with its nearest neighbors among all others.

    The images are read from the source again, at the size at which they are drawn.

    Args:
        source: The SOURCE of the images.
        images: The images as loaded from it.
        codes: Code of each image, shape (n, d).
        metric: "cosine" or "euclidean".
        queries: Number of rows.
        neighbors: Number of neighbors in a row; fewer are drawn when the collection is smaller.
        seed: Seed of the choice of queries.

    Returns:
        The figure.

    Raises:
        InfoMaxError: There are fewer than 2 images.

    """
    if len(codes) < 2:
        raise InfoMaxError(f"{len(codes)} image has no neighbors: give a collection of 2 or more")
    rows = pick_queries(len(codes), queries, seed)
    nearest = exact_neighbors(codes[rows], codes, min(neighbors, len(codes) - 1), metric, leave_out=np.array(rows))
    shown = sorted({*rows, *nearest.indices.ravel().tolist()})
    tiles = dict(
        zip(shown, load_rows(source, [images.rows[row] for row in shown], TILE_SIDE, images.options), strict=True)
    )
    labels = images.labels or [""] * len(codes)
    return draw_montage(
        [
            [Tile(tiles[row], (labels[row],))]
            + [Tile(tiles[i], (f"{distance:.3f}", labels[i])) for i, distance in zip(found, distances, strict=True)]
            for row, found, distances in zip(rows, nearest.indices.tolist(), nearest.distances.tolist(), strict=True)
        ],
        title_of(nearest.indices.shape[1], metric),
    )


def draw_montage(rows: Sequence[Sequence[Tile]], title: str) -> Image.Image:
    """Draw rows of images: a query at the left of a rule, its matches at the right.

    Args:
        rows: For each row the query and then its matches.
        title: Text above the matches.

    Returns:
        The figure.

    """
    columns = max(len(row) for row in rows) - 1
    lines = max(sum(bool(line) for line in tile.lines) for row in rows for tile in row)
    left, step = _MARGIN + TILE_SIDE + 3 * _GAP, TILE_SIDE + lines * _LINE_HEIGHT + 2 * _GAP
    width = left + columns * (TILE_SIDE + _GAP) - _GAP + _MARGIN
    height = _HEADER + len(rows) * step + _MARGIN - _GAP
    image = Image.new("RGB", (width, height), PAPER)
    draw, small = ImageDraw.Draw(image), font(12)
    draw.text((_MARGIN, 9), "query", INK, small)
    draw.text((left, 9), title, INK, small)
    draw.line((left - 2 * _GAP, _HEADER, left - 2 * _GAP, height - _MARGIN), _RULE)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            x, y = left + (column - 1) * (TILE_SIDE + _GAP) if column else _MARGIN, _HEADER + row * step
            image.paste(resized(tile.pixels, TILE_SIDE), (x, y))
            _write_lines(draw, tile.lines, x, y + TILE_SIDE + 2, small)
    return image


def title_of(count: int, metric: Metric) -> str:
    """Title above the matches.

    Args:
        count: Greatest number of matches in a row.
        metric: The distance by which they are nearest.

    Returns:
        The title.

    """
    return f"the {count} nearest, by {'Euclidean' if metric == 'euclidean' else metric} distance"


def pick_queries(n: int, count: int, seed: int) -> list[int]:
    """Pick different images at random.

    Args:
        n: Number of images.
        count: How many to pick; all n when there are fewer.
        seed: Seed of the choice.

    Returns:
        Their rows, increasing.

    """
    chosen = np.random.default_rng(seed).choice(n, size=min(count, n), replace=False)
    return sorted(int(row) for row in chosen)


def _write_lines(draw: ImageDraw.ImageDraw, lines: Sequence[str], x: int, y: int, small: Font) -> None:
    for number, line in enumerate(filter(None, lines)):
        draw.text((x, y + number * _LINE_HEIGHT), fit_text(line, small, TILE_SIDE), FAINT, small)
