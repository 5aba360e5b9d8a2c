"""A whole collection of files through the command line, from extraction to search, checked by brute force.

    python benchmarks/collection.py --images 'cifar10/*.parquet' --scratch FOLDER [--out collection.json]

1. Images of the parquet files are written to FOLDER/images/split/class/number.png; `split` is the start of the file's
   name. A small model is fitted to some of them for one epoch, since its quality does not matter here.
2. `infomax index` indexes first a sixth of the images and then all.
3. --queries images are searched, half from the collection and half mirrored, which are not in it. Every list of matches
   is compared with NumPy in float64, by both metrics and below one folder. The recall of --approximate is measured
   against the exact lists.
4. 100 images are added, 50 changed and 30 deleted. The index is updated with --prune and compared row by row with one
   built from nothing.

Any difference ends the script with an error. Every command runs in its own process: `seconds` is its wall time, `cpu`
its user and system time, `peak` its peak memory (VmHWM, so the script runs on Linux only).
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from _common import argument_parser, write_report
from infomax import Index
from infomax.images.opening import open_source
from infomax.neighbors.distances import Metric
from infomax.search.stores.store import vectors_of

K, DECIMALS, LEAST_RECALL = 10, 12, 0.98
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")
ADDED, CHANGED, DELETED = 100, 50, 30
EPOCH = ["--recipe", "dim-cifar10", "--epochs", "1", "--set", "blocks=16,32,64"]


class Report:
    """Lines of the table, each printed when it is measured."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        print(f"{'step':<46} {'seconds':>8} {'cpu':>8} {'peak MB':>8}", flush=True)

    def line(self, step: str, seconds: float, cpu: float, peak: float | None = None) -> None:
        """Add a line: wall and CPU seconds, and peak MB."""
        self.steps.append({"step": step, "seconds": seconds, "cpu": cpu, "peak_mb": peak})
        print(f"{step:<46} {seconds:>8.1f} {cpu:>8.1f} {'' if peak is None else f'{peak:>8.0f}'}", flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step in this process."""
        start, cpu = time.perf_counter(), time.process_time()
        yield
        self.line(name, time.perf_counter() - start, time.process_time() - cpu)

    def command(self, name: str, *words: object) -> Any:
        """Measure `infomax` with these arguments, and return the JSON document that it prints."""
        start, before, peak = time.perf_counter(), os.times(), 0.0
        command = [sys.executable, "-m", "infomax", *(str(word) for word in words), "--json", "-"]
        with (
            TemporaryFile("w+") as printed,
            subprocess.Popen(command, stdout=printed, stderr=subprocess.DEVNULL) as child,
        ):
            while child.poll() is None:
                peak = max(peak, most_memory(child.pid))
                time.sleep(0.02)
            printed.seek(0)
            document = printed.read()
        if child.returncode:
            sys.exit(f"infomax {words[0]} failed: run {' '.join(command)}")
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        self.line(name, time.perf_counter() - start, cpu, peak)
        return json.loads(document)


def most_memory(process: int) -> float:
    """Peak memory of a process so far, in MB; 0 after its end."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:")), 0.0)


def extract(images: str, folder: Path) -> None:
    """Write the encoded images of the parquet files to split/class/number.png."""
    source = open_source(images)
    numbers: dict[str, int] = {}
    for entry, content in zip(source.entries, source.read(range(len(source.entries))), strict=True):
        assert isinstance(content.data, bytes)
        split = Path(entry.key).name.split("-")[0]
        number = numbers[split] = numbers.get(split, -1) + 1
        file = folder / split / str(content.label) / f"{number:05d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.data)


def mirrored(file: Path) -> bytes:
    """A mirrored image, which a model encodes differently."""
    out = BytesIO()
    with Image.open(file) as image:
        ImageOps.mirror(image.convert("RGB")).save(out, "PNG")
    return out.getvalue()


def rows_of(index: Path) -> pa.Table:
    """All rows of an index, sorted by path."""
    store = Index.open(index)._store
    columns = ["path", "id", "hash", "version", "size", "mtime", "width", "height", "label", "thumbnail", "model"]
    rows = pa.Table.from_batches(list(store.scan([*columns, "vector"])))
    return rows.take(np.argsort(np.array([path.encode() for path in rows["path"].to_pylist()], object)))


def brute_force(
    query: np.ndarray[Any, Any], vectors: np.ndarray[Any, Any], metric: Metric
) -> tuple[list[int], list[float]]:
    """Rows and distances of the K nearest in float64; rows at equal distance (to 12 decimals) keep their order."""
    x, y = query.astype(np.float64), vectors.astype(np.float64)
    if metric == "cosine":
        far = 1 - (y @ x) / (np.linalg.norm(y, axis=1) * np.linalg.norm(x))
    else:
        far = np.linalg.norm(y - x, axis=1)
    near = np.argsort(far.round(DECIMALS), kind="stable")[:K]
    return near.tolist(), far[near].tolist()


