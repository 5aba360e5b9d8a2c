"""The index beside faiss-cpu (flat and HNSW): build time, query time, recall, memory and disk.

    python benchmarks/search.py [--sizes 10000 60000 200000] [--queries 200] [--threads 1] [--out search.json]

All subjects get the same vectors of 256 numbers, from 100 clusters. Each is built in its own process, because peak
memory is per process. Then one process opens all of them and asks each for the 10 nearest of the same queries, one at
a time and in turns, with the same number of threads. `wall` and `cpu` are quartiles in milliseconds; `ratio` is the
median wall time divided by that of faiss-flat. The index is timed with all of `Index.search`: checking for writes of
other processes, ranking in float64, and reading the columns of the images. faiss returns row numbers. `index-files` is
the same without the copy in memory that an index keeps of a version after the second query. `held` is the memory that
opening and the first queries add, in MB.

The indexes stay in --scratch and are used again when they exist.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _common import (
    argument_parser,
    cached_json,
    index_rows,
    machine_document,
    peak_memory_mb,
    tiny_model,
    write_report,
)

DIM, CLUSTERS, K = 256, 100, 10
SUBJECTS = ("index", "faiss-flat", "faiss-hnsw")
QUERIED = ("index", "index-files", "index-approximate", "faiss-flat", "faiss-hnsw")

Vectors = NDArray[np.float32]
Ask = Callable[[Vectors], list[int]]


def vectors(count: int, queries: int) -> tuple[Vectors, Vectors]:
    """Vectors (count, DIM) and queries (queries, DIM), float32, from the same clusters; the same for each call."""
    random = np.random.default_rng(0)
    centers = random.standard_normal((CLUSTERS, DIM), np.float32)
    total = count + queries
    made = centers[random.integers(0, CLUSTERS, total)] + random.standard_normal((total, DIM), np.float32)
    return made[:count], made[count:]


def unit(rows: Vectors) -> Vectors:
    """Vectors divided by their lengths: inner products of such vectors are cosines."""
    lengths: Vectors = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def build_index(data: Vectors, folder: Path) -> None:
    """Write rows in commits, as a synchronization does, and build what an approximate search needs."""
    from infomax import Index
    from infomax.search.index_folder import IndexFolder
    from infomax.search.row_writer import COMPACT_EVERY
    from infomax.search.stores.lance import LanceStore
    from infomax.search.sync import COMMIT_BATCH

    model = tiny_model(DIM)
    IndexFolder(folder).create(model)
    store = LanceStore(folder)
    for commit, low in enumerate(range(0, len(data), COMMIT_BATCH), 1):
        part = data[low : low + COMMIT_BATCH]
        names = [f"/photos/{row:07d}.jpg" for row in range(low, low + len(part))]
        store.upsert(index_rows(names, part, model.fingerprint))
        if commit % COMPACT_EVERY == 0:
            store.compact()
    store.compact()
    Index.open(folder).search(data[0], K, approximate=True)


def build_faiss(data: Vectors, file: Path, *, hnsw: bool) -> None:
    """Build a faiss index and write it to one file."""
    import faiss

    index: Any = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT) if hnsw else faiss.IndexFlatIP(DIM)
    if hnsw:
        index.hnsw.efConstruction = 200
    index.add(unit(data))
    faiss.write_index(index, str(file))


def build(subject: str, count: int, queries: int, place: Path) -> None:
    """Build one subject in this process; print a line of JSON."""
    data, _ = vectors(count, queries)
    start, cpu = time.perf_counter(), time.process_time()
    if subject == "index":
        build_index(data, place)
    else:
        build_faiss(data, place, hnsw=subject == "faiss-hnsw")
    files = [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else [place]
    print(
        json.dumps(
            {
                "build_s": round(time.perf_counter() - start, 2),
                "build_cpu_s": round(time.process_time() - cpu, 2),
                "build_peak_mb": round(peak_memory_mb()),
                "disk_mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
            }
        )
    )


def opened(subject: str, scratch: Path, threads: int) -> Ask:
    """A function that answers a query with the numbers of the K nearest rows."""
    if subject.startswith("faiss"):
        import faiss

        faiss.omp_set_num_threads(threads)
        faiss_index: Any = faiss.read_index(str(scratch / subject))
        if subject == "faiss-hnsw":
            faiss_index.hnsw.efSearch = 128
        return lambda query: list(map(int, faiss_index.search(unit(query[None]), K)[1][0]))

    from infomax import Index
    from infomax.search.stores import lance

    index = Index.open(scratch / "index")

    def ask(query: Vectors) -> list[int]:
        held, lance.HELD_AT_MOST = lance.HELD_AT_MOST, 0 if subject == "index-files" else lance.HELD_AT_MOST
        found = index.search(query, K, approximate=subject == "index-approximate")
        lance.HELD_AT_MOST = held
        return [int(match.image.path[8:15]) for match in found]

    return ask


def held() -> float:
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def query(count: int, queries: int, scratch: Path, threads: int) -> None:
    """Ask all subjects in turns in this process; print a line of JSON."""
    import torch

    torch.set_num_threads(threads)
    data, asked = vectors(count, queries)
    exact = np.argsort(-(unit(asked) @ unit(data).T), axis=1, kind="stable")[:, :K].tolist()
    del data
    subjects: dict[str, Ask] = {}
    report: dict[str, dict[str, Any]] = {}
    for subject in QUERIED:
        before = held()
        subjects[subject] = opened(subject, scratch, threads)
        for each in asked[:3]:
            subjects[subject](each)
        report[subject] = {"held_mb": round(held() - before), "wall": [], "cpu": [], "hits": 0}
    for each, right in zip(asked, exact, strict=True):
        for subject, ask in subjects.items():
            start, cpu = time.perf_counter(), time.process_time()
            found = ask(each)
            report[subject]["wall"].append(1e3 * (time.perf_counter() - start))
            report[subject]["cpu"].append(1e3 * (time.process_time() - cpu))
            report[subject]["hits"] += len({*found} & {*right})
    flat = float(np.median(report["faiss-flat"]["wall"]))
    for row in report.values():
        row["ratio"] = round(float(np.median(row["wall"])) / flat, 2)
        row["recall"] = row.pop("hits") / (K * queries)
        row |= {name: np.percentile(row[name], (25, 50, 75)).round(2).tolist() for name in ("wall", "cpu")}
    print(json.dumps(report))


def run(args: argparse.Namespace, *words: str) -> Any:
    """Run one part in its own process and return the document that it prints."""
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LANCE_CPU_THREADS")}
    rest = ["--queries", str(args.queries), "--threads", str(args.threads), "--scratch", str(args.scratch)]
    command = [sys.executable, __file__, *words, *rest]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads})
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 60_000, 200_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path("search-benchmark"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--part", choices=("query", *SUBJECTS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        place = args.scratch / f"{args.sizes[0]}-{args.queries}"
        if args.part == "query":
            query(args.sizes[0], args.queries, place, args.threads)
        else:
            build(args.part, args.sizes[0], args.queries, place / args.part)
        return
    report: dict[str, Any] = {"machine": machine_document("infomax", "lancedb", "faiss-cpu"), "sizes": {}}
    for count in args.sizes:
        place = args.scratch / f"{count}-{args.queries}"  # the vectors depend on the number of queries
        place.mkdir(parents=True, exist_ok=True)
        rows: dict[str, dict[str, Any]] = {subject: {} for subject in QUERIED}
        for subject in SUBJECTS:
            words = ("--part", subject, "--sizes", str(count))
            rows[subject] |= cached_json(place / f"{subject}.json", partial(run, args, *words))
        for subject, row in run(args, "--part", "query", "--sizes", str(count)).items():
            rows[subject] |= row
            print(f"{count:>7} {subject:<18} {json.dumps(rows[subject])}", flush=True)
        report["sizes"][str(count)] = {**rows, "load": round(os.getloadavg()[0], 1)}
    write_report(args.out, report)


if __name__ == "__main__":
    main()
