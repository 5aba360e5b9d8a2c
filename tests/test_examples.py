"""The examples of the docstrings run, and the Python of README too."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

import infomax
from infomax.recipes import RECIPES
from tests.conftest import colored
from tests.images.conftest import put

HOUSE = Path(infomax.__file__).parent
MODULES = [
    ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(HOUSE.rglob("*.py"))
    if ">>>" in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    result = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_there_are_examples_for_the_main_doors() -> None:
    for door in ("infomax.model", "infomax.information.estimation.estimate", "infomax.representation.augmentation"):
        assert door in MODULES


README = HOUSE.parents[1] / "README.md"


def blocks() -> list[str]:
    """The Python of README: indented, from an import to the next line of text."""
    text = README.read_text("utf-8")
    found = re.findall(r"(?m)^    from infomax.*\n(?:(?:    .*)?\n)+", text)
    return ["\n".join(line[4:] for line in block.splitlines()) for block in found]


def test_the_python_of_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a recipe that learns in a second."""
    monkeypatch.chdir(tmp_path)
    smaller = {"size": 8, "patches": ("4/2",), "grid": 2, "chiral_grid": 2, "atoms": 32, "channels": 8}
    monkeypatch.setitem(RECIPES, "spectral-fast", RECIPES["spectral-fast"].with_settings(**smaller))
    for number, image in enumerate(colored(30, side=16)):
        put(tmp_path / "photos" / f"{number}.png", image)
    put(tmp_path / "cat.jpg", colored(1, side=16)[0])
    x, y = torch.randn(200, 10), torch.randn(200, 20)
    found = blocks()
    assert len(found) >= 2
    for block in found:
        exec(compile(block, "README.md", "exec"), {"x": x, "y": y})
    assert len(infomax.Index("photos.index")) == 30
