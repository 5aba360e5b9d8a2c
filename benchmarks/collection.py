"""A whole collection as files, from extraction to search, by the command line, checked against brute force throughout.

    python benchmarks/collection.py --images 'cifar10/*.parquet' --scratch FOLDER [--out collection.json]

The images of the parquet files go to FOLDER/images/split/class/number.png (`split` is what the file's name begins
with), a small model is fitted to some of them for one epoch (an index does not care), and `infomax` indexes first a
sixth and then all. For --queries images, half of them of the collection and half mirrored and so foreign to it, every
match list is compared with NumPy in float64, by both metrics and below one folder; then --approximate is judged by the
exact lists. At last 100 images are added, 50 changed and 30 deleted, the index is brought up to date with --prune,
and compared row by row with one built from nothing. Any difference ends the script with an error.

Every command is a process of its own. `seconds` is wall time and `cpu` user and system time of that process; `peak` is
the most memory it held (VmHWM, so this runs on Linux only).
"""

import argparse
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

from infomax import Index
from infomax.images.opening import open_source
from infomax.neighbors.knn import Metric
from infomax.search.store import vectors_of

K, DECIMALS, LEAST_RECALL = 10, 12, 0.98
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")
ADDED, CHANGED, DELETED = 100, 50, 30
EPOCH = ["--recipe", "dim-cifar10", "--epochs", "1", "--set", "blocks=16,32,64"]


class Report:
    """The lines of the table, printed as they come."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        print(f"{'step':<46} {'seconds':>8} {'cpu':>8} {'peak MB':>8}", flush=True)

    def line(self, step: str, seconds: float, cpu: float, peak: float | None = None) -> None:
        """A line: wall and CPU seconds, and MB."""
        self.steps.append({"step": step, "seconds": seconds, "cpu": cpu, "peak_mb": peak})
        print(f"{step:<46} {seconds:>8.1f} {cpu:>8.1f} {'' if peak is None else f'{peak:>8.0f}'}", flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Something done in this process."""
        start, cpu = time.perf_counter(), time.process_time()
        yield
        self.line(name, time.perf_counter() - start, time.process_time() - cpu)

    def command(self, name: str, *words: object) -> Any:
        """`infomax` with these words; the document it prints as JSON."""
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
    """The most memory that a process has held so far, in MB; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:")), 0.0)


def extract(images: str, folder: Path) -> None:
    """The images of the parquet files, as the bytes they are there, into split/class/number.png."""
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
    """An image from left to right, which is another one to a model."""
    out = BytesIO()
    with Image.open(file) as image:
        ImageOps.mirror(image.convert("RGB")).save(out, "PNG")
    return out.getvalue()


def rows_of(index: Path) -> pa.Table:
    """All rows, in the order of their paths."""
    store = Index.open(index)._store
    columns = ["path", "id", "hash", "stamp", "size", "mtime", "width", "height", "label", "thumbnail", "model"]
    rows = pa.Table.from_batches(list(store.scan([*columns, "vector"])))
    return rows.take(np.argsort(np.array([path.encode() for path in rows["path"].to_pylist()], object)))


def brute_force(
    query: np.ndarray[Any, Any], vectors: np.ndarray[Any, Any], metric: Metric
) -> tuple[list[int], list[float]]:
    """Rows of the K nearest and their distances, in float64; rounding aside, equally near ones in the order of rows."""
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
    """Compare the lists of `infomax search` with brute force by both metrics; the paths of the cosine lists."""
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
                sys.exit(f"{query}, {metric}: other matches than by brute force\n{document}\n{near}\n{far}")
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
    """The largest difference between numbers of their vectors, and the vectors alike bit by bit; all else is equal."""
    for name in rows.column_names:
        if name != "vector" and not rows[name].combine_chunks().equals(others[name].combine_chunks()):
            sys.exit(f"the index brought up to date and the one from nothing differ in the column {name}")
    a, b = vectors_of(rows), vectors_of(others)
    return float(np.abs(a - b).max()), int((a == b).all(1).sum())


def disk(folder: Path, pattern: str = "*") -> float:
    """Megabytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
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
    with report.step("fit (cpu: elsewhere)"):
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
    check(report, "search the index brought up to date", index, [q for q in queries if q.exists()], rows)
    facts |= {"rows": len(rows), "index_after_mb": disk(index), "index_new_mb": disk(scratch / "index-new")}
    print(json.dumps(facts))
    if args.out:
        args.out.write_text(json.dumps({"steps": report.steps, **facts}, indent=2) + "\n")


if __name__ == "__main__":
    main()
