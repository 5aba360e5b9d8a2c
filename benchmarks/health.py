"""What looking at a training's health costs, beside an epoch of it: the share of an epoch of the whole collection.

    python benchmarks/health.py SOURCE [--recipe seed-cifar10] [--pictures 3200] [--of 50000] [--clock wall]

An epoch of some of the pictures is trained, its end included; the same look at a thousand of them is then timed five
times by itself. `--of` is the size of the collection that the share is told for: the look stays the same size, an epoch
does not. `--clock cpu` counts the seconds of this process alone, for a machine that is busy with other things.
"""

import argparse
import statistics
import time

import torch

from infomax.images import load
from infomax.model import InfoMax
from infomax.recipes import find_recipe
from infomax.training.diagnostics import examined, some

LOOKS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source")
    parser.add_argument("--recipe", default="seed-cifar10")
    parser.add_argument("--pictures", type=int, default=3200)
    parser.add_argument("--of", type=int, default=50_000)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    now = time.process_time if args.clock == "cpu" else time.perf_counter
    loaded = load(args.source, find_recipe(args.recipe).size)
    pixels, labels = loaded.pixels[: args.pictures], loaded.labels
    began = now()
    model = InfoMax(args.recipe, epochs=1).fit(pixels)
    trained = now() - began
    assert model.objective_ is not None, "a recipe without objective has no health"
    rows = some(len(pixels), 0)
    inputs, known = torch.from_numpy(pixels[rows.numpy()]), labels and [labels[row] for row in rows.tolist()]
    looks = []
    for _ in range(LOOKS):
        began = now()
        examined(model.encoder_, model.objective_, inputs, known)
        looks.append(now() - began)
    look = statistics.median(looks)
    epoch = (trained - look) / len(pixels) * args.of
    print(f"{args.recipe}, {torch.get_num_threads()} threads, {args.clock} seconds")
    print(f"an epoch of {args.of} pictures, from {len(pixels)}: {epoch:.1f}")
    print(f"a look at {len(inputs)}: {look:.2f} ({min(looks):.2f} to {max(looks):.2f}), {look / epoch:.2%} of it")


if __name__ == "__main__":
    main()
