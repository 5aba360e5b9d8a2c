"""A million vectors: exact and approximate queries of the index beside faiss (flat, HNSW, IVF-PQ), in one run.

    python benchmarks/million.py [--rows 1000000] [--dim 512] [--queries 200] [--threads 1] [--out million.json]

The vectors are a mixture that mimics learned codes: 1,000 centers of uneven weight, with variances that fall as 1/k
over the dimensions, and the same spectrum with 0.7 of the scale within each. They are drawn a piece at a time, so
that no part of the benchmark holds more than its subject does. Each subject is built in a process of its own, which
tells its peak memory, and then asked in another one for the 10 nearest rows of the same queries, by cosine. Recall is
against the exact answer in float32. `ms` are quartiles of the wall time of one query; `peak_mb` is the most memory of
the process that asked. The index is asked through its store, exact (from files and, where it fits, from memory) and
approximate.

A subject that was built lies in --scratch and is used again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _common import argument_parser, cached_json, index_rows, machine_document, peak_memory_mb, write_report

K, PIECE, CENTERS, WITHIN = 10, 50_000, 1_000, 0.7
BUILT = ("index", "faiss-flat", "faiss-hnsw", "faiss-ivfpq")
ASKED = {"index-exact": "index", "index-approximate": "index", **{name: name for name in BUILT[1:]}}

Vectors = NDArray[np.float32]
Ask = Callable[[Vectors], list[int]]


def codes(rows: int, dim: int, seed: int) -> Vectors:
    """Draw some codes, shape (rows, dim)."""
    scale = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    centers = shared.standard_normal((CENTERS, dim), np.float32)
    weights = shared.gamma(1, 1, CENTERS)
    chosen = own.choice(CENTERS, rows, p=weights / weights.sum())
    drawn: Vectors = (centers[chosen] + np.float32(WITHIN) * own.standard_normal((rows, dim), np.float32)) * scale
    return drawn


def unit(rows: Vectors) -> Vectors:
    """Vectors of length 1."""
    lengths: Vectors = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def pieces(args: argparse.Namespace) -> Iterator[tuple[int, Vectors]]:
    """The collection, a piece at a time, with the number of its first row."""
    for number, low in enumerate(range(0, args.rows, PIECE)):
        yield low, codes(min(PIECE, args.rows - low), args.dim, 1_000 + number)


def exact_answer(args: argparse.Namespace) -> list[list[int]]:
    """Rows nearest to each query, by one pass."""
    asked = unit(codes(args.queries, args.dim, 1))
    best, rows = np.full((args.queries, K), -2, np.float32), np.zeros((args.queries, K), np.int64)
    for low, piece in pieces(args):
        cosines = np.concatenate([best, asked @ unit(piece).T], 1)
        numbers = np.concatenate([rows, np.tile(np.arange(low, low + len(piece)), (args.queries, 1))], 1)
        nearest = np.argpartition(-cosines, K, 1)[:, :K]
        best, rows = np.take_along_axis(cosines, nearest, 1), np.take_along_axis(numbers, nearest, 1)
    found: list[list[int]] = rows.tolist()
    return found


def build_index(args: argparse.Namespace, folder: Path) -> None:
    """Write rows in commits, and build what an approximate search needs."""
    from infomax.search.stores.lance import LanceStore

    folder.mkdir()
    store = LanceStore.create(folder, args.dim)
    for low, piece in pieces(args):
        store.upsert(index_rows([f"/{row:09d}" for row in range(low, low + len(piece))], piece, ""))
        store.compact()
    store.nearest(codes(1, args.dim, 1)[0], K, "cosine", ["path"], approximate=True)


def build_faiss(args: argparse.Namespace, subject: str, file: Path) -> None:
    """Build a faiss index and write it to one file."""
    import faiss

    faiss.omp_set_num_threads(args.threads)
    product = faiss.METRIC_INNER_PRODUCT
    kinds = {
        "faiss-flat": "Flat",
        "faiss-hnsw": "HNSW32",
        "faiss-ivfpq": f"IVF{max(1, int(args.rows**0.5))},PQ{args.dim // 8},RFlat",
    }
    index: Any = faiss.index_factory(args.dim, kinds[subject], product)
    if not index.is_trained:
        index.train(unit(codes(min(args.rows, 100_000), args.dim, 2)))
    for _, piece in pieces(args):
        index.add(unit(piece))
    faiss.write_index(index, str(file))


def opened(args: argparse.Namespace, asked: str, place: Path) -> Ask:
    """A function that answers a query with the numbers of the K nearest rows."""
    if asked.startswith("faiss"):
        import faiss

        faiss.omp_set_num_threads(args.threads)
        index: Any = faiss.read_index(str(place))
        settings = {"faiss-hnsw": "efSearch=256", "faiss-ivfpq": "nprobe=64,k_factor_rf=20"}
        if asked in settings:
            faiss.ParameterSpace().set_index_parameters(index, settings[asked])
        return lambda query: list(map(int, index.search(unit(query[None]), K)[1][0]))
    from infomax.search.stores.lance import LanceStore

    store = LanceStore(place)

    def ask(query: Vectors) -> list[int]:
        found = store.nearest(query, K, "cosine", ["path"], approximate=asked == "index-approximate")
        return [int(path[1:]) for (path,) in found.rows]

    return ask


def part(args: argparse.Namespace) -> dict[str, Any]:
    """Do one part in this process."""
    place = args.scratch / f"{args.rows}-{args.dim}"
    name = args.part.removeprefix("ask-")
    start = time.perf_counter()
    if args.part == "exact":
        return {"rows": exact_answer(args), "seconds": time.perf_counter() - start}
    if args.part in BUILT:
        (partial(build_index, args) if name == "index" else partial(build_faiss, args, name))(place / name)
        files = [each for each in (place / name).rglob("*") if each.is_file()] or [place / name]
        size = sum(each.stat().st_size for each in files) / 1e6
        seconds = round(time.perf_counter() - start, 1)
        return {"build_s": seconds, "build_peak_mb": round(peak_memory_mb()), "disk_mb": round(size)}
    right = json.loads((place / f"exact-{args.queries}.json").read_text())["rows"]
    ask, hits, times = opened(args, name, place / ASKED[name]), 0, []
    for number, query in enumerate(codes(args.queries, args.dim, 1)):
        start = time.perf_counter()
        found = ask(query)
        times.append(1e3 * (time.perf_counter() - start))
        hits += len({*found} & {*right[number]})
    quartiles = np.percentile(times[3:], (25, 50, 75)).round(2).tolist()
    return {"recall": hits / (K * args.queries), "ms": quartiles, "peak_mb": round(peak_memory_mb())}


def run(args: argparse.Namespace, name: str) -> Any:
    """Run one part in its own process and return the document that it prints."""
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LANCE_CPU_THREADS")}
    words = [f"--{key}={getattr(args, key)}" for key in ("rows", "dim", "queries", "threads", "scratch")]
    command = [sys.executable, __file__, "--part", name, *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads})
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path("million-benchmark"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(part(args)))
        return
    place = args.scratch / f"{args.rows}-{args.dim}"
    place.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"machine": machine_document("infomax", "lancedb", "faiss-cpu"), "subjects": {}}
    cached_json(place / f"exact-{args.queries}.json", partial(run, args, "exact"))
    for subject in BUILT:
        cached_json(place / f"{subject}.json", partial(run, args, subject))
    for name, subject in ASKED.items():
        row = {**json.loads((place / f"{subject}.json").read_text()), **run(args, f"ask-{name}")}
        report["subjects"][name] = {**row, "load": round(os.getloadavg()[0], 1)}
        print(f"{args.rows:>8} {name:<18} {json.dumps(report['subjects'][name])}", flush=True)
    write_report(args.out, report)


if __name__ == "__main__":
    main()
