"""What the process that learns does, run in this process: learn, update, go on, learn again."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infomax import Index
from infomax.decoding.image import open_image
from infomax.errors import InfoMaxError
from infomax.explore import learner
from infomax.explore.folder import Completion, ExploreFolder
from infomax.explore.learning import LearningProcess, LearningStatus
from infomax.explore.plan import Plan
from infomax.images import ReadingOptions
from tests.conftest import colored, environment

SMALL = {"size": "8", "blocks": "4,8", "dim": "8", "batch": "16", "epochs": "2"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    add(folder, 20)
    return folder


def add(folder: Path, n: int, seed: int = 0) -> None:
    for number, pixels in enumerate(colored(n, 16, seed)):
        Image.fromarray(pixels).save(folder / f"{seed}-{number:02d}.png")


def plan_of(photos: Path, **more: Any) -> Plan:
    options: dict[str, Any] = {"recipe": "dim-cifar10", "settings": SMALL, "device": "cpu", **more}
    return Plan([str(photos)], str(photos.parent / "kept"), **options)


def run(plan: Plan) -> tuple[list[dict[str, Any]], str | None]:
    """Learn; return the events of progress, and the remark at the end."""
    events: list[dict[str, Any]] = []
    ExploreFolder(plan.folder).make()
    learner.learn(plan, events.append)
    assert events[-1]["event"] == "ready"
    return events[:-1], events[-1]["note"]


def test_a_plan_survives_its_journey(photos: Path) -> None:
    plan = plan_of(photos, exclude=["a*"], max_pixels=10, refit=True)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.reading() == ReadingOptions(("a*",), 10)


def test_it_learns_then_updates_then_advises_and_learns_again(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ExploreFolder(photos.parent / "kept")
    events, note = run(plan_of(photos))
    stages = list(dict.fromkeys(event["stage"] for event in events))
    assert stages == ["decoding", "training", "indexing"]
    assert all(0 <= event["part"] <= 1 for event in events)
    assert (note, folder.completion()) == (None, Completion(20, 20))
    first = Index(folder.index).fingerprint
    Index(folder.index).tag([image.id for image in Index(folder.index).page(0, 3)], "red")

    add(photos, 5, seed=1)
    (photos / "0-00.png").unlink()
    events, note = run(plan_of(photos))
    assert {event["stage"] for event in events} == {"indexing"}
    assert "5 new, 1 gone" in capsys.readouterr().err
    assert Index(folder.index).fingerprint == first
    assert len(Index(folder.index)) == 25  # the row of the file that is gone is marked, not removed
    assert note == "the model is there already: --refit learns it again, by the recipe dim-cifar10"

    add(photos, 20, seed=2)
    _, note = run(plan_of(photos))
    assert note == "the collection has grown from 20 to 45 images: --refit learns from all of them"
    _, note = run(plan_of(photos, refit=True))
    index = Index(folder.index)
    assert (note, folder.completion(), len(index)) == (None, Completion(44, 44), 44)
    assert index.fingerprint != first
    assert len(index.tagged().ids("red")) == 2  # tags are of the images; one of the three is gone
    assert sorted(each.name for each in folder.path.iterdir()) == ["complete.json", "index", "learning.json", "model"]


def test_each_image_is_decoded_once_and_the_index_is_the_same(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    def opens(data: Any, *options: Any) -> Any:
        opened.append(data)
        return open_image(data, *options)

    (photos / "broken.png").write_bytes(b"no image")
    for module in ("images.thumbnails", "decoding.image"):
        monkeypatch.setattr(f"infomax.{module}.open_image", opens)
    run(plan_of(photos))
    assert len(opened) == 22  # each once, but for the broken one, which is looked at again
    index = Index(ExploreFolder(photos.parent / "kept").index)
    other = Index.create(photos.parent / "other", index.model, device="cpu").add(photos)
    assert index.page() == other.page()
    ids = [image.id for image in index.page()]
    assert index.thumbnails(ids) == other.thumbnails(ids)
    assert np.array_equal(index.vectors()[1], other.vectors()[1])


def test_an_interrupted_training_goes_on_and_another_collection_starts_over(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infomax.training.trainer import Trainer

    train_step, steps = Trainer.train_step, [0]

    def step_or_stop(self: Trainer, images: Any) -> None:
        steps[0] += 1
        if steps[0] == 3:
            signal.raise_signal(signal.SIGTERM)
        train_step(self, images)

    long = plan_of(photos, settings={**SMALL, "epochs": "6"})
    monkeypatch.setattr(Trainer, "train_step", step_or_stop)
    with pytest.raises(KeyboardInterrupt):
        run(long)
    assert steps[0] == 3
    run(long)
    assert steps[0] == 12  # 6 epochs of 2 batches: the steps that were done are not done again
    folder = ExploreFolder(long.folder)
    folder.start_over()
    (folder.model / "model.safetensors").unlink()
    add(photos, 4, seed=3)
    run(long)
    assert json.loads((folder.model / "config.json").read_text())["data"]["images"] == 24


def test_failures_are_events_of_one_line(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "kept").mkdir()
    plan = plan_of(tmp_path / "photos")
    process = subprocess.Popen(
        [sys.executable, "-m", "infomax.explore.learner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(cache),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{plan.to_json()}\n")
    process.stdin.flush()  # and left open, as its end means that of the parent
    event = json.loads(process.stdout.readline())
    assert event["event"] == "failed"
    assert "is an empty folder: give a folder with images in it" in event["error"]
    assert process.wait(120) == 0
    assert process.communicate() == ("", "")


def test_status_follows_the_events(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learning = LearningProcess(plan_of(photos))
    assert learning.status == LearningStatus("learning", stage="starting")
    assert not learning._take({"event": "progress", "stage": "training", "part": 0.5, "left": 40.0}, lambda _: None)
    status = learning.status
    assert (status.stage, status.part) == ("training", 0.5)
    assert status.seconds_left is not None
    assert 0 < status.seconds_left <= 40
    run(plan_of(photos))
    shown: list[Index] = []
    assert learning._take({"event": "ready", "note": "a remark"}, shown.append)
    assert learning.status == LearningStatus("ready", note="a remark")
    assert len(shown[0]) == 20
    assert learning._take({"event": "failed", "error": "no room"}, shown.append)
    assert learning.status == LearningStatus("ready", error="no room")  # the former features serve on
    assert "infomax: no room" in capsys.readouterr().err


def test_an_unknown_recipe_is_said(photos: Path) -> None:
    with pytest.raises(InfoMaxError, match="unknown recipe 'none'"):
        run(plan_of(photos, recipe="none", settings=None))
