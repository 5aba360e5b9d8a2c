"""How much of a training step is the encoder: beside its bare forward and backward, and where the rest goes.

    OMP_NUM_THREADS=1 python benchmarks/training_step.py [--recipes multiview-fast dim-cifar10] [--rounds 20] [--batch 256]
    python benchmarks/training_step.py --device cuda --recipes views multiview-best --rounds 50 [--set compiled=true]

Bare is the same encoder, precision and number of images or views of the same sizes, as random tensors that lie in
memory: no data, no views, no objective, no optimizer. The two take turns, a step each; the ratio is that of a round's
two times, and its median over rounds is told, with the quartiles. Then one more series, with a clock at every part. On
the CPU the clock counts this process's time over its threads, on a GPU wall time between synchronizations.
"""

import argparse
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from infomax.devices import autocast, bfloat16_is_fast, choose_device
from infomax.recipes import DeepInfoMax, MultiViewInfoMax, find_recipe
from infomax.representation.encoders import Encoder
from infomax.training import trainer as module
from infomax.training.trainer import Trainer, batch_loader

IMAGES = 10_000
WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["multiview-fast", "dim-cifar10"])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    precision = "bfloat16" if bfloat16_is_fast(device) else "float32"
    print(
        f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, {precision}\n"
    )
    for each in options.recipes:
        recipe = find_recipe(each).with_texts(options.set)
        assert isinstance(recipe, MultiViewInfoMax | DeepInfoMax), f"{each} has no steps"
        measure(recipe, options.rounds, device)


def measure(recipe: MultiViewInfoMax | DeepInfoMax, rounds: int, device: torch.device) -> None:
    """Print the ratio and the profile of one recipe."""
    torch.manual_seed(0)
    clock = clock_of(device)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, recipe.size, recipe.size, 3), np.uint8)
    encoder = recipe.encoder()
    training = Trainer(
        encoder,
        recipe.objective(),
        recipe.schedule(),
        steps=10**6,
        views=recipe.plan if isinstance(recipe, MultiViewInfoMax) else None,
        device=device,
        bfloat16=True,
        compiled=isinstance(recipe, MultiViewInfoMax) and recipe.compiled,
    )
    pick = batch_loader(pixels, device)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        training.learn(pick(torch.randint(IMAGES, (recipe.batch,), generator=generator)))

    bare = bare_step(recipe, device)
    ratios, seconds = [], []
    for number in range(WARM_UP + rounds):
        whole, alone = clock(step), clock(bare)
        if number >= WARM_UP:
            ratios.append(alone / whole)
            seconds.append(whole)
    low, middle, high = statistics.quantiles(ratios, n=4)
    rate = recipe.batch / statistics.median(seconds)
    print(f"{recipe.name}, batch {recipe.batch}, {rounds} rounds: {rate:.0f} images/s, ", end="")
    print(f"{middle:.1%} of the bare encoder's ({low:.1%} to {high:.1%})\n")
    profile(training, step, rounds, device)


def bare_step(recipe: MultiViewInfoMax | DeepInfoMax, device: torch.device) -> Callable[[], None]:
    """Forward and backward of a new encoder on random tensors, one for each size of view."""
    encoder: Encoder = recipe.encoder().to(device).train()
    if isinstance(recipe, MultiViewInfoMax):
        shapes = [(view.count * recipe.batch // recipe.micro_batches, view.size) for view in recipe.plan(0.0)]
        parts = recipe.micro_batches
        represent = torch.compile(encoder) if recipe.compiled else encoder
    else:
        shapes, parts, represent = [(recipe.batch, recipe.size)], 1, encoder
    batches = [torch.rand(count, size, size, 3, device=device) * 255 for count, size in shapes]

    def step() -> None:
        for parameter in encoder.parameters():
            parameter.grad = None
        for _ in range(parts):
            with autocast(device):
                seen = [represent(batch) for batch in batches]
            torch.autograd.backward([each.mean.sum() + each.local.sum() for each in seen])

    return step


def clock_of(device: torch.device) -> Callable[[Callable[[], object]], float]:
    """A function that says how many seconds a task takes."""

    def seconds(task: Callable[[], object]) -> float:
        read = time.perf_counter if device.type == "cuda" else time.process_time
        start = read()
        task()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (read() - start) / (1 if device.type == "cuda" else torch.get_num_threads())

    return seconds


def profile(training: Trainer, step: Callable[[], None], rounds: int, device: torch.device) -> None:
    """Print what each part of a step takes, each waited for, so that together they may take longer than a step."""
    clock, spent = clock_of(device), defaultdict[str, float](float)

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            result: list[Any] = []
            spent[part] += clock(lambda: result.append(function(*arguments, **named)))
            return result[0]

        return watched

    patched: list[tuple[Any, str, str]] = [
        (module, "draw", "views"),
        (training, "represent", "encoder, forward"),
        (torch.autograd, "backward", "backward, all of it"),
        (training.optimizer, "step", "optimizer"),
        (training.objective, "of_views" if training.views else "forward", "objective, forward"),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patched]
    for owner, name, part in patched:
        setattr(owner, name, timed(part, getattr(owner, name)))
    whole = sum(clock(step) for _ in range(rounds))
    for owner, name, original in before:
        setattr(owner, name, original)
    spent["the rest: images picked, gradients cleared, sums for the log"] = whole - sum(spent.values())
    print("| part of a step | ms | share |\n|---|---|---|")
    for part, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"| {part} | {1e3 * seconds / rounds:.1f} | {seconds / whole:.1%} |")
    print(flush=True)


if __name__ == "__main__":
    main()
