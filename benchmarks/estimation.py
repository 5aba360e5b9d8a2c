"""Accuracy of estimate_mi on distributions with known mutual information, beside other estimators.

    python benchmarks/estimation.py [--seeds 5] [--samples 10000] [--tasks uniform] [--results runs.jsonl]
                                    [--peer-python peer/bin/python]

Each task gives one line. It has the truth; over the seeds the mean estimate with its standard deviation, the mean
absolute error, the mean standard error and the coverage (how often value +- 2 standard errors contained the truth); and
CPU seconds (all threads) per run. The last line has the means over all tasks. The last columns are mean absolute errors
of other estimators: the correlations of CCA alone, as if all were normal; scikit-learn's nearest neighbors when both
sides have one dimension; and over the first --peer-seeds seeds KSG, and SMILE, MINE and InfoNCE of torch-mist. These
four need --peer-python, a Python that has torch-mist; peers.py says how they run. Their mean CPU seconds are printed
below the table. All numbers are in nats.

Every run is appended to --results at once. What this file has already is not run again, and seed follows seed, so a
benchmark that was stopped continues where it was.
"""

import json
import math
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_selection import mutual_info_regression

import bmi_tasks
import fresh_tasks
import unseen_tasks
from _common import argument_parser, machine, mean_and_deviation, table_head, table_row
from infomax.information import distributions as k
from infomax.information import estimate_mi
from infomax.information import transformations as t
from infomax.information.distributions import Known
from peers import TORCH_MIST, peers

OTHERS = {"cca": "CCA", "neighbors": "scikit-learn", "ksg": "KSG", **TORCH_MIST}


def tasks() -> Iterator[tuple[str, Known]]:
    one, rho = torch.eye(2), math.sqrt(-math.expm1(-4.0))
    yield "1-d", k.bivariate_normal(0.0)
    yield "1-d", k.bivariate_normal(0.75)
    yield "1-d", k.bivariate_normal(rho)
    yield "1-d", k.uniform_noise(0.1)
    yield "1-d", k.uniform_noise(0.75)
    yield "1-d", k.student(one, 1, 1.0)
    yield "1-d", k.student(torch.tensor([[1, 0.9], [0.9, 1]]), 1, 2.0)
    yield "1-d", k.transformed(k.bivariate_normal(0.9), t.half_cube, t.half_cube)
    yield "1-d", k.transformed(k.student(one, 1, 1.0), t.asinh, t.asinh)
    yield "1-d", k.transformed(k.bivariate_normal(0.75), t.normal_cdf, t.normal_cdf)
    yield "1-d", k.transformed(k.bivariate_normal(0.93), t.swiss_roll, t.normal_cdf)
    yield "1-d", k.forked_noise(1.5, 0.2)
    yield "1-d", k.sine(4, 0.2)
    yield "1-d", k.table(torch.tensor([[0.3, 0.05, 0.05], [0.05, 0.1, 0.15], [0.0, 0.05, 0.25]]))
    yield "normal", k.dense_normal(3, 1.5)
    yield "normal", k.dense_normal(10, 3.0)
    yield "normal", k.sparse_normal(5, 1.0)
    yield "normal", k.sparse_normal(10, 3.0)
    yield "normal", k.normal(torch.eye(20), 10, "independent normal 10 x 10")
    yield "other", k.student(k.sparse_covariance(3, 1.0), 3, 3.0)
    yield "other", k.transformed(k.sparse_normal(2, 1.0, pairs=1), t.spiral)


def cca(x: np.ndarray, y: np.ndarray) -> float:
    """-1/2 sum ln(1 - rho^2) over the canonical correlations of the samples: the information if all were normal."""
    a, b = (np.linalg.qr(side - side.mean(0))[0] for side in (x, y))
    rho = np.linalg.svd(a.T @ b, compute_uv=False).clip(max=1 - 1e-9)
    return float(-0.5 * np.log1p(-(rho**2)).sum())


def neighbors(x: np.ndarray, y: np.ndarray) -> float:
    if x.shape[1] > 1 or y.shape[1] > 1:
        return math.nan
    return float(mutual_info_regression(x, y.ravel(), random_state=0)[0])


def run(task: Known, n: int, seed: int, python: str | None) -> dict[str, Any]:
    """One estimate, and those of other estimators, on samples that only this seed draws."""
    x, y = (part.numpy() for part in task.sample(n, 1000 + seed))
    start, start_cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimate_mi(x, y, seed=seed)
    return {
        "task": task.name,
        "n": n,
        "seed": seed,
        "truth": task.mutual_information,
        "value": found.value,
        "standard error": found.standard_error,
        "bound": found.bound,
        "lower bound": found.lower_bound,
        "warnings": found.warnings,
        "cpu": time.process_time() - start_cpu,
        "wall": time.perf_counter() - start,
        "cca": cca(x, y),
        "neighbors": neighbors(x, y),
        **peers(python, x, y, seed),
    }


