"""The matches of a few queries as a figure."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from infomax.errors import InfoMaxError
from infomax.figures.montage import TILE, Tile, draw_montage
from infomax.images.decoding import decode
from infomax.neighbors.knn import Metric
from infomax.search.index import Index, Match


def draw_matches(
    index: Index, queries: Sequence[bytes | Path], found: Sequence[Sequence[Match]], metric: Metric
) -> Image.Image:
    """Each query and its matches in a row, from the thumbnails of the index: the files themselves may be gone.

    Raises InfoMaxError where nothing was found.
    """
    if not any(found):
        raise InfoMaxError("nothing was found, so there is nothing to draw")
    drawn = index.tiles([match.image.id for matches in found for match in matches], TILE)
    pixels = dict(zip((match.image.id for matches in found for match in matches), drawn, strict=True))
    count = max(len(matches) for matches in found)
    return draw_montage(
        [
            [Tile(decode(query, TILE))]
            + [Tile(pixels[each.image.id], (f"{each.distance:.3f}", each.image.label or "")) for each in matches]
            for query, matches in zip(queries, found, strict=True)
        ],
        f"the {count} nearest, by {'Euclidean' if metric == 'euclidean' else metric} distance",
    )
