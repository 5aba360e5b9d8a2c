"""What a training ails from, as a user meets it: one line on stderr, once; and TensorBoard behind its flag."""

import json
from pathlib import Path

import numpy as np
import pytest

from infomax.training import logging
from tests.conftest import SMALL_RECIPE, Infomax, colored


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_prior_of_weight_100_is_told_once_and_logged(infomax: Infomax) -> None:
    np.save("a.npy", colored(128))
    words = ["--set", "gamma=100", "--set", "alpha=0", "--set", "batch=4", "--epochs", 4]
    ended = infomax("fit", "a.npy", "--out", "run", *SMALL_RECIPE, *words)
    assert ended.code == 0, ended
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("infomax: warning: epoch ")
    assert ended.stderr.endswith("; the prior outweighs the bounds: lower gamma, its weight\n")
    lines = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert sum("the posterior has collapsed" in line.get("warning", "") for line in lines) > 1


def test_a_learning_rate_of_10_is_told(infomax: Infomax) -> None:
    np.save("a.npy", colored(128))
    words = ["--set", "learning_rate=10", "--set", "batch=2", "--epochs", 3]
    ended = infomax("fit", "a.npy", "--out", "run", *SMALL_RECIPE, *words)
    assert "lower the learning rate, now 10.0" in ended.stderr or "lower learning_rate, now 10" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_tensorboard_gets_the_curves_and_the_neighbors(infomax: Infomax) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    np.save("a.npy", colored(40))
    fit = ["fit", "a.npy", "--out", "run", *SMALL_RECIPE, "--tensorboard"]
    for words in ([], ["--resume", "--epochs", 3]):
        ended = infomax(*fit, *words)
        assert (ended.code, ended.stderr) == (0, "")
    events = reading.EventAccumulator("run/tensorboard").Reload()
    assert [event.step for event in events.Scalars("epoch/total")] == [3, 6, 9]
    assert [event.step for event in events.Images("neighbors")] == [9]


def test_tensorboard_that_is_missing_is_told_before_any_work(infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "find_spec", lambda _: None)
    np.save("a.npy", colored(40))
    failure = infomax("fit", "a.npy", "--out", "run", *SMALL_RECIPE, "--tensorboard").failure
    assert failure == "TensorBoard is not installed: pip install 'infomax[tensorboard]', or do without"
    assert not Path("run").exists()
