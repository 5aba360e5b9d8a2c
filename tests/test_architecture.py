"""The house: a room for each idea, imports point downward only, and what is heavy is loaded when it is used."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import infomax
from infomax.kinds.registry import DATA_KINDS
from tests.conftest import SMALL_RECIPE, colored, environment
from tests.images.conftest import put

HOUSE = Path(infomax.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
FLOORS = [
    {"errors"},
    {"files", "forking", "paths", "progress", "constraints", "estimator", "version"},
    {"hub", "object_store"},
    {"devices"},
    {"decoding"},
    {"information", "images"},
    {"neighbors", "copies"},
    {"representation"},
    {"training"},
    {"kinds"},
    {"recipes", "embeddings"},
    {"model"},
    {"evaluation", "export", "search"},
    {"cleaning", "cluster", "explore"},
    {"figures", "web"},
    {"cli"},
]
"""From the ground up. A module may import from lower floors and from its own room alone."""

LEVEL = {name: level for level, floor in enumerate(FLOORS) for name in floor}
ROOMS = sorted(path.name for path in HOUSE.iterdir() if (path / "__init__.py").is_file())
HEAVY = ("lancedb", "fastapi", "uvicorn", "matplotlib", "sklearn")

KIND_NAMES = {"data", "kind", "data_kind"}
"""What holds a kind of data, or the name of one."""

LARGEST_ROOM = 0.15  # of the lines of the package
LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 50  # lines, signature and docstring counted


def imports(path: Path) -> set[str]:
    """Whole names of the modules of ours that a file imports, also those within functions."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {each if each in MODULES else node.module for each in below}
    assert not any(node.level for node in nodes if isinstance(node, ast.ImportFrom)), f"{path}: say whole names"
    return {name for name in names if name.split(".")[0] == "infomax"}


def module_of(path: Path) -> str:
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def test_every_room_has_a_floor() -> None:
    assert {room_of(module) for module in MODULES} - {"", "__main__"} == LEVEL.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HOUSE).as_posix())
def test_imports_point_downward_only(path: Path) -> None:
    room = room_of(module_of(path))
    if room in ("", "__main__"):
        return
    below = {name for name, level in LEVEL.items() if level < LEVEL[room]} | {room}
    seen = {room_of(name) for name in imports(path)}
    assert seen <= below, f"{path.relative_to(HOUSE)} looks up: {seen - below}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_circle_within_a_room(room: str) -> None:
    """The files of a room have an order, too. A package that only re-exports stands above its files."""
    within = {name: path for name, path in MODULES.items() if room_of(name) == room}
    graph = {name: {each for each in imports(path) if each in within and each != name} for name, path in within.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"{room} has a circle: {' -> '.join(error.args[1])}")


def test_information_imports_nothing_of_ours_and_objectives_know_no_images() -> None:
    for name, path in MODULES.items():
        if room_of(name) == "information":
            assert {room_of(each) for each in imports(path)} <= {"information"}, name
        if room_of(name) == "images":
            below = {"images", "decoding", "errors", "files", "object_store", "progress", "paths", "devices"}
            assert {room_of(each) for each in imports(path)} <= below, name
        if room_of(name) == "representation":
            assert not any(room_of(each) in ("images", "decoding") for each in imports(path)), name


def test_nobody_asks_what_kind_of_data_it_is() -> None:
    """A kind of data answers for itself: outside of `kinds`, nothing is compared with its name."""
    for name, path in MODULES.items():
        if room_of(name) != "kinds":
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            assert [ast.unparse(each) for each in nodes if asks_for_the_kind(each)] == [], name


@pytest.mark.parametrize("kind", DATA_KINDS)
def test_a_kind_of_data_knows_no_other(kind: str) -> None:
    others = {f"infomax.kinds.{each}" for each in DATA_KINDS} - {f"infomax.kinds.{kind}"}
    own = {name: path for name, path in MODULES.items() if name.startswith(f"infomax.kinds.{kind}")}
    assert own
    for name, path in own.items():
        assert not any(seen.startswith(other) for seen in imports(path) for other in others), name


def asks_for_the_kind(node: ast.AST) -> bool:
    """Whether it compares what is called `data` or `kind` with the name of a kind of data."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    named = [ast.unparse(each) for each in sides if isinstance(each, ast.Attribute | ast.Name)]
    parts = [part for side in sides for part in ast.walk(side)]
    words = {each.value for each in parts if isinstance(each, ast.Constant)}
    constants = {each.id for each in parts if isinstance(each, ast.Name)} & {"IMAGES"}
    return any(KIND_NAMES & {*each.split(".")} for each in named) and bool(words & set(DATA_KINDS) or constants)


def test_a_question_for_the_kind_would_be_seen() -> None:
    for text in ("recipe.data == 'text'", "kind.name in ('images', 'text')", "self.data != IMAGES", "kind == 'text'"):
        assert asks_for_the_kind(ast.parse(text, mode="eval").body), text
    assert not asks_for_the_kind(ast.parse("kind == 'same bytes'", mode="eval").body)


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_no_room_is_too_large() -> None:
    total = sum(map(lines_of, FILES))
    sizes = {room: sum(map(lines_of, (HOUSE / room).rglob("*.py"))) / total for room in ROOMS}
    assert {room: size for room, size in sizes.items() if size > LARGEST_ROOM} == {}


def long_functions() -> Iterator[str]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    yield f"{path.relative_to(HOUSE)}:{node.lineno} {node.name} has {length} lines"


def test_no_function_and_no_file_is_too_long() -> None:
    assert list(long_functions()) == []
    assert {path.relative_to(HOUSE).as_posix(): n for path in FILES if (n := lines_of(path)) > LONGEST_FILE} == {}


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
    assert heavy(USES[use], HEAVY, tmp_path, cache) == []


HELP = [
    "--help",
    "--version",
    "fit --help",
    "search --help",
    "duplicates --help",
    "serve --help",
    "explore --help",
    "evaluate --help",
]


@pytest.mark.parametrize("words", HELP)
def test_help_loads_no_torch(tmp_path: Path, cache: Path, words: str) -> None:
    arguments = ", ".join(f"'{word}'" for word in words.split())
    program = f"from infomax.cli import app; app([{arguments}], standalone_mode=False)"
    assert heavy(program, (*HEAVY, "torch", "numpy", "PIL", "pyarrow", "jaxtyping"), tmp_path, cache) == []


def test_the_page_needs_no_torch_until_something_is_computed(tmp_path: Path, cache: Path) -> None:
    assert (
        heavy("import infomax.web.app, infomax.explore.preview", ("torch", "sklearn", "scipy"), tmp_path, cache) == []
    )


def heavy(program: str, names: tuple[str, ...], folder: Path, cache: Path) -> list[str]:
    """Which of the modules a program has loaded when it is done."""
    program = f"import sys, json; {program}; print(json.dumps([name for name in {names} if name in sys.modules]))"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment(cache), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    found: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return found
