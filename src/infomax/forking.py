"""Children of a fork: they have none of their parent's threads, and wait forever for work that those should do."""

import os
import sys

_INHERITED: set[str] = set()
"""Modules whose threads an ancestor of this process had, and this process has not."""

_WITH_THREADS = {"lancedb"}


def prepare_forked_children() -> None:
    """Keep every process that is forked from this one from waiting for threads that it does not have.

    A fork copies the state of OpenMP's thread pool, but not its threads. PyTorch asks no pool for a single thread, so
    it uses one in the child. A forked child is one of several workers anyway, and PyTorch's DataLoader does the same.
    Children that are spawned keep all threads.
    """
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=_after_fork)


def is_inherited(module: str) -> bool:
    """Whether this process was forked from one that had loaded a module with threads of its own.

    Args:
        module: Name of the module: "lancedb".

    Returns:
        True if the module must not be used here.

    """
    return module in _INHERITED


def _after_fork() -> None:
    """Set the number of PyTorch's threads to 1, if PyTorch is loaded completely, and remember the other modules."""
    _INHERITED.update(_WITH_THREADS & sys.modules.keys())
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)
