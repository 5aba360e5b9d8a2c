"""The words of the package: the field's terms, American spelling, one meaning to a name."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import infomax

HOUSE = Path(infomax.__file__).parent
ROOT = HOUSE.parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [path for path in sorted(HOUSE.rglob("*")) if path.suffix in (".py", ".js", ".html", ".css")]

CONTRACT = ("mean_picture", "unlabelled")
"""Names of JSON fields that others' scripts read; they stay as they are."""

GONE = [
    *(
        "picture",
        "neighbour",
        "colour",
        r"\bgrey",
        "optimis(?!tic)",
        "solaris",
        "labelled",
        "labelling",
        "learnt",
        "judgement",
    ),
    *("judgement", "behaviour", r"\bcentre", "centred", "normalis", "maximis", "minimis", "synchronis", "standardis"),
    *("recognis", "summaris", "initialis", "artefact", r"\bnought\b", "whoever", "foretell", r"\blest\b"),
    *(
        "seed-cifar10",
        "seed-tiny-imagenet",
        "seed-digits",
        "views-fast",
        "views-best",
        "ViewInfoMax(?<!MultiViewInfoMax)",
    ),
    *("small_views", "small_size", "least_area", "late_size", "warm_up", "vector_rate", "farewell", "stop_signals"),
    *("Ailment", "named_right", "told_apart", "Judgement", "paced", "InputInformation", "CodeDependence", "blamed"),
    *(
        "remarks_silenced",
        "to_square",
        "bytes_pay",
        "bfloat16_pays",
        "region_pairs",
        "by_neighbours",
        "CorrectedCritic",
    ),
]
"""Old words of the code, of its settings and of British spelling: nowhere in src, docs and README."""

NAMES = {
    *(
        "Fitting",
        "Learning",
        "Training",
        "Meter",
        "Board",
        "Ranks",
        "picker",
        "entrance",
        "require",
        "examined",
        "some",
    ),
    *(
        "some",
        "Question",
        "Draws",
        "Words",
        "Channels",
        "Summary",
        "fold",
        "halves",
        "leading",
        "portions",
        "varying",
        "forms",
    ),
    *("judge", "Verdict", "Task", "right", "floors", "Labelled", "Judged", "Coded", "Home", "Card", "Looks"),
    *(
        "alike",
        "parted",
        "Alike",
        "Near",
        "facts",
        "Where",
        "definite",
        "look",
        "look_at",
        "Finding",
        "Ready",
    ),
    *(
        "Ready",
        "Tally",
        "preview",
        "telling",
        "reached",
        "stamp",
        "shelf",
        "Build",
        "seal",
        "survey",
        "upright",
        "Guard",
    ),
    *("Together", "Kept", "against", "pace", "Views", "Positions", "View", "draw_views"),
}
"""Old names that are words of English, too: nothing is defined under them."""


def lines(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for name in CONTRACT:
                line = line.replace(name, "")
            yield f"{path.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize("word", GONE)
def test_an_old_word_is_gone(word: str) -> None:
    pattern = re.compile(word, re.IGNORECASE)
    assert [where for where, line in lines([*TEXTS, *PAGES]) if pattern.search(line)] == []


TREES = {path: ast.parse(path.read_text("utf-8")) for path in HOUSE.rglob("*.py")}


def defined(tree: ast.AST) -> Iterator[str]:
    """Names of classes, functions, parameters, fields and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.relative_to(HOUSE).as_posix())
def test_nothing_is_defined_under_an_old_name(path: Path) -> None:
    assert {*defined(TREES[path])} & NAMES == set()


COMMANDS = {path.stem for path in (HOUSE / "cli").glob("*.py")}
"""A command has the name of the function that it calls."""


def public_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if isinstance(node, ast.Assign) and "TypeVar(" in ast.unparse(node.value):
            continue
        for target in targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def test_no_public_name_has_two_meanings() -> None:
    places = defaultdict(list)
    for path, tree in TREES.items():
        for name in public_names(tree):
            if not name.startswith("_") and name not in COMMANDS | {"router"}:
                places[name].append(path.relative_to(HOUSE).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_the_main_source_is_named_where_it_is_cited() -> None:
    """Su Jianlin (2018), https://kexue.fm/archives/6024: never "the article" alone."""
    assert [where for where, line in lines([*TEXTS, *PAGES]) if re.search(r"\bthe article", line, re.IGNORECASE)] == []
    for page in PAGES:
        text = page.read_text("utf-8")
        assert "Su (2018)" not in text or "kexue.fm/archives/6024" in text, page
