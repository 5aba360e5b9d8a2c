"""What the pages hold: their blocks of Python, their links, the scripts that they name."""

import ast
import re
import textwrap
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

FENCED = re.compile(r"(?ms)^```(\w*)[^\n]*\n(.*?)^```")
INDENTED = re.compile(r"(?m)(?:(?<=\n\n)|\A)(?:    .*\n)(?:(?:    .*)?\n)*")
WORKING = (ast.Call, ast.Attribute, ast.Import, ast.ImportFrom, ast.Assign)
"""What makes text that parses a program, and not a word or a number."""


def hook(name: str) -> ModuleType:
    """A file of docs/hooks, which makes pages of the site and is no package."""
    spec = spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(path: Path) -> str:
    """How a page is called: its path in the repository."""
    return path.relative_to(ROOT).as_posix()


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """The blocks of a page in order: ("python", ...) between fences, ("", ...) where nothing says what it is."""
    rest = FENCED.sub(lambda each: "\n" * each[0].count("\n"), text)
    found = [(text.count("\n", 0, each.start()), each[1] or "text", each[2]) for each in FENCED.finditer(text)]
    found += [(rest.count("\n", 0, each.start()), "", textwrap.dedent(each[0])) for each in INDENTED.finditer(rest)]
    yield from ((kind, block.strip("\n")) for _, kind, block in sorted(found))


def is_python(text: str) -> bool:
    """Whether text parses, and does something. A section of settings, [Install] say, parses as well."""
    if re.search(r"(?m)^\[\w+\]$", text):
        return False
    try:
        return any(isinstance(node, WORKING) for node in ast.walk(ast.parse(text)))
    except SyntaxError:
        return False


def programs(text: str) -> list[str]:
    """The Python of a page, in order. Of a block that mixes commands and Python, the paragraphs that are Python.

    Raises:
        ValueError: Something begins like Python and does not parse.

    """
    found = []
    for kind, block in blocks_of(text):
        if kind not in ("", "python", "py"):
            continue
        whole = is_python(block)
        for part in [block] if whole else re.split(r"\n\n+", block):
            if whole or is_python(part):
                found.append(part)
            elif kind or re.search(r"(?m)^(from|import) \w", part):
                raise ValueError(f"looks like Python and does not parse: {part}")
    return found


def links_of(text: str) -> list[str]:
    """Where the links of a page lead, outside of code."""
    prose = FENCED.sub("", text)
    prose = re.sub(r"(?m)^    .*$|`[^`\n]*`", "", prose)
    return re.findall(r"\]\(<?([^)\s>]+)", prose)


def anchors_of(text: str) -> set[str]:
    """The anchors of the headings of a page."""
    headings = re.findall(r"(?m)^#{1,6} (.+?)\s*$", FENCED.sub("", text))
    return {slugify(re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", each), "-") for each in headings}
