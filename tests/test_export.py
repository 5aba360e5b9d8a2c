"""Exported files give the codes of the model, on 200 images in batches of any size."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.export import OPSET, export
from infomax.representation.backbones import registry
from infomax.representation.backbones.registry import register_backbone
from tests.conftest import SMALL_VIEWS, Infomax
from tests.training.test_closed_form import LITTLE, textured

IMAGES = textured(200)


def fitted(kind: str) -> InfoMax:
    if kind == "backbone":
        net = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU())
        register_backbone("tiny", lambda: net, size=16)
        settings = {"backbone": "tiny", "dim": 6, "images": 60, "mirror": "chiral"}
        return InfoMax("backbone", settings=settings, device="cpu").fit(IMAGES)
    recipes = {"closed form": LITTLE, "chiral": LITTLE.with_settings(mirror="chiral"), "views": SMALL_VIEWS}
    return InfoMax(recipes[kind], device="cpu").fit(IMAGES)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LIBRARIES", dict(registry.LIBRARIES))


def relative(codes: np.ndarray, others: np.ndarray) -> float:
    return float(np.abs(codes - others).max() / np.abs(others).max())


@pytest.mark.parametrize("kind", ["closed form", "chiral", "views", "backbone"])
def test_a_program_of_torch_export_gives_the_codes_of_the_model(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infomax.representation.encoders.spectral.bfloat16_is_fast", lambda _: False)
    monkeypatch.setattr("infomax.devices.bfloat16_is_fast", lambda _: False)
    model = fitted(kind)
    done = export(model, tmp_path / "model.pt2")
    assert (done.opset, done.size, done.dim) == (None, 16, model.recipe_.dim)
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.no_grad():
        parts = [program(torch.from_numpy(part)).numpy() for part in np.split(IMAGES, [1, 100])]
    assert relative(np.concatenate(parts), model.transform(IMAGES)) < 1e-4


@pytest.mark.parametrize("kind", ["closed form", "backbone"])
def test_onnx_gives_the_codes_of_the_model(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="infomax[onnx] is not installed")
    onnx = pytest.importorskip("onnx", reason="infomax[onnx] is not installed")
    pytest.importorskip("onnxscript", reason="infomax[onnx] is not installed")
    monkeypatch.setattr("infomax.representation.encoders.spectral.bfloat16_is_fast", lambda _: False)
    monkeypatch.setattr("infomax.devices.bfloat16_is_fast", lambda _: False)
    model, file = fitted(kind), tmp_path / "model.onnx"
    done = export(model, file)
    assert done.difference is not None
    assert done.difference < 1e-4
    session = runtime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert (taken.type, taken.shape[1:]) == ("tensor(uint8)", [16, 16, 3])
    parts = [session.run(["code"], {"images": part})[0] for part in np.split(IMAGES, [1, 100])]
    assert relative(np.concatenate(parts), model.transform(IMAGES)) < 1e-4
    document = onnx.load(file)
    assert {each.domain: each.version for each in document.opset_import}[""] == OPSET
    assert {each.key: each.value for each in document.metadata_props}["infomax.fingerprint"] == model.fingerprint


def test_other_codes_than_the_models_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.export.LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InfoMaxError, match="gives other codes than the model"):
        export(fitted("views"), tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_other_endings_and_missing_packages_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted("backbone")
    with pytest.raises(InfoMaxError, match=r"an export ends in \.onnx or \.pt2"):
        export(model, tmp_path / "model.pb")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InfoMaxError, match=r"onnx is missing: pip install 'infomax\[onnx\]'"):
        export(model, tmp_path / "model.onnx")


def test_the_command_line(tmp_path: Path, infomax: Infomax) -> None:
    fitted("views").save(tmp_path / "run")
    done = infomax("export", "--model", tmp_path / "run", "--out", tmp_path / "model.pt2")
    assert done.code == 0
    assert "takes uint8 images (n, 16, 16, 3) and gives codes (n, 8)" in done.stdout
    assert (tmp_path / "model.pt2").stat().st_size > 1000
