"""Cost of the health check of a training, as a share of an epoch of the whole collection.

    python benchmarks/health.py SOURCE [--recipe dim-cifar10] [--images 3200] [--of 50000] [--clock wall]

One epoch of some images is trained, with its health check. The same check of a thousand images is then timed five
times by itself. `--of` is the size of the collection for which the share is computed: the check keeps its size, an
epoch does not. `--clock cpu` counts the CPU time of this process, for a machine with other work.
"""

import statistics

import torch

from _common import argument_parser, clock, machine, median_and_range
from infomax.images import load_images
from infomax.model import InfoMax
from infomax.recipes import find_recipe
from infomax.training.diagnostics import measure, sample_rows

CHECKS = 5


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("source")
    parser.add_argument("--recipe", default="dim-cifar10")
    parser.add_argument("--images", type=int, default=3200)
    parser.add_argument("--of", type=int, default=50_000)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    now = clock(args.clock)
    loaded = load_images(args.source, find_recipe(args.recipe).size)
    pixels, labels = loaded.pixels[: args.images], loaded.labels
    began = now()
    model = InfoMax(args.recipe, epochs=1).fit(pixels)
    trained = now() - began
    assert model.objective_ is not None, "a recipe without an objective has no health check"
    rows = sample_rows(len(pixels), 0)
    inputs, known = torch.from_numpy(pixels[rows.numpy()]), labels and [labels[row] for row in rows.tolist()]
    checks = []
    for _ in range(CHECKS):
        began = now()
        measure(model.encoder_, model.objective_, inputs, known)
        checks.append(now() - began)
    check = statistics.median(checks)
    epoch = (trained - check) / len(pixels) * args.of
    print(f"{args.recipe}, {machine()}, {args.clock} seconds")
    print(f"an epoch of {args.of} images, extrapolated from {len(pixels)}: {epoch:.1f}")
    print(f"a check of {len(inputs)}: {median_and_range(checks)}, {check / epoch:.2%} of the epoch")


if __name__ == "__main__":
    main()
