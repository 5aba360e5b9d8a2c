"""The map of a collection: its images as points of the plane, with clusters, kept in a file next to the rows."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from infomax.files import written_atomically
from infomax.neighbors.clusters import find_clusters, representatives
from infomax.neighbors.outlines import Curves, inside_clusters, outlines
from infomax.neighbors.spreading import spread
from infomax.search.rows import read_columns
from infomax.search.stores.store import Store, schema

MAP_FORMAT = "2"
"""Version of the file. A file of another version is computed anew."""

AGREEMENT = 0.8
"""A cluster has the name of a label or folder that at least this part of its images share."""

_COLUMNS = ("path", "id", "hash", "label", "taken")


@dataclass(frozen=True)
class Cluster:
    """Images that lie together on the map.

    Attributes:
        name: Label, or else folder, of most of its images; None where they do not agree.
        size: Number of images.
        medoids: Ids of up to 8 images that stand for the cluster: the most central one, then others that differ.
        center: A position on the map in the middle of the images, shape (2,).
        outline: Closed curves around most of the images, the largest first.

    """

    name: str | None
    size: int
    medoids: list[str]
    center: Float[np.ndarray, " 2"]
    outline: Curves


@dataclass(frozen=True)
class CollectionMap:
    """The images of an index as points of the plane, in the order of their paths.

    Attributes:
        ids: Ids of the images.
        paths: Paths of the images.
        labels: Labels of the images; None for those without one.
        taken: When the images were taken, ISO 8601 in local time; None where unknown.
        positions: Positions in 0..1, shape (n, 2), float32.
        outlier: How far each image is from its neighbors, as a rank in 0 (typical) to 1 (odd), shape (n,), float32.
        cluster: Cluster of each image, -1 for none, shape (n,).
        clusters: The clusters, in the order of their numbers.

    """

    ids: list[str]
    paths: list[str]
    labels: list[str | None]
    taken: list[str | None]
    positions: Float[np.ndarray, "n 2"]
    outlier: Float[np.ndarray, " n"]
    cluster: Int[np.ndarray, " n"]
    clusters: list[Cluster] = field(default_factory=list)


@dataclass(frozen=True)
class _Computed:
    """What the file of a map holds; `medoids` are rows, -1 for none, shape (clusters, 8)."""

    positions: Float[np.ndarray, "n 2"]
    outlier: Float[np.ndarray, " n"]
    cluster: Int[np.ndarray, " n"]
    medoids: Int[np.ndarray, "k 8"]


def load_or_compute_map(store: Store, file: Path) -> CollectionMap:
    """Load the map of a store from a file, or compute it and write the file where rows have changed since.

    Args:
        store: The rows.
        file: File of the map. A map that cannot be written is returned all the same.

    Returns:
        The map of the current rows.

    """
    rows = _ordered_rows(store)
    computed = _read(file, _digest(rows))
    if computed is None:
        columns, vectors = read_columns(store, store.dim, _COLUMNS)
        rows = pa.table(columns, schema=rows.schema)
        computed = _compute(vectors)
        del vectors
        with suppress(OSError):  # the folder may be read-only
            _write(file, _digest(rows), computed)
    ids, paths, labels, taken = (rows.column(name).to_pylist() for name in ("id", "path", "label", "taken"))
    clusters = _describe(computed, ids, paths, labels)
    return CollectionMap(ids, paths, labels, taken, computed.positions, computed.outlier, computed.cluster, clusters)


def agreed_name(members: Sequence[str | None], everybody: Sequence[str | None]) -> str | None:
    """Find the label that most members of a cluster share.

    Args:
        members: Labels of the members, at least one.
        everybody: Labels of all images.

    Returns:
        The label; None where fewer than AGREEMENT share one, or where all images have it.

    """
    name, count = Counter(members).most_common(1)[0]
    return name if count >= AGREEMENT * len(members) and len(set(everybody)) > 1 else None


def agreed_folder(members: Sequence[str], everybody: Sequence[str]) -> str | None:
    """Find the lowest folder that holds most members of a cluster, and not all images.

    Args:
        members: Paths of the members, at least one.
        everybody: Paths of all images.

    Returns:
        The name of the folder, without those above it; None where there is no such folder.

    """
    held: Counter[str] = Counter()
    for folder, count in Counter(path.rpartition("/")[0] for path in members).items():
        parts = folder.split("/")
        for depth in range(1, len(parts) + 1):
            held["/".join(parts[:depth])] += count
    common = [folder for folder, count in held.items() if folder and count >= AGREEMENT * len(members)]
    lowest = max(common, key=len, default="")
    if not lowest or all(path.startswith(f"{lowest}/") for path in everybody):
        return None
    return lowest.rpartition("/")[2]


def _compute(vectors: Float[np.ndarray, "n d"]) -> _Computed:
    """Lay out vectors, find clusters, and spread the points."""
    from infomax.neighbors.projection import lay_out

    layout = lay_out(vectors)
    positions = spread(layout.positions)
    cluster = inside_clusters(positions, find_clusters(layout.positions, layout.components))
    count = int(cluster.max(initial=-1)) + 1
    medoids = np.full((count, 8), -1)
    for each in range(count):
        chosen = representatives(layout.components, np.flatnonzero(cluster == each))
        medoids[each, : len(chosen)] = chosen
    order = np.argsort(layout.remoteness, kind="stable")
    outlier = np.empty(len(order), np.float32)
    outlier[order] = np.arange(len(order)) / max(1, len(order) - 1)
    return _Computed(positions, outlier, cluster.astype(np.int64), medoids)


def _describe(computed: _Computed, ids: list[str], paths: list[str], labels: list[str | None]) -> list[Cluster]:
    """Describe each cluster: its name, size, medoids, center and outline."""
    clusters = []
    for each, curves in enumerate(outlines(computed.positions, computed.cluster)):
        members = np.flatnonzero(computed.cluster == each)
        own = computed.positions[members]
        center = own[((own - own.mean(0)) ** 2).sum(1).argmin()]
        name = agreed_name([labels[row] for row in members], labels)
        if name is None:
            name = agreed_folder([paths[row] for row in members], paths)
        medoids = [ids[row] for row in computed.medoids[each] if row >= 0]
        clusters.append(Cluster(name, len(members), medoids, center, curves))
    return clusters


def _ordered_rows(store: Store) -> pa.Table:
    """All rows at one moment, without vectors, in the order of the bytes of their paths."""
    pieces = list(store.scan(_COLUMNS))
    rows = pa.Table.from_batches(pieces) if pieces else schema(1).empty_table().select(_COLUMNS)
    return rows.sort_by("path").combine_chunks()


def _digest(rows: pa.Table) -> str:
    """A digest of what the map depends on: which images there are, and their content."""
    digest = blake2b(digest_size=16)
    for name in ("id", "hash"):
        digest.update("\n".join(rows.column(name).to_pylist()).encode())
    return digest.hexdigest()


def _read(file: Path, digest: str) -> _Computed | None:
    """What a file holds; None where it is missing, damaged, of another version, or made of other rows."""
    try:
        with safe_open(file, "np") as stored:
            if (stored.metadata() or {}) != {"format": MAP_FORMAT, "rows": digest}:
                return None
            names = ("positions", "outlier", "cluster", "medoids")
            return _Computed(*(stored.get_tensor(name) for name in names))
    except (OSError, SafetensorError):
        return None


def _write(file: Path, digest: str, computed: _Computed) -> None:
    """Write a map, as a whole or not at all. Raises OSError where that fails."""
    arrays = {name: np.ascontiguousarray(array) for name, array in vars(computed).items()}
    with written_atomically(file) as out:
        out.write(save(arrays, {"format": MAP_FORMAT, "rows": digest}))
