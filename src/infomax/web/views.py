"""What takes long to find out about a collection, and is kept until its images, tags or decisions change."""

from collections import OrderedDict
from typing import final

from infomax.cleaning.checks import Checks, check_images
from infomax.cleaning.choice import GroupChoice, choose
from infomax.search.index import Index
from infomax.search.map import CollectionMap
from infomax.search.ordering import Order, walk
from infomax.search.reader import IndexReader
from infomax.search.tags import HIDDEN, TRASHED
from infomax.web.caching import StaleWhileRevalidate
from infomax.web.requests import ImageConditions

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

    def ordered(
        self, order: Order, seed: int, chosen: ImageConditions, collection_map: CollectionMap | None
    ) -> list[str]:
        """List the images that count, in an order.

        Args:
            order: The order.
            seed: Seed of the random order.
            chosen: Which images count.
            collection_map: The map, for the order by likeness.

        Returns:
            Their ids.
        """
        key = (self._index.changes, order, seed, chosen.model_dump_json())
        if key not in self._orders:
            places = None
            if collection_map is not None:
                rows = walk(collection_map.positions).tolist()
                places = {collection_map.ids[row]: place for place, row in enumerate(rows)}
            self._orders[key] = self._index.ordered(order, seed=seed, places=places, **chosen.conditions())
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
