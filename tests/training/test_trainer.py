"""Training as a whole: its batches, what it learns, what it tells, and how it ends when it goes wrong."""

import json
import math
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective, Value
from infomax.training import trainer as training
from infomax.training.context import TrainingContext
from infomax.training.diagnostics import HealthWarning
from infomax.training.run_folder import Run
from infomax.training.schedule import Schedule, batches
from infomax.training.trainer import Trainer, TrainingDiverged
from tests.conftest import SMALL, colored
from tests.training.test_diagnostics import SOUND


@settings(deadline=None)
@given(n=st.integers(2, 200), size=st.integers(2, 70), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_batches_are_a_partition_but_for_a_last_single_image(n: int, size: int, seed: int, epoch: int) -> None:
    drawn = batches(n, size, seed, epoch)
    sizes = [len(batch) for batch in drawn]
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    assert 2 <= sizes[-1] <= size
    seen = torch.cat(drawn).tolist()
    assert len(set(seen)) == len(seen) == n - (n % size == 1)
    assert set(seen) <= set(range(n))


def test_batches_follow_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        torch.manual_seed(np.random.default_rng().integers(1000))
        return [int(index) for index in torch.cat(batches(50, 8, seed, epoch))]

    assert order(3, 4) == order(3, 4)
    assert len({tuple(order(seed, epoch)) for seed in range(4) for epoch in range(4)}) == 16


def test_every_image_is_left_out_now_and_then() -> None:
    left_out = Counter[int]()
    for epoch in range(400):
        left_out.update({*range(17)} - {*torch.cat(batches(17, 16, 0, epoch)).tolist()})
    assert left_out.total() == 400
    assert left_out.keys() == {*range(17)}  # fails for one seed in two billion


def made(seed: int = 0) -> tuple[Encoder, Objective]:
    torch.manual_seed(seed)
    return SMALL.encoder(), SMALL.objective()


def schedule(**changes: Any) -> Schedule:
    return SMALL.with_settings(**changes).schedule()


def begun(path: Path) -> Run:
    run = Run(path)
    run.begin(
        {"format": Run.FORMAT, "recipe": {}, "seed": 0, "device": "cpu", "precision": "float32", "data": {}},
        afresh=True,
    )
    return run


def fit(
    encoder: Encoder,
    objective: Objective,
    pixels: NDArray[np.uint8],
    schedule: Schedule,
    labels: list[str] | None = None,
    **context: Any,
) -> None:
    Trainer(encoder, objective, schedule, TrainingContext(**context)).fit(pixels, labels)


def log(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.log_file.read_text().splitlines()]


def test_learns_what_tells_images_apart(tmp_path: Path) -> None:
    """Images of one color each: a critic that tells nothing scores -2 ln 2 = -1.386 nats, a perfect one 0.

    Over seeds 0 to 5 the local bound ended between -0.40 and -0.30 nats, the global one between -0.22 and -0.10.
    """
    encoder, objective = made()
    run = begun(tmp_path)
    fit(encoder, objective, colored(128), schedule(epochs=25, learning_rate=3e-3), run=run)
    epochs = [line for line in log(run) if line["kind"] == "epoch"]
    assert epochs[0]["local"] == pytest.approx(-2 * math.log(2), abs=0.2)
    assert epochs[-1]["local"] > -0.7
    assert epochs[-1]["global"] > -0.5
    assert epochs[-1]["prior"] > -15
    for line in epochs:
        expected = 0.5 * line["global"] + 1.5 * line["local"] + 0.01 * line["prior"]
        assert line["total"] == pytest.approx(expected, abs=1e-4)


def test_only_training_flips_the_sign() -> None:
    """Larger is better: an objective that is the mean of the codes itself makes them grow."""

    class Large(Objective):
        def forward(self, representation: Any, code: Any, generator: Any = None) -> Value:  # noqa: ARG002
            return Value(representation.mean.mean(), {})

    encoder, _ = made()
    images = torch.from_numpy(colored(64))
    before = encoder(images).mean.mean().item()
    fit(encoder, Large(), images.numpy(), schedule(learning_rate=0.01, epochs=4))
    assert encoder(images).mean.mean().item() > before + 0.5


def test_the_result_is_ready_for_use_and_a_function_of_the_seed() -> None:
    def trained(seed: int) -> dict[str, torch.Tensor]:
        encoder, objective = made()
        fit(encoder, objective, colored(40), schedule(), seed=seed)
        assert not any(part.training for whole in (encoder, objective) for part in whole.modules())
        return encoder.state_dict()

    first, again, other = trained(1), trained(1), trained(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["mean.weight"], other["mean.weight"])


def test_the_log_tells_steps_and_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LOG_STEPS", 4)
    run = begun(tmp_path)
    fit(*made(), colored(49), schedule(epochs=2), run=run)  # 3 batches of 16 an epoch, one image left out
    places = [(line["kind"], line["step"], line["epoch"]) for line in log(run)]
    assert places == [("epoch", 3, 1), ("step", 4, 2), ("epoch", 6, 2)]
    fields = {"kind", "step", "epoch", "total", "global", "local", "prior", "seconds", "images_per_second"}
    assert all(line.keys() - {"health"} == fields for line in log(run))
    assert all(("health" in line) == (line["kind"] == "epoch") for line in log(run))
    assert all(math.isfinite(line[name]) for line in log(run) for name in fields - {"kind"})


def test_the_log_tells_the_health_of_every_epoch(tmp_path: Path) -> None:
    run = begun(tmp_path)
    fit(*made(), colored(40), schedule(epochs=2), labels=["warm", "cold"] * 20, run=run)
    for line in log(run):
        told = line["health"]
        assert told.keys() == {
            "dim", "effective_rank", "spread", "dead", "active", "kl", "information_upper_bound", "critics", "knn"
        }  # fmt: skip
        assert 1 <= told["effective_rank"] <= told["dim"] == 8
        assert told["critics"].keys() == {"global", "local"}
        assert 0 <= told["knn"] <= 1
        assert "warning" not in line


@pytest.mark.parametrize("prior", ["gaussian", "adversarial-uniform"])
def test_looking_at_the_health_changes_no_bit_of_the_training(prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(labels: list[str] | None) -> list[torch.Tensor]:
        torch.manual_seed(0)
        recipe = SMALL.with_settings(prior=prior, epochs=3)
        encoder, objective = recipe.encoder(), recipe.objective()
        fit(encoder, objective, colored(50), recipe.schedule(), seed=5, labels=labels)
        return [*encoder.state_dict().values(), *objective.state_dict().values()]

    looked_at = [trained(None), trained(["a", "b"] * 25)]
    monkeypatch.setattr(training, "measure", lambda *_: SOUND)
    for weights in looked_at:
        assert all(map(torch.equal, trained(None), weights))


COLLAPSED = replace(SOUND, information_upper_bound=0.01)


def test_a_collapse_is_warned_of_once_and_logged_as_long_as_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter([SOUND, COLLAPSED, COLLAPSED, SOUND, COLLAPSED, replace(SOUND, dead=0.9)])
    monkeypatch.setattr(training, "measure", lambda *_: next(seen))
    run = begun(tmp_path)
    with pytest.warns(HealthWarning) as caught:
        fit(*made(), colored(128), schedule(epochs=6, batch=2), run=run)
    first, second = (str(each.message) for each in caught)
    assert first.startswith("epoch 2: the posterior has collapsed: ")
    assert second.startswith("epoch 6: the code has collapsed: ")
    warned = [line["epoch"] for line in log(run) if "warning" in line]
    assert warned == [2, 3, 5, 6]


def test_a_warning_made_an_error_stops_a_training_that_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "measure", lambda *_: COLLAPSED)
    run = begun(tmp_path)
    with pytest.raises(HealthWarning, match="lower gamma"):
        fit(*made(), colored(128), schedule(epochs=3, batch=2), run=run)
    checkpoint = run.read_checkpoint()
    assert checkpoint is not None
    assert (checkpoint["epoch"], checkpoint["step"]) == (1, 64)
    assert log(run)[-1]["epoch"] == 1


def test_codes_that_are_not_finite_are_a_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "measure", lambda *_: None)
    run = begun(tmp_path)
    with pytest.raises(TrainingDiverged, match="a weight is not finite by step 3, in epoch 1"):
        fit(*made(), colored(48), schedule(), run=run)
    assert not run.log_file.read_text()


