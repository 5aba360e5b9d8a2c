"""Ctrl-C and SIGTERM in a real process: it saves, says how to go on, and goes on as if nothing had been."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Infomax, Outcome, colored, environment

SMALL_RECIPE = ["--recipe", "dim-cifar10"]
SMALL_RECIPE += [word for name in ("size=8", "blocks=4,8", "dim=8", "batch=16") for word in ("--set", name)]
PATIENCE = 120.0
"""Seconds after which a process that does not do what is waited for counts as hanging."""


def begun(words: list[str], folder: Path, cache: Path, until: Path, *, after: float = 0.0) -> subprocess.Popen[str]:
    """A process that has written to the file `until` since the time `after`."""
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(cache),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # where the tests run in the background
    )
    wait_for(until, process, after=after)
    return process


def wait_for(file: Path, process: subprocess.Popen[str], *, after: float = 0.0) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (file.exists() and file.stat().st_mtime > after):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{file} was not written"
        time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> Outcome:
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return Outcome(process.returncode, stdout, stderr)


STEADY = """
import time
from infomax.cli import main
from infomax.training.trainer import Trainer
train_step = Trainer.train_step
def steady(self, images, rows=None):
    time.sleep(0.03)
    train_step(self, images, rows)
Trainer.train_step = steady
main()
"""
"""The command line, learning so slowly that there is time to stop it."""


def test_stopped_twice_and_resumed_it_ends_with_the_same_weights(
    tmp_path: Path, cache: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", colored(40))
    fit = ["fit", "a.npy", *SMALL_RECIPE, "--epochs", "40", "--out"]
    assert infomax(*fit, "whole").code == 0
    checkpoint = Path("run/last.ckpt").absolute()
    before = 0.0
    for number, resume in ((signal.SIGINT, []), (signal.SIGTERM, ["--resume"])):
        process = begun(["-c", STEADY, *fit, "run", *resume], tmp_path, cache, checkpoint, after=before)
        process.send_signal(number)
        failure = ended(process).failure
        assert failure.startswith("stopped at step ")
        assert failure.endswith("saved in run/last.ckpt: the same command with --resume goes on from there")
        assert not Path("run/model.safetensors").exists()
        before = checkpoint.stat().st_mtime
    assert infomax(*fit, "run", "--resume").code == 0
    assert Path("run/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


SLOW = """
import pathlib, signal, time
from infomax.cli import main
from infomax.training.trainer import Trainer
train_step = Trainer.train_step
def slow(self, images, rows=None):
    train_step(self, images, rows)
    while self.step > 3:
        time.sleep(0.01)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            pathlib.Path("once").touch()
Trainer.train_step = slow
main()
"""


def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, cache: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", colored(40))
    fit = ["fit", "a.npy", *SMALL_RECIPE, "--epochs", "3", "--out", "run"]
    process = begun(["-c", SLOW, *fit], tmp_path, cache, Path("run/last.ckpt"))
    process.send_signal(signal.SIGINT)
    wait_for(Path("once"), process)
    process.send_signal(signal.SIGINT)
    failure = ended(process).failure
    assert failure == "stopped at once; repeat the command to start again, with --resume for a fit that had begun"
    assert infomax(*fit, "--resume").code == 0


def test_stopped_before_it_has_begun(tmp_path: Path, cache: Path) -> None:
    """While images are being decoded there is nothing to save, and no run is left behind."""
    np.save(tmp_path / "a.npy", colored(40, side=12))
    program = "import infomax.kinds.images.kind as kind, pathlib, time; from infomax.cli import main\n"
    program += "kind.load_images = lambda *a, **k: (pathlib.Path('decoding').touch(), time.sleep(600)); main()"
    words = ["-c", program, "fit", "a.npy", *SMALL_RECIPE, "--out", "run"]
    process = begun(words, tmp_path, cache, tmp_path / "decoding")
    process.send_signal(signal.SIGINT)
    assert "repeat the command to start again" in ended(process).failure
    assert not (tmp_path / "run").exists()
