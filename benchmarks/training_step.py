"""Share of the encoder in a training step: the step beside the bare encoder, and the time of each part.

    OMP_NUM_THREADS=1 python benchmarks/training_step.py [--recipes multiview-fast dim-cifar10] [--rounds 20]
    python benchmarks/training_step.py --device cuda --recipes multiview multiview-best [--set compiled=true]

The bare encoder runs forward and backward on random tensors in memory, in the same precision, with the same number of
images or views of the same sizes: no data, no augmentation, no objective, no optimizer. The two alternate step by
step. A ratio divides the two times of one round; its median over rounds is printed with the quartiles. Another series
times every part of a step. On a CPU the time is CPU time divided by threads; on a GPU it is wall time between
synchronizations.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from _common import argument_parser, machine, seconds_of, table_head, table_row
from infomax.devices import autocast, bfloat16_is_fast, choose_device
from infomax.recipes import DeepInfoMax, MultiViewInfoMax, find_recipe
from infomax.representation.encoders import Encoder
from infomax.training import trainer as module
from infomax.training.context import TrainingContext
from infomax.training.trainer import Trainer, batch_loader

IMAGES = 10_000
WARMUP = 3


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--recipes", nargs="+", default=["multiview-fast", "dim-cifar10"])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    print(f"{machine(device)}, {'bfloat16' if bfloat16_is_fast(device) else 'float32'}\n")
    for each in options.recipes:
        recipe = find_recipe(each).with_texts(options.set)
        assert isinstance(recipe, MultiViewInfoMax | DeepInfoMax), f"{each} is not trained in steps"
        measure(recipe, options.rounds, device)


def measure(recipe: MultiViewInfoMax | DeepInfoMax, rounds: int, device: torch.device) -> None:
    """Print the ratio and the profile of one recipe."""
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, recipe.size, recipe.size, 3), np.uint8)
    encoder = recipe.encoder()
    training = Trainer(
        encoder,
        recipe.objective(),
        recipe.schedule(),
        TrainingContext(device=device, bfloat16=True),
        views=recipe.view_plan if isinstance(recipe, MultiViewInfoMax) else None,
        compiled=isinstance(recipe, MultiViewInfoMax) and recipe.compiled,
    )
    training.total_steps = 10**6
    pick = batch_loader(pixels, device)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        training.train_step(pick(torch.randint(IMAGES, (recipe.batch,), generator=generator)))

    bare = bare_step(recipe, device)
    ratios, seconds = [], []
    for number in range(WARMUP + rounds):
        whole, alone = seconds_of(step, device), seconds_of(bare, device)
        if number >= WARMUP:
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
        shapes = [(view.count * recipe.batch // recipe.micro_batches, view.size) for view in recipe.view_plan(0.0)]
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


def profile(training: Trainer, step: Callable[[], None], rounds: int, device: torch.device) -> None:
    """Print the time of each part of a step. Each part is waited for, so all parts may take longer than a step."""
    spent = defaultdict[str, float](float)

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            result: list[Any] = []
            spent[part] += seconds_of(lambda: result.append(function(*arguments, **named)), device)
            return result[0]

        return watched

    patched: list[tuple[Any, str, str]] = [
        (module, "augment", "views"),
        (training, "_encode", "encoder, forward"),
        (torch.autograd, "backward", "backward"),
        (training.optimizer, "step", "optimizer"),
        (training.objective, "of_views" if training.views else "forward", "objective, forward"),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patched]
    for owner, name, part in patched:
        setattr(owner, name, timed(part, getattr(owner, name)))
    whole = sum(seconds_of(step, device) for _ in range(rounds))
    for owner, name, original in before:
        setattr(owner, name, original)
    spent["other: selecting images, clearing gradients, sums for the log"] = whole - sum(spent.values())
    print(table_head(["part of a step", "ms", "share"]))
    for part, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(table_row([part, f"{1e3 * seconds / rounds:.1f}", f"{seconds / whole:.1%}"]))
    print(flush=True)


if __name__ == "__main__":
    main()
