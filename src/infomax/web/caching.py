"""Work that many requests share: thumbnails are read together, and one map is computed for all."""

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from anyio import to_thread

Result = TypeVar("Result")


@final
class CoalescedLookup(Generic[Result]):
    """Lookup by id that combines concurrent requests.

    Ids that arrive during a lookup are looked up together afterwards. Many ids cost little more than one.

    Args:
        look_up: Function from ids to the results of those that exist. It runs in a thread.
        at_once: Ids that are looked up together, at most; None for all that wait.
    """

    def __init__(self, look_up: Callable[[list[str]], dict[str, Result]], at_once: int | None = None) -> None:
        self._look_up = look_up
        self._at_once = at_once
        self._waiting: dict[str, asyncio.Future[Result | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, id: str) -> Result | None:  # noqa: A002
        """Look up one id.

        Args:
            id: The id to look up.

        Returns:
            The result for the id, or None if there is no such id.

        Raises:
            Exception: Whatever the lookup raises.
        """
        future = self._waiting.setdefault(id, asyncio.get_running_loop().create_future())
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await asyncio.shield(future)  # a canceled request must not cancel the others that wait for the same id

    async def _work(self) -> None:
        while self._waiting:
            ids = list(self._waiting)[: self._at_once]
            waiting = {id_: self._waiting.pop(id_) for id_ in ids}
            try:
                found = await to_thread.run_sync(self._look_up, list(waiting))
            except Exception as error:
                for future in waiting.values():
                    future.set_exception(error)
            else:
                for id_, future in waiting.items():
                    future.set_result(found.get(id_))


@dataclass(frozen=True)
class Cached(Generic[Result]):
    """A result and whether it belongs to the present version.

    Attributes:
        result: The latest result.
        is_current: Whether the result was made for the version asked for.
    """

    result: Result
    is_current: bool


@final
class StaleWhileRevalidate(Generic[Result]):
    """Cache for the result of long work on something that changes.

    The latest result is available to all requests while a newer one is being made.

    Args:
        make: Function that makes the result. It runs in a thread.
    """

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make = make
        self._made: tuple[Hashable, Result] | None = None
        self._task: asyncio.Task[None] | None = None

    async def get(self, version: Hashable, timeout: float) -> Cached[Result] | None:
        """Get the latest result. Start making a new one if the latest belongs to another version.

        Args:
            version: The present version.
            timeout: Seconds to wait for a new result.

        Returns:
            The latest result, or None if there is no result yet.

        Raises:
            Exception: Whatever `make` raises.
        """
        deadline = time.monotonic() + timeout
        while self._made is None or self._made[0] != version:
            if self._task is None:
                self._task = asyncio.create_task(self._work(version))
            task = self._task
            await asyncio.wait([task], timeout=max(0.0, deadline - time.monotonic()))
            if not task.done():
                break
            if self._task is task:  # it may have begun with an older version: then another one follows
                self._task = None
            task.result()
        return None if self._made is None else Cached(self._made[1], self._made[0] == version)

    async def _work(self, version: Hashable) -> None:
        self._made = version, await to_thread.run_sync(self._make, abandon_on_cancel=True)
