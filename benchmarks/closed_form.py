"""A closed-form recipe from cold start to verdict, in one process: seconds of every stage, memory, accuracy.

    python benchmarks/closed_form.py 'train-*.parquet' 'test-*.parquet' [--recipe spectral] [--set NAME=VALUE ...]
    python benchmarks/closed_form.py 'train-*.parquet' --dev 5000 [...]       # the last 5,000 training images judge
    python benchmarks/closed_form.py 'train-*.parquet' --cost 10000 50000 200000     # time and memory of ever more

Labels are seen by the judge alone. Settings were chosen with --dev; the test split is for the final figure. Images
are decoded afresh, without a cache. With --cost the collection is filled up by mirror images and shifted copies.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import resource  # noqa: E402
import tempfile  # noqa: E402
from multiprocessing import get_context  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from infomax import InfoMax  # noqa: E402
from infomax.evaluation.scores import LabelSplit, score_features  # noqa: E402
from infomax.images import load_images  # noqa: E402
from infomax.recipes import Recipe, find_recipe  # noqa: E402

Pixels = NDArray[np.uint8]


def tell(what: str, began: float) -> float:
    now = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{what:<34}{now - began:8.1f} s   in all {now - STARTED:7.1f} s, {time.process_time():7.1f} CPU s, "
        f"peak {peak:.2f} GB",
        flush=True,
    )
    return now


def enlarged(pixels: Pixels, count: int) -> Pixels:
    """The images, then their mirror images, then both again, shifted by a pixel more in every round."""
    out = np.empty((count, *pixels.shape[1:]), np.uint8)
    for number, start in enumerate(range(0, count, len(pixels))):
        shift = number // 2
        copy = np.roll(pixels[:, :, ::-1] if number % 2 else pixels, (shift, -shift), (1, 2))
        out[start : start + len(pixels)] = copy[: count - start]
    return out


def cost(recipe: Recipe, seed: int, source: str, count: int) -> None:
    """Time and memory of so many images, in a process of its own, so that its peak is its own."""
    model = InfoMax(recipe, seed=seed)
    with tempfile.TemporaryDirectory() as cache:
        pixels = enlarged(np.array(load_images(source, recipe.size, cache=Path(cache)).pixels), count)
    began = tell(f"{count} images, {pixels.nbytes / 1e9:.2f} GB, ready", STARTED)
    model.fit(pixels)
    began = tell(f"{count} images, fit", began)
    for start in range(0, count, 10_000):
        model.transform(pixels[start : start + 10_000])
    tell(f"{count} images, embedded", began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("test", nargs="?")
    parser.add_argument("--recipe", default="spectral")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dev", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the run")
    parser.add_argument("--cost", type=int, nargs="+")
    args = parser.parse_args()
    recipe = find_recipe(args.recipe).with_texts(args.set)
    print(f"{recipe}\ntorch {torch.__version__}, {torch.get_num_threads()} threads, seed {args.seed}")
    for count in args.cost or ():
        child = get_context("spawn").Process(target=cost, args=(recipe, args.seed, args.train, count))
        child.start()
        child.join()
    if args.cost:
        return
    began = tell("start", STARTED)
    model = InfoMax(recipe, seed=args.seed)
    with tempfile.TemporaryDirectory() as cache:
        train = load_images(args.train, recipe.size, cache=Path(cache))
        test = load_images(args.test, recipe.size, cache=Path(cache)) if args.test else None
        began = tell("decoding", began)
        assert train.labels is not None
        pixels, labels = np.array(train.pixels), train.labels
        if args.dev:
            others, other_labels = pixels[-args.dev :], labels[-args.dev :]
            pixels, labels = pixels[: -args.dev], labels[: -args.dev]
        else:
            assert test is not None
            assert test.labels is not None
            others, other_labels = np.array(test.pixels), test.labels
    model.fit(pixels, out=args.out)
    began = tell("fit", began)
    codes, other_codes = model.transform(pixels), model.transform(others)
    began = tell(f"embedding {len(pixels)} + {len(others)}", began)
    verdict = score_features(LabelSplit.of(labels, other_labels), codes, other_codes)
    tell("judging", began)
    for (k, metric, vote), score in verdict.knn.items():
        print(f"kNN, k = {k:<3} {metric:<9} {vote:<8} {100 * score.accuracy:.2f} %")
    for name, score in verdict.probes.items():
        print(f"{name:<28} {100 * score.accuracy:.2f} %")


if __name__ == "__main__":
    main()
