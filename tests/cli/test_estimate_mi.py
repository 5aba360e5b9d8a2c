"""infomax estimate-mi, as a user runs it: samples in files, an answer in nats, and samples that cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax.information.estimation import cross_fit
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
    "NaN": (lambda: saved(y=np.where(FINE == 1, np.nan, FINE)), "y has 1 NaN or infinite value: remove their rows"),
    "infinity": (lambda: saved(np.where(FINE == 1, -np.inf, FINE)), "x has 1 NaN or infinite value"),
    "three axes": (lambda: saved(np.ones((60, 2, 2))), "x has shape (60, 2, 2): give (n,) or (n, columns)"),
    "a single number": (lambda: saved(np.array(3.0)), "x has shape (): give (n,) or (n, columns)"),
    "rows for columns": (
        lambda: saved(FINE[None], FINE[None]),
        "x has 1 sample: give 50 or more; rows are samples, and it has 60 columns: transpose it?",
    ),
    "few samples": (lambda: saved(FINE[:49], FINE[:49]), "x has 49 samples: give 50 or more"),
    "no samples": (lambda: saved(FINE[:0], FINE[:0]), "x has 0 samples: give 50 or more"),
    "objects": (lambda: saved(FINE.astype(object)), "x.npy is no .npy file of numbers"),
    "texts": (lambda: saved(np.array(["a"] * 60)), "x has dtype <U1: give real numbers, or name the kind categorical"),
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
    assert shown.stderr == "infomax: x has 1 constant column, dropped: a constant carries no information\n"


def test_an_unknown_bound(infomax: Infomax) -> None:
    saved()
    failure = infomax("estimate-mi", "x.npy", "y.npy", "--bound", "mine").failure
    assert "unknown bound 'mine': choose one of donsker-varadhan, nwj, infonce, smile, nearest-neighbors" in failure


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 2)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--blocks", "weeks"), "--blocks is 'weeks': give the rows of a block, or auto"),
        (("--blocks", "40"), "blocks have 40 rows: choose 1 to 20, for a block in each fold"),
        (("--figure", "no/such.png"), "no/such.png: its folder does not exist: make it first"),
        (("--figure", "."), ". is a folder: name a file in it"),
        (("--json", "no/such.json"), "no/such.json: its folder does not exist: make it first"),
        (("--given", "y.npy", "--permutations", "9"), "--given goes with --blocks, --missing, --seed and --json alone"),
        (("--given", "none.npy"), "none.npy"),
    ],
)
def test_options_that_cannot_be_used(infomax: Infomax, words: tuple[str, ...], reason: str) -> None:
    saved(FINE, FINE**2)
    assert reason in infomax("estimate-mi", "x.npy", "y.npy", *words).failure


def test_conditional_information_and_its_file(few_steps: None, infomax: Infomax) -> None:
    """x and y share much, and given y nothing is left."""
    x, noise = np.random.default_rng(0).normal(size=(2, 200))
    saved(x, x + noise)
    np.save("z.npy", x + noise + 1e-3)
    shown = infomax("estimate-mi", "x.npy", "y.npy", "--given", "z.npy", "--json", "found.json")
    found = json.loads(Path("found.json").read_text())
    assert (shown.code, found["given"]) == (0, "z.npy")
    assert found["value"] < 0.05
    assert shown.stdout.startswith(f"{found['value']:.4f} nats")


def test_the_test_the_figure_and_dropped_rows(few_steps: None, infomax: Infomax) -> None:
    """Texts by class, with holes in y: a p-value, a figure, and a count of what was dropped."""
    words = np.array(["red", "green"])[np.arange(80) % 2]
    saved(
        words, np.where(np.arange(80) < 5, np.nan, np.arange(80) % 2 + 0.3 * np.random.default_rng(0).normal(size=80))
    )
    options = ["--x-kind", "categorical", "--missing", "drop", "--permutations", "19", "--figure", "found.png"]
    shown = infomax("estimate-mi", "x.npy", "y.npy", *options)
    assert shown.code == 0
    assert "p = 0.05 for independence, by 19 permutations\nthe figure is found.png\n" in shown.stdout
    assert "infomax: 5 of 80 rows have missing values, dropped" in shown.stderr
    with Image.open("found.png") as image:
        assert image.width > 1000


def test_the_answer_in_words_and_in_a_file(few_steps: None, infomax: Infomax) -> None:
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
    assert "infomax: x has 1 constant column, dropped: a constant carries no information" in shown.stderr
    assert found["warnings"] == [line.removeprefix("infomax: ") for line in shown.stderr.splitlines()]
    assert json.loads(infomax(*words, "--json", "-").stdout) == found
