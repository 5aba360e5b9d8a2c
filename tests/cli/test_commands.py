"""Every command as a user types it, on real files."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from infomax import InfoMax
from infomax.cli import app
from infomax.recipes import RECIPES
from tests.conftest import SMALL_RECIPE, Infomax, colored
from tests.images.conftest import put, put_parquet, stored

COMMANDS = sorted(
    command.name or getattr(command.callback, "__name__", "").replace("_", "-") for command in app.registered_commands
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty images of two kinds, and one that is broken."""
    for index, image in enumerate(colored(20, side=12)):
        put(tmp_path / "photos" / ("cats" if index % 2 else "dogs") / f"{index:02}.png", image)
    put(tmp_path / "photos" / "dogs" / "broken.png", b"\x89PNG\r\n\x1a\n")
    return tmp_path / "photos"


def test_fit_embed_montage(
    photos: Path, tmp_path: Path, shell: Infomax, infomax: Infomax, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = shell("fit", "photos", "--out", "run", *SMALL_RECIPE, "--seed", 3)
    assert fitted.code == 0, fitted
    assert fitted.stderr == "infomax: skipped 1 broken image: run/skipped.csv\n"
    assert fitted.stdout.splitlines() == [
        "learned 8 features from 20 images; the model is in run",
        "see which images they find alike:  infomax montage photos --model run --out montage.png",
    ]
    files = {"config.json", "last.ckpt", "log.jsonl", "model.safetensors", "skipped.csv"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == files
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["seed"], config["recipe"]["dim"], config["recipe"]["epochs"]) == (3, 8, 2)
    assert (config["data"]["images"], config["data"]["skipped"]) == (20, 1)
    with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
        ((where, reason),) = list(csv.reader(file))[1:]
    assert (where, bool(reason)) == ("dogs/broken.png", True)

    monkeypatch.chdir(tmp_path)
    embedded = infomax("embed", "photos", "--model", "run", "--out", "new/vectors.parquet")
    assert (embedded.code, embedded.stdout) == (0, "20 vectors of 8 numbers are in new/vectors.parquet\n")
    assert embedded.stderr.startswith("infomax: skipped 1 broken image: the first: 'dogs/broken.png', ")
    assert embedded.stderr.count("\n") == 1
    table = pq.read_table(tmp_path / "new" / "vectors.parquet")
    assert table.column_names == ["path", "row", "label", "vector"]
    assert table["row"].to_pylist() == [*range(20)]  # dogs/broken.png comes last
    assert {*table["label"].to_pylist()} == {"cats", "dogs"}
    model = InfoMax.load(tmp_path / "run", device="cpu")
    np.testing.assert_allclose(np.stack(table["vector"].to_numpy()), model.transform(photos), atol=1e-5)

    shown = infomax("montage", "photos", "--model", "run", "--out", "montage.png", "--queries", 3, "--neighbors", 4)
    assert (shown.code, shown.stdout) == (0, "the figure is montage.png\n")
    with Image.open(tmp_path / "montage.png") as figure:
        assert figure.format == "PNG"
        assert figure.width > figure.height > 3 * 80


def test_parquet_by_a_quoted_glob(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = [stored(image) for image in colored(12)]
    put_parquet(tmp_path / "train-0.parquet", [*images[:6]], [0, 1] * 3, names=True)
    put_parquet(tmp_path / "train-1.parquet", [*images[6:], None], [0, 1] * 3 + [0], names=True)
    fitted = infomax("fit", "train-*.parquet", "--out", "run", *SMALL_RECIPE)
    assert (fitted.code, fitted.stderr) == (0, "infomax: skipped 1 broken image: run/skipped.csv\n")
    assert "infomax montage 'train-*.parquet' --model run" in fitted.stdout
    assert infomax("embed", "train-*.parquet", "--model", "run", "--out", "v.parquet").code == 0
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["path"].to_pylist()[5:7] == ["train-0.parquet#5", "train-1.parquet#0"]
    assert table["label"].to_pylist() == ["cat", "dog"] * 6


def test_an_array(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", colored(12)[..., 0])
    assert infomax("fit", "images.npy", "--out", "run", *SMALL_RECIPE).stderr == ""
    assert infomax("embed", "images.npy", "--model", "run", "--out", "v.parquet").code == 0
    assert pq.read_table("v.parquet").column_names == ["path", "row", "vector"]
    for metric in ("cosine", "euclidean"):
        shown = infomax("montage", "images.npy", "--model", "run", "--out", f"{metric}.png", "--metric", metric)
        assert (shown.code, shown.stderr) == (0, "")
    assert (tmp_path / "cosine.png").read_bytes() != (tmp_path / "euclidean.png").read_bytes()


def test_a_seed_draws_the_same_figure(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", colored(30))
    infomax("fit", "images.npy", "--out", "run", *SMALL_RECIPE)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        infomax("montage", "images.npy", "--model", "run", "--out", f"{name}.png", "--queries", 3, "--seed", seed)
    first, again, other = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert first == again != other


def test_finished_extended_overwritten(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", colored(20))
    fit = ["fit", "images.npy", "--out", "run", *SMALL_RECIPE]
    assert infomax(*fit).code == 0
    assert infomax(*fit).failure == "run holds a finished run: choose another --out, or replace it with --overwrite"
    assert infomax(*fit, "--resume").failure == "run has finished its 2 epochs: for more, add --epochs N to --resume"
    assert infomax("fit", "images.npy", "--out", "run", "--resume", "--epochs", 4).code == 0
    epochs = [json.loads(line)["epoch"] for line in Path("run/log.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]
    assert infomax(*fit, "--overwrite").code == 0
    assert len(Path("run/log.jsonl").read_text().splitlines()) == 2


def test_demo(tmp_path: Path, infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo with a recipe that learns for two seconds; the real one is run by `make demo`."""
    monkeypatch.chdir(tmp_path)
    smaller = {"size": 16, "atoms": 64, "channels": 16, "dim": 32, "cell_images": 300, "view_images": 300}
    monkeypatch.setitem(RECIPES, "spectral-fast", RECIPES["spectral-fast"].with_settings(**smaller))
    ended = infomax("demo")
    assert (ended.code, ended.stderr) == (0, "")
    assert "Learned from 1347 handwritten digits, without their labels." in ended.stdout
    learned, raw = (float(word.strip("(%")) for word in ended.stdout.split() if "%" in word)
    assert raw == 95.8
    assert 20 < learned <= 100  # chance is 10
    assert "infomax fit " in ended.stdout
    assert Path("infomax-demo/model.safetensors").exists()
    with Image.open("infomax-demo/figures/montage.png") as figure:
        assert figure.width > 500
    assert infomax("demo").code == 0  # again, over the last one


@pytest.mark.parametrize("command", COMMANDS)
def test_help(infomax: Infomax, command: str) -> None:
    for flag in ("--help", "-h"):
        shown = infomax(command, flag)
        assert (shown.code, shown.stderr) == (0, "")
        assert command in shown.stdout


def test_help_of_all(shell: Infomax) -> None:
    shown = shell("--help")
    assert (shown.code, shown.stderr) == (0, "")
    assert {"fit", "embed", "montage", "demo"} <= {*COMMANDS}
    assert all(command in shown.stdout for command in COMMANDS)


WRONG_USAGE: dict[str, list[object]] = {
    "no command": [],
    "no such command": ["fitt"],
    "no source": ["fit", "--out", "run"],
    "no out": ["fit", "digits"],
    "no such option": ["fit", "digits", "--out", "run", "--epoch", 3],
    "no number": ["fit", "digits", "--out", "run", "--epochs", "many"],
    "a negative seed": ["fit", "digits", "--out", "run", "--seed", -1],
    "a seed out of range": ["fit", "digits", "--out", "run", "--seed", 2**64],
    "no such device": ["fit", "digits", "--out", "run", "--device", "tpu"],
    "no such metric": ["montage", "digits", "--model", "run", "--out", "m.png", "--metric", "manhattan"],
    "no queries": ["montage", "digits", "--model", "run", "--out", "m.png", "--queries", 0],
    "no neighbors": ["montage", "digits", "--model", "run", "--out", "m.png", "--neighbors", 0],
    "no model": ["embed", "digits", "--out", "v.parquet"],
}


@pytest.mark.parametrize("usage", WRONG_USAGE)
def test_wrong_usage(infomax: Infomax, usage: str) -> None:
    ended = infomax(*WRONG_USAGE[usage])
    assert ended.code == 2
    assert "Traceback" not in ended.stderr
    assert usage == "no command" or (ended.stdout, ended.stderr.count("Usage: ")) == ("", 1)
