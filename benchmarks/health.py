"""What looking at a training's health costs, beside an epoch of it: the share of an epoch of the whole collection.

    python benchmarks/health.py SOURCE [--recipe dim-cifar10] [--images 3200] [--of 50000] [--clock wall]

An epoch of some of the images is trained, its end included; the same look at a thousand of them is then timed five
times by itself. `--of` is the size of the collection that the share is told for: the look stays the same size, an epoch
does not. `--clock cpu` counts the seconds of this process alone, for a machine that is busy with other things.
"""

import argparse
import statistics
import time

import torch

from infomax.images import load_images
from infomax.model import InfoMax
from infomax.recipes import find_recipe
from infomax.training.diagnostics import measure, sample_rows

LOOKS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source")
    parser.add_argument("--recipe", default="dim-cifar10")
    parser.add_argument("--images", type=int, default=3200)
    parser.add_argument("--of", type=int, default=50_000)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    now = time.process_time if args.clock == "cpu" else time.perf_counter
    loaded = load_images(args.source, find_recipe(args.recipe).size)
    pixels, labels = loaded.pixels[: args.images], loaded.labels
    began = now()
    model = InfoMax(args.recipe, epochs=1).fit(pixels)
    trained = now() - began
    assert model.objective_ is not None, "a recipe without objective has no health"
    rows = sample_rows(len(pixels), 0)
    inputs, known = torch.from_numpy(pixels[rows.numpy()]), labels and [labels[row] for row in rows.tolist()]
    looks = []
    for _ in range(LOOKS):
        began = now()
        measure(model.encoder_, model.objective_, inputs, known)
        looks.append(now() - began)
    look = statistics.median(looks)
    epoch = (trained - look) / len(pixels) * args.of
    print(f"{args.recipe}, {torch.get_num_threads()} threads, {args.clock} seconds")
    print(f"an epoch of {args.of} images, from {len(pixels)}: {epoch:.1f}")
    print(f"a look at {len(inputs)}: {look:.2f} ({min(looks):.2f} to {max(looks):.2f}), {look / epoch:.2%} of it")


if __name__ == "__main__":
    main()
