"""The notebooks of examples/: they run, show what they have shown when they were written, and say what they do."""

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks import NOTEBOOKS, Output, code_cells, read, run
from tests.test_site import LONGEST_MEAN, sentences

LARGEST = 200_000  # bytes of a notebook
NUMBER = re.compile(r"-?\d+\.?\d*")

notebook_files = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def printed(outputs: list[Output]) -> str:
    """What a cell has printed, and the values it has shown as text."""
    texts = [each["text"] if each["output_type"] == "stream" else each["data"]["text/plain"] for each in outputs]
    return "".join(line for text in texts for line in text)


def drawings(outputs: list[Output]) -> list[str]:
    """What kinds of images a cell has shown."""
    return [
        kind for each in outputs if "data" in each for kind in ("image/png", "image/jpeg") if each["data"].get(kind)
    ]


def says_the_same(text: str, other: str) -> bool:
    """Whether two texts have the same words, and numbers as near as those of two machines."""
    numbers = [[float(each) for each in NUMBER.findall(part)] for part in (text, other)]
    return NUMBER.sub("#", text).split() == NUMBER.sub("#", other).split() and all(
        math.isclose(*pair, rel_tol=0.1, abs_tol=0.1) for pair in zip(*numbers, strict=True)
    )


def test_other_words_and_other_numbers_are_noticed() -> None:
    assert says_the_same("kNN 97.1 % of 450", "kNN 96.2 %  of 450\n")
    assert not says_the_same("kNN 97.1 %", "kNN 71.3 %")
    assert not says_the_same("kNN 97.1 %", "linear 97.1 %")
    assert not says_the_same("kNN 97.1 %", "kNN 97.1 % 3")


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {
        *("photos_to_page", "judge_features", "closed_form", "estimate_information", "own_objective"),
    }


@notebook_files
def test_a_notebook_shows_what_it_has_shown(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails after a change that is meant, write the new outputs: python -m tests.notebooks."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cells, outputs = code_cells(read(path)), run(path, tmp_path)
    assert any(printed(each) for each in outputs)
    for cell, shown in zip(cells, outputs, strict=True):
        kept = cell["outputs"]
        assert says_the_same(printed(kept), printed(shown)), (printed(kept), printed(shown))
        assert len(drawings(kept)) == len(drawings(shown))


@notebook_files
def test_a_notebook_is_small_and_explained(path: Path) -> None:
    notebook: dict[str, Any] = read(path)
    assert path.stat().st_size < LARGEST
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds[0] == "markdown"
    assert all(before == "markdown" for before, kind in pairwise(kinds) if kind == "code")
    assert len({cell["id"] for cell in notebook["cells"]}) == len(kinds)
    prose = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    lengths = [len(each.split()) for text in prose for each in sentences(text)]
    assert sum(lengths) / len(lengths) <= LONGEST_MEAN
    assert max(len(line) for cell in notebook["cells"] for line in cell["source"]) <= 130


@notebook_files
def test_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    text = "".join(line for cell in read(path)["cells"] for line in cell["source"])
    links = [each for each in re.findall(r"\]\(([^)#]+)", text) if "://" not in each]
    assert all((path.parent / each).is_file() for each in links), links
