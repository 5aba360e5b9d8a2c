"""How the proxies are trained: one loop for the two critics, progress, and private random numbers."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.ascent import maximize
from infomax.progress import announce, duration, progress_bar

CRITIC_STEPS = 1500  # of a critic
BATCH_SIZE = 256
_CHECKS = 15
_LEARNING_RATE = 1e-3
_FEWEST_VALIDATION_ROWS = 10
_STEPS_TIMED = 20  # steps after which the remaining time is printed

_Module = TypeVar("_Module", bound=nn.Module)


def maximize_critic(
    critic: _Module,
    objective: Callable[[_Module], Float[Tensor, ""]],
    validate: Callable[[_Module], float],
    *,
    name: str,
    steps: int,
    progress: bool,
) -> None:
    """Train a critic in place, and keep its weights at the check with the best validation score.

    Args:
        critic: The critic.
        objective: Computes the bound on a random batch.
        validate: Computes the bound on rows set aside.
        name: Name of the proxy, for the progress bar.
        steps: Number of training steps.
        progress: Whether to show progress on stderr.

    """
    with step_progress(name, steps, shown=progress) as advance:
        maximize(
            critic,
            objective,
            steps=steps,
            learning_rate=_LEARNING_RATE,
            validate=validate,
            check_every=max(1, steps // _CHECKS),
            on_step=advance,
        )


def n_training_rows(n: int) -> int:
    """Count the rows to train on; the last tenth, but at least 10 rows, is set aside for validation.

    Args:
        n: Number of rows.

    Returns:
        Number of rows before those set aside.

    """
    return n - max(_FEWEST_VALIDATION_ROWS, n // 10)


@contextmanager
def step_progress(name: str, steps: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show the progress of a training: a bar on a terminal, otherwise one line with the remaining time.

    Args:
        name: What is trained.
        steps: Number of steps.
        shown: Whether to show anything.

    Yields:
        A function to call after each step with its number, from 1.

    """
    with progress_bar(name, steps, unit="steps", shown=shown) as advance:
        began = time.monotonic()

        def after_step(step: int) -> None:
            advance(1)
            if step == _STEPS_TIMED and not sys.stderr.isatty():
                left = (time.monotonic() - began) / step * (steps - step)
                announce(f"{name} takes about {duration(left)} more", shown=shown)

        yield after_step


@contextmanager
def private_seed(seed: int) -> Iterator[None]:
    """Seed torch's random numbers inside a block, and restore the global state after it.

    Args:
        seed: The seed.

    Yields:
        Nothing.

    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
