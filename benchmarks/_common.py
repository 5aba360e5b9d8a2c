"""Helpers of the benchmarks: arguments, clocks, memory, the machine, spreads, tables, and indexes of random vectors.

Only the standard library is imported here at once, so that a script can measure its own start.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from infomax import InfoMax


def argument_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose `--help` shows the docstring of the script as it is written."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def processor() -> str:
    """Name of the CPU, as Linux reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def machine(device: "torch.device | None" = None) -> str:
    """One line for the head of a table: GPU or CPU, cores, threads, and the versions of Python and torch."""
    import torch

    gpu = device is not None and device.type == "cuda"
    name = torch.cuda.get_device_name() if gpu else processor()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {versions}"


def machine_document(*packages: str) -> dict[str, Any]:
    """The machine as a JSON document, with the load before the benchmark and the versions of some packages."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def clock(name: str) -> Callable[[], float]:
    """A clock in seconds: "wall", or "cpu" for the CPU time of this process over all its threads."""
    return time.process_time if name == "cpu" else time.perf_counter


def seconds_of(task: Callable[[], object], device: "torch.device") -> float:
    """Seconds that a task takes.

    On a GPU it is wall time until the GPU has finished. On a CPU it is the CPU time of this process, divided by its
    number of threads, so that other work on the machine counts little.
    """
    import torch

    if device.type == "cuda":
        start = time.perf_counter()
        task()
        torch.cuda.synchronize()
        return time.perf_counter() - start
    start = time.process_time()
    task()
    return (time.process_time() - start) / torch.get_num_threads()


def peak_memory_mb() -> float:
    """Peak memory of this process so far, in MB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def mean_and_deviation(values: Sequence[float], form: str = ".2f") -> str:
    """Mean of some values, with their standard deviation in parentheses when there are several."""
    deviation = f" ({statistics.stdev(values):{form}})" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{deviation}"


def median_and_range(values: Iterable[float], form: str = ".2f") -> str:
    """Median of some values, with the smallest and the largest in parentheses."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):{form}} ({ordered[0]:{form}} to {ordered[-1]:{form}})"


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Ratio of two times in each round."""
    return [one / other for one, other in zip(over, under, strict=True)]


def table_head(titles: Sequence[str]) -> str:
    """The first two lines of a Markdown table."""
    return f"{table_row(titles)}\n|{'---|' * len(titles)}"


def table_row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def cached_json(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON document in a file; when the file does not exist, it is made first."""
    if not file.exists():
        print(f"{file.stem} ...", file=sys.stderr, flush=True)
        file.write_text(json.dumps(make(), indent=1))
    return json.loads(file.read_text())


def write_report(file: Path | None, document: object) -> None:
    """Write a JSON document, if a file was asked for."""
    if file is not None:
        file.write_text(json.dumps(document, indent=2) + "\n")


def tiny_model(dim: int) -> "InfoMax":
    """A model that is fitted at once, for benchmarks of everything but its features."""
    import numpy as np

    from infomax import InfoMax
    from infomax.recipes import DeepInfoMax

    recipe = DeepInfoMax(name="tiny", size=8, blocks=(4, 8), dim=dim, batch=8, epochs=1)
    return InfoMax(recipe, device="cpu").fit(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8))


def index_rows(names: Sequence[str], vectors: "NDArray[np.float32]", model: str, **columns: Sequence[Any]) -> Any:
    """Rows of an index for images that do not exist, as a table of pyarrow.

    `columns` replaces the constant values of other columns: label, thumbnail, width and so on, one value a row.
    """
    import pyarrow as pa

    from infomax.search.row_writer import id_of
    from infomax.search.stores.store import schema, vector_column

    constant = {"hash": "", "version": "1:1", "size": 1, "mtime": 1.0, "width": 1, "height": 1}
    wanted = schema(vectors.shape[1])
    values: dict[str, Any] = {name: [constant.get(name)] * len(names) for name in wanted.names}
    values |= {"path": list(names), "id": [id_of(name) for name in names], "thumbnail": [b""] * len(names)}
    values |= {"model": [model] * len(names), "vector": vector_column(vectors), **columns}
    return pa.table({name: values[name] for name in wanted.names}, schema=wanted)
