"""Work that many requests share: thumbnails read together, one map computed for all."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar, final

from anyio import to_thread

Result = TypeVar("Result")


@final
class CoalescedLookup(Generic[Result]):
    """Looks up ids that come in while an earlier look-up is under way in one go: many cost little more than one."""

    def __init__(self, look_up: Callable[[list[str]], dict[str, Result]]) -> None:
        self._look_up = look_up
        self._waiting: dict[str, asyncio.Future[Result | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, id: str) -> Result | None:  # noqa: A002
        """What was found for an id, if anything. Raises what the look-up raises."""
        found = self._waiting.setdefault(id, asyncio.get_running_loop().create_future())
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await asyncio.shield(found)  # one that gives up does not take the others with it

    async def _work(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                found = await to_thread.run_sync(self._look_up, list(waiting))
            except Exception as error:
                for future in waiting.values():
                    future.set_exception(error)
            else:
                for id_, future in waiting.items():
                    future.set_result(found.get(id_))


@final
class StaleWhileRevalidate(Generic[Result]):
    """A result of long work about something that changes: the latest is there for all while a newer one is made."""

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make = make
        self._made: tuple[int, Result] | None = None
        self._task: asyncio.Task[None] | None = None

    async def get(self, version: int, patience: float) -> tuple[Result, bool] | None:
        """The latest result, and whether it is of `version` or later; None where there is none yet.

        Starts the work where it is needed and waits for it so many seconds. Raises what the work raises.
        """
        if self._made is None or self._made[0] != version:
            if self._task is None:
                self._task = asyncio.create_task(self._work(version))
            done, _ = await asyncio.wait([self._task], timeout=patience)
            if done and self._task in done:
                self._task = None
                done.pop().result()
        return None if self._made is None else (self._made[1], self._made[0] == version)

    async def _work(self, version: int) -> None:
        self._made = version, await to_thread.run_sync(self._make, abandon_on_cancel=True)
