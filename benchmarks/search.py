"""The index beside faiss-cpu (flat, and HNSW): time to build, time of a query, recall, memory and disk.

    python benchmarks/search.py [--sizes 10000 60000 200000] [--queries 200] [--threads 1] [--out search.json]

All get the same vectors of 256 numbers, from 100 clusters. Each is built in a process of its own, so that its peak of
memory is its own. Then one process opens all of them and asks each for the 10 nearest of the same queries, one at a
time and taking turns, with the same number of threads: `wall` and `cpu` are quartiles in milliseconds, and `ratio` is
the median of wall time over that of faiss-flat. For the index that is all of `Index.search`: looking whether another
process has written, ranking in float64, and the facts of the images, where faiss returns row numbers. `index-files`
is the same without the copy in memory that an index keeps of a version it is asked twice. `held` is the memory that
opening it and the first queries have added, in MB.

The folders are left in --scratch, and used again where they exist.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIM, CLUSTERS, K = 256, 100, 10
BUILT = ("index", "faiss-flat", "faiss-hnsw")
ASKED = ("index", "index-files", "index-approximate", "faiss-flat", "faiss-hnsw")

Vectors = NDArray[np.float32]
Ask = Callable[[Vectors], list[int]]


def vectors(count: int, queries: int) -> tuple[Vectors, Vectors]:
    """Float32 vectors (count, DIM) and queries (queries, DIM) from the same clusters, always the same ones."""
    random = np.random.default_rng(0)
    centers = random.standard_normal((CLUSTERS, DIM), np.float32)
    total = count + queries
    made = centers[random.integers(0, CLUSTERS, total)] + random.standard_normal((total, DIM), np.float32)
    return made[:count], made[count:]


def unit(rows: Vectors) -> Vectors:
    """The directions of vectors: a cosine is an inner product of two."""
    lengths: Vectors = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def build_index(data: Vectors, folder: Path) -> None:
    """Row by row, as a synchronization would, and what an approximate search needs."""
    import pyarrow as pa

    from infomax import Index, InfoMax
    from infomax.recipes import DeepInfoMax
    from infomax.search.folder import IndexFolder
    from infomax.search.lance import LanceStore
    from infomax.search.store import schema, vector_column
    from infomax.search.sync import BATCH, TIDY_AFTER, id_of

    recipe = DeepInfoMax(name="tiny", size=8, blocks=(4, 8), dim=DIM, batch=8, epochs=1)
    model = InfoMax(recipe).fit(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8))
    IndexFolder(folder).create(model)
    store = LanceStore(folder)
    for commit, low in enumerate(range(0, len(data), BATCH), 1):
        part = data[low : low + BATCH]
        names = [f"/photos/{row:07d}.jpg" for row in range(low, low + len(part))]
        constant = {"hash": "", "stamp": "1:1", "size": 1, "mtime": 1.0, "width": 1, "height": 1, "label": None}
        columns: dict[str, Any] = {name: [value] * len(part) for name, value in constant.items()}
        columns |= {"path": names, "id": [id_of(name) for name in names], "thumbnail": [b""] * len(part)}
        columns |= {"model": [model.fingerprint] * len(part), "vector": vector_column(part)}
        store.upsert(pa.table({name: columns[name] for name in schema(DIM).names}, schema=schema(DIM)))
        if commit % TIDY_AFTER == 0:
            store.compact()
    store.compact()
    Index.open(folder).search(data[0], K, approximate=True)


def build_faiss(data: Vectors, file: Path, *, hnsw: bool) -> None:
    """Written to one file."""
    import faiss

    index: Any = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT) if hnsw else faiss.IndexFlatIP(DIM)
    if hnsw:
        index.hnsw.efConstruction = 200
    index.add(unit(data))
    faiss.write_index(index, str(file))


def build(subject: str, count: int, queries: int, place: Path) -> None:
    """Build one, in this process; a line of JSON on stdout."""
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
                "build_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
                "disk_mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
            }
        )
    )


def opened(subject: str, scratch: Path, threads: int) -> Ask:
    """What answers a query with the numbers of the K nearest rows."""
    if subject.startswith("faiss"):
        import faiss

        faiss.omp_set_num_threads(threads)
        peer: Any = faiss.read_index(str(scratch / subject))
        if subject == "faiss-hnsw":
            peer.hnsw.efSearch = 128
        return lambda query: list(map(int, peer.search(unit(query[None]), K)[1][0]))

    from infomax import Index
    from infomax.search import lance

    index = Index.open(scratch / "index")

    def ask(query: Vectors) -> list[int]:
        held, lance.HELD_AT_MOST = lance.HELD_AT_MOST, 0 if subject == "index-files" else lance.HELD_AT_MOST
        found = index.search(query, K, approximate=subject == "index-approximate")
        lance.HELD_AT_MOST = held
        return [int(match.image.path[8:15]) for match in found]

    return ask


def held() -> float:
    """The memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def query(count: int, queries: int, scratch: Path, threads: int) -> None:
    """Ask all, taking turns, in this process; a line of JSON on stdout."""
    import torch

    torch.set_num_threads(threads)
    data, asked = vectors(count, queries)
    exact = np.argsort(-(unit(asked) @ unit(data).T), axis=1, kind="stable")[:, :K].tolist()
    del data
    subjects: dict[str, Ask] = {}
    report: dict[str, dict[str, Any]] = {}
    for subject in ASKED:
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
    """The document that one part prints, in a process of its own."""
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LANCE_CPU_THREADS")}
    rest = ["--queries", str(args.queries), "--threads", str(args.threads), "--scratch", str(args.scratch)]
    command = [sys.executable, __file__, *words, *rest]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads})
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 60_000, 200_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path("search-benchmark"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--part", choices=("query", *BUILT), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        place = args.scratch / f"{args.sizes[0]}-{args.queries}"
        if args.part == "query":
            query(args.sizes[0], args.queries, place, args.threads)
        else:
            build(args.part, args.sizes[0], args.queries, place / args.part)
        return
    report: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "sizes": {},
    }
    for count in args.sizes:
        place = args.scratch / f"{count}-{args.queries}"  # other queries go with other vectors
        place.mkdir(parents=True, exist_ok=True)
        rows: dict[str, dict[str, Any]] = {subject: {} for subject in ASKED}
        for subject in BUILT:
            built = place / f"{subject}.json"
            if not built.exists():
                built.write_text(json.dumps(run(args, "--part", subject, "--sizes", str(count))))
            rows[subject] |= json.loads(built.read_text())
        for subject, row in run(args, "--part", "query", "--sizes", str(count)).items():
            rows[subject] |= row
            print(f"{count:>7} {subject:<18} {json.dumps(rows[subject])}", flush=True)
        report["sizes"][str(count)] = {**rows, "load": round(os.getloadavg()[0], 1)}
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
