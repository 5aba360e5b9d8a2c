"""A training that was stopped and resumed ends where one that never stopped does, bit for bit."""

import json
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infomax import InfoMax, InfoMaxError
from infomax.training import trainer as training
from infomax.training.interruption import TrainingInterrupted
from infomax.training.run_folder import Run
from tests.conftest import SMALL, SMALL_VIEWS, colored, environment

ROOT = Path(__file__).parents[2]
STEPS = 20


def lines(run: Path) -> list[dict[str, Any]]:
    """log.jsonl without what depends on the clock."""
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if k not in ("seconds", "images_per_second")} for entry in entries]


def assert_same_run(one: Path, other: Path) -> None:
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert lines(one) == lines(other)
    checkpoint = {"last.ckpt"} if InfoMax.load(other).recipe_.can_continue else set()
    assert {path.name for path in other.iterdir()} == {
        "config.json", "log.jsonl", "model.safetensors", "skipped.csv", *checkpoint
    }  # fmt: skip


def some_steps(count: int, seed: int) -> str:
    return " ".join(f"learn:{step}" for step in sorted(random.Random(seed).sample(range(1, STEPS + 1), count)))


STORIES = {
    "at random steps, a checkpoint every step": f"0 {some_steps(6, seed=0)}",
    "at random steps, a checkpoint every epoch": f"1e6 {some_steps(6, seed=1)}",
    "before the first checkpoint, once it has logged": "1e6 learn:5 learn:2 learn:4",
    "where a checkpoint or a line of the log was due": "0 save:1 save:6 log:2 log:4 save:2",
    "in the middle of a write": "0 sync:1 sync:2 sync:3 sync:8",
    "after the last step": "1e6 learn:17 config:2 sync:4",
}


IN_CLOSED_FORM = {
    "where a checkpoint or a line of the log was due": "0 save:1 save:3 log:1 save:3 log:1",
    "in the middle of a write": "0 sync:1 sync:4 sync:7 sync:2",
    "before the first checkpoint": "1e6 save:1 log:1 config:2",
}


OF_TEXTS = {
    "where a checkpoint or a line of the log was due": "0 save:1 save:2 log:1",
    "in the middle of a write": "0 sync:1 sync:4 sync:7 sync:2",
}


