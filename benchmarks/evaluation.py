"""Neighbors and the linear classifier beside scikit-learn's: whether they agree, and how fast the neighbors are.

    infomax embed 'train-*.parquet' --model RUN --out train.parquet      # the same for the test images
    python benchmarks/evaluation.py train.parquet test.parquet [--rounds 3] [--clock wall]
    python benchmarks/evaluation.py [--queries 10000] [--collection 50000] [--dim 256]      # 100 clusters instead

Speed: all get the same float32 vectors and take turns in every round, after one to warm up; a ratio is that of two
times in one round, and its median over rounds is told, with the smallest and the largest. The product is what no exact
search by blocks can do without: every query with every vector, 512 queries at a time, into memory that is there
already. `--clock cpu` counts the seconds of this process alone, for a machine that is busy with other things.

Agreement: accuracies with the same number of neighbors or the same penalty, in per cent. scikit-learn's regression
takes Newton steps: where the penalty is weak its L-BFGS is far from the minimum after hundreds. They take minutes.
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
from infomax.evaluation.classifiers import fit_linear
from infomax.evaluation.scores import METRICS, LabelSplit, score_features
from infomax.neighbors.knn import neighbors

Vectors = NDArray[np.float32]
Split = tuple[Vectors, list[str]]
ROWS = 512


def clusters(count: int, dim: int, seed: int) -> Split:
    centers = np.random.default_rng(0).standard_normal((100, dim), np.float32)
    random = np.random.default_rng(seed)
    labels = random.integers(0, 100, count)
    noise = 6 * random.standard_normal((count, dim), np.float32)
    return centers[labels] + noise, labels.astype(str).tolist()


def read(path: Path) -> Split:
    found = read_embeddings(path)
    if found.labels is None:
        raise SystemExit(f"{path} has no labels")
    return found.vectors, found.labels


def product(queries: Vectors, collection: Vectors) -> None:
    x, y = torch.from_numpy(queries), torch.from_numpy(collection)
    out = torch.empty(min(ROWS, len(x)), len(y))
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        torch.mm(block, y.T, out=out[: len(block)])


def compare_speed(collection: Vectors, queries: Vectors, k: int, rounds: int, clock: str) -> None:
    from sklearn.neighbors import NearestNeighbors

    subjects: dict[str, Callable[[], object]] = {"product": partial(product, queries, collection)}
    for metric in METRICS:
        theirs = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=metric).fit(collection)
        subjects[f"infomax {metric}"] = partial(neighbors, queries, collection, k, metric)
        subjects[f"scikit-learn {metric}"] = partial(theirs.kneighbors, queries)
    now = time.process_time if clock == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, run in subjects.items():
            began = now()
            run()
            if number:
                times[name].append(now() - began)
    for name, seconds in times.items():
        print(f"{name:<24}{np.median(seconds):8.2f} s {clock}   {spread(seconds, times['product'])} of the product")
    for metric in METRICS:
        ratio = spread(times[f"scikit-learn {metric}"], times[f"infomax {metric}"])
        print(f"scikit-learn / infomax, {metric}: {ratio}", flush=True)


def spread(over: list[float], under: list[float]) -> str:
    ratios = np.divide(over, under)
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def compare_agreement(train: Split, test: Split, k: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    task = LabelSplit.of(train[1], test[1], k)
    ours = score_features(task, train[0], test[0], k=k, ks=(k,), probes=())
    print(f"{'right, %':<16}{'infomax':>10}{'scikit-learn':>14}{'apart':>8}")
    for metric in METRICS:
        voters = KNeighborsClassifier(k, algorithm="brute", metric=metric).fit(train[0], task.train)
        told(f"kNN {metric}", ours.knn[k, metric, "majority"].accuracy, voters.score(test[0], task.test))
    line = fit_linear(train[0], task.train, len(task.names))
    strength = (1 + (len(task.names) == 2)) / (len(train[0]) * line.penalty)  # of two classes theirs has one vector
    wide = [vectors.astype(np.float64) for vectors, _ in (train, test)]
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=strength, solver="newton-cholesky"))
    theirs.fit(wide[0], task.train)
    mine = float((line.predict(test[0]) == task.test).mean())
    told("linear", mine, theirs.score(wide[1], task.test))
    print(f"penalty {line.penalty:g}")


def told(name: str, mine: float, theirs: float) -> None:
    print(f"{name:<16}{100 * mine:>10.2f}{100 * theirs:>14.2f}{100 * abs(mine - theirs):>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("vectors", type=Path, nargs="*", metavar="FILE.parquet", help="training and test vectors")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--collection", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    if args.vectors:
        train, test = (read(path) for path in args.vectors)
    else:
        train, test = clusters(args.collection, args.dim, 2), clusters(args.queries, args.dim, 1)
    print(f"{len(test[0])} x {len(train[0])} x {train[0].shape[1]}, k = {args.k}, {torch.get_num_threads()} threads")
    compare_speed(train[0], test[0], args.k, args.rounds, args.clock)
    compare_agreement(train, test, args.k)


if __name__ == "__main__":
    main()
