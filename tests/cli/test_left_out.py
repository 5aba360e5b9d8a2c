"""What commands leave out of a folder is told on the terminal and listed, and options let more in or less."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax import Index, InfoMax
from tests.conftest import SMALL, SMALL_RECIPE, Infomax, colored

SHARED = Path(__file__).parents[3] / "shared" / "cases"

TOLD = "infomax: not looked at: 2 .svg (convert to PNG), 1 .mov\ninfomax: excluded: 1 in @eaDir, 1 hidden\n"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two kinds of images, a large one, a broken one, two drawings, a film, a hidden file and a thumbnail."""
    folder = tmp_path / "mixed"
    for number, image in enumerate(colored(20)):
        path = folder / ("ab"[number % 2]) / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    Image.fromarray(colored(1, side=100)[0]).save(folder / "a" / "large.png")
    for name in ("a/broken.png", "a/x.svg", "b/y.svg", "film.mov", ".z.png", "@eaDir/t.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("text")
    return folder


def reasons(path: Path) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["where"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(file)}


def test_fit_tells_and_lists(infomax: Infomax, tmp_path: Path, mixed: Path) -> None:
    out = tmp_path / "run"
    done = infomax("fit", mixed, "--out", out, *SMALL_RECIPE, "--max-pixels", 5000)
    assert done.code == 0
    assert f"infomax: skipped 1 broken image: {out}/skipped.csv\n" in done.stderr
    assert f"infomax: skipped 1 too large image, --max-pixels lets it in: {out}/skipped.csv\n" in done.stderr
    assert TOLD in done.stderr
    assert reasons(out / "skipped.csv") == {
        "broken.png": "not an image",
        "large.png": "too large: 100 x 100 pixels, above the limit of 5000 (--max-pixels 10000 lets it in)",
        "x.svg": "not looked at: convert to PNG",
        "y.svg": "not looked at: convert to PNG",
    }
    data = json.loads((out / "config.json").read_text())["data"]
    assert (data["images"], data["skipped"]) == (20, 4)


def test_index_tells_and_lists_also_when_nothing_is_written(infomax: Infomax, tmp_path: Path, mixed: Path) -> None:
    InfoMax(SMALL).fit(colored(40)).save(tmp_path / "run")
    made = tmp_path / "made.index"
    plan = infomax("index", mixed, "--model", tmp_path / "run", "--index", made, "--dry-run")
    assert plan.stdout == "would be added 22, updated 0, unchanged 0, removed 0, skipped 2\n"
    assert TOLD in plan.stderr
    done = infomax("index", mixed, "--model", tmp_path / "run", "--index", made)
    assert done.stdout == "added 21, updated 0, unchanged 0, removed 0, skipped 3\n"
    assert TOLD in done.stderr
    assert set(reasons(made / "skipped.csv")) == {"broken.png", "x.svg", "y.svg"}
    again = infomax("index", mixed, "--index", made, "--exclude", "b", "--exclude", "larg*", "--prune")
    assert again.stdout == "added 0, updated 0, unchanged 10, removed 11, skipped 2\n"
    assert "infomax: excluded: 11 in b, 1 in @eaDir, 1 in larg*, 1 hidden\n" in again.stderr


@pytest.mark.parametrize("command", ["embed", "montage"])
def test_other_commands_tell(command: str, infomax: Infomax, tmp_path: Path, mixed: Path) -> None:
    InfoMax(SMALL).fit(colored(40)).save(tmp_path / "run")
    out = tmp_path / ("a.parquet" if command == "embed" else "a.png")
    done = infomax(command, mixed, "--model", tmp_path / "run", "--out", out)
    assert done.code == 0
    assert TOLD in done.stderr
    fewer = infomax(command, mixed, "--model", tmp_path / "run", "--out", out, "--exclude", "*.png")
    assert "holds no images" in fewer.failure
    assert "in *.png" in fewer.failure


def test_evaluate_tells_of_both_sources(infomax: Infomax, tmp_path: Path, mixed: Path) -> None:
    InfoMax(SMALL).fit(colored(40)).save(tmp_path / "run")
    done = infomax("evaluate", "--model", tmp_path / "run", "--train", mixed, "--test", mixed, "-k", 2)
    assert done.code == 0
    assert done.stderr.count(TOLD) == 2


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the generator in ../shared/cases")
def test_model_index_and_queries_share_the_scale_of_dim_images(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SHARED / "dim_microscopy.py", tmp_path], check=True)
    model = InfoMax(SMALL).fit(tmp_path / "dim", out=tmp_path / "run")
    scale = model.config_["reading"]["depth_scale"]
    assert scale["integers"][0] == pytest.approx(92, abs=6)
    assert scale["integers"][1] == pytest.approx(260, abs=40)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["reading"]["depth_scale"] == scale
    index = Index.create(tmp_path / "x.index", tmp_path / "run").add(tmp_path / "dim")
    images, vectors = index.vectors()
    thumbnail = index.thumbnail(images[0].id)
    assert thumbnail is not None
    (tmp_path / "t.webp").write_bytes(thumbnail)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "t.webp")))) > 100
    assert np.allclose(vectors, InfoMax.load(tmp_path / "run").transform(tmp_path / "dim"), atol=1e-5)
    query = tmp_path / "dim" / "05.tif"
    assert np.allclose(index.embed(query), vectors[5], atol=1e-5)
    assert np.allclose(index.embed(query.read_bytes()), vectors[5], atol=1e-5)  # as an upload comes


def test_a_model_of_8_bits_keeps_its_fingerprint_and_a_scale_changes_it(tmp_path: Path) -> None:
    model = InfoMax(SMALL).fit(colored(40))
    before = model.fingerprint
    model.config_["reading"] = {"depth_scale": None, "bands": None, "max_pixels": None}
    assert model.fingerprint == before
    model.config_["reading"] = {"depth_scale": {"integers": [0, 100], "floats": None}, "bands": None}
    assert model.fingerprint != before


def test_bands_are_learned_and_recorded(infomax: Infomax, tmp_path: Path, mixed: Path) -> None:
    done = infomax("fit", mixed, "--out", tmp_path / "run", *SMALL_RECIPE, "--bands", "3,2,1")
    assert done.code == 0
    assert InfoMax.load(tmp_path / "run").reading_options().bands == (3, 2, 1)
    refused = infomax("fit", mixed, "--out", tmp_path / "run2", *SMALL_RECIPE, "--bands", "red")
    assert refused.failure == "--bands red: give three numbers, such as 4,3,2, or one, counted from 1"
