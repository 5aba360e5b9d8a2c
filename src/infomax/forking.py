"""Children of a fork: they have none of their parent's threads, and wait forever for work that those should do."""

import os
import sys


def compute_alone_in_forked_children() -> None:
    """Let PyTorch use a single thread in every process that is forked from this one.

    A fork copies the state of OpenMP's thread pool, but not its threads. With one thread no pool is asked. A forked
    child is one of several workers anyway, and PyTorch's DataLoader does the same. Children that are spawned keep all
    threads. LanceDB starts its own threads again.
    """
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=_compute_alone)


def _compute_alone() -> None:
    """Set the number of PyTorch's threads to 1, if PyTorch is loaded completely."""
    torch = sys.modules.get("torch")
    if hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)
