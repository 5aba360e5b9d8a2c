"""Learning from texts: topics are found, runs resume, and texts without anything in common are refused."""

import json
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.evaluation.evaluate import evaluate_model
from infomax.kinds.text.loading import load_texts
from infomax.kinds.text.opening import open_texts
from infomax.recipes.auto import resolve_recipe
from infomax.training.interruption import TrainingInterrupted
from tests.kinds.text.conftest import SMALL_TEXT, topical


def test_topics_are_told_apart(tmp_path: Path) -> None:
    texts, topics = topical(600)
    model = InfoMax(SMALL_TEXT, device="cpu").fit(texts, out=tmp_path / "run")
    codes = model.transform(texts)
    assert codes.shape == (600, 6)
    directions = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -1)
    right = np.array(topics)[cosines.argmax(1)] == np.array(topics)
    assert right.mean() > 0.95  # by chance 0.25
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in log] == ["words"]
    assert 0 < log[0]["chi2_held_out"] < 1.5 * log[0]["chi2"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["recipe"]["kind"], config["data"]["images"]) == ("spectral-text", 600)


def test_a_model_is_the_same_after_loading(tmp_path: Path) -> None:
    texts, _ = topical(100)
    model = InfoMax(SMALL_TEXT, device="cpu").fit(texts, out=tmp_path / "run")
    loaded = InfoMax.load(tmp_path / "run", device="cpu")
    assert loaded.fingerprint == model.fingerprint
    np.testing.assert_array_equal(loaded.transform(texts), model.transform(texts))
    again = InfoMax(SMALL_TEXT, device="cpu").fit(texts)
    assert again.fingerprint == model.fingerprint


def test_a_training_can_be_stopped_between_products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, _ = topical(200)
    whole = InfoMax(SMALL_TEXT, device="cpu").fit(texts, out=tmp_path / "whole")
    monkeypatch.setattr(Event, "is_set", lambda _: True)
    with pytest.raises(TrainingInterrupted, match="stopped while solving for words"):
        InfoMax(SMALL_TEXT, device="cpu").fit(texts, out=tmp_path / "run")
    monkeypatch.undo()
    resumed = InfoMax(SMALL_TEXT, device="cpu").fit(texts, out=tmp_path / "run", resume=True)
    assert resumed.fingerprint == whole.fingerprint


def test_evaluation_has_its_own_baselines() -> None:
    texts, topics = topical(300)
    model = InfoMax(SMALL_TEXT, device="cpu").fit(texts)
    loaded = load_texts(open_texts([*texts, texts[0].upper()]), 32)
    items = type(loaded)(**{**vars(loaded), "labels": [*topics, topics[0]]})
    found = evaluate_model(model, items).to_dict()
    assert found["knn"]["cosine"] > 0.9
    assert set(found) >= {"common words", "random"}
    assert found["common words"]["detail"]["dim"] == 6
    unlabeled = evaluate_model(model, type(loaded)(**{**vars(loaded), "labels": None}))
    assert unlabeled.altered is None
    with pytest.raises(InfoMaxError, match="the model takes text, and this needs images"):
        model.load_images(texts)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["one text"], "1 text is too few to learn from: a negative pair takes two different texts"),
        (["a b c"] * 20, "the 20 texts are all alike: there is nothing to learn from; choose other texts"),
        ([f"w{number}a w{number}b" for number in range(20)], "the 20 texts are all alike"),  # no word is in two texts
    ],
)
def test_texts_that_teach_nothing(texts: list[str], reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason):
        InfoMax(SMALL_TEXT, device="cpu").fit(texts)


def test_a_recipe_and_a_kind_must_agree() -> None:
    with pytest.raises(InfoMaxError, match="recipe spectral learns from images, not from text"):
        InfoMax("spectral", kind="text").fit(["a", "b"])
    with pytest.raises(InfoMaxError, match="no kind of data 'music': choose one of images, text"):
        InfoMax(kind="music").fit(["a", "b"])


def test_auto_takes_the_recipe_of_texts() -> None:
    choice = resolve_recipe(None, None, None, source=open_texts(["a", "b"]), device=torch.device("cpu"), kind="text")
    assert (choice.recipe.name, choice.reason) == ("spectral-text", "recipe spectral-text, for 2 texts")


def test_a_text_of_a_list_that_holds_no_word_is_told() -> None:
    texts, _ = topical(60)
    model = InfoMax(SMALL_TEXT, device="cpu").fit(texts)
    with pytest.raises(InfoMaxError, match=r"1 of 2 texts cannot be decoded, 'item#1' first \(holds no word\)"):
        model.transform(["some words", "?!"])
