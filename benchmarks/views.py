"""Cost of augmentation beside a training step of the fast encoder, in CPU time of one process.

    OMP_NUM_THREADS=1 python benchmarks/views.py [--batch 256] [--rounds 10]

A step draws views, encodes them (in bfloat16 where that is faster), scores them against all others of the batch,
computes the gradient and applies AdamW. Each round times the drawing and the rest of the step for one kind of views
after another; the table has medians over rounds. On a busy machine CPU time rises too, because other work evicts the
caches, so compare the shares.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from _common import argument_parser, machine, table_head, table_row
from infomax.devices import autocast, bfloat16_is_fast
from infomax.information.critics import Cosine
from infomax.representation.augmentation import CropPolicy, augment
from infomax.representation.encoders import WhitenedEncoder
from infomax.representation.objectives import CrossViewInfo

CPU = torch.device("cpu")


def kinds() -> dict[str, tuple[CropPolicy, ...]]:
    """Views of a step, by name."""
    return {
        "2 of 32 px": (CropPolicy(32),),
        "2 of 24 px": (CropPolicy(24),),
        "2 of 16 px": (CropPolicy(16),),
        "2 of 32 px, blurred and solarized": (CropPolicy(32, blur=0.5, solarize=0.2),),
        "2 of 32 px, 4 of 16 px": (CropPolicy(32, scale=(0.25, 1.0)), CropPolicy(16, 4, scale=(0.08, 0.25))),
        "2 of 32 px, crop only": (CropPolicy(32, flip=0.0, jitter=0.0, gray=0.0),),
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    images = torch.randint(0, 256, (options.batch, 32, 32, 3), dtype=torch.uint8)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)

    @contextmanager
    def timed(name: str, part: str) -> Iterator[None]:
        start = time.process_time()
        yield
        seconds[name, part].append(time.process_time() - start)

    steps = {name: step(options.batch, bool(len(each) - 1)) for name, each in kinds().items()}
    generator = torch.Generator().manual_seed(0)
    for _ in range(options.rounds + 1):
        for name, each in kinds().items():
            with timed(name, "views"):
                views = augment(each, images, generator)
            with timed(name, "rest"):
                steps[name](views)
    print(f"{machine()}, {'bfloat16' if bfloat16_is_fast(CPU) else 'float32'},")
    print(f"batch {options.batch}, medians of {options.rounds} rounds, CPU time\n")
    print(table_head(["views", "µs per view", "µs per image, rest of the step", "share of views in the step"]))
    for name, each in kinds().items():
        drawn, rest = (statistics.median(seconds[name, part][1:]) for part in ("views", "rest"))
        count = options.batch * sum(kind.count for kind in each)
        cells = f"{1e6 * drawn / count:.0f}", f"{1e6 * rest / options.batch:.0f}", f"{drawn / (drawn + rest):.1%}"
        print(table_row([name, *cells]))


def step(batch: int, crops: bool) -> Callable[[list[Tensor]], None]:
    """A training step without the drawing of views."""
    torch.manual_seed(0)
    encoder = WhitenedEncoder()
    objective = CrossViewInfo(Cosine(encoder.dim, encoder.dim, 512, shared=True), n_targets=2 if crops else None)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *objective.parameters()], fused=True)

    def learn(views: list[Tensor]) -> None:
        with autocast(CPU):
            seen = [each for kind in views for each in encoder(kind).split(batch)]
            value = objective.of_views([(each, each.sample()) for each in seen])
        optimizer.zero_grad()
        (-value.total).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return learn


if __name__ == "__main__":
    main()
