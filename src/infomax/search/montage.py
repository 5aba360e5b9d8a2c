"""The article's figure: each row a query and its nearest neighbours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from infomax.errors import InfoMaxError
from infomax.evaluation.knn import Metric
from infomax.evaluation.knn import neighbours as exact_neighbours
from infomax.files import written_atomically
from infomax.pictures import Pictures, SourceLike, load_some

TILE, GAP, MARGIN, CAPTION, HEAD = 80, 6, 16, 18, 30
INK, FAINT, RULE, PAPER = "#1b1b1f", "#76767f", "#d9d9e0", "#ffffff"


def montage_of(
    source: SourceLike,
    pictures: Pictures,
    codes: Float[np.ndarray, "n d"],
    *,
    metric: Metric = "cosine",
    queries: int = 10,
    neighbours: int = 9,
    seed: int = 0,
) -> Image.Image:
    """The figure for a loaded collection and its codes: random queries, each with its nearest among all others.

    The pictures drawn are read from the source again, at the size they are drawn. Fewer neighbours are drawn where
    there are no more. Raises InfoMaxError for fewer than 2 pictures.
    """
    if len(codes) < 2:
        raise InfoMaxError(f"{len(codes)} picture has no neighbours: give a collection of 2 or more")
    rows = pick_queries(len(codes), queries, seed)
    nearest = exact_neighbours(codes[rows], codes, min(neighbours, len(codes) - 1), metric, leave_out=np.array(rows))
    shown = sorted({*rows, *nearest.indices.ravel().tolist()})
    tiles = dict(zip(shown, load_some(source, [pictures.rows[index] for index in shown], TILE), strict=True))
    labels = pictures.labels
    return draw_montage(
        [tiles[row] for row in rows],
        [[tiles[index] for index in found] for found in nearest.indices.tolist()],
        nearest.distances.tolist(),
        metric,
        query_captions=[labels[row] for row in rows] if labels else None,
        match_captions=[[labels[index] for index in found] for found in nearest.indices.tolist()] if labels else None,
    )


def draw_montage(
    queries: Sequence[UInt8[np.ndarray, "s s 3"]],
    matches: Sequence[Sequence[UInt8[np.ndarray, "s s 3"]]],
    distances: Sequence[Sequence[float]],
    metric: Metric,
    *,
    query_captions: Sequence[str] | None = None,
    match_captions: Sequence[Sequence[str]] | None = None,
) -> Image.Image:
    """A picture of rows: a query on the left, its matches to the right of a rule, nearest first.

    Under each match stands its distance, or its own caption and the distance.
    """
    count = max(len(row) for row in matches)
    body = MARGIN + TILE + 3 * GAP
    step = TILE + CAPTION + GAP
    width, height = body + count * (TILE + GAP) - GAP + MARGIN, HEAD + len(queries) * step + MARGIN
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    draw.text((MARGIN, 9), "query", INK, font)
    draw.text((body, 9), f"the {count} nearest, by {_name(metric)} distance", INK, font)
    draw.line((body - 2 * GAP, HEAD, body - 2 * GAP, height - MARGIN - GAP), RULE)

    def tile(pixels: UInt8[np.ndarray, "s s 3"], x: int, y: int, caption: str) -> None:
        enlarged = Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BICUBIC)
        image.paste(enlarged, (x, y))
        draw.text((x, y + TILE + 2), _fitted(caption, font, TILE), FAINT, font)

    for row, (query, found) in enumerate(zip(queries, matches, strict=True)):
        y = HEAD + row * step
        tile(query, MARGIN, y, query_captions[row] if query_captions else "")
        for column, pixels in enumerate(found):
            distance = f"{distances[row][column]:.3g}"
            caption = f"{distance} {match_captions[row][column]}" if match_captions else distance
            tile(pixels, body + column * (TILE + GAP), y, caption)
    return image


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all. Raises OSError where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        image.save(file, "png", optimize=True)


def pick_queries(n: int, count: int, seed: int) -> list[int]:
    """`count` different pictures of n at random, in order; all of them where there are no more."""
    chosen = np.random.default_rng(seed).choice(n, size=min(count, n), replace=False)
    return sorted(int(index) for index in chosen)


def _name(metric: Metric) -> str:
    return "Euclidean" if metric == "euclidean" else metric


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut to a width in pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
