"""infomax estimate-mi, as a user runs it: samples in files, an answer in nats, and samples that cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Infomax

FINE = np.linspace(0, 1, 60)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(x: object = FINE, y: object = FINE) -> None:
    np.save("x.npy", np.asarray(x))
    np.save("y.npy", np.asarray(y))


def written(content: bytes) -> None:
    saved()
    Path("x.npy").write_bytes(content)


def archived() -> None:
    saved()
    with Path("x.npy").open("wb") as file:
        np.savez(file, x=FINE)


def a_folder() -> None:
    saved()
    Path("x.npy").unlink()
    Path("x.npy").mkdir()


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "different lengths": (lambda: saved(FINE, FINE[1:]), "x.npy, y.npy: x has 60 rows and y 59: give as many of both"),
    "NaN": (lambda: saved(y=np.where(FINE == 1, np.nan, FINE)), "y has 1 NaN or infinite values: remove their rows"),
    "infinity": (lambda: saved(np.where(FINE == 1, -np.inf, FINE)), "x has 1 NaN or infinite values"),
    "three axes": (lambda: saved(np.ones((60, 2, 2))), "x has shape (60, 2, 2): give (n,) or (n, columns)"),
    "a single number": (lambda: saved(np.array(3.0)), "x has shape (): give (n,) or (n, columns)"),
    "few samples": (lambda: saved(FINE[:49], FINE[:49]), "x has 49 samples: give 50 or more"),
    "no samples": (lambda: saved(FINE[:0], FINE[:0]), "x has 0 samples: give 50 or more"),
    "objects": (lambda: saved(FINE.astype(object)), "x.npy is no .npy file of numbers"),
    "texts": (lambda: saved(np.array(["a"] * 60)), "x has dtype <U1: give real numbers"),
    "complex numbers": (lambda: saved(FINE.astype(complex)), "x has dtype complex128: give real numbers"),
    "no array": (lambda: written(b"dear diary"), "x.npy is no .npy file of numbers"),
    "half an array": (lambda: written(b"\x93NUMPY\x01\x00"), "x.npy is no .npy file of numbers"),
    "an empty file": (lambda: written(b""), "x.npy is no .npy file of numbers"),
    "half an archive": (lambda: written(b"PK\x03\x04"), "x.npy is no .npy file of numbers"),
    "an archive of arrays": (archived, "x.npy is no .npy file of numbers"),
    "a missing file": (lambda: None, "x.npy"),
    "a folder": (a_folder, "x.npy"),
}


@pytest.mark.parametrize("kind", BAD)
def test_samples_that_cannot_be_used(infomax: Infomax, kind: str) -> None:
    make, reason = BAD[kind]
    make()
    assert reason in infomax("estimate-mi", "x.npy", "y.npy", "--json", "found.json").failure
    assert not Path("found.json").exists()


def test_as_a_user_runs_it(shell: Infomax) -> None:
    saved(y=FINE[1:])
    assert shell("estimate-mi", "x.npy", "y.npy").failure.startswith("x.npy, y.npy: x has 60 rows and y 59")
    saved(np.ones(60))
    shown = shell("estimate-mi", "x.npy", "y.npy")
    assert (shown.code, shown.stdout[:11]) == (0, "0.0000 nats")
    assert shown.stderr == "infomax: x has 1 constant columns, dropped: a constant carries no information\n"


def test_an_unknown_bound(infomax: Infomax) -> None:
    saved()
    failure = infomax("estimate-mi", "x.npy", "y.npy", "--bound", "mine").failure
    assert "unknown bound 'mine': choose one of donsker-varadhan, nwj, infonce, smile, nearest-neighbors" in failure


def test_the_answer_in_words_and_in_a_file(infomax: Infomax) -> None:
    """A fair coin paired with itself beside a constant column: log 2 nats, and warnings."""
    coin = np.arange(60) % 2
    saved(np.stack([coin, np.ones_like(coin)], 1), coin)
    words = ["estimate-mi", "x.npy", "y.npy", "--seed", "1"]
    shown = infomax(*words, "--json", "found.json")
    assert shown.code == 0
    found = json.loads(Path("found.json").read_text())
    assert (found["x"], found["y"], found["samples"], found["unit"]) == ("x.npy", "y.npy", 60, "nats")
    assert abs(found["value"] - np.log(2)) < 0.35
    assert shown.stdout.startswith(f"{found['value']:.4f} nats, standard error {found['standard_error']:.4f} (by ")
    assert "infomax: x has 1 constant columns, dropped: a constant carries no information" in shown.stderr
    assert found["warnings"] == [line.removeprefix("infomax: ") for line in shown.stderr.splitlines()]
    assert json.loads(infomax(*words, "--json", "-").stdout) == found
