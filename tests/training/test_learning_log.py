"""How a run was learned, read from logs of both kinds."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from infomax.training.learning_log import Stage, read_learning
from infomax.training.run_folder import Run


def written(folder: Path, *lines: Mapping[str, object]) -> Run:
    run = Run(folder)
    for line in lines:
        run.log(line)
    return run


def test_a_closed_form_has_stages_and_no_curves(tmp_path: Path) -> None:
    cells = {"kind": "stage", "step": 1, "stage": "cells", "rank": 8, "chi2": 3.0, "chi2_held_out": 2.0, "seconds": 4.0}
    views = {"kind": "stage", "step": 2, "stage": "views", "rank": 9, "chi2": 5.0, "chi2_held_out": None}
    found = read_learning(written(tmp_path, cells, {**views, "seconds": 10.0}))
    assert found.stages == [Stage("cells", 4.0, 8, 3.0, 2.0), Stage("views", 6.0, 9, 5.0, None)]
    assert (found.seconds, found.curves, found.ends) == (10.0, {}, {})
    resumed = Run(tmp_path / "resumed")
    resumed.path.mkdir()
    found = read_learning(written(resumed.path, cells, {**views, "seconds": 1.5}))  # its clock starts again
    assert found.seconds == 5.5


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_training_has_curves_if_there_are_three_points(tmp_path: Path, epochs: int) -> None:
    lines = [
        {"kind": "epoch", "step": 5 * n, "total": float(n), "seconds": 2.0, "images_per_second": 9.0, "knn": None}
        for n in range(1, epochs + 1)
    ]
    found = read_learning(written(tmp_path, *lines))
    assert found.seconds == 2.0 * epochs
    if epochs == 2:
        assert (found.curves, found.ends) == ({}, {"total": (1.0, 2.0)})
    else:
        assert found.ends == {}
        assert found.curves["total"].tolist() == [[5, 10, 15, 20], [1, 2, 3, 4]]


def test_a_run_without_a_log(tmp_path: Path) -> None:
    assert read_learning(Run(tmp_path)).seconds is None
