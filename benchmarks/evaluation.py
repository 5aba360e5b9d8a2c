"""Neighbours and the linear classifier beside scikit-learn's and, for neighbours, beside the bare matrix product.

    python benchmarks/evaluation.py [--queries 10000] [--collection 50000] [--dim 256] [--rounds 3] [--clock wall]
    python benchmarks/evaluation.py --vectors TRAIN.parquet TEST.parquet        # agreement on features of your own

All get the same float32 vectors, of 100 clusters, and take turns in every round; a ratio is that of two times in one
round, and its median over rounds is told, with the smallest and the largest. The product is what no exact search
by blocks can do without: every query with every vector, 512 queries at a time, into memory that is there already.
`--clock cpu` counts the seconds of this process alone, for a machine that is busy with other things.

With --vectors: the accuracies of this package and of scikit-learn, with the same number of neighbours or penalty.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from infomax.embeddings import read_embeddings
from infomax.evaluation.judge import METRICS, Task, judge
from infomax.evaluation.knn import neighbours
from infomax.evaluation.probes import fit_linear

Vectors = NDArray[np.float32]
ROWS = 512


def clusters(count: int, dim: int, seed: int) -> Vectors:
    centres = np.random.default_rng(0).standard_normal((100, dim), np.float32)
    random = np.random.default_rng(seed)
    return centres[random.integers(0, 100, count)] + random.standard_normal((count, dim), np.float32)


def product(queries: Vectors, collection: Vectors) -> None:
    x, y = torch.from_numpy(queries), torch.from_numpy(collection)
    out = torch.empty(min(ROWS, len(x)), len(y))
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        torch.mm(block, y.T, out=out[: len(block)])


def compare_speed(args: argparse.Namespace) -> None:
    from sklearn.neighbors import NearestNeighbors

    queries, collection = clusters(args.queries, args.dim, 1), clusters(args.collection, args.dim, 2)
    subjects: dict[str, Callable[[], object]] = {"product": partial(product, queries, collection)}
    for metric in METRICS:
        theirs = NearestNeighbors(n_neighbors=args.k, algorithm="brute", metric=metric).fit(collection)
        subjects[f"infomax {metric}"] = partial(neighbours, queries, collection, args.k, metric)
        subjects[f"scikit-learn {metric}"] = partial(theirs.kneighbors, queries)
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(args.rounds + 1):  # the first warms up
        for name, run in subjects.items():
            began = clock()
            run()
            if number:
                times[name].append(clock() - began)
    print(f"{args.queries} x {args.collection} x {args.dim}, k = {args.k}, {torch.get_num_threads()} threads")
    for name, seconds in times.items():
        ratio = spread(seconds, times["product"])
        print(f"{name:<24}{np.median(seconds):8.2f} s {args.clock}   {ratio} of the product")
    for metric in METRICS:
        ratio = spread(times[f"scikit-learn {metric}"], times[f"infomax {metric}"])
        print(f"scikit-learn / infomax, {metric}: {ratio}")


def spread(over: list[float], under: list[float]) -> str:
    ratios = np.divide(over, under)
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def compare_agreement(train: Path, test: Path, k: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    first, second = read_embeddings(train), read_embeddings(test)
    if first.labels is None or second.labels is None:
        raise SystemExit("both files need labels")
    task = Task.of(first.labels, second.labels, k)
    ours = judge(task, first.vectors, second.vectors, k=k, ks=(k,), probes=())
    print(f"{'':<16}{'infomax':>10}{'scikit-learn':>14}")
    for metric in METRICS:
        vote = KNeighborsClassifier(k, algorithm="brute", metric=metric).fit(first.vectors, task.train)
        mine = ours.knn[k, metric, "majority"].accuracy
        print(f"{f'kNN {metric}':<16}{mine:>10.4f}{vote.score(second.vectors, task.test):>14.4f}")
    line = fit_linear(first.vectors, task.train, len(task.names))
    strength = (1 + (len(task.names) == 2)) / (len(first.vectors) * line.penalty)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-5, max_iter=5000))
    theirs.fit(first.vectors, task.train)
    mine = float((line.predict(second.vectors) == task.test).mean())
    print(f"{'linear':<16}{mine:>10.4f}{theirs.score(second.vectors, task.test):>14.4f}   penalty {line.penalty:g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--collection", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--vectors", type=Path, nargs=2, metavar="FILE.parquet")
    args = parser.parse_args()
    if args.vectors:
        compare_agreement(args.vectors[0], args.vectors[1], args.k)
    else:
        compare_speed(args)


if __name__ == "__main__":
    main()
