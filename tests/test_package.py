"""The package: what is built is whole and runs, its versions agree, users of types can rely on them."""

import os
import re
import subprocess
import sys
import tarfile
import textwrap
import tomllib
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infomax import version
from tests.pages import PAGES

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FOR_DEVELOPERS = {"docs", "test"}
"""Extras that a user does not need."""


def test_versions_agree() -> None:
    """The package, its citation, its changelog, and what the source says where nothing is installed."""
    changelog = re.search(r"(?m)^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert changelog
    assert re.findall(r'__version__ = "(.+)"', Path(version.__file__).read_text("utf-8")) == [PROJECT["version"]]
    assert (changelog[1], changelog[2]) == (PROJECT["version"], str(citation()["date-released"]))
    assert citation()["version"] == PROJECT["version"]


def citation() -> dict[str, Any]:
    """CITATION.cff as a document."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    return document


def test_the_citation_is_one() -> None:
    """The parts of the schema of the Citation File Format 1.2.0 that it uses."""
    document = citation()
    assert document["cff-version"] == "1.2.0"
    assert {"message", "title", "type", "authors", "version", "license", "date-released"} <= document.keys()
    assert (document["type"], document["license"]) == ("software", PROJECT["license"])
    assert isinstance(document["date-released"], date)
    assert all(set(each) == {"name"} for each in document["authors"])
    known = {"article", "blog", "software"}
    for work in document["references"]:
        assert work["type"] in known
        assert work["title"]
        assert all(set(each) == {"family-names", "given-names"} for each in work["authors"])
        assert isinstance(work["year"], int)
        assert re.match(r"https://", work["url"])


def test_every_extra_is_documented() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in PAGES if page.name != "CHANGELOG.md")
    named = {name for part in re.findall(r"(?:infomax|\.)\[([\w,]+)\]", pages) for name in part.split(",")}
    assert {*PROJECT["optional-dependencies"]} - named - FOR_DEVELOPERS == set()
    assert named <= {*PROJECT["optional-dependencies"]}


def test_pythons_are_named_that_may_be_used() -> None:
    least = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])
    named = [int(each) for each in re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))]
    assert least
    assert named == sorted(named)
    assert named[0] == int(least[1])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is built from what the sdist holds."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: make test installs it")
    folder = tmp_path_factory.mktemp("built")
    _build(ROOT, folder, "sdist")
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    _build(folder / sdist.name.removesuffix(".tar.gz"), folder, "wheel")
    return folder


def _build(source: Path, folder: Path, target: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    """Also the page, the report and the mark of types, and nothing else."""
    house = ROOT / "src"
    files = {path.relative_to(house).as_posix() for path in (house / "infomax").rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == files
    assert {"infomax/py.typed", "infomax/figures/report.html"} < names


def test_the_wheel_runs_where_it_is_unpacked(built: Path, tmp_path: Path) -> None:
    """In a folder of its own, away from the source: the command line, the page and the figures are found."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = textwrap.dedent("""
        import infomax, infomax.figures.report_page, infomax.web.app, sys
        from infomax.version import __version__
        print(__version__, infomax.__file__)
    """)
    shown = _run(tmp_path, "-c", program)
    assert shown.split() == [PROJECT["version"], str(tmp_path / "site/infomax/__init__.py")]
    assert _run(tmp_path, "-m", "infomax", "--version") == f"infomax {PROJECT['version']}\n"


def _run(folder: Path, *words: str) -> str:
    """What Python prints that finds only what was unpacked, and the installed dependencies."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "INFOMAX_CACHE": str(folder / "cache")}
    ended = subprocess.run(
        [sys.executable, "-P", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_shell_completes_commands_and_options() -> None:
    assert _completed("infomax du") == ["duplicates"]
    assert "--keep-both" in _completed("infomax duplicates --keep")


def _completed(line: str) -> list[str]:
    """What bash offers for a line that is being typed, as `infomax --install-completion` sets it up."""
    words = line.split()
    asked = {"_INFOMAX_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    program = "import sys; sys.argv = ['infomax']; from infomax.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    return ended.stdout.split()


SNIPPET = '''
"""What somebody else writes, with the strictest checks on."""

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from torch import Tensor

import infomax
from infomax import Index, InfoMax, InfoMaxError, estimate_mi, load_images, open_source
from infomax.evaluation.evaluate import evaluate_model
from infomax.images import LoadedImages, ReadingOptions
from infomax.information import Bound, MutualInformation, Separable, all_pairs, infonce, lower_bound
from infomax.recipes import Recipe
from infomax.representation.encoders import Encoder, Representation
from infomax.representation.objectives import LocalInfo, Objective, Value
from infomax.search.results import Group, Matches


def learn(folder: Path) -> InfoMax:
    model = InfoMax("spectral-fast", settings={"dim": 64}, reading=ReadingOptions(exclude=["*.heic"])).fit(folder)
    assert_type(model, InfoMax)
    assert_type(model.recipe_, Recipe)
    assert_type(model.encoder_, Encoder)
    rows: int = len(model.transform(open_source(folder)))
    assert rows
    return model


def look(model: InfoMax, folder: Path) -> list[str]:
    index = Index.create(folder / "photos.index", model).add(folder)
    assert_type(index, Index)
    matches = index.search(folder / "cat.jpg", k=9)
    assert_type(matches, Matches)
    groups: list[Group] = index.duplicates()
    try:
        evaluate_model(model, load_images(folder, model.recipe_.size))
    except InfoMaxError as error:
        return [str(error), *(image.path for group in groups for image in group.images)]
    return matches.paths


class Halves(Objective):
    def __init__(self, bound: Bound = infonce) -> None:
        super().__init__()
        self.critic, self.bound = Separable(8, 8, 16), bound

    def forward(self, representation: Representation, code: Tensor, generator: torch.Generator | None = None) -> Value:
        upper, lower = (half.mean(1) for half in representation.local.chunk(2, dim=1))
        value = lower_bound(self.critic, upper, lower, all_pairs, self.bound, generator)
        return Value(value, {"halves": value})


objective: Objective = 0.5 * Halves() + LocalInfo(Separable(8, 8, 16))
found = estimate_mi(np.zeros(100), np.zeros(100))
assert_type(found, MutualInformation)
assert_type(found.value + found.standard_error, float)
assert_type(infomax.__version__, str)
images: LoadedImages = load_images("digits", 8)
'''


def test_types_serve_strict_users(tmp_path: Path) -> None:
    """The types of all main doors are whole: mypy, strict, has nothing to say on what somebody else writes."""
    pytest.importorskip("mypy", reason="mypy is not installed: make test installs it")
    assert _mypy(tmp_path, SNIPPET) == "Success: no issues found in 1 source file\n"


def test_wrong_types_are_told(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed: make test installs it")
    wrong = "from infomax import Index, InfoMax\nInfoMax().fit('a').nothing\nIndex('a').search('b', k='9')\n"
    told = _mypy(tmp_path, wrong)
    assert "[attr-defined]" in told
    assert "[arg-type]" in told


def _mypy(folder: Path, program: str) -> str:
    """What mypy says of a program, with the settings and the cache of this project (`make lint` fills it)."""
    (folder / "snippet.py").write_text(program.lstrip())
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(folder / "snippet.py")]
    environment = {**os.environ, "MYPYPATH": "src"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout
