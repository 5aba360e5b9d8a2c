"""What takes long to find out about a collection, and is kept until its images, tags or decisions change."""

from collections import OrderedDict
from typing import final

from infomax.cleaning.checks import Checks, check_images
from infomax.cleaning.choice import GroupChoice, choose
from infomax.search.index import Index
from infomax.search.map import CollectionMap
from infomax.search.ordering import walk
from infomax.search.reader import IndexReader
from infomax.search.tags import HIDDEN, TRASHED
from infomax.web.caching import StaleWhileRevalidate
from infomax.web.requests import ImageOrder

_KEPT_ORDERS = 8


@final
class CollectionViews:
    """Duplicates, checks and orders of an index.

    Args:
        index: The index.

    Attributes:
        duplicates: Groups of duplicates that nobody has reviewed, with the image to keep of each.
        checks: Images that are blank, dark, blurred or tiny.
    """

    def __init__(self, index: IndexReader) -> None:
        self._index = index
        self.duplicates: StaleWhileRevalidate[list[GroupChoice]] = StaleWhileRevalidate(self._find_duplicates)
        self.checks: StaleWhileRevalidate[Checks] = StaleWhileRevalidate(self._check)
        self._orders: OrderedDict[object, list[str]] = OrderedDict()

    def ordered(self, asked: ImageOrder, collection_map: CollectionMap | None = None) -> list[str]:
        """List the images that count, in an order.

        Args:
            asked: Which images count, and in which order.
            collection_map: The map, for the order by likeness.

        Returns:
            Their ids.
        """
        key = (self._index.changes, asked.key())
        if key not in self._orders:
            places = None
            if collection_map is not None:
                rows = walk(collection_map.positions).tolist()
                places = {collection_map.ids[row]: place for place, row in enumerate(rows)}
            ids = self._index.ordered(asked.order, seed=asked.seed, places=places, **asked.conditions())
            self._orders[key] = ids
            while len(self._orders) > _KEPT_ORDERS:
                self._orders.popitem(last=False)
        return self._orders[key]

    def _check(self) -> Checks:
        assert isinstance(self._index, Index)  # a preview is not asked
        return check_images(self._index)

    def _find_duplicates(self) -> list[GroupChoice]:
        left_out = self._index.tagged().ids(HIDDEN, TRASHED)
        assert isinstance(self._index, Index)  # a preview is not asked
        found = choose(self._index.duplicates(), thumbnails=self._index.thumbnails)
        return [each for each in found if sum(image.id not in left_out for image in each.group.images) > 1]