def check(
    report: Report, name: str, index: Path, queries: Sequence[Path], rows: pa.Table, folder: Path | None = None
) -> list[list[str]]:
    """Compare `infomax search` with brute force by both metrics; return the paths of the cosine lists."""
    opened = Index.open(index)
    paths, vectors = rows["path"].to_pylist(), vectors_of(rows)
    if folder is not None:
        below = [row for row, path in enumerate(paths) if path.startswith(f"{folder}/")]
        paths, vectors = [paths[row] for row in below], vectors[below]
    lists: dict[Metric, list[list[str]]] = {}
    for metric in METRICS:
        words = ["--index", index, "-k", K, "--metric", metric, *(["--folder", folder] if folder else [])]
        found = report.command(f"{name}, {metric}", "search", *queries, *words)
        for query, document in zip(queries, found, strict=True):
            near, far = brute_force(opened.embed(query), vectors, metric)
            if [match["path"] for match in document["matches"]] != [paths[row] for row in near]:
                sys.exit(f"{query}, {metric}: matches differ from brute force\n{document}\n{near}\n{far}")
            np.testing.assert_allclose([match["distance"] for match in document["matches"]], far, atol=1e-9)
        lists[metric] = [[match["path"] for match in document["matches"]] for document in found]
    return lists["cosine"]


def change(images: Path, seed: int) -> None:
    """Add, change and delete images."""
    random = np.random.default_rng(seed)
    files = sorted(images.rglob("*.png"))
    chosen = [files[row] for row in random.permutation(len(files))[: ADDED + CHANGED + DELETED]]
    for file in chosen[:ADDED]:
        new = images / "new" / file.parent.name / file.name
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(mirrored(file))
    for file in chosen[ADDED : ADDED + CHANGED]:
        file.write_bytes(mirrored(file))
    for file in chosen[ADDED + CHANGED :]:
        file.unlink()


def difference(rows: pa.Table, others: pa.Table) -> tuple[float, int]:
    """Largest difference between two tables of vectors, and how many vectors are equal bit by bit.

    Exits with an error when any other column differs.
    """
    for name in rows.column_names:
        if name != "vector" and not rows[name].combine_chunks().equals(others[name].combine_chunks()):
            sys.exit(f"the updated index and the new one differ in the column {name}")
    a, b = vectors_of(rows), vectors_of(others)
    return float(np.abs(a - b).max()), int((a == b).all(1).sum())


def disk(folder: Path, pattern: str = "*") -> float:
    """Size of the files below a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file()) / 1e6


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--images", required=True, metavar="GLOB")
    parser.add_argument("--scratch", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    scratch = args.scratch.resolve()
    images, run, index = scratch / "images", scratch / "run", scratch / "index"
    for left in (images, run, *scratch.glob("index*"), scratch / "queries"):
        shutil.rmtree(left, ignore_errors=True)
    report, facts = Report(), dict[str, Any]()

    with report.step("extract"):
        extract(args.images, images)
    fit = [sys.executable, "-m", "infomax", "fit", str(images / "test" / "*" / "*[024].png"), "--out", str(run)]
    with report.step("fit (CPU time not counted)"):
        subprocess.run([*fit, *EPOCH], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = report.command("index a sixth", "index", images / "test", "--model", run, "--index", scratch / "index-part")
    whole = report.command("index all", "index", images, "--model", run, "--index", index)
    facts |= {"images": {"part": part["added"], "all": whole["added"]}, "images_mb": disk(images)}
    facts["index_mb"] = disk(index)
    report.command("index again, nothing new", "index", images, "--index", index)

    random = np.random.default_rng(0)
    files = sorted(images.rglob("*.png"))
    queries = [files[row] for row in random.permutation(len(files))[: args.queries]]
    for place in range(0, len(queries), 2):
        foreign = scratch / "queries" / f"{place:04d}.png"
        foreign.parent.mkdir(exist_ok=True)
        foreign.write_bytes(mirrored(queries[place]))
        queries[place] = foreign
    rows = rows_of(index)
    exact = check(report, f"search, {args.queries} queries", index, queries, rows)
    check(report, "search below a folder", index, queries, rows, queries[1].parent)
    for name in ("search, approximate, first", "search, approximate, again"):
        found = report.command(name, "search", *queries, "--index", index, "-k", K, "--approximate")
    hits = [
        len({*some} & {match["path"] for match in document["matches"]})
        for some, document in zip(exact, found, strict=True)
    ]
    facts["recall"] = sum(hits) / (K * len(queries))
    if facts["recall"] < LEAST_RECALL:
        sys.exit(f"recall@{K} of the approximate search is {facts['recall']}")

    facts["duplicates"] = len(report.command("duplicates", "duplicates", "--index", index)["groups"])
    report.command("outliers", "outliers", "--index", index)

    change(images, seed=0)
    changes = report.command("index again, with changes", "index", images, "--index", index, "--prune")
    if [changes[name] for name in ("added", "updated", "removed", "skipped")] != [ADDED, CHANGED, DELETED, 0]:
        sys.exit(f"{ADDED} added, {CHANGED} changed, {DELETED} deleted, but {changes}")
    report.command("index all from nothing", "index", images, "--model", run, "--index", scratch / "index-new")
    rows = rows_of(index)
    facts["largest_difference"], facts["vectors_alike"] = difference(rows, rows_of(scratch / "index-new"))
    check(report, "search the updated index", index, [q for q in queries if q.exists()], rows)
    facts |= {"rows": len(rows), "index_after_mb": disk(index), "index_new_mb": disk(scratch / "index-new")}
    print(json.dumps(facts))
    write_report(args.out, {"steps": report.steps, **facts})


if __name__ == "__main__":
    main()
