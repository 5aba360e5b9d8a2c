"""The examples of the docstrings run."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import infomax

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