def lived(recipe: str, stories: Mapping[str, str], folder: Path) -> Path:
    """The folder, with all stories of one recipe, and the training that never stopped."""
    command = [sys.executable, "-m", "tests.training.killed", recipe, str(folder), *stories.values()]
    ended = subprocess.run(command, cwd=ROOT, env=environment(folder / "cache"), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module", params=["article", "views"])
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stories of a recipe that is trained in steps."""
    return lived(request.param, STORIES, tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def killed_in_closed_form(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stories of a recipe that is learned in closed form."""
    return lived("spectral", IN_CLOSED_FORM, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("story", STORIES)
def test_killed_and_resumed_ends_bit_for_bit_the_same(killed: Path, story: str) -> None:
    run = killed / str(list(STORIES).index(story))
    assert_same_run(killed / "whole", run)
    steps, epochs = ([entry["step"] for entry in lines(run) if entry["kind"] == kind] for kind in ("step", "epoch"))
    assert (steps, epochs) == ([3, 6, 9, 12, 15, 18], [5, 10, 15, 20])


@pytest.mark.parametrize("story", IN_CLOSED_FORM)
def test_the_closed_form_killed_and_resumed_is_the_same(killed_in_closed_form: Path, story: str) -> None:
    run = killed_in_closed_form / str(list(IN_CLOSED_FORM).index(story))
    assert_same_run(killed_in_closed_form / "whole", run)
    assert [entry["stage"] for entry in lines(run)] == ["cells", "views"]


@pytest.fixture(scope="module")
def killed_with_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stories of the closed form on texts."""
    return lived("text", OF_TEXTS, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("story", OF_TEXTS)
def test_the_closed_form_on_texts_killed_and_resumed_is_the_same(killed_with_texts: Path, story: str) -> None:
    run = killed_with_texts / str(list(OF_TEXTS).index(story))
    assert_same_run(killed_with_texts / "whole", run)
    assert [entry["stage"] for entry in lines(run)] == ["words"]


class Stopped:
    """Makes a training in this process stop as a signal would: at some steps of the whole training."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
        learn = training.Trainer.train_step

        def watched(self: training.Trainer, images: Any) -> None:
            learn(self, images)
            if self.step in steps:
                import signal

                signal.raise_signal(signal.SIGTERM)

        monkeypatch.setattr(training.Trainer, "train_step", watched)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LOG_STEPS", 3)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((2, 7, 8), id="within epochs"),
        pytest.param((5, 10), id="at the end of epochs"),
        pytest.param((3, 9), id="where the log has a line"),
        pytest.param((15,), id="where both meet"),
        pytest.param((20,), id="at the last step"),
    ],
)
def test_stopped_by_a_signal_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: tuple[int, ...]
) -> None:
    images = colored(75)
    model = InfoMax(SMALL, epochs=4, device="cpu").fit(images, out=tmp_path / "whole")
    Stopped(monkeypatch, *steps)
    for index, step in enumerate(steps):
        with pytest.raises(TrainingInterrupted, match=f"stopped at step {step}, in epoch .* of 4; saved in .*--resume"):
            InfoMax(SMALL, epochs=4, device="cpu").fit(images, out=tmp_path / "stopped", resume=index > 0)
    resumed = InfoMax(SMALL, epochs=4, device="cpu").fit(images, out=tmp_path / "stopped", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")
    assert (resumed.transform(images) == model.transform(images)).all()


@pytest.mark.parametrize(
    "settings", [{"optimizer": "adamw"}, {"optimizer": "lars", "learning_rate": 1.0}, {"micro_batches": 1}]
)
def test_every_optimizer_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    images, recipe = colored(50, side=16), SMALL_VIEWS.with_settings(decay="cosine", **settings)
    InfoMax(recipe, device="cpu").fit(images, out=tmp_path / "whole")
    Stopped(monkeypatch, 1, 4)
    for resume in (False, True):
        with pytest.raises(TrainingInterrupted):
            InfoMax(recipe, device="cpu").fit(images, out=tmp_path / "stopped", resume=resume)
    InfoMax(recipe, device="cpu").fit(images, out=tmp_path / "stopped", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_a_rate_that_falls_to_nothing_has_no_more_epochs_to_go_on_to(tmp_path: Path) -> None:
    images = colored(40, side=16)
    InfoMax(SMALL_VIEWS, device="cpu").fit(images, out=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InfoMaxError, match="was begun with 2 epochs, at the end of which its learning rate is to be 0"):
        InfoMax(SMALL_VIEWS, epochs=3, device="cpu").fit(images, out=tmp_path, resume=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("often")
def test_a_finished_run_goes_on_to_more_epochs_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    images = colored(75)
    InfoMax(SMALL, epochs=4, device="cpu").fit(images, out=tmp_path / "whole")
    for epochs in (1, 3, 4):
        InfoMax(SMALL, epochs=epochs, device="cpu").fit(images, out=tmp_path / "longer", resume=epochs > 1)
    assert_same_run(tmp_path / "whole", tmp_path / "longer")
    assert Run(tmp_path / "longer").read_config() == Run(tmp_path / "whole").read_config()


def test_the_recipe_need_not_be_said_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = colored(75)
    whole = InfoMax(SMALL, device="cpu").fit(images, out=tmp_path / "whole")
    Stopped(monkeypatch, 4)
    with pytest.raises(TrainingInterrupted):
        InfoMax(SMALL, device="cpu").fit(images, out=tmp_path / "stopped")
    resumed = InfoMax(device="cpu").fit(images, out=tmp_path / "stopped", resume=True)
    assert resumed.recipe_ == whole.recipe_
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing more to do": ({}, "has finished its 2 epochs: for more, add --epochs N to --resume"),
    "fewer epochs": ({"epochs": 1}, "has finished its 2 epochs"),
    "another recipe": ({"recipe": "dim-digits", "epochs": 3}, "was begun with recipe small, not dim-digits"),
    "another setting": ({"recipe": SMALL.with_settings(beta=0.0), "epochs": 3}, "was begun with beta 1.5, not 0.0"),
    "another seed": ({"seed": 1, "epochs": 3}, "was begun with seed 0: resume with --seed 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_resuming_as_another_training_is_refused_and_changes_nothing(tmp_path: Path, case: str) -> None:
    out, images = tmp_path / "run", colored(40)
    InfoMax(SMALL, device="cpu").fit(images, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    changes, reason = REFUSED[case]
    with pytest.raises(InfoMaxError, match=reason):
        InfoMax(**{"recipe": SMALL, "device": "cpu", **changes}).fit(images, out=out, resume=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_resuming_with_other_images_is_refused(tmp_path: Path) -> None:
    InfoMax(SMALL, device="cpu").fit(colored(40), out=tmp_path)
    with pytest.raises(InfoMaxError, match="was begun with other images"):
        InfoMax(SMALL, epochs=3, device="cpu").fit(colored(40, seed=1), out=tmp_path, resume=True)


def test_resuming_to_fewer_epochs_than_were_begun_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = colored(75)
    Stopped(monkeypatch, 7)
    with pytest.raises(TrainingInterrupted):
        InfoMax(SMALL, epochs=3, device="cpu").fit(images, out=tmp_path)
    with pytest.raises(InfoMaxError, match="is in epoch 2 already: resume with --epochs 2 or more"):
        InfoMax(SMALL, epochs=1, device="cpu").fit(images, out=tmp_path, resume=True)
    InfoMax(SMALL, epochs=2, device="cpu").fit(images, out=tmp_path, resume=True)
    assert [line["step"] for line in lines(tmp_path)] == [5, 10]


@pytest.mark.parametrize("damage", ["cut off", "another file", "another dictionary", "empty", "gone"])
def test_a_finished_run_is_kept_where_its_checkpoint_will_not_do(tmp_path: Path, damage: str) -> None:
    import torch

    images, checkpoint = colored(40), tmp_path / "last.ckpt"
    InfoMax(SMALL, device="cpu").fit(images, out=tmp_path)
    content = checkpoint.read_bytes()
    checkpoint.unlink()
    if damage == "another dictionary":
        torch.save({"weights": torch.ones(2)}, checkpoint)
    elif damage != "gone":
        checkpoint.write_bytes({"cut off": content[:-1000], "another file": b"GIF89a", "empty": b""}[damage])
    with pytest.raises(InfoMaxError, match=r"last\.ckpt.*--overwrite"):
        InfoMax(SMALL, epochs=3, device="cpu").fit(images, out=tmp_path, resume=True)
    assert len(InfoMax.load(tmp_path).transform(images)) == 40


def test_a_checkpoint_holds_nothing_that_could_run_code(tmp_path: Path) -> None:
    import torch

    InfoMax(SMALL, device="cpu").fit(colored(40), out=tmp_path)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert {"encoder", "objective", "optimizer", "generator", "epoch", "batch", "step"} <= checkpoint.keys()


GARBAGE: dict[str, bytes] = {
    "no JSON": b"garbage\n",
    "no object": b"[1, 2]\n",
    "no line of ours": b'{"note": 1}\n',
    "no text": b"\xff\xfe\x00\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_damaged_log_is_told_in_one_line_and_nothing_is_touched(tmp_path: Path, kind: str) -> None:
    InfoMax(SMALL, device="cpu").fit(colored(40), out=tmp_path)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(GARBAGE[kind])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InfoMaxError, match=r"log\.jsonl is damaged in line 3: delete that line, or all from it on$"):
        InfoMax(SMALL, epochs=3, device="cpu").fit(colored(40), out=tmp_path, resume=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_from_before_a_setting_existed_is_one_with_its_default(tmp_path: Path) -> None:
    images = colored(40)
    InfoMax(SMALL, device="cpu").fit(images, out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["recipe"]["delta"], config["recipe"]["prior"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    other = SMALL.with_settings(prior="none", epochs=3)
    with pytest.raises(InfoMaxError, match="was begun with prior gaussian, not none"):
        InfoMax(other, device="cpu").fit(images, out=tmp_path, resume=True)
    InfoMax(SMALL, epochs=3, device="cpu").fit(images, out=tmp_path, resume=True)
    assert json.loads((tmp_path / "config.json").read_text())["recipe"]["prior"] == "gaussian"


HOLDING = """
import sys, time
from infomax.training.run_folder import Run
with Run(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    """The lock goes with the process, however it ends, and leaves no file behind."""
    images, out = colored(40), tmp_path / "run"
    InfoMax(SMALL, device="cpu").fit(images, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = subprocess.Popen([sys.executable, "-c", HOLDING, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for resume in (True, False):
            with pytest.raises(InfoMaxError, match=f"another process is training in {out}: wait for it, stop it, or"):
                InfoMax(SMALL, epochs=3, device="cpu").fit(images, out=out, resume=resume, overwrite=not resume)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    finally:
        other.kill()
        other.communicate()
    InfoMax(SMALL, epochs=3, device="cpu").fit(images, out=out, resume=True)
    assert {path.name for path in out.iterdir()} == before.keys()
