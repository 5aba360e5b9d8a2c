"""Figure of the matches that an index found for some queries."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from infomax.decoding.image import decode
from infomax.errors import InfoMaxError
from infomax.figures.montage import TILE_SIDE, Tile, draw_montage, title_of
from infomax.neighbors.distances import Metric
from infomax.search.display import decode_tiles
from infomax.search.index import Index
from infomax.search.results import Match


def draw_matches(
    index: Index, queries: Sequence[bytes | Path], found: Sequence[Sequence[Match]], metric: Metric
) -> Image.Image:
    """Draw each query with its matches in a row.

    Matches are drawn from the thumbnails of the index, because their files may no longer exist.

    Args:
        index: The index that was searched.
        queries: Image files, or their content.
        found: The matches of each query.
        metric: The distance by which they were searched.

    Returns:
        The figure.

    Raises:
        InfoMaxError: No query has a match, or a query is no readable image.

    """
    if not any(found):
        raise InfoMaxError("nothing was found, so there is nothing to draw")
    reading = index.model.reading_options()
    ids = [match.image.id for matches in found for match in matches]
    pixels = dict(zip(ids, decode_tiles(index.thumbnails(ids), ids, TILE_SIDE), strict=True))
    rows = [
        [Tile(decode(query, TILE_SIDE, reading))]
        + [Tile(pixels[each.image.id], (f"{each.distance:.3f}", each.image.label or "")) for each in matches]
        for query, matches in zip(queries, found, strict=True)
    ]
    return draw_montage(rows, title_of(max(len(matches) for matches in found), metric))
