"""A closed-form recipe from cold start to verdict, in one process: seconds of every stage, memory, accuracy.

    python benchmarks/closed_form.py 'train-*.parquet' 'test-*.parquet' [--recipe spectral] [--set NAME=VALUE ...]
    python benchmarks/closed_form.py 'train-*.parquet' --dev 5000 [...]       # the last 5,000 training pictures judge
    python benchmarks/closed_form.py 'train-*.parquet' --cost 10000 50000 200000     # time and memory of ever more

Labels are seen by the judge alone. Settings were chosen with --dev; the test split is for the final figure. Pictures
are decoded afresh, without a cache. With --cost the collection is filled up by mirror images and shifted copies.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import resource  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from infomax import InfoMax  # noqa: E402
from infomax.evaluation.judge import Task, judge  # noqa: E402
from infomax.pictures import load  # noqa: E402
from infomax.recipes import find_recipe  # noqa: E402

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
    """The pictures, their mirror images, and both again, shifted by a pixel for every round."""
    both = np.concatenate([pixels, pixels[:, :, ::-1]])
    rounds = [np.roll(both, (shift, -shift), (1, 2)) for shift in range(-(-count // len(both)))]
    return np.ascontiguousarray(np.concatenate(rounds)[:count])


def cost(model: InfoMax, pixels: Pixels, counts: list[int]) -> None:
    for count in counts:
        some = enlarged(pixels, count)
        began = tell(f"{count} pictures are ready", time.perf_counter())
        model.fit(some)
        began = tell(f"{count} pictures, fit", began)
        for start in range(0, count, 10_000):
            model.transform(some[start : start + 10_000])
        tell(f"{count} pictures, embedded", began)


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
    began = tell("start", STARTED)
    model = InfoMax(recipe, seed=args.seed)
    with tempfile.TemporaryDirectory() as cache:
        train = load(args.train, recipe.size, cache=Path(cache))
        test = load(args.test, recipe.size, cache=Path(cache)) if args.test else None
        began = tell("decoding", began)
        if args.cost:
            cost(model, np.array(train.pixels), args.cost)
            return
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
    verdict = judge(Task.of(labels, other_labels), codes, other_codes)
    tell("judging", began)
    for (k, metric, vote), score in verdict.knn.items():
        print(f"kNN, k = {k:<3} {metric:<9} {vote:<8} {100 * score.accuracy:.2f} %")
    for name, score in verdict.probes.items():
        print(f"{name:<28} {100 * score.accuracy:.2f} %")


if __name__ == "__main__":
    main()
