"""Server state: what all requests share. Routes get it as a FastAPI dependency.

The event loop only hands out work to threads. The index is the only source of images, and each is looked up by its id.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from jaxtyping import Float

from infomax.devices import cores
from infomax.search.index import Index
from infomax.search.map import CollectionMap
from infomax.web.caching import CoalescedLookup, StaleWhileRevalidate
from infomax.web.errors import refuse
from infomax.web.permissions import LOOK_ONLY, Permissions
from infomax.web.schemas import StatisticsAnswer, statistics_answer
from infomax.web.uploads import MAX_UPLOAD_BYTES, embed_upload
from infomax.web.views import CollectionViews

Result = TypeVar("Result")


@dataclass(frozen=True)
class ServerState:
    """The index that is served, the results that requests share, and the limits on concurrent work.

    Attributes:
        index: The index to serve.
        thumbnails: Thumbnails by id, as the bytes of WebP files.
        maps: The map of the collection.
        statistics: Numbers about the index.
        searches: Limits the number of concurrent searches to the number of CPU cores. Further searches wait in line.
        embeddings: Lets the model embed one upload at a time.
        views: What takes long to find out about the collection: duplicates, checks, orders.
        permissions: What the page may do beside looking.
        changes: Lets one request write at a time.
    """

    index: Index
    thumbnails: CoalescedLookup[bytes]
    maps: StaleWhileRevalidate[CollectionMap]
    statistics: StaleWhileRevalidate[StatisticsAnswer]
    searches: CapacityLimiter
    embeddings: CapacityLimiter
    views: CollectionViews
    permissions: Permissions
    changes: CapacityLimiter

    @classmethod
    def of(cls, index: Index, permissions: Permissions = LOOK_ONLY) -> "ServerState":
        """Create the state of a new server.

        Args:
            index: The index to serve.
            permissions: What the page may do beside looking.

        Returns:
            State with empty caches.
        """
        return cls(
            index=index,
            thumbnails=CoalescedLookup(index.thumbnails),
            maps=StaleWhileRevalidate(index.map),
            statistics=StaleWhileRevalidate(lambda: statistics_answer(index, MAX_UPLOAD_BYTES, permissions)),
            searches=CapacityLimiter(cores()),
            embeddings=CapacityLimiter(1),
            views=CollectionViews(index),
            permissions=permissions,
            changes=CapacityLimiter(1),
        )

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a search, or other work that blocks, in a thread once a core is free.

        Args:
            work: Function to call in the thread.

        Returns:
            The result of `work`.

        Raises:
            Exception: Whatever `work` raises.
        """
        return await to_thread.run_sync(work, limiter=self.searches)

    async def changing(self, work: Callable[[], Result]) -> Result:
        """Run work that writes, one at a time.

        Args:
            work: Function to call in a thread.

        Returns:
            The result of `work`.

        Raises:
            HTTPException: 403 where the page may only look.
        """
        if not self.permissions.changes:
            refuse(403, "this page may only look: start it with --allow-changes to tag images and to move them")
        return await to_thread.run_sync(work, limiter=self.changes)

    async def embed(self, body: bytes) -> Float[np.ndarray, " d"]:
        """Embed an uploaded image in a thread once the model is free.

        Args:
            body: The content of the image file.

        Returns:
            The features of the image.

        Raises:
            HTTPException: 413 for an image with too many pixels, 422 for one that cannot be decoded.
        """
        return await to_thread.run_sync(embed_upload, self.index, body, limiter=self.embeddings)


async def _server_state(request: Request) -> ServerState:
    """Return the state that `create_app` attached to the application."""
    state: ServerState = request.app.state.server
    return state


State: TypeAlias = Annotated[ServerState, Depends(_server_state)]
