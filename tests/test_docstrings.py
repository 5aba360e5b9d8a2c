"""Docstrings of everything public: Args that name every parameter, Returns, and words the field knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import infomax

HOUSE = Path(infomax.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_public(name: str) -> bool:
    return not name.startswith("_")


def methods_of_bases(trees: list[ast.Module]) -> dict[str, set[str]]:
    """For each class of ours the methods that a base of it (a protocol, an abstract class) has documented already."""
    classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    own = {name: {each.name for each in node.body if isinstance(each, Function)} for name, node in classes.items()}
    bases = {
        name: [re.sub(r"\[.*", "", ast.unparse(base)).split(".")[-1] for base in node.bases]
        for name, node in classes.items()
    }

    def inherited(name: str) -> set[str]:
        return set().union(*(own.get(base, set()) | inherited(base) for base in bases.get(name, ()) if base in own))

    return {name: inherited(name) for name in classes}


TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}
INHERITED = methods_of_bases(list(TREES.values()))
PROTOCOLS = {
    "Constraint": {"AtLeast", "InRange", "OneOf"},
    "Store": {"LanceStore", "Snapshot", "PreviewStore"},
    "Library": {"Lite0", "OnnxFile", "Timm", "Torchvision", "Transformers"},
    "DataKind": {"ImageKind", "TextKind"},
    "Loaded": {"LoadedImages", "LoadedTexts"},
    "Copies": {"ImageCopies", "TextCopies"},
    "Source": {"TextTable", "ImageFiles", "ParquetRows", "ArrayRows", "ArchiveRows", "ItemRows", "SeveralSources"},
}
"""Protocols document the methods of the classes that fulfill them."""

FRAMEWORK = {"forward", "train", "step", "state_dict", "load_state_dict", "register_forward_hook", "render"}
"""Methods that a library calls by its own contract: the class docstring says what goes in and out."""


def protocol_methods(name: str) -> set[str]:
    found = set()
    for protocol, classes in PROTOCOLS.items():
        if name in classes:
            for tree in TREES.values():
                for node in tree.body:
                    if isinstance(node, ast.ClassDef) and node.name == protocol:
                        found |= {each.name for each in node.body if isinstance(each, Function)}
    return found


def public(path: Path) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Public classes, functions and methods of a file, methods that a base documents left out."""
    for node in TREES[path].body:
        if isinstance(node, Function) and is_public(node.name):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and is_public(node.name):
            yield node.name, node
            documented = INHERITED[node.name] | protocol_methods(node.name) | FRAMEWORK
            for each in node.body:
                if isinstance(each, Function) and is_public(each.name) and each.name not in documented:
                    yield f"{node.name}.{each.name}", each


def decorators(node: ast.ClassDef | Function) -> list[str]:
    return [ast.unparse(each) for each in node.decorator_list]


def parameters(node: Function) -> list[str]:
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    names += [each.arg for each in (node.args.vararg, node.args.kwarg) if each is not None]
    return [name for name in names if name not in ("self", "cls", "mcs") and is_public(name)]


def fields(node: ast.ClassDef) -> list[str]:
    """What the docstring of a class must describe: fields of a dataclass or tuple, else parameters of __init__."""
    is_record = any("dataclass" in each for each in decorators(node)) or any(
        ast.unparse(base) in ("NamedTuple", "BaseModel") for base in node.bases
    )
    if is_record:
        return [
            each.target.id
            for each in node.body
            if isinstance(each, ast.AnnAssign)
            and isinstance(each.target, ast.Name)
            and is_public(each.target.id)
            and not ast.unparse(each.annotation).startswith("ClassVar")
            and not (isinstance(each.value, ast.Call) and "description" in ast.unparse(each.value))
        ]
    init = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    return [] if init is None else parameters(init)


def described(doc: str, names: list[str]) -> set[str]:
    """The names that lines of Args or Attributes describe: `name: text`, `name, other: text`, `*name: text`."""
    listed = re.findall(r"^\s*((?:\*{0,2}\w+(?: \([^)]*\))?(?:, )?)+):(?: |$)", doc, re.MULTILINE)
    return {name for each in listed for name in re.findall(r"\w+", re.sub(r"\([^)]*\)", "", each))} & set(names)


def faults(path: Path) -> Iterator[str]:
    for name, node in public(path):
        doc = ast.get_docstring(node) or ""
        if not doc:
            yield f"{name}: no docstring"
            continue
        if isinstance(node, ast.ClassDef):
            missing = set(fields(node)) - described(doc, fields(node))
            if missing:
                yield f"{name}: Args or Attributes lack {', '.join(sorted(missing))}"
            continue
        kinds = decorators(node)
        is_property = any("property" in each for each in kinds)
        names = parameters(node)
        if names and not is_property:
            if "Args:" not in doc:
                yield f"{name}: no Args"
            elif missing := set(names) - described(doc, names):
                yield f"{name}: Args lack {', '.join(sorted(missing))}"
        returns = "None" if node.returns is None else ast.unparse(node.returns)
        if (
            names
            and returns not in ("None", "NoReturn")
            and not is_property
            and not re.search(r"(Returns|Yields):", doc)
        ):
            yield f"{name}: no Returns or Yields"


SCOPE = [path for path in FILES if "cli" not in path.parts and path.parent.name != "routes"]
"""Commands and routes are left out: their parameters are described for the user, by typer and by OpenAPI."""


@pytest.mark.parametrize("path", SCOPE, ids=lambda path: path.relative_to(HOUSE).as_posix())
def test_everything_public_is_described(path: Path) -> None:
    assert list(faults(path)) == []
