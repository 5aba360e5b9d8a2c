"""infomax explain, as a user runs it: files, rows of collections, and input that cannot be explained."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax import InfoMax
from infomax.evaluation.explanation import explain
from tests.conftest import SMALL, Infomax, colored


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two image files."""
    files = [tmp_path / f"{name}.png" for name in ("cat", "dog")]
    for file, pixels in zip(files, colored(2, seed=3), strict=True):
        Image.fromarray(pixels).save(file)
    return files


def test_a_query_and_its_match(shell: Infomax, tmp_path: Path, pair: list[Path], run: Path) -> None:
    done = shell("explain", "cat.png", "dog.png", "--model", run, "--out", "heat.png", "--json", "-")
    assert (done.code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {name: found[name] for name in ("query", "match", "unit", "grid")} == {
        "query": "cat.png",
        "match": "dog.png",
        "unit": "nats",
        "grid": [2, 2],
    }
    maps = explain(InfoMax.load(run), *colored(2, seed=3))
    for name, values in vars(maps).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)
    with Image.open(tmp_path / "heat.png") as image:
        assert image.width > 3 * 256
        assert image.height > 2 * 256


@pytest.mark.parametrize(("side", "drawn"), [(40, 256), (600, 600), (3000, 1024)])
def test_images_are_drawn_at_their_own_size(
    infomax: Infomax, tmp_path: Path, pair: list[Path], run: Path, side: int, drawn: int
) -> None:
    large, heat = tmp_path / "large.png", tmp_path / "heat.png"
    Image.new("RGB", (side + 20, side), "teal").save(large)
    assert infomax("explain", large, pair[0], "--model", run, "--out", heat).code == 0
    with Image.open(heat) as figure:
        left, top = round(24 * drawn / 256), round(72 * drawn / 256)  # of the first image, which ends before the gap
        corners = [(left, top), (left + drawn - 1, top + drawn - 1)]
        assert [figure.getpixel(corner) for corner in corners] == [(0, 128, 128)] * 2
        assert figure.getpixel((left + drawn, top)) == figure.getpixel((left - 1, top)) == (255, 255, 255)


def test_rows_of_collections(infomax: Infomax, tmp_path: Path, run: Path) -> None:
    np.save(tmp_path / "some.npy", colored(5, side=8))
    file, heat = tmp_path / "some.npy", tmp_path / "heat.png"
    done = infomax("explain", f"{file}#4", "digits#1796", "--model", run, "--out", heat, "--json", tmp_path / "h.json")
    assert done.code == 0, done
    assert done.stdout.splitlines()[-1] == f"the figure is {heat}"
    again = infomax("explain", f"{file}#4", f"{file}#4", "--model", run, "--out", heat, "--json", "-")
    same = json.loads(again.stdout)
    assert same["query_by_match"] == same["query_by_itself"]
    assert same["query_by_itself"] == json.loads((tmp_path / "h.json").read_text())["query_by_itself"]


def test_infonce_needs_a_reference(infomax: Infomax, tmp_path: Path, pair: list[Path]) -> None:
    InfoMax(SMALL.with_settings(bound="infonce", epochs=1)).fit(colored(40)).save(tmp_path / "nce")
    words = ("explain", *pair, "--model", tmp_path / "nce", "--out", tmp_path / "heat.png")
    assert "give a reference" in infomax(*words).failure
    assert not (tmp_path / "heat.png").exists()
    np.save(tmp_path / "others.npy", colored(300, seed=9))
    done = infomax(*words, "--reference", tmp_path / "others.npy")
    assert done.code == 0, done
    assert (tmp_path / "heat.png").exists()


def test_input_that_cannot_be_explained(infomax: Infomax, tmp_path: Path, pair: list[Path], run: Path) -> None:
    file, heat = pair[0], tmp_path / "heat.png"
    (tmp_path / "text.png").write_text("text")
    for query, said in (
        (tmp_path / "none.png", "no such file"),
        (tmp_path / "text.png", "not an image"),
        ("digits#1797", "digits has 1797 images, the last is digits#1796"),
        ("digit#3", "no such file or folder"),
    ):
        assert said in infomax("explain", query, file, "--model", run, "--out", heat).failure
    InfoMax(SMALL.with_settings(beta=0.0, epochs=1)).fit(colored(40)).save(tmp_path / "global")
    assert "no local critic" in infomax("explain", file, file, "--model", tmp_path / "global", "--out", heat).failure
    assert not heat.exists()
