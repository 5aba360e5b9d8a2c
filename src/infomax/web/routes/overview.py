"""What is in the collection, for people who open it for the first time."""

import csv
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from fastapi import APIRouter, Response

from infomax.search.index import Index
from infomax.search.map import CollectionMap
from infomax.search.results import IndexedImage
from infomax.search.tags import HIDDEN, TRASHED
from infomax.web.caching import Cached
from infomax.web.schemas import image_answer
from infomax.web.schemas_curation import (
    ClustersAnswer,
    ClusterSummary,
    NamedCount,
    OverviewAnswer,
    SkippedFile,
)
from infomax.web.state import COMPUTING, State

router = APIRouter()

MEGAPIXELS = (
    *((0.1, "up to 0.1"), (0.5, "0.1 to 0.5"), (2.0, "0.5 to 2"), (8.0, "2 to 8"), (24.0, "8 to 24")),
    (float("inf"), "over 24"),
)
"""Classes of sizes: the largest number of megapixels of each, and its name."""

_SHOWN_SKIPPED = 50


@router.get("/api/overview")
async def get_overview(state: State) -> OverviewAnswer:
    """Count images by format, size, year, camera and tag, and list files that were left out."""
    return await state.run(lambda: overview_answer(state.searchable()))


@router.get("/api/clusters", response_model=ClustersAnswer, responses=COMPUTING)
async def get_clusters(state: State) -> Response:
    """List clusters of similar images, found without labels, with images that represent each.

    The answer has status 202 while the map, which they are found on, is being computed.
    """
    index = state.searchable()

    def describe(found: Cached[CollectionMap]) -> ClustersAnswer:
        tagged = index.tagged()
        clusters = [
            ClusterSummary(
                name=cluster.name,
                size=cluster.size,
                medoids=[image_answer(image, tagged) for image in index.images(cluster.medoids)],
            )
            for cluster in found.result.clusters
        ]
        return ClustersAnswer(clusters=clusters)

    return await state.computed(state.maps, index.version, describe)


def overview_answer(index: Index) -> OverviewAnswer:
    """Describe a collection by its rows.

    Args:
        index: The index.

    Returns:
        Numbers of images.
    """
    images = index.page(0, max(1, len(index)), visible=True)
    tagged = index.tagged()
    skipped = _skipped(index.path / "skipped.csv")
    sizes = Counter(_size_class(image) for image in images)
    return OverviewAnswer(
        images=len(images),
        hidden=len(tagged.ids(HIDDEN)),
        trashed=len(tagged.ids(TRASHED)),
        gone=max(0, index.statistics().gone - len(tagged.ids(TRASHED))),
        bytes=sum(image.size for image in images),
        formats=_counts(Counter(image.format or "no file" for image in images).most_common()),
        sizes=_counts((name, sizes[name]) for _, name in MEGAPIXELS if sizes[name]),
        years=_counts(sorted(Counter(image.taken[:4] for image in images if image.taken).items())),
        cameras=_counts(Counter(image.camera for image in images if image.camera).most_common(10)),
        tags=_counts(tagged.counts().items()),
        skipped=len(skipped),
        first_skipped=skipped[:_SHOWN_SKIPPED],
    )


def _counts(pairs: Iterable[tuple[str, int]]) -> list[NamedCount]:
    return [NamedCount(name=name, images=count) for name, count in pairs]


def _size_class(image: IndexedImage) -> str:
    size = image.width * image.height / 1e6
    return next(name for largest, name in MEGAPIXELS if size <= largest)


def _skipped(file: Path) -> list[SkippedFile]:
    """Files that the last synchronization left out."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(islice(csv.reader(lines), 1, None))
    except OSError:
        return []
    return [SkippedFile(path=row[0], reason=row[1]) for row in rows if len(row) > 1]
