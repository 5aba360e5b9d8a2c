"""Accuracy of estimate_mi on distributions with known mutual information, beside other estimators.

    python benchmarks/estimation.py [--seeds 5] [--samples 10000] [--tasks uniform] [--peer-python peer/bin/python]

Each task gives one line. It has the truth; over the seeds the mean estimate, mean absolute error, mean standard error
and coverage (how often value +- 2 standard errors contained the truth); and CPU seconds (all threads) and wall seconds
per run. The last columns are mean absolute errors of other estimators: scikit-learn's nearest neighbors when both sides
have one dimension, and torch-mist over the first --peer-seeds seeds. torch-mist runs in --peer-python, a Python that
has it, by its own estimate_mi with SMILE, two hidden layers of 64, 16 negatives and otherwise its defaults. All numbers
are in nats.
"""

import math
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_selection import mutual_info_regression

import bmi_tasks
import fresh_tasks
import unseen_tasks
from _common import argument_parser, machine, table_head, table_row
from infomax.information import distributions as k
from infomax.information import estimate_mi
from infomax.information import transformations as t
from infomax.information.distributions import Known

PEER = """
import sys, logging, warnings, numpy as np
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import torch; torch.manual_seed(0); torch.set_num_threads(1)
from torch_mist import estimate_mi
data = np.load(sys.argv[1])
out = estimate_mi((data["x"], data["y"]), estimator="smile", hidden_dims=[64, 64], neg_samples=16, verbose=False)
print(float(out[0] if isinstance(out, tuple) else out))
"""


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


def neighbors(x: np.ndarray, y: np.ndarray) -> float:
    if x.shape[1] > 1 or y.shape[1] > 1:
        return math.nan
    return float(mutual_info_regression(x, y.ravel(), random_state=0)[0])


def peer(python: str | None, x: np.ndarray, y: np.ndarray) -> float:
    if python is None:
        return math.nan
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.npz"
        np.savez(file, x=x.astype(np.float32), y=y.astype(np.float32))
        run = subprocess.run([python, "-c", PEER, str(file)], capture_output=True, text=True, check=False, timeout=1800)
    if run.returncode:
        print(run.stderr[-500:], file=sys.stderr)
        return math.nan
    return float(run.stdout.split()[-1])


def row(kind: str, task: Known, n: int, seeds: int, python: str | None, peer_seeds: int) -> str:
    values, errors, covered, bounds, cpu, wall, others = [], [], [], set(), 0.0, 0.0, []
    for seed in range(seeds):
        x, y = (part.numpy() for part in task.sample(n, 1000 + seed))
        start, start_cpu = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = estimate_mi(x, y, seed=seed)
        wall, cpu = wall + time.perf_counter() - start, cpu + time.process_time() - start_cpu
        values.append(found.value)
        errors.append(found.standard_error)
        covered.append(abs(found.value - task.mutual_information) <= 2 * found.standard_error)
        bounds.add(found.bound)
        print(
            f"{task.name}, seed {seed}: {found.value:.3f} +- {found.standard_error:.3f}, "
            f"truth {task.mutual_information:.3f}",
            *found.warnings,
            file=sys.stderr,
            flush=True,
        )
        others.append((neighbors(x, y), peer(python if seed < peer_seeds else None, x, y)))
    knn_errors, peer_errors = np.abs(np.array(others) - task.mutual_information).T
    error = np.abs(np.array(values) - task.mutual_information).mean()
    cells = [kind, task.name, f"{task.mutual_information:.3f}", f"{np.mean(values):.3f}", f"{error:.3f}"]
    cells += [
        f"{np.mean(errors):.3f}",
        f"{np.mean(covered):.0%}",
        f"{cpu / seeds:.1f}",
        f"{wall / seeds:.0f}",
        ", ".join(sorted(bounds)),
    ]
    cells += [
        "" if math.isnan(value) else f"{value:.3f}" for value in (knn_errors.mean(), peer_errors[:peer_seeds].mean())
    ]
    return table_row(cells)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--tasks", default="", help="only tasks whose name contains this")
    parser.add_argument("--peer-python", help="a Python with torch-mist, which then runs too")
    parser.add_argument("--peer-seeds", type=int, default=2, help="number of seeds for torch-mist")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"n = {options.samples}, {options.seeds} seeds, {machine()}\n")
    columns = ["kind", "task", "truth", "mean", "error", "standard error", "covered", "cpu s", "wall s", "estimator"]
    columns += ["scikit-learn", "torch-mist"]
    print(table_head(columns), flush=True)
    for kind, task in (*tasks(), *fresh_tasks.tasks(), *bmi_tasks.tasks(), *unseen_tasks.tasks()):
        if options.tasks in f"{kind} {task.name}":
            line = row(kind, task, options.samples, options.seeds, options.peer_python, options.peer_seeds)
            print(line, flush=True)


if __name__ == "__main__":
    main()
