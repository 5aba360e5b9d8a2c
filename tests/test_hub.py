"""Models in folders and on the hub. The hub is a folder here: its client is replaced by one that copies."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from infomax import InfoMax
from infomax.errors import InfoMaxError
from tests.conftest import SMALL, Infomax, colored

IMAGES = colored(40)


@pytest.fixture
def model() -> InfoMax:
    return InfoMax(SMALL, epochs=1, device="cpu").fit(IMAGES)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three calls that are made of huggingface_hub, on a folder."""
    place = tmp_path / "hub"

    def create_repo(name: str, **_: Any) -> None:
        (place / name).mkdir(parents=True, exist_ok=True)

    def upload_folder(*, repo_id: str, folder_path: str, **_: Any) -> str:
        shutil.copytree(folder_path, place / repo_id, dirs_exist_ok=True)
        return f"https://hub/{repo_id}"

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        if not (place / name).is_dir():
            raise OSError("404 Client Error.\nRepository Not Found")
        fetched = tmp_path / "cache" / name
        fetched.mkdir(parents=True, exist_ok=True)
        for file in (place / name).iterdir():
            if file.name in allow_patterns:
                shutil.copy(file, fetched)
        return str(fetched)

    calls = {"create_repo": create_repo, "upload_folder": upload_folder, "snapshot_download": snapshot_download}
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(**calls))
    return place


def test_a_model_goes_to_the_hub_and_comes_back(model: InfoMax, hub: Path) -> None:
    assert model.push_to_hub("me/features", license="apache-2.0") == "https://hub/me/features"
    (hub / "me/features/evil.py").write_text("raise SystemExit")
    again = InfoMax.from_pretrained("me/features", device="cpu")
    assert np.array_equal(again.transform(IMAGES), model.transform(IMAGES))
    assert again.fingerprint == model.fingerprint
    assert not (hub.parent / "cache/me/features/evil.py").exists()
    assert (hub.parent / "cache/me/features/config.json").exists()


def test_a_folder_needs_no_hub(model: InfoMax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    model.save_pretrained(tmp_path / "saved")
    again = InfoMax.from_pretrained(tmp_path / "saved", device="cpu")
    assert np.array_equal(again.transform(IMAGES), model.transform(IMAGES))
    with pytest.raises(InfoMaxError, match=r"huggingface_hub is missing: pip install 'infomax\[hub\]'"):
        InfoMax.from_pretrained("me/features")
    with pytest.raises(InfoMaxError, match="huggingface_hub is missing"):
        model.push_to_hub("me/features")


def test_the_card_says_what_was_measured(model: InfoMax, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    document = {"n_test": 50, "classes": 3, "knn": {"k": 20, "cosine": 0.75}, "linear": 0.5, "pixels": {"knn": 0.25}}
    scores.write_text(json.dumps(document))
    model.save_pretrained(tmp_path / "saved", license="mit", scores=scores)
    card = (tmp_path / "saved" / "README.md").read_text()
    assert card.startswith('---\nlibrary_name: "infomax"\n')
    assert '\nlicense: "mit"\n' in card
    assert "| 20 nearest neighbors by cosine, 50 test images of 3 classes | 75.00 % |" in card
    assert "| raw pixels, nearest neighbors, 50 test images of 3 classes | 25.00 % |" in card
    assert '"name": "small"' in card
    model.save_pretrained(tmp_path / "plain")
    assert "Nothing was measured for this card" in (tmp_path / "plain" / "README.md").read_text()


def test_the_card_is_valid_for_the_hub(model: InfoMax, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="infomax[hub] is not installed")
    model.save_pretrained(tmp_path, license="apache-2.0")
    data = hub.ModelCard.load(tmp_path / "README.md").data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "infomax", "image-feature-extraction")


@pytest.mark.parametrize("content", ["no json", "{}", "[]", '{"knn": 3}'])
def test_scores_that_are_none_are_refused(model: InfoMax, tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InfoMaxError, match="are no result: give a file that infomax evaluate --json wrote"):
        model.save_pretrained(tmp_path / "saved", scores=tmp_path / "scores.json")


def test_what_is_not_there_is_one_line(hub: Path) -> None:
    with pytest.raises(InfoMaxError, match=r"cannot get me/none from the hub \(404 Client Error") as raised:
        InfoMax.from_pretrained("me/none")
    assert "\n" not in str(raised.value)
    with pytest.raises(InfoMaxError, match="is no folder, and no repository OWNER/NAME"):
        InfoMax.from_pretrained("none")


def test_push_and_pull(model: InfoMax, hub: Path, tmp_path: Path, infomax: Infomax) -> None:
    model.save(tmp_path / "run")
    said = infomax("push", "me/features", "--model", tmp_path / "run", "--license", "mit")
    assert (said.code, said.stdout.splitlines()[0]) == (0, f"{tmp_path / 'run'} is now at https://hub/me/features")
    said = infomax("pull", "me/features", "--out", tmp_path / "pulled")
    assert said.stdout == f"{tmp_path / 'pulled'} has the model of me/features: recipe small, 8 numbers an image\n"
    assert sorted(each.name for each in (tmp_path / "pulled").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    again = InfoMax.load(tmp_path / "pulled", device="cpu")
    assert again.fingerprint == model.fingerprint
    assert "license" in (tmp_path / "pulled" / "README.md").read_text()
    failure = infomax("pull", "me/features", "--out", tmp_path / "pulled").failure
    assert failure.endswith("is there already and is not empty: choose a new folder")
    assert "cannot get me/nothing from the hub" in infomax("pull", "me/nothing", "--out", tmp_path / "new").failure
    (hub / "me/other").mkdir()
    assert infomax("pull", "me/other", "--out", tmp_path / "new").failure == (
        "me/other holds no model of infomax: it has no config.json"
    )
    assert not (tmp_path / "new").exists()