def test_the_progress_bar_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager

    told: list[int] = []

    @contextmanager
    def bar(what: str, total: int, **_: Any) -> Any:
        told.append(total)
        yield told.append

    monkeypatch.setattr(training, "progress_bar", bar)
    fit(*made(), colored(50), schedule(epochs=2))
    assert told[0] == sum(told[1:]) == 100


def test_outside_the_main_thread_it_trains_all_the_same() -> None:
    encoder, objective = made()
    thread = threading.Thread(target=fit, args=(encoder, objective, colored(32), schedule()))
    thread.start()
    thread.join()
    assert not encoder.training


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_images(n: int) -> None:
    with pytest.raises(InfoMaxError, match=f"{n} image is too few to learn from: a negative pair takes two"):
        fit(*made(), colored(2)[:n], schedule())


def test_two_images_are_enough() -> None:
    encoder, objective = made()
    fit(encoder, objective, colored(2), schedule())
    assert all(weight.isfinite().all() for weight in encoder.parameters())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0}, "epochs is 0: use 1 or more"),
        ({"batch": 1}, "batch is 1: use 2 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: use a positive number"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"epsilon": -1e-7}, "epsilon is -1e-07: use 0 or a small positive number"),
    ],
)
def test_schedules_that_make_no_sense(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason):
        Schedule(**{"epochs": 1, "batch": 2, "learning_rate": 1e-3, "epsilon": 1e-7, **changes})


