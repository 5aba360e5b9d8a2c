"""What the pages say can be done: their Python runs, their links lead somewhere, their scripts and options exist."""

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from infomax import Index, InfoMax, load_images, open_source
from infomax.cli import app
from infomax.embeddings import write_embeddings
from infomax.evaluation.evaluate import evaluate_vectors
from infomax.evaluation.labels import LabeledFeatures
from infomax.explore.preview import Preview
from infomax.information import Cosine
from infomax.recipes import RECIPES, auto
from infomax.representation.encoders import WhitenedEncoder
from infomax.representation.objectives import TaughtBy
from infomax.web.app import create_app
from tests.conftest import SMALL, colored
from tests.images.conftest import put
from tests.notebooks import NOTEBOOKS, code_cells, read
from tests.pages import PAGES, ROOT, anchors_of, blocks_of, hook, links_of, named, programs
from tests.test_hub import hub

__all__ = ["hub"]

NOT_RUN = {
    "to_pandas()": "pandas is no dependency",
    "import faiss": "faiss is no dependency; examples/faiss_search.py is run with it by hand",
    "if self.decorrelation:": "two lines out of a method",
    "TensorBoardLogger(": "tests/training/test_logging.py does this with a smaller training",
}
"""Statements of pages that hold these words are left out, and why. An import that is left out takes its block along."""

LEFT_OUT_OF = {
    "docs/search.md": ["to_pandas()"],
    "docs/guides/vectors.md": ["import faiss"],
    "docs/developer/objective.md": ["if self.decorrelation:"],
    "docs/training.md": ["TensorBoardLogger("],
}
"""On which page each of them is."""

MADE = re.compile(r"(^|/)((reference|examples)/\w+|contributing|changelog)\.md$")
"""Pages of the site that are made from the code, from notebooks and from files in the root."""

WITH_PYTHON = [page for page in PAGES if programs(page.read_text("utf-8"))]


class Net(nn.Module):
    """A net of somebody else, as small as one can be."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 16, stride=16)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(images)
        return found


@pytest.fixture
def small_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipes under their names, learning in a second."""
    spectral = {"size": 8, "patches": ("4/2",), "grid": 2, "chiral_grid": 2, "atoms": 32, "channels": 8}
    for name in ("spectral", "spectral-fast", "spectral-64", "spectral-96"):
        monkeypatch.setitem(RECIPES, name, RECIPES[name].with_settings(**spectral))
    monkeypatch.setattr(auto, "RESOLUTIONS", ((0, (RECIPES["spectral"], RECIPES["spectral-fast"])),))
    gradient = {"size": 8, "blocks": (4, 8), "dim": 8, "batch": 16, "epochs": 1}
    monkeypatch.setitem(RECIPES, "dim-cifar10", RECIPES["dim-cifar10"].with_settings(**gradient))
    monkeypatch.setitem(RECIPES, "backbone", RECIPES["backbone"].with_settings(dim=8))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> InfoMax:
    return InfoMax(SMALL, epochs=1, device="cpu", cache=tmp_path_factory.mktemp("cache")).fit(colored(40))


def write_world(folder: Path, model: InfoMax, program: str) -> None:
    """What the Python of a page takes for granted: folders of images, a run, features and scores."""
    images = colored(40, side=16)
    for name, image in zip(["a", "b", *map(str, range(28))], images, strict=False):
        if "bands=" in program:  # a scene of four bands
            put_bands(folder / "photos" / f"{name}.tif", image)
        else:
            put(folder / "photos" / f"{name}.jpg", image)
    for number, name in enumerate(("cat.jpg", "beach.jpg", "a.jpg", "b.jpg", "a.png", "b.png", "c.png")):
        put(folder / name, images[30 + number])
    shutil.copy(next((folder / "photos").glob("a.*")), folder / "photos" / "copy.jpg")
    (folder / "microscope").mkdir()
    for number in range(4):
        deep = np.random.default_rng(number).integers(91, 263, (16, 16)).astype(np.uint16)
        Image.fromarray(deep).save(folder / "microscope" / f"{number}.png")
    for name in ("run",) if 'out="RUN"' in program else ("run", "RUN"):
        model.save(folder / name)
    photos = model.load_images(folder / "photos")
    write_embeddings(folder / "features.parquet", photos, model.encode(photos.pixels))
    labeled = LabeledFeatures(model.encode(colored(60)), ["cat", "dog"] * 30)
    (folder / "scores.json").write_text(json.dumps(evaluate_vectors(labeled).to_dict()))