def is_covered(each: dict[str, Any]) -> bool:
    return bool(abs(each["value"] - each["truth"]) <= 2 * each["standard error"])


def mean_error(runs: Sequence[dict[str, Any]], estimator: str) -> str:
    """The mean absolute error of an estimator over the runs that have it."""
    errors = [abs(each[estimator] - each["truth"]) for each in runs if not math.isnan(each.get(estimator, math.nan))]
    return f"{np.mean(errors):.3f}" if errors else ""


def identity(name: str, truth: float) -> tuple[str, float]:
    """What tells tasks apart: some share a name, with other parameters."""
    return name, round(truth, 5)


def line(name: str, runs: Sequence[dict[str, Any]], others: Iterable[str]) -> str:
    """The row of one task."""
    read_by = {each["bound"] for each in runs}
    kind = "either" if len(read_by) > 1 else "neighbors" if "nearest-neighbors" in read_by else "bound"
    cells = [name, f"{runs[0]['truth']:.3f}", mean_and_deviation([each["value"] for each in runs], ".3f")]
    return table_row([*cells, *summary(runs), kind, *(mean_error(runs, each) for each in others)])


def summary(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Cells on error, coverage and time."""
    return [
        mean_error(runs, "value"),
        f"{np.mean([each['standard error'] for each in runs]):.3f}",
        f"{sum(map(is_covered, runs))} of {len(runs)}",
        f"{np.mean([each['cpu'] for each in runs]):.1f}",
    ]


def recorded(file: Path | None) -> list[dict[str, Any]]:
    return [json.loads(text) for text in file.read_text().splitlines()] if file and file.exists() else []


def measure(options: Any, wanted: Iterable[tuple[str, Known]]) -> list[dict[str, Any]]:
    """All runs, seed by seed; those in the file of results are taken from there."""
    runs, tasks_wanted = recorded(options.results), list(wanted)
    done = {(*identity(each["task"], each["truth"]), each["n"], each["seed"]) for each in runs}
    for seed in range(0 if options.table_only else options.seeds):
        for _, task in tasks_wanted:
            if (*identity(task.name, task.mutual_information), options.samples, seed) in done:
                continue
            each = run(task, options.samples, seed, options.peer_python if seed < options.peer_seeds else None)
            runs.append(each)
            if options.results:
                with options.results.open("a") as file:
                    file.write(json.dumps(each) + "\n")
            print(
                f"{task.name}, seed {seed}: {each['value']:.3f} +- {each['standard error']:.3f}, "
                f"truth {each['truth']:.3f}, {each['cpu']:.0f} s{'' if is_covered(each) else ', MISSED'}",
                *each["warnings"],
                file=sys.stderr,
                flush=True,
            )
    return [each for each in runs if each["n"] == options.samples and each["seed"] < options.seeds]


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--tasks", default="", help="only tasks whose kind and name contain this")
    parser.add_argument("--results", type=Path, help="JSON lines, one for each run")
    parser.add_argument("--table-only", action="store_true", help="print the table of --results, and run nothing")
    parser.add_argument("--peer-python", help="a Python with torch-mist, which then runs too, as KSG does")
    parser.add_argument("--peer-seeds", type=int, default=2, help="number of seeds for them")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    every = (*tasks(), *fresh_tasks.tasks(), *bmi_tasks.tasks(), *unseen_tasks.tasks())
    wanted = [(kind, task) for kind, task in every if options.tasks in f"{kind} {task.name}"]
    runs = measure(options, wanted)
    print(f"n = {options.samples}, {options.seeds} seeds, {machine()}\n")
    print_table(wanted, runs)


def print_table(wanted: Iterable[tuple[str, Known]], runs: Iterable[dict[str, Any]]) -> None:
    """A line for each task that has runs, and their means."""
    of_task: dict[tuple[str, float], list[dict[str, Any]]] = {
        identity(task.name, task.mutual_information): [] for _, task in wanted
    }
    for each in runs:
        of_task.get(identity(each["task"], each["truth"]), []).append(each)
    all_runs = [each for own in of_task.values() for each in own]
    others = [name for name in OTHERS if mean_error(all_runs, name)]
    columns = ["task", "truth", "mean", "error", "standard error", "covered", "CPU s", "read by"]
    print(table_head([*columns, *(OTHERS[name] for name in others)]))
    for (name, _), own in of_task.items():
        if own:
            print(line(name, own, others))
    print(table_row(["all", "", "", *summary(all_runs), "", *(mean_error(all_runs, each) for each in others)]))
    seconds = [each["cpu of peers"] for each in all_runs if "cpu of peers" in each]
    for name in seconds[0] if seconds else ():
        print(f"{OTHERS[name]}: {np.mean([each[name] for each in seconds]):.1f} CPU s")


if __name__ == "__main__":
    main()