class Poisoned(Objective):
    """An objective that is infinite, or whose gradient is not a number, from some step on."""

    def __init__(self, step: int, kind: str) -> None:
        super().__init__()
        self.inner, self.step, self.kind, self.calls = SMALL.objective(), step, kind, 0

    def forward(self, representation: Any, code: Any, generator: Any = None) -> Value:
        self.calls += 1
        value: Value = self.inner(representation, code, generator)
        if self.calls < self.step:
            return value
        if self.kind == "loss":
            return Value(value.total * math.inf, value.terms)
        zero = (code - code.detach()).square().sum().sqrt()  # 0, with the gradient 0 / 0
        return Value(value.total + zero, value.terms)


@pytest.mark.parametrize("kind", ["loss", "gradient"])
@pytest.mark.parametrize("step", [2, 5, 6, 9])
def test_a_training_that_diverges_keeps_the_last_good_checkpoint(tmp_path: Path, kind: str, step: int) -> None:
    run = begun(tmp_path)
    torch.manual_seed(0)
    with pytest.raises(TrainingDiverged) as raised:
        fit(SMALL.encoder(), Poisoned(step, kind), colored(64), schedule(epochs=3), run=run)  # 4 steps an epoch
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith("training diverged: ")
    assert "lower the learning rate, now 0.001" in message
    assert ("the last good checkpoint is kept" in message) == (step > 4)
    checkpoint = run.read_checkpoint()
    if step <= 4:
        assert checkpoint is None
    else:
        assert checkpoint is not None
        assert checkpoint["step"] == (step - 1) // 4 * 4
        assert all(weight.isfinite().all() for part in ("encoder", "objective") for weight in checkpoint[part].values())
    assert not run.finished
    assert all(math.isfinite(line["total"]) for line in log(run))


def test_a_learning_rate_out_of_all_proportion(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with pytest.raises(TrainingDiverged, match=r"is not finite by step \d+, in epoch \d+.*now 1e\+30"):
        fit(*made(), colored(64), schedule(epochs=3, learning_rate=1e30), run=run)
    assert run.read_checkpoint() is None


def test_running_statistics_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    run = begun(tmp_path)
    encoder, objective = made()
    with torch.no_grad():
        for name, statistics in encoder.named_buffers():
            if name.endswith("running_var"):
                statistics.fill_(math.inf)
    with pytest.raises(TrainingDiverged):
        fit(encoder, objective, colored(64), schedule(), run=run)
    assert run.read_checkpoint() is None
