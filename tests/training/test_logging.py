"""TensorBoard shows what log.jsonl says, once, however often the training was stopped."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infomax import InfoMax, InfoMaxError
from infomax.training import logging
from infomax.training import trainer as training
from infomax.training.logging import TensorBoardLogger
from tests.conftest import SMALL, colored

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
IMAGES = colored(40)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve, as TensorBoard itself reads it."""
    events = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def expected(run: Path) -> dict[str, list[tuple[int, Any]]]:
    """The same from log.jsonl, to the digits of float32."""
    wanted: dict[str, list[tuple[int, Any]]] = {}

    def gather(path: str, step: int, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, each in value.items():
                gather(f"{path}/{name}", step, each)
        elif not isinstance(value, str):
            wanted.setdefault(path, []).append((step, pytest.approx(value, rel=1e-6)))

    for text in (run / "log.jsonl").read_text().splitlines():
        line = json.loads(text)
        kind, step, _ = (line.pop(name) for name in ("kind", "step", "epoch"))
        gather("health", step, line.pop("health", {}))
        gather(kind, step, line)
    return wanted


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LOG_STEPS", 2)


def test_every_number_of_the_log_is_a_point(tmp_path: Path) -> None:
    with TensorBoardLogger(tmp_path / "run" / "tensorboard") as shown:
        InfoMax(SMALL, device="cpu").fit(IMAGES, out=tmp_path / "run", logger=shown)
    drawn = curves(tmp_path / "run" / "tensorboard")
    assert drawn == expected(tmp_path / "run")
    assert {"step/total", "epoch/local", "health/effective_rank", "health/critics/local/positives"} <= drawn.keys()
    assert [step for step, _ in drawn["epoch/total"]] == [3, 6]


def test_a_resumed_training_has_one_curve_also_over_what_was_learned_without_a_board(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for epochs, shown in ((1, True), (2, False), (3, True), (4, True)):
        if shown:
            with TensorBoardLogger(run / "tensorboard") as drawing:
                InfoMax(SMALL, epochs=epochs, device="cpu").fit(IMAGES, out=run, resume=epochs > 1, logger=drawing)
        else:
            InfoMax(SMALL, epochs=epochs, device="cpu").fit(IMAGES, out=run, resume=True)
    drawn = curves(run / "tensorboard")
    assert drawn == expected(run)
    assert [step for step, _ in drawn["epoch/total"]] == [3, 6, 9, 12]


def test_overwriting_a_run_takes_its_curves_along(tmp_path: Path) -> None:
    for overwrite in (False, True):
        with TensorBoardLogger(tmp_path / "tensorboard") as shown:
            InfoMax(SMALL, device="cpu").fit(IMAGES, out=tmp_path, overwrite=overwrite, logger=shown)
    assert len([*(tmp_path / "tensorboard").iterdir()]) == 1
    assert curves(tmp_path / "tensorboard") == expected(tmp_path)


def test_a_board_needs_no_run(tmp_path: Path) -> None:
    with TensorBoardLogger(tmp_path) as shown:
        assert [*tmp_path.iterdir()] == []  # nothing is written before there is something to tell
        InfoMax(SMALL, device="cpu").fit(IMAGES, logger=shown)
    assert [step for step, _ in curves(tmp_path)["epoch/total"]] == [3, 6]


def test_images_stand_at_the_last_step(tmp_path: Path) -> None:
    image = colored(1)[0]
    with TensorBoardLogger(tmp_path) as shown:
        shown.begin([{"kind": "epoch", "step": 7, "epoch": 1, "total": math.pi}])
        shown.show("neighbors", image)
    (event,) = event_accumulator.EventAccumulator(str(tmp_path)).Reload().Images("neighbors")
    assert (event.step, event.width, event.height) == (7, 8, 8)
    from io import BytesIO

    from PIL import Image

    assert np.array_equal(np.asarray(Image.open(BytesIO(event.encoded_image_string))), image)


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "find_spec", lambda _: None)
    with pytest.raises(InfoMaxError, match=r"not installed: pip install 'infomax\[tensorboard\]'"):
        TensorBoardLogger(tmp_path)