def put_bands(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image as a TIFF of four bands."""
    tifffile = pytest.importorskip("tifffile", reason="images of many bands need infomax[tiff]")
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, np.concatenate([image, image[..., :1]], 2).transpose(2, 0, 1), photometric="minisblack")


def given(model: InfoMax) -> dict[str, Any]:
    """Names that the pages use and do not make: each page says in words what they are."""
    generator, images = torch.Generator().manual_seed(0), torch.from_numpy(colored(16, side=32))
    critic = Cosine(256, 256, shared=True)
    return {
        "x": torch.randn(200, 10),
        "y": torch.randn(200, 20),
        "generator": generator,
        "images": images,
        "InfoMax": InfoMax,
        "Index": Index,
        "load_images": load_images,
        "open_source": open_source,
        "model": model,
        "encoder": WhitenedEncoder(dim=256),
        "make_my_net": Net,
        "critic": critic,
        "codes": torch.randn(16, 512),
        "TaughtBy": TaughtBy,
        "paths": ["a.png", "b.png"],
        "PIL_image": Image.fromarray(colored(1)[0]),
        "array": colored(1)[0],
        "tensor": images[0],
        "train_labels": ["cat", "dog"] * 40,
        "test_labels": ["cat", "dog"] * 5,
        "train_vectors": np.random.default_rng(0).random((80, 4)),
        "test_vectors": np.random.default_rng(1).random((10, 4)),
        "train_images": colored(80),
        "test_images": colored(10),
        "vectors": np.random.default_rng(2).random((2, 512)).astype(np.float32),
    }


def statements(program: str) -> list[str]:
    """The statements of a program, without those that are not run."""
    found = [ast.get_source_segment(program, node) or "" for node in ast.parse(program).body]
    left_out = [each for each in found if any(mark in each for mark in NOT_RUN)]
    return [] if any(each.startswith("import") for each in left_out) else [x for x in found if x not in left_out]


@pytest.mark.usefixtures("hub", "small_recipes")
@pytest.mark.parametrize("page", WITH_PYTHON, ids=named)
def test_the_python_of_a_page_runs(page: Path, model: InfoMax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block after block among the names that the page has made, in a folder with what it takes for granted."""
    monkeypatch.chdir(tmp_path)
    found = programs(page.read_text("utf-8"))
    write_world(tmp_path, model, "\n".join(found))
    opened = "other.index" if any("Index.create(" in each for each in found) else "photos.index"
    names = given(model)
    names["index"] = Index.create(opened, model).add(["photos", "a.jpg", "b.jpg"])
    ran = 0
    for program in found:
        for statement in statements(program):
            exec(compile(statement, named(page), "exec"), names)
            ran += 1
    assert ran or any(mark in program for program in found for mark in NOT_RUN)


def test_python_is_found_on_the_pages() -> None:
    assert len(WITH_PYTHON) > 8
    text = "Words.\n\n    infomax fit a --out b\n\n    import infomax\n    infomax.load_images('a', 8)\n\n    P = w s\n"
    assert programs(text) == ["import infomax\ninfomax.load_images('a', 8)"]
    with pytest.raises(ValueError, match="does not parse"):
        programs("Words.\n\n    from infomax import (\n")


def test_nothing_is_left_out_that_is_not_there() -> None:
    there = [page for page in LEFT_OUT_OF if (ROOT / page).is_file()]
    pages = {page: "\n".join(programs((ROOT / page).read_text("utf-8"))) for page in there}
    assert pages
    assert [mark for page, marks in LEFT_OUT_OF.items() for mark in marks if mark not in pages.get(page, mark)] == []
    assert {mark for marks in LEFT_OUT_OF.values() for mark in marks} == NOT_RUN.keys()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading in it. The site checks links to pages made from the code."""
    dead = []
    for link in links_of(page.read_text("utf-8")):
        file, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link) or MADE.search(file):
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target.read_text())):
            dead.append(link)
    assert dead == []


def test_a_dead_link_would_be_seen() -> None:
    assert links_of("[a](b.md#c) `[x](y)`\n\n    [code](z)\n\n[d](https://e)") == ["b.md#c", "https://e"]
    assert anchors_of("# A head\n\n## With `code` and [link](x)\n") == {"a-head", "with-code-and-link"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_measurement_names_a_script_that_exists(page: Path) -> None:
    """And only options that this script has."""
    for script in re.findall(r"benchmarks/(\w+\.py)", page.read_text("utf-8")):
        assert (ROOT / "benchmarks" / script).is_file(), script
    for script, rest in re.findall(r"benchmarks/(\w+\.py)([^\n`|()]*)", page.read_text("utf-8")):
        source = (ROOT / "benchmarks" / script).read_text("utf-8") + (ROOT / "benchmarks/_common.py").read_text("utf-8")
        for option in {*re.findall(r"(?<!\S)--[a-z][a-z-]+", rest)} - {"--help"}:
            assert f'"{option}"' in source, f"{script} has no {option}"


def test_pages_that_the_code_names_exist() -> None:
    files = [path for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    named_pages = {
        page for path in files for page in re.findall(r"\bdocs/[\w/-]+\.(?:md|bib)", path.read_text("utf-8"))
    }
    assert len(named_pages) > 3
    assert [page for page in sorted(named_pages) if not (ROOT / page).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_blocks_of_a_page_are_whole(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("\n```") % 2 == 0, "a fence is not closed"
    assert all(block.strip() for _, block in blocks_of(text))


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All operations of the HTTP interface by path and method."""
    served = create_app(Preview(open_source("digits:test"), tmp_path_factory.mktemp("preview")))
    paths: dict[str, Any] = served.openapi()["paths"]
    return paths


def test_every_route_is_in_the_reference(routes: dict[str, Any]) -> None:
    """With what it does, and every parameter with what it means."""
    page = hook("reference").operations()
    assert len(routes) > 20
    for path, methods in routes.items():
        for method, operation in methods.items():
            assert f"## {method.upper()} {path}\n" in page
            assert operation["description"], path
            for parameter in operation.get("parameters", []):
                assert f"`{parameter['name']}`" in page
                assert parameter.get("description"), (path, parameter["name"])


def test_every_route_is_in_the_guide_of_the_page(routes: dict[str, Any]) -> None:
    guide = (ROOT / "docs" / "serving.md").read_text("utf-8")
    assert [path for path in routes if f"{path}`" not in guide and f"{path}?" not in guide] == []


def test_every_option_says_what_it_does() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or getattr(parameter, "help", None), (name, parameter.name)


def test_every_notebook_is_a_page_with_what_it_has_shown() -> None:
    pages = hook("notebooks")
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    for path in NOTEBOOKS:
        images: dict[str, bytes] = {}
        text = "\n\n".join(pages._parts(read(path), path.stem, images))
        assert f"examples/{path.stem}.md" in menu
        assert text.count("```python\n") == len(code_cells(read(path)))
        assert all(f"]({name})" in text and content for name, content in images.items())
        assert "](../docs/" not in text
