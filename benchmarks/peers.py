"""Other estimators of mutual information on the same samples: KSG, and three of torch-mist; estimation.py runs them.

KSG is that of infomax, with 3 neighbors, on all samples. torch-mist needs a Python of its own, because it asks for
numpy 1. It does not install the pandas and tqdm that it imports. Its own `estimate_mi` trains SMILE, MINE and InfoNCE,
with two hidden sizes of 64. It sees four fifths of the samples, and keeps a tenth of them for early stopping. The last
fifth is read in one batch. SMILE and MINE compare each sample with 16 others, InfoNCE with its batch. The patience is
10 epochs, not 1. Elsewhere the defaults of torch-mist hold: at most 5,000 steps of 128 samples, by Adam with 0.0005,
and MINE does not stop early. All columns are standardized, as bmi does it.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infomax.information.estimation.ksg import ksg

TORCH_MIST = {"smile": "SMILE", "mine": "MINE", "infonce": "InfoNCE"}
SCRIPT = """
import contextlib, json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
import torch
torch.set_num_threads(1)
from torch_mist import estimate_mi
seed, data, answers = int(sys.argv[2]), np.load(sys.argv[1]), {}
last = len(data["x"]) * 4 // 5
for name, negatives in (("smile", {"neg_samples": 16}), ("mine", {"neg_samples": 16}), ("infonce", {})):
    torch.manual_seed(seed), np.random.seed(seed)
    train, test = ({side: data[side][rows] for side in "xy"} for rows in (slice(last), slice(last, None)))
    start = time.process_time()
    with contextlib.redirect_stdout(sys.stderr):
        value = estimate_mi(train, name, test_data=test, evaluation_batch_size=len(test["x"]), hidden_dims=[64, 64],
                            patience=10, logger=False, verbose=False, **negatives)
    answers[name] = [float(value[0] if isinstance(value, tuple) else value), time.process_time() - start]
print(json.dumps(answers))
"""
BLOCK = 500  # rows whose neighbors are searched at a time


def standardized(side: np.ndarray) -> np.ndarray:
    return np.asarray((side - side.mean(0)) / side.std(0), np.float32)


def peers(python: str | None, x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, Any]:
    """Their values in nats, and their CPU seconds; nothing where no Python for torch-mist is given."""
    if python is None:
        return {}
    x, y = standardized(x), standardized(y)
    start = time.process_time()
    answers = {"ksg": [nearest_neighbors(x, y), time.process_time() - start]} | torch_mist(python, x, y, seed)
    return {name: value for name, (value, _) in answers.items()} | {
        "cpu of peers": {k: s for k, (_, s) in answers.items()}
    }


def nearest_neighbors(x: np.ndarray, y: np.ndarray) -> float:
    """KSG with 3 neighbors over all samples, without the extrapolation that estimate_mi adds."""
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    blocks = torch.split(torch.arange(len(a)), BLOCK)
    return float(np.mean([float(ksg(a, b, block)[0]) for block in blocks]))


def torch_mist(python: str, x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, list[float]]:
    """Value and CPU seconds of each estimator of torch-mist, NaN where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.npz"
        np.savez(file, x=x, y=y)
        command = [python, "-c", SCRIPT, str(file), str(seed)]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if run.returncode:
        print(run.stderr[-500:], file=sys.stderr)
        return {name: [math.nan, math.nan] for name in TORCH_MIST}
    answers: dict[str, list[float]] = json.loads(run.stdout.splitlines()[-1])
    return answers
