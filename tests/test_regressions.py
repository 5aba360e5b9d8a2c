"""Faults that were found by trying to break the package; each stays mended."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from infomax import InfoMax, InfoMaxError
from infomax.progress import _Staged
from infomax.recipes import DIM_CIFAR10, DeepInfoMax, Spectral, find_recipe
from infomax.training.run_folder import Run
from tests.conftest import SMALL, SMALL_RECIPE, Infomax, colored
from tests.training.test_closed_form import LITTLE, textured

IMAGES = colored(40)


def test_auto_continues_the_recipe_of_a_run(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", IMAGES)
    assert infomax("fit", "a.npy", "--out", "run", *SMALL_RECIPE, "--epochs", 1).code == 0
    assert infomax("fit", "a.npy", "--out", "run", "--recipe", "auto", "--resume", "--epochs", 2).code == 0
    assert InfoMax.load("run").recipe_.to_dict()["epochs"] == 2


@pytest.mark.parametrize("content", [{"format": Run.FORMAT}, {"format": Run.FORMAT, "encoder": {}, "stage": 0}])
@pytest.mark.parametrize("recipe", [SMALL, LITTLE], ids=["gradients", "closed form"])
def test_a_checkpoint_of_another_shape_is_refused(tmp_path: Path, content: dict[str, Any], recipe: Any) -> None:
    images = textured(30) if recipe is LITTLE else IMAGES
    InfoMax(recipe, device="cpu").fit(images, out=tmp_path)
    (tmp_path / "model.safetensors").unlink()  # as if it had been stopped
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(InfoMaxError, match="is no checkpoint of this training: start over with --overwrite"):
        InfoMax(recipe, device="cpu").fit(images, out=tmp_path, resume=True)


def without(name: str) -> Any:
    return lambda config: {key: value for key, value in config.items() if key != name}


@pytest.mark.parametrize(
    "damage",
    [
        without("world_size"),
        lambda config: config | {"recipe": []},
        lambda config: config | {"data": []},
        lambda config: config | {"recipe": config["recipe"] | {"kind": []}},
        lambda config: config | {"recipe": config["recipe"] | {"bound": 3}},
    ],
)
def test_a_damaged_config_is_one_line(tmp_path: Path, damage: Any) -> None:
    InfoMax(SMALL, device="cpu").fit(IMAGES, out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(damage(config)))
    with pytest.raises(InfoMaxError) as raised:
        InfoMax.load(tmp_path)
    assert "\n" not in str(raised.value)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("dim-cifar10", {"batch": 2.5}, "batch is 2.5: give a whole number"),
    ("dim-cifar10", {"dim": None}, "dim is None: give a whole number"),
    ("dim-cifar10", {"bound": 3}, "bound is 3: give text"),
    ("multiview-fast", {"widths": 8}, "widths is 8: give whole numbers"),
    ("multiview-fast", {"compiled": 1}, "compiled is 1: give True or False"),
    ("spectral", {"mirror": ["auto"]}, "mirror is .*: give text"),
    ("spectral", {"view_rounds": 1.5}, "view_rounds is 1.5: give a whole number"),
    ("spectral", {"power": "x"}, "setting power=x: give a value like power=1.0"),
]


@pytest.mark.parametrize(("name", "settings", "reason"), WRONG)
def test_a_setting_of_another_type_is_one_line(name: str, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason):
        find_recipe(name).with_settings(**settings)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    """They once destroyed the run that they were to overwrite, for JSON does not know them."""
    InfoMax(SMALL, device="cpu").fit(IMAGES, out=tmp_path)
    settings = {"beta": np.float32(1.0), "dim": np.int64(6)}
    model = InfoMax(SMALL, settings=settings, device="cpu").set_params(epochs=np.int64(1), seed=np.int64(3))
    model.fit(IMAGES, out=tmp_path, overwrite=True)
    assert InfoMax.load(tmp_path).recipe_ == SMALL.with_settings(beta=1.0, dim=6, epochs=1)


def test_what_cannot_be_written_destroys_nothing(tmp_path: Path) -> None:
    InfoMax(SMALL, device="cpu").fit(IMAGES, out=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TypeError):
        Run(tmp_path).begin({"seed": np.int64(1)}, afresh=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_error_of_an_unfitted_model_travels_between_processes() -> None:
    with pytest.raises(NotFittedError) as raised:
        InfoMax().transform("digits")
    again = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(again, NotFittedError)
    assert isinstance(again, InfoMaxError)


def test_no_images_have_no_codes() -> None:
    assert InfoMax(SMALL, epochs=1, device="cpu").fit(IMAGES).encode(IMAGES[:0]).shape == (0, 8)


def test_the_log_of_a_closed_form_is_read_as_its_stages(tmp_path: Path) -> None:
    from infomax.training.learning_log import read_learning

    InfoMax(LITTLE, device="cpu").fit(textured(60), out=tmp_path)
    found = read_learning(Run(tmp_path))
    assert [(stage.name, stage.held_out is None) for stage in found.stages] == [("cells", False), ("views", False)]
    assert (found.curves, found.ends) == ({}, {})


def test_a_killed_end_leaves_no_checkpoint_for_ever(tmp_path: Path) -> None:
    InfoMax(LITTLE, device="cpu").fit(textured(30), out=tmp_path)
    (tmp_path / "last.ckpt").write_bytes(b"left by a kill")
    with pytest.raises(InfoMaxError, match="has finished: nothing is left to resume"):
        InfoMax(LITTLE, device="cpu").fit(textured(30), out=tmp_path, resume=True)
    assert not (tmp_path / "last.ckpt").exists()


class Bar:
    """A bar that keeps what it was told."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console, self.told = Console(stderr=True), {}  # type: ignore[var-annotated]

    def add_task(self, *_: Any, **__: Any) -> int:
        return 0

    def update(self, _: int, **told: Any) -> None:
        self.told = told


def test_work_from_before_is_not_taken_for_work_of_now() -> None:
    bar = Bar()
    staged = _Staged({"decoding": 10.0, "views": 90.0}, bar)  # type: ignore[arg-type]
    staged.skip_to("views", 0.5)
    assert (bar.told["completed"], bar.told["worked"]) == (55.0, 0.0)
    with staged.stage("views") as report:
        report(0.6)
        assert bar.told["worked"] == pytest.approx(9.0)
    assert bar.told["completed"] == pytest.approx(100.0)


def test_the_presets_satisfy_their_own_types() -> None:
    assert isinstance(DIM_CIFAR10, DeepInfoMax)
    assert isinstance(find_recipe("spectral"), Spectral)
