"""Several processes that learn together: the gradient of one, one that writes, and how they end when one dies."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from infomax import InfoMax, InfoMaxError
from infomax.cli import main
from infomax.training.distributed import ANSWER_SECONDS, Distributed
from tests.conftest import SMALL, colored, environment
from tests.training.learning_together import SHARED_RECIPE, TOGETHER, gradients

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all that two ranks did."""
    folder = tmp_path_factory.mktemp("together")
    words = [str(folder), "gradient", "whole", "stops", "goes-on", "dies"]
    command = [sys.executable, "-m", "tests.training.learning_together", *words]
    ended = subprocess.run(command, cwd=ROOT, env=environment(folder / "cache"), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return folder


def endings(folder: Path, what: str) -> list[tuple[int, str]]:
    """How each rank ended, and what it said on stderr."""
    codes = json.loads((folder / "endings.json").read_text())[what]
    return [(code, (folder / f"{what}-{rank}.err").read_text()) for rank, code in enumerate(codes)]


@pytest.mark.parametrize("case", TOGETHER)
def test_the_gradient_of_two_is_that_of_one(together: Path, case: str) -> None:
    """With negatives from both shares, in float64: to rounding. Each alone has another gradient, and no better."""
    alone = gradients(TOGETHER[case], Distributed())
    assert [code for code, _ in endings(together, "gradient")] == [0, 0], endings(together, "gradient")
    first, second = (torch.load(together / f"{rank}.pt")[case] for rank in range(2))
    assert alone.keys() == first.keys() == second.keys()
    assert any(alone[name].abs().max() > 1e-3 for name in alone if name.startswith("encoder"))
    for name, expected in alone.items():
        assert torch.allclose(first[name], expected, rtol=1e-9, atol=1e-12), name
        assert torch.equal(first[name], second[name]), name


def test_two_processes_by_torchrun_are_one_training(together: Path, tmp_path: Path, cache: Path) -> None:
    """Only the first writes and prints. Both learn what one process learns, up to rounding, mostly of bfloat16."""
    variables = {name: value for name, value in environment(cache).items() if name != "PYTHONWARNINGS"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    fit = ["infomax", "fit", str(together / "images.npy"), *SHARED_RECIPE, "--out", "run"]
    ended = subprocess.run([*launch, *fit], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("learned 8 features from 70 images") == 1
    two, images = tmp_path / "run", np.load(together / "images.npy")
    assert (two / "model.safetensors").read_bytes() == (together / "whole" / "model.safetensors").read_bytes()
    one = InfoMax(InfoMax.load(two).recipe_, device="cpu").fit(images, out=tmp_path / "one")
    assert {each.name for each in two.iterdir()} == {each.name for each in (tmp_path / "one").iterdir()}
    codes = one.transform(images)
    assert np.abs(codes - InfoMax.load(two).transform(images)).max() < 0.1 * np.abs(codes).max()


def test_when_one_dies_the_others_end_with_one_line(together: Path) -> None:
    (code, stderr), (killed, _) = endings(together, "dies")
    assert (code, killed) == (1, -signal.SIGKILL), stderr
    assert stderr.startswith("infomax: another process of this training is gone"), stderr
    assert stderr.count("\n") == 1, stderr
    assert "--resume" in stderr
    assert ANSWER_SECONDS < 60
    assert not (together / "dead" / "model.safetensors").exists()


def test_a_signal_to_one_stops_all_at_one_step_and_they_go_on_bit_for_bit(together: Path) -> None:
    for code, stderr in endings(together, "stops"):
        assert code == 1
        assert stderr.startswith("infomax: stopped at step 3, in epoch 1 of 3"), stderr
    assert ["--resume" in stderr for _, stderr in endings(together, "stops")] == [True, False]
    for what in ("whole", "goes-on"):
        assert [code for code, _ in endings(together, what)] == [0, 0], endings(together, what)
    one, other = ((together / name / "model.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert one == other


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["--set", "batch=15"],
            "a batch of 15 images cannot be shared equally among 2 processes: use a multiple of 2",
        ),
        (["--recipe", "spectral-fast"], "recipe spectral-fast learns in one process: start it without torchrun"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    np.save(tmp_path / "images.npy", colored(40, side=16))
    for name, value in {"RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    recipe = words if "--recipe" in words else [*SHARED_RECIPE, *words]
    command = ["infomax", "fit", str(tmp_path / "images.npy"), "--out", str(tmp_path / "run"), *recipe]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    assert reason in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_alone_it_is_the_first_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    ranks = Distributed.of_environment()
    assert (ranks, ranks.first) == (Distributed(0, 1), True)
    assert ranks.share(torch.arange(7), 2).tolist() == [*range(7)]


def test_shares_of_parts_come_together_in_order() -> None:
    batch = torch.arange(24)
    shares = [Distributed(rank, 3).share(batch, 2).view(2, -1) for rank in range(3)]
    assert torch.cat(shares, 1).flatten().tolist() == [*range(24)]


def test_a_run_of_two_is_not_resumed_by_one(tmp_path: Path) -> None:
    InfoMax(SMALL, device="cpu").fit(colored(40), out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["world_size"] == 1
    (tmp_path / "config.json").write_text(json.dumps({**config, "world_size": 2}))
    with pytest.raises(InfoMaxError, match="was begun by 2 processes, not 1: resume with as many"):
        InfoMax(SMALL, epochs=3, device="cpu").fit(colored(40), out=tmp_path, resume=True)
