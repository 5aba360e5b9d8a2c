"""The house: one storey per idea, imports point downward only, and what is heavy is loaded when it is used."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import infomax
from tests.conftest import SMALL_RECIPE, colored, environment
from tests.images.conftest import put

HOUSE = Path(infomax.__file__).parent
STOREYS = [
    {"errors"},
    {"files", "progress", "paths"},
    {"devices"},
    {"information", "images"},
    {"neighbors"},
    {"representation"},
    {"training"},
    {"recipes"},
    {"model"},
    {"evaluation", "embeddings"},
    {"search"},
    {"web", "figures"},
    {"cli"},
]
"""From the ground up. A module may import from lower storeys and from its own folder; the two cellars know no other."""

LEVEL = {name: level for level, storey in enumerate(STOREYS) for name in storey}
HEAVY = ("lancedb", "fastapi", "uvicorn", "matplotlib", "sklearn")


def imports(path: Path) -> set[str]:
    """Whole names of the modules of ours that a file imports, also those within functions."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not any(node.level for node in nodes if isinstance(node, ast.ImportFrom)), f"{path}: say whole names"
    return {name for name in names if name.split(".")[0] == "infomax"}


def test_imports_point_downward_only() -> None:
    for path in HOUSE.rglob("*.py"):
        floor = path.relative_to(HOUSE).parts[0].removesuffix(".py")
        if floor in ("__init__", "__main__"):
            continue
        below = {name for name, level in LEVEL.items() if level < LEVEL[floor]} | {floor}
        seen = {[*name.split("."), ""][1] for name in imports(path)}
        assert seen <= below, f"{path.relative_to(HOUSE)} looks up: {seen - below}"


def test_information_is_mathematics_alone_and_objectives_know_no_images() -> None:
    for path in (HOUSE / "information").glob("*.py"):
        assert {name.split(".")[1] for name in imports(path)} <= {"information"}
    for path in (HOUSE / "images").glob("*.py"):
        assert {name.split(".")[1] for name in imports(path)} <= {
            "images",
            "errors",
            "files",
            "progress",
            "paths",
            "devices",
        }
    for path in (HOUSE / "representation").rglob("*.py"):
        assert not any(".images" in each for each in imports(path))


USES = {
    "import infomax": "import infomax",
    "infomax fit": (
        "from infomax.cli import app; app(['fit', 'photos', '--out', 'run', "
        + ", ".join(f"'{word}'" for word in SMALL_RECIPE)
        + "], standalone_mode=False)"
    ),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_heavy_is_not_loaded(tmp_path: Path, cache: Path, use: str) -> None:
    for index, image in enumerate(colored(20)):
        put(tmp_path / "photos" / f"{index}.png", image)
    program = f"import sys, json; {USES[use]}; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(cache), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == []
