"""A closed-form recipe from cold start to its scores, in one process: seconds of every stage, memory, accuracy.

    python benchmarks/closed_form.py 'train-*.parquet' 'test-*.parquet' [--recipe spectral] [--set NAME=VALUE ...]
    python benchmarks/closed_form.py 'train-*.parquet' --dev 5000 [...]     # evaluate on the last 5,000 images
    python benchmarks/closed_form.py 'train-*.parquet' --cost 10000 50000 200000   # time and memory by number of images

Only the evaluation sees labels. Settings were chosen with --dev; the test split is for the final figure. Images are
decoded again each time, without a cache. With --cost mirror images and shifted copies enlarge the collection.
"""

import time

STARTED = time.perf_counter()

import tempfile  # noqa: E402
from multiprocessing import get_context  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from _common import argument_parser, peak_memory_mb  # noqa: E402
from infomax import InfoMax  # noqa: E402
from infomax.evaluation.labels import LabelSplit  # noqa: E402
from infomax.evaluation.scores import score_features  # noqa: E402
from infomax.images import load_images  # noqa: E402
from infomax.recipes import Recipe, find_recipe  # noqa: E402

Pixels = NDArray[np.uint8]


def print_stage(stage: str, began: float) -> float:
    """Print the seconds since `began`, those since the start and the peak memory; return the time now."""
    now = time.perf_counter()
    print(
        f"{stage:<34}{now - began:8.1f} s   total {now - STARTED:7.1f} s, {time.process_time():7.1f} CPU s, "
        f"peak {peak_memory_mb() / 1e3:.2f} GB",
        flush=True,
    )
    return now


def enlarged(pixels: Pixels, count: int) -> Pixels:
    """The images, then their mirror images, then both again, shifted by one more pixel in every round."""
    out = np.empty((count, *pixels.shape[1:]), np.uint8)
    for number, start in enumerate(range(0, count, len(pixels))):
        shift = number // 2
        copy = np.roll(pixels[:, :, ::-1] if number % 2 else pixels, (shift, -shift), (1, 2))
        out[start : start + len(pixels)] = copy[: count - start]
    return out


def cost(recipe: Recipe, seed: int, source: str, count: int) -> None:
    """Print time and memory of one number of images; it runs in its own process, because peak memory is per process."""
    model = InfoMax(recipe, seed=seed)
    with tempfile.TemporaryDirectory() as cache:
        pixels = enlarged(np.array(load_images(source, recipe.size, cache=Path(cache)).pixels), count)
    began = print_stage(f"{count} images, {pixels.nbytes / 1e9:.2f} GB, ready", STARTED)
    model.fit(pixels)
    began = print_stage(f"{count} images, fit", began)
    for start in range(0, count, 10_000):
        model.transform(pixels[start : start + 10_000])
    print_stage(f"{count} images, embedded", began)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("train")
    parser.add_argument("test", nargs="?")
    parser.add_argument("--recipe", default="spectral")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dev", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder in which to keep the run")
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
    began = print_stage("start", STARTED)
    model = InfoMax(recipe, seed=args.seed)
    with tempfile.TemporaryDirectory() as cache:
        train = load_images(args.train, recipe.size, cache=Path(cache))
        test = load_images(args.test, recipe.size, cache=Path(cache)) if args.test else None
        began = print_stage("decoding", began)
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
    began = print_stage("fit", began)
    codes, other_codes = model.transform(pixels), model.transform(others)
    began = print_stage(f"embedding {len(pixels)} + {len(others)}", began)
    scores = score_features(LabelSplit.of(labels, other_labels), codes, other_codes)
    print_stage("evaluation", began)
    for (k, metric, vote), score in scores.knn.items():
        print(f"kNN, k = {k:<3} {metric:<9} {vote:<8} {100 * score.accuracy:.2f} %")
    for name, score in scores.classifiers.items():
        print(f"{name:<28} {100 * score.accuracy:.2f} %")


if __name__ == "__main__":
    main()
