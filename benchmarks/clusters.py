"""Clusters of a collection beside its labels: how well ways of finding them agree, and how stable and fast they are.

    python benchmarks/clusters.py INDEX... [--label-folders] [--seeds 3] [--out clusters.json]

Agreement is the adjusted mutual information with the labels (Vinh, Epps & Bailey 2010): 1 for the same partition, 0 for
one by chance. Each way gets as many clusters as `cluster_count` says, but HDBSCAN, which finds its own number. `stable`
is the adjusted mutual information between the clusters of two seeds of the map. Points that HDBSCAN leaves out count
as one more cluster; `none` is their share. `largest` is the share of the largest cluster.
"""

import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_mutual_info_score

from _common import argument_parser, machine_document, mean_and_deviation, write_report
from infomax import Index
from infomax.neighbors.clusters import cluster_count, find_clusters
from infomax.neighbors.projection import Layout, lay_out

Found = NDArray[np.int64]


def kmeans(points: NDArray[np.float32], count: int, seed: int) -> Found:
    return np.asarray(KMeans(count, n_init=3, random_state=seed).fit(points).labels_)


def ward(points: NDArray[np.float32], count: int, seed: int) -> Found:
    """Ward's method on 400 centers of k-means: on all points it would need their square in memory."""
    small = KMeans(min(400, len(points) // 5), n_init=1, random_state=seed).fit(points)
    return np.asarray(AgglomerativeClustering(count).fit(small.cluster_centers_).labels_[small.labels_])


def hdbscan(layout: Layout) -> Found:
    found = HDBSCAN(min_cluster_size=max(5, len(layout.positions) // 100), min_samples=10, copy=True)
    return np.asarray(found.fit(layout.positions).labels_)


WAYS: dict[str, Callable[[NDArray[np.float32], Layout, int, int], Found]] = {
    "k-means on the features": lambda units, _, count, seed: kmeans(units, count, seed),
    "k-means on 32 components": lambda _, layout, count, seed: kmeans(layout.components, count, seed),
    "k-means on the map": lambda _, layout, count, seed: kmeans(layout.positions, count, seed),
    "Ward on 32 components": lambda _, layout, count, seed: ward(layout.components, count, seed),
    "Ward on the map": lambda _, layout, count, seed: ward(layout.positions, count, seed),
    "HDBSCAN on the map": lambda _units, layout, _count, _seed: hdbscan(layout),
    "basins, merged on the map": lambda _units, layout, _count, _seed: find_clusters(
        layout.positions, layout.positions
    ),
    "basins, merged by features": lambda _units, layout, _count, _seed: find_clusters(
        layout.positions, layout.components
    ),
}


def measure(index: Index, seeds: int, *, label_folders: bool) -> list[dict[str, Any]]:
    """Each way on maps of several seeds."""
    images, vectors = index.vectors()
    labels = [Path(image.path).parent.name if label_folders else str(image.label) for image in images]
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    layouts = [lay_out(vectors, seed) for seed in range(seeds)]
    rows = []
    for name, way in WAYS.items():
        before = time.process_time()
        found = [way(units, layout, cluster_count(len(images)), seed) for seed, layout in enumerate(layouts)]
        seconds = (time.process_time() - before) / seeds
        agreement = [float(adjusted_mutual_info_score(labels, each)) for each in found]
        stable = [float(adjusted_mutual_info_score(a, b)) for a, b in combinations(found, 2)]
        rows.append(
            {
                "way": name,
                "clusters": len(set(found[0][found[0] >= 0].tolist())),
                "agreement": agreement,
                "stable": stable,
                "none": float(np.mean([(each < 0).mean() for each in found])),
                "largest": float(np.mean([np.bincount(each[each >= 0]).max() / len(each) for each in found])),
                "seconds": seconds,
            }
        )
    return rows


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("indexes", nargs="+", type=Path, metavar="INDEX")
    parser.add_argument("--label-folders", action="store_true", help="the last folder of a path is its label")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    report: dict[str, Any] = {"machine": machine_document("scikit-learn", "torch")}
    for path in args.indexes:
        rows = report[path.name] = measure(Index(path), args.seeds, label_folders=args.label_folders)
        print(f"{path.name}\n{'':28}{'clusters':>9}{'agreement':>16}{'stable':>8}{'none':>6}{'largest':>9}{'s':>7}")
        for row in rows:
            agreement, stable = mean_and_deviation(row["agreement"], ".3f"), np.mean(row["stable"])
            sizes = f"{row['none']:6.2f}{row['largest']:9.2f}{row['seconds']:7.2f}"
            print(f"{row['way']:28}{row['clusters']:9}{agreement:>16}{stable:8.2f}{sizes}", flush=True)
    write_report(args.out, report)


if __name__ == "__main__":
    main()
