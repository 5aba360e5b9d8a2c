"""Several processes that learn together: the gradient of one, one that writes, and how they end when one dies."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from infomax import InfoMaxError
from infomax.cli import main
from infomax.representation.ranks import PATIENCE, Ranks
from tests.conftest import coloured, environment
from tests.representation.learning_together import SHARED_RECIPE, TOGETHER, gradients

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def begun(what: str, folder: Path, count: int = 2) -> list[subprocess.Popen[str]]:
    """Ranks as torchrun starts them."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", "tests.representation.learning_together", what, str(folder)]
    return [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(folder / f"cache{rank}", RANK=str(rank), LOCAL_RANK=str(rank), **shared),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, torch.Tensor]]]:
    folder = tmp_path_factory.mktemp("together")
    for process in begun("gradient", folder):
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", TOGETHER)
def test_the_gradient_of_two_is_that_of_one(of_two: list[dict[str, dict[str, torch.Tensor]]], case: str) -> None:
    """With negatives from both shares, in float64: to rounding. Each alone has another gradient, and no better."""
    alone = gradients(TOGETHER[case], Ranks())
    first, second = (each[case] for each in of_two)
    assert alone.keys() == first.keys() == second.keys()
    assert any(alone[name].abs().max() > 1e-3 for name in alone if name.startswith("encoder"))
    for name, expected in alone.items():
        assert torch.allclose(first[name], expected, rtol=1e-9, atol=1e-12), name
        assert torch.equal(first[name], second[name]), name


def test_two_processes_by_torchrun_are_one_training(tmp_path: Path, cache: Path) -> None:
    """The first alone writes and speaks; what is learnt is what one process learns, to rounding, of bfloat16 mostly."""
    from infomax import InfoMax

    np.save(tmp_path / "pictures.npy", coloured(70, side=16))
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()), "-m"]
    fit = ["infomax", "fit", "pictures.npy", *SHARED_RECIPE, "--out"]
    told = {}
    for out, command in {"two": [*launch, *fit, "two"], "one": ["-m", *fit, "one"]}.items():
        variables = {name: value for name, value in environment(cache).items() if name != "PYTHONWARNINGS"}
        ended = subprocess.run([sys.executable, *command], cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        told[out] = ended.stdout
    assert told["two"].count("learnt 8 features from 70 pictures") == 1
    assert {each.name for each in (tmp_path / "two").iterdir()} == {each.name for each in (tmp_path / "one").iterdir()}
    one, two = (InfoMax.load(tmp_path / name).transform(tmp_path / "pictures.npy") for name in ("one", "two"))
    assert np.abs(one - two).max() < 0.1 * np.abs(one).max()


def test_when_one_dies_the_others_end_with_one_line(tmp_path: Path) -> None:
    began = time.monotonic()
    survivor, victim = begun("dies", tmp_path)
    stdout, stderr = survivor.communicate(timeout=120)
    victim.communicate()
    assert victim.returncode == -9
    assert (survivor.returncode, stdout) == (1, ""), stderr
    assert stderr.startswith("infomax: another process of this training is gone"), stderr
    assert stderr.count("\n") == 1, stderr
    assert "--resume" in stderr
    assert PATIENCE < 60
    assert time.monotonic() - began < 120  # the limit of communicate, not a measure of speed
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["--set", "batch=15"],
            "a batch of 15 pictures cannot be shared equally among 2 processes: use a multiple of 2",
        ),
        (["--recipe", "spectral-fast"], "recipe spectral-fast learns in one process: start it without torchrun"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    np.save(tmp_path / "pictures.npy", coloured(40, side=16))
    for name, value in {"RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    recipe = words if "--recipe" in words else [*SHARED_RECIPE, *words]
    command = ["infomax", "fit", str(tmp_path / "pictures.npy"), "--out", str(tmp_path / "run"), *recipe]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    assert reason in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_alone_it_is_the_first_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    ranks = Ranks.of_environment()
    assert (ranks, ranks.first) == (Ranks(0, 1), True)
    assert ranks.share(torch.arange(7), 2).tolist() == [*range(7)]


def test_shares_of_parts_come_together_in_order() -> None:
    batch = torch.arange(24)
    shares = [Ranks(rank, 3).share(batch, parts=2).view(2, -1) for rank in range(3)]
    assert torch.cat(shares, 1).flatten().tolist() == [*range(24)]


def test_a_run_of_two_is_not_resumed_by_one(tmp_path: Path) -> None:
    import json

    from infomax import InfoMax
    from tests.conftest import SMALL

    InfoMax(SMALL, device="cpu").fit(coloured(40), out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["ranks"] == 1
    (tmp_path / "config.json").write_text(json.dumps({**config, "ranks": 2}))
    with pytest.raises(InfoMaxError, match="was begun by 2 processes, not 1: resume with as many"):
        InfoMax(SMALL, epochs=3, device="cpu").fit(coloured(40), out=tmp_path, resume=True)
