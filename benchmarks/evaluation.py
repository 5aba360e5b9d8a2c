"""Nearest neighbors and the linear classifier beside scikit-learn's: agreement of both, and speed of the neighbors.

    infomax embed 'train-*.parquet' --model RUN --out train.parquet      # and again for the test images
    python benchmarks/evaluation.py train.parquet test.parquet [--rounds 3] [--clock wall]
    python benchmarks/evaluation.py [--queries 10000] [--collection 50000] [--dim 256]      # or 100 random clusters

Speed: all subjects get the same float32 vectors and take turns in every round, after one round of warm-up. A ratio
divides two times of one round; its median over rounds is printed with the smallest and the largest. The product is the
lower limit of every exact search in blocks: it multiplies every query with every vector, 512 queries at a time, into
memory that is already allocated. `--clock cpu` counts the CPU time of this process, for a machine with other work.

Agreement: accuracies in percent, with the same number of neighbors or the same penalty. scikit-learn's regression takes
Newton steps here, because with a weak penalty its L-BFGS is far from the minimum after hundreds of steps. The Newton
steps take minutes.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from _common import argument_parser, clock, median_and_range, ratios
from infomax.embeddings import read_embeddings
from infomax.evaluation.classifiers import fit_linear
from infomax.evaluation.labels import LabelSplit
from infomax.evaluation.scores import METRICS, score_features
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


def compare_speed(collection: Vectors, queries: Vectors, k: int, rounds: int, clock_name: str) -> None:
    from sklearn.neighbors import NearestNeighbors

    subjects: dict[str, Callable[[], object]] = {"product": partial(product, queries, collection)}
    for metric in METRICS:
        theirs = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=metric).fit(collection)
        subjects[f"infomax {metric}"] = partial(neighbors, queries, collection, k, metric)
        subjects[f"scikit-learn {metric}"] = partial(theirs.kneighbors, queries)
    now = clock(clock_name)
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, run in subjects.items():
            began = now()
            run()
            if number:
                times[name].append(now() - began)
    for name, seconds in times.items():
        ratio = median_and_range(ratios(seconds, times["product"]))
        print(f"{name:<24}{np.median(seconds):8.2f} s {clock_name}   {ratio} of the product")
    for metric in METRICS:
        ratio = median_and_range(ratios(times[f"scikit-learn {metric}"], times[f"infomax {metric}"]))
        print(f"scikit-learn / infomax, {metric}: {ratio}", flush=True)


def compare_agreement(train: Split, test: Split, k: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = LabelSplit.of(train[1], test[1], k)
    ours = score_features(labels, train[0], test[0], k=k, ks=(k,), classifiers=())
    print(f"{'accuracy, %':<16}{'infomax':>10}{'scikit-learn':>14}{'difference':>12}")
    for metric in METRICS:
        voters = KNeighborsClassifier(k, algorithm="brute", metric=metric).fit(train[0], labels.train)
        print_row(f"kNN {metric}", ours.knn[k, metric, "majority"].accuracy, voters.score(test[0], labels.test))
    linear = fit_linear(train[0], labels.train, len(labels.names))
    single = len(labels.names) == 2  # scikit-learn has one weight vector for two classes
    strength = (1 + single) / (len(train[0]) * linear.penalty)
    wide = [vectors.astype(np.float64) for vectors, _ in (train, test)]
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=strength, solver="newton-cholesky"))
    theirs.fit(wide[0], labels.train)
    mine = float((linear.predict(test[0]) == labels.test).mean())
    print_row("linear", mine, theirs.score(wide[1], labels.test))
    print(f"penalty {linear.penalty:g}")


def print_row(name: str, mine: float, theirs: float) -> None:
    print(f"{name:<16}{100 * mine:>10.2f}{100 * theirs:>14.2f}{100 * abs(mine - theirs):>12.2f}", flush=True)


def main() -> None:
    parser = argument_parser(__doc__)
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
