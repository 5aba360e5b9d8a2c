"""The article's figure: each row a query and its nearest neighbors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images import LoadedImages, SourceLike, load_rows
from infomax.neighbors.knn import Metric
from infomax.neighbors.knn import neighbors as exact_neighbors

TILE, GAP, MARGIN, LINE, HEAD = 80, 6, 16, 14, 30
INK, FAINT, RULE, PAPER = "#1b1b1f", "#76767f", "#d9d9e0", "#ffffff"


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
    """The figure for a loaded collection and its codes: random queries, each with its nearest among all others.

    The images drawn are read from the source again, at the size they are drawn. Fewer neighbors are drawn where
    there are no more. Raises InfoMaxError for fewer than 2 images.
    """
    if len(codes) < 2:
        raise InfoMaxError(f"{len(codes)} image has no neighbors: give a collection of 2 or more")
    rows = pick_queries(len(codes), queries, seed)
    nearest = exact_neighbors(codes[rows], codes, min(neighbors, len(codes) - 1), metric, leave_out=np.array(rows))
    shown = sorted({*rows, *nearest.indices.ravel().tolist()})
    tiles = dict(zip(shown, load_rows(source, [images.rows[index] for index in shown], TILE), strict=True))
    labels = images.labels or [""] * len(codes)
    return draw_montage(
        [
            [Tile(tiles[row], (labels[row],))]
            + [Tile(tiles[i], (f"{far:.3f}", labels[i])) for i, far in zip(found, distances, strict=True)]
            for row, found, distances in zip(rows, nearest.indices.tolist(), nearest.distances.tolist(), strict=True)
        ],
        f"the {nearest.indices.shape[1]} nearest, by {'Euclidean' if metric == 'euclidean' else metric} distance",
    )


@dataclass(frozen=True)
class Tile:
    """An image of the figure (s, s, 3) and the lines under it."""

    pixels: UInt8[np.ndarray, "s s 3"]
    lines: tuple[str, ...] = ()


def draw_montage(rows: Sequence[Sequence[Tile]], title: str) -> Image.Image:
    """An image of rows: the first tile of each, the query, to the left of a rule, its matches to the right."""
    count = max(len(row) for row in rows) - 1
    lines = max(sum(bool(line) for line in tile.lines) for row in rows for tile in row)
    body, step = MARGIN + TILE + 3 * GAP, TILE + lines * LINE + 2 * GAP
    width, height = body + count * (TILE + GAP) - GAP + MARGIN, HEAD + len(rows) * step + MARGIN - GAP
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    draw.text((MARGIN, 9), "query", INK, font)
    draw.text((body, 9), title, INK, font)
    draw.line((body - 2 * GAP, HEAD, body - 2 * GAP, height - MARGIN), RULE)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            x, y = body + (column - 1) * (TILE + GAP) if column else MARGIN, HEAD + row * step
            image.paste(Image.fromarray(tile.pixels).resize((TILE, TILE), Image.Resampling.BICUBIC), (x, y))
            for line, text in enumerate(filter(None, tile.lines)):
                draw.text((x, y + TILE + 2 + line * LINE), _fitted(text, font, TILE), FAINT, font)
    return image


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all. Raises OSError where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        image.save(file, "png", optimize=True)


def pick_queries(n: int, count: int, seed: int) -> list[int]:
    """`count` different images of n at random, in order; all of them where there are no more."""
    chosen = np.random.default_rng(seed).choice(n, size=min(count, n), replace=False)
    return sorted(int(index) for index in chosen)


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """The text on one line, cut to a width in pixels."""
    text = " ".join(text.split())[:width]  # no character is narrower than a pixel
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
