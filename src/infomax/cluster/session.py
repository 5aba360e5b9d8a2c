"""A session with a Ray cluster: tasks that share one large object, and are retried where a machine dies.

Ray does the work: it starts a process for each core or GPU, sends objects to machines, and runs a task again elsewhere
when its process or machine is gone.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from infomax.errors import InfoMaxError
from infomax.progress import progress_bar

RETRIES = 10
"""How often a task is started again after the process or the machine that ran it has died."""

LOCAL = "local"
"""Address of a cluster of this machine alone, which is started for one command."""

Result = TypeVar("Result")


class Session:
    """A connection to a Ray cluster.

    Args:
        ray: The module.

    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def run(
        self,
        work: Callable[..., Result],
        common: object,
        tasks: Sequence[tuple[Any, ...]],
        sizes: Sequence[int],
        *,
        gpu: bool,
        bar: tuple[str, bool],
    ) -> list[Result]:
        """Run a function for each of some tasks, on all machines of the cluster.

        Args:
            work: Function of `common` and of what one task consists of. It may run more than once for one task.
            common: What all tasks need: sent to each machine once, and unpacked by each process once.
            tasks: The arguments of each task.
            sizes: How far each task moves the bar.
            gpu: Whether a task takes a GPU where the cluster has any.
            bar: Name of the progress bar, and whether it is drawn.

        Returns:
            The results, in the order of the tasks.

        Raises:
            InfoMaxError: A task fails for a reason that no repetition mends.

        """
        ray = self._ray
        with_gpu = gpu and ray.cluster_resources().get("GPU", 0) > 0
        remote = ray.remote(num_cpus=1, num_gpus=1 if with_gpu else 0, max_retries=RETRIES)(_task)
        stored = [ray.put(common)]  # within a list, so that each process decides whether it has it already
        waiting = {remote.remote(work, stored, task): place for place, task in enumerate(tasks)}
        found: dict[int, Result] = {}
        with progress_bar(bar[0], sum(sizes), shown=bar[1]) as advance:
            while waiting:
                (done, *_), _ = ray.wait(list(waiting), num_returns=1)
                place = waiting.pop(done)
                with _translate_ray_errors(ray):
                    found[place] = ray.get(done)
                advance(sizes[place])
        return [found[place] for place in range(len(tasks))]


@contextmanager
def connected(address: str) -> Iterator[Session]:
    """Connect to a cluster while the context lasts.

    Args:
        address: "auto" for the cluster that this machine belongs to, its address, or LOCAL.

    Yields:
        The session.

    Raises:
        InfoMaxError: Ray is not installed, or there is no such cluster.

    """
    try:
        import ray
    except ImportError:
        raise InfoMaxError("--ray needs Ray: pip install 'infomax[ray]'") from None
    ours = not ray.is_initialized()
    try:
        if ours:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise InfoMaxError(
            f"no Ray cluster at {address!r} ({first}): start one with ray start --head, or give --ray {LOCAL}"
        ) from None
    try:
        yield Session(ray)
    finally:
        if ours:
            ray.shutdown()


def _task(work: Callable[..., Result], stored: Sequence[Any], arguments: tuple[Any, ...]) -> Result:
    """What a process of the cluster runs for one task."""
    return work(_common(stored[0]), *arguments)


@lru_cache(maxsize=1)
def _common(stored: Any) -> Any:
    """What all tasks of a command need, unpacked once in each process."""
    import ray

    return ray.get(stored)


@contextmanager
def _translate_ray_errors(ray: Any) -> Iterator[None]:
    """Turn errors of tasks into the InfoMaxError that they were, or one line."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InfoMaxError):
            raise InfoMaxError(str(error.cause)) from None
        raise
    except ray.exceptions.RayError as error:
        first = str(error).partition("\n")[0]
        raise InfoMaxError(f"the cluster has lost a task {RETRIES} times ({first}): look at ray status") from None
