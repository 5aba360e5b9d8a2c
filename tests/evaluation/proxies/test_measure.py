"""The three proxies of a model together, and the output of `infomax evaluate --proxies`."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from infomax import InfoMax
from infomax.evaluation.proxies import decoder
from infomax.evaluation.proxies.measure import measure_proxies
from tests.conftest import SMALL, Infomax, colored


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    InfoMax(SMALL.with_settings(size=16, epochs=1)).fit(colored(64, side=16)).save(folder)
    return folder


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_CHANNELS", 16)


def test_all_three_of_a_model(run: Path) -> None:
    model = InfoMax.load(run)
    train, test = (model.load_images(colored(n, side=16, seed=n)) for n in (150, 120))
    found = measure_proxies(model, train, test, steps=3)
    assert found.mine.code == "drawn from the posterior"
    assert 0 <= found.mine.at_least <= found.mine.ceiling == pytest.approx(np.log(120))
    assert found.mine.at_least <= found.mine.at_most
    assert found.ndm.value >= 0
    assert found.ms_ssim.pixels.shape == (120, 16, 16, 3)
    assert set(found.seconds) == {"mine", "ndm", "ms_ssim"}
    assert all(warning.startswith(("mine: ", "ndm: ")) for warning in found.warnings)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["mine"]["value"] == found.mine.value
    assert document["ndm"]["value"] == found.ndm.value
    assert document["ms_ssim"]["value"] == found.ms_ssim.ms_ssim
    assert "pixels" not in document["ms_ssim"]


def test_evaluate_adds_them(infomax: Infomax, tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.evaluation.proxies.measure.measure_proxies", partial(measure_proxies, steps=3))
    files = [tmp_path / f"{name}.npy" for name in ("train", "test")]
    for file, n in zip(files, (150, 120), strict=True):
        np.save(file, colored(n, side=16, seed=n))
    words = ("evaluate", "--model", run, "--train", files[0], "--test", files[1], "--proxies")
    done = infomax(*words, "--json", tmp_path / "found.json")
    assert done.code == 0, done
    for said in ("by a critic (MINE)", "(NDM)", "MS-SSIM"):
        assert said in done.stdout
    document = json.loads((tmp_path / "found.json").read_text())
    assert {"mine", "ndm", "ms_ssim", "n_train"} <= set(document)
    assert {"mine", "ndm", "ms_ssim", "embed"} <= set(document["seconds"])
    refused = infomax("evaluate", "--vectors", "--train", files[0], "--test", files[1], "--proxies")
    assert (refused.code, "--proxies needs a model" in " ".join(refused.stderr.split())) == (2, True)
