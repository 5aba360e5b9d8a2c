"""The index beside faiss-cpu (flat, and HNSW): time to build, time of a query, recall, memory and disk.

    python benchmarks/search.py --out search.json --faiss-python VENV/bin/python [--sizes 10000 60000 200000]

--faiss-python is the Python of an environment that has faiss-cpu and numpy; without it faiss is left out. All get the
same vectors of 256 numbers, made of 100 clusters, and the same queries, one at a time; each runs in a process of its
own, so that its peak of memory is its own. Times are quartiles over the queries. `query_ms` is all of `Index.search`,
its ranking in float64 and the facts of the pictures included; `store_ms` is the bare LanceDB query below it.

Measured so far: 10,000 vectors, on a machine with 2 cores that were busy with other work (load 6 to 9), so only the
order of magnitude counts; see docs/search.md for figures from a quiet machine once there are any.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIM, CLUSTERS, K = 256, 100, 10
SUBJECTS = ("index", "index-approximate", "faiss-flat", "faiss-hnsw")


def vectors(count: int, queries: int) -> tuple[Any, Any]:
    """Float32 vectors (count, DIM) and queries (queries, DIM) from the same clusters, always the same ones."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CLUSTERS, DIM), np.float32)
    total = count + queries
    made = centres[random.integers(0, CLUSTERS, total)] + random.standard_normal((total, DIM), np.float32)
    return made[:count], made[count:]


def timed(ask: Callable[[Any], list[int]], queries: Any) -> tuple[list[float], list[list[int]]]:
    """Milliseconds of each query after one that warms up, and what each found."""
    ask(queries[0])
    times, found = [], []
    for query in queries:
        start = time.perf_counter()
        found.append(ask(query))
        times.append(1000 * (time.perf_counter() - start))
    return times, found


def with_index(count: int, queries: int, folder: Path, *, approximate: bool) -> dict[str, Any]:
    """Build the store row by row as a synchronisation would, and search it."""
    import pyarrow as pa

    from infomax import Index, InfoMax
    from infomax.recipes import DeepInfoMax
    from infomax.search.home import Home
    from infomax.search.lance import LanceStore
    from infomax.search.store import schema, vector_column
    from infomax.search.sync import BATCH, id_of

    recipe = DeepInfoMax(name="tiny", size=8, blocks=(4, 8), dim=DIM, batch=8, epochs=1)
    model = InfoMax(recipe).fit(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8))
    Home(folder / "index").create(model)
    store = LanceStore(folder / "index")
    data, asked = vectors(count, queries)
    start = time.perf_counter()
    for commit, low in enumerate(range(0, count, BATCH), 1):
        part = data[low : low + BATCH]
        names = [f"/photos/{row:07d}.jpg" for row in range(low, low + len(part))]
        constant = {"hash": "", "stamp": "1:1", "size": 1, "mtime": 1.0, "width": 1, "height": 1, "label": None}
        columns: dict[str, Any] = {name: [value] * len(part) for name, value in constant.items()}
        columns |= {"path": names, "id": [id_of(name) for name in names], "thumbnail": [b""] * len(part)}
        columns |= {"model": [model.fingerprint] * len(part), "vector": vector_column(part)}
        store.upsert(pa.table({name: columns[name] for name in schema(DIM).names}, schema=schema(DIM)))
        if commit % 100 == 0:
            store.compact()
    store.compact()
    index = Index.open(folder / "index")
    if approximate:
        index.search(asked[0], K, approximate=True)  # builds what it needs
    built = time.perf_counter() - start

    def ask(query: Any) -> list[int]:
        return [int(match.picture.path[8:15]) for match in index.search(query, K, approximate=approximate)]

    def ask_store(query: Any) -> list[int]:
        return [len(store.nearest(query, K, "cosine", ["id"], approximate=approximate))]

    times, found = timed(ask, asked)
    bare, _ = timed(ask_store, asked)
    return {"build_s": built, "query_ms": times, "store_ms": bare, "found": found, "disk_mb": store.bytes() / 1e6}


def with_faiss(count: int, queries: int, folder: Path, *, hnsw: bool) -> dict[str, Any]:
    """Cosine as an inner product of unit vectors; written to one file."""
    import faiss  # type: ignore[import-not-found,unused-ignore]

    data, asked = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors(count, queries))
    start = time.perf_counter()
    index = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT) if hnsw else faiss.IndexFlatIP(DIM)
    if hnsw:
        index.hnsw.efConstruction, index.hnsw.efSearch = 200, 128
    index.add(data)
    built = time.perf_counter() - start
    times, found = timed(lambda query: index.search(query[None], K)[1][0].tolist(), asked)
    faiss.write_index(index, str(folder / "faiss"))
    return {
        "build_s": built,
        "query_ms": times,
        "found": found,
        "disk_mb": (folder / "faiss").stat().st_size / 1e6,
    }


def measure(subject: str, count: int, queries: int) -> None:
    """One subject at one size, in this process; a line of JSON on stdout."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        if subject.startswith("index"):
            result = with_index(count, queries, Path(folder), approximate=subject == "index-approximate")
        else:
            result = with_faiss(count, queries, Path(folder), hnsw=subject == "faiss-hnsw")
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    result["imported_mb"] = before / 1e3
    print(json.dumps(result))


def run(python: str, subject: str, args: argparse.Namespace, count: int) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [python, __file__, "--measure", subject, "--sizes", str(count), "--queries", str(args.queries)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def summary(result: dict[str, Any], exact: list[list[int]]) -> dict[str, Any]:
    """Quartiles of the times, and the part of the exact matches that was found."""
    shared = [len({*some} & {*all_}) / K for some, all_ in zip(result.pop("found"), exact, strict=True)]
    quartiles: dict[str, Any] = {
        name: np.round(np.percentile(result.pop(name), (25, 50, 75)), 3).tolist()
        for name in ("query_ms", "store_ms")
        if name in result
    }
    rest: dict[str, Any] = {name: round(value, 2) for name, value in result.items()}
    return {**rest, **quartiles, "recall": float(np.mean(shared))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 60_000, 200_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--faiss-python", metavar="PATH")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--measure", choices=SUBJECTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.sizes[0], args.queries)
        return
    report: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "sizes": {},
    }
    for count in args.sizes:
        data, asked = vectors(count, args.queries)
        unit, directions = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (data, asked))
        exact = np.argsort(-(directions @ unit.T), axis=1, kind="stable")[:, :K].tolist()
        for subject in SUBJECTS:
            python = args.faiss_python if subject.startswith("faiss") else sys.executable
            if python is None:
                continue
            row = summary(run(python, subject, args, count), exact)
            row["load"] = round(os.getloadavg()[0], 1)
            report["sizes"].setdefault(str(count), {})[subject] = row
            print(f"{count:>7} {subject:<18} {json.dumps(row)}", flush=True)
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
