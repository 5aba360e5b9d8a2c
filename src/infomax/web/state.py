"""Server state: what all requests share. Routes get it as a FastAPI dependency.

The event loop only hands out work to threads. The index is the only source of images, and each is looked up by its id.
While features are still being learned, a preview of the files stands in for the index.
"""

from collections.abc import Callable, Hashable
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from jaxtyping import Float
from pydantic import BaseModel

from infomax.cleaning.trash import mark_trashed
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.devices import cores
from infomax.explore.learning import LearningProcess
from infomax.progress import duration
from infomax.search.index import Index
from infomax.search.map import CollectionMap
from infomax.search.reader import IndexReader
from infomax.web.caching import Cached, CoalescedLookup, StaleWhileRevalidate
from infomax.web.errors import refuse
from infomax.web.permissions import LOOK_ONLY, Permissions
from infomax.web.schemas import Computing, StatisticsAnswer, statistics_answer
from infomax.web.uploads import MAX_UPLOAD_BYTES, embed_upload
from infomax.web.views import CollectionViews

Result = TypeVar("Result")

Made = TypeVar("Made")

COMPUTING: dict[int | str, dict[str, Any]] = {202: {"model": Computing}}
"""Documents the answer to a request for what is still being computed."""

_PATIENCE = 0.5
"""Seconds that a request waits for what is being computed."""

_PREVIEWED_AT_ONCE = 8
"""Thumbnails that are made from files at a time: the first ones appear before the last ones are read."""


class ServerState:
    """The index that is served, the results that requests share, and the limits on concurrent work.

    Args:
        index: The index to serve, or the preview that stands in for it.
        permissions: What the page may do beside looking.
        name: Name of the collection; None for that of the folder of the index.
        learning: The process that learns features; None where they are there, and nothing is being learned.

    Attributes:
        index: What is served now. It answers all that needs no features.
        thumbnails: Thumbnails by id, as the bytes of WebP files.
        maps: The map of the collection.
        statistics: Numbers about the index.
        learning: The process that learns features; None where there is none.
        searches: Limits the number of concurrent searches to the number of CPU cores. Further searches wait in line.
        embeddings: Lets the model embed one upload at a time.
        views: What takes long to find out about the collection: duplicates, checks, orders.
        permissions: What the page may do beside looking.
        changes: Lets one request write at a time.
    """

    index: IndexReader
    thumbnails: CoalescedLookup[bytes]
    maps: StaleWhileRevalidate[CollectionMap]
    statistics: StaleWhileRevalidate[StatisticsAnswer]
    views: CollectionViews

    def __init__(
        self,
        index: IndexReader,
        permissions: Permissions = LOOK_ONLY,
        *,
        name: str | None = None,
        learning: LearningProcess | None = None,
    ) -> None:
        self._name = name
        self.permissions = permissions
        self.learning = learning
        self.searches = CapacityLimiter(cores())
        self.embeddings = CapacityLimiter(1)
        self.changes = CapacityLimiter(1)
        self.show(index)

    def show(self, index: IndexReader) -> None:
        """Serve another index from now on, with empty caches. Requests that have begun end with the former one.

        Args:
            index: The index.
        """
        at_once = None if isinstance(index, Index) else _PREVIEWED_AT_ONCE
        self.thumbnails = CoalescedLookup(index.thumbnails, at_once)
        self.maps = StaleWhileRevalidate(index.map)
        self.statistics = StaleWhileRevalidate(
            lambda: statistics_answer(index, MAX_UPLOAD_BYTES, self.permissions, self._name)
        )
        self.views = CollectionViews(index)
        if isinstance(index, Index) and self.permissions.changes:
            mark_trashed(index, self.permissions.trash_of(index.path))
        self.index = index

    def searchable(self) -> Index:
        """Get the index, for what needs features, and for what is written beside the rows.

        Returns:
            The index.

        Raises:
            HTTPException: 409 while the features are still being learned, or if that has failed.
        """
        index = self.index
        if isinstance(index, Index):
            return index
        status = None if self.learning is None else self.learning.status
        if status is not None and status.error is not None:
            refuse(409, f"there are no features: {status.error}")
        left = None if status is None else status.seconds_left
        wait = "" if left is None else f": about {duration(left)} left"
        return refuse(409, f"features are still being learned{wait}")

    def reading(self) -> ReadingOptions:
        """Say how images are read: as the model has learned to, if there is one."""
        return self.index.model.reading_options() if isinstance(self.index, Index) else DEFAULT_OPTIONS

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

    async def computed(
        self,
        cache: StaleWhileRevalidate[Made],
        version: Hashable,
        describe: Callable[[Cached[Made]], BaseModel],
        *,
        current: bool = False,
    ) -> Response:
        """Answer with what takes long to compute, or with status 202 where there is nothing to show yet.

        Args:
            cache: Computes it, and keeps it.
            version: The present version.
            describe: Makes the answer, in a thread.
            current: Whether what belongs to another version is nothing to show: people act on what they see.

        Returns:
            The answer as JSON, or `Computing`.
        """
        found = await cache.get(version, _PATIENCE)
        if found is None or (current and not found.is_current):
            return JSONResponse({"computing": await self.run(self.index.count)}, 202)
        content = await self.run(lambda: describe(found).model_dump_json())
        return Response(content, media_type="application/json")

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

    async def embed(self, body: bytes, index: Index | None = None) -> Float[np.ndarray, " d"]:
        """Embed an uploaded image in a thread once the model is free.

        Args:
            body: The content of the image file.
            index: The index whose model to use; None for the one that is served.

        Returns:
            The features of the image.

        Raises:
            HTTPException: 409 while there is no model, 413 for an image with too many pixels, 422 for one that cannot
                be decoded.
        """
        return await to_thread.run_sync(
            embed_upload, self.searchable() if index is None else index, body, limiter=self.embeddings
        )


async def _server_state(request: Request) -> ServerState:
    """Return the state that `create_app` attached to the application."""
    state: ServerState = request.app.state.server
    return state


State: TypeAlias = Annotated[ServerState, Depends(_server_state)]
