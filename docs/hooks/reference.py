"""Pages of the site that are made from the code: commands, HTTP interface, recipes; and the files beside README.

MkDocs calls `on_files`. What is generated cannot be out of date, so nothing of it is kept.
"""

import inspect
import re
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
BESIDE = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""Page -> the file in the root that it shows."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {name: _beside(ROOT / file) for name, file in BESIDE.items()}
    pages |= {"reference/cli.md": commands(), "reference/http.md": operations(), "reference/recipes.md": recipes()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def commands() -> str:
    """Describe every command with all its arguments and options."""
    from infomax.cli import app

    root: Any = typer.main.get_command(app)
    parts = [
        "# Command line\n\nExit code 0 means done, 1 failed, 2 wrong usage. A failure is one line on stderr. "
        "`--json -` writes to stdout, and nothing else goes there. `python -m infomax` is the same as `infomax`.\n"
    ]
    for name, command in root.commands.items():
        about, _, more = inspect.cleandoc(command.help or "").partition("\n\n")
        example = re.search(r"Example: (.+)", more)
        parts.append(f"## infomax {name}\n\n{about.replace(chr(10), ' ')}\n")
        if rest := more.replace(example.group(0), "").strip() if example else more.strip():
            parts.append(f"{rest}\n")
        if example:
            parts.append(f"    {example.group(1)}\n")
        rows = [(_name(each), each.help or "", _default(each)) for each in command.params if each.name != "help"]
        parts.append(_table(("argument or option", "meaning", "default"), rows))
    return "\n".join(parts)


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    value = "" if parameter.is_flag else f" {parameter.metavar or _placeholder(parameter.type_descriptor.annotation)}"
    return ", ".join(f"`{each}{value}`" for each in parameter.opts)


def _placeholder(annotation: Any) -> str:
    """What stands for a value of a type: the choices, or the kind of it."""
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    kind = (get_args(annotation) or (annotation,))[0]
    return {int: "N", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


def _default(parameter: Any) -> str:
    default = parameter.default
    if default is None or default is False or default == () or callable(default):
        return ""
    return f"`{default}`"


def operations() -> str:
    """Describe every HTTP operation with its parameters, as /openapi.json does."""
    from infomax.explore.preview import Preview
    from infomax.images import open_source
    from infomax.web.app import create_app

    with tempfile.TemporaryDirectory() as folder:
        document = create_app(Preview(open_source("digits:test"), Path(folder))).openapi()
    parts = [
        "# HTTP interface\n\n`infomax serve` and `infomax explore` answer these requests, and the page uses nothing "
        'else. Every failure is `{"error": "one line"}`. Requests that write are refused with 403 without '
        "`--allow-changes`. `/openapi.json` has the types of all answers.\n"
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            about = operation.get("description", operation.get("summary", ""))
            parts.append(f"## {method.upper()} {path}\n\n{about}\n")
            rows = [
                (f"`{each['name']}`", each.get("description", ""), _json_default(each["schema"]))
                for each in operation.get("parameters", [])
            ]
            if rows:
                parts.append(_table(("parameter", "meaning", "default"), rows))
    return "\n".join(parts)


def _json_default(schema: dict[str, Any]) -> str:
    return "" if schema.get("default") in (None, False) else f"`{schema['default']}`"


def recipes() -> str:
    """Describe every recipe with every setting."""
    from infomax.recipes.registry import KINDS, RECIPES

    parts = [
        "---\nhide: [toc]\n---\n\n# Recipes and settings\n\nA recipe says what is learned, and how. "
        "`infomax fit --recipe NAME` takes one by name, and `--set NAME=VALUE` replaces a setting. Without `--recipe`, "
        "`fit` chooses one by the number and the size of the images.\n"
    ]
    for kind in KINDS.values():
        presets = [recipe for recipe in RECIPES.values() if type(recipe) is kind]
        documentation = inspect.cleandoc(kind.__doc__ or "")
        about, _, rest = documentation.partition("\n\n")
        meanings = _attributes(rest)
        parts.append(f"## {', '.join(f'`{recipe.name}`' for recipe in presets)}\n\n{about.replace(chr(10), ' ')}\n")
        rows = [
            (f"`{name}`", meanings.get(name, ""), *(f"`{_written(getattr(recipe, name))}`" for recipe in presets))
            for name in vars(presets[0])
            if name != "name"
        ]
        missing = [row[0] for row in rows if not row[1]]
        if missing:
            raise ValueError(f"settings without a meaning in the docstring of {kind.__name__}: {', '.join(missing)}")
        parts.append(_table(("setting", "meaning", *(f"`{recipe.name}`" for recipe in presets)), rows))
    return "\n".join(parts)


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value) if value != "" else '""'


def _attributes(documentation: str) -> dict[str, str]:
    """Meanings by name, out of the section Attributes of a docstring."""
    _, _, section = documentation.partition("Attributes:\n")
    section = textwrap.dedent(section.split("\n\n")[0])
    entries = re.split(r"\n(?=\w)", section.strip())
    found = (each.partition(":") for each in entries)
    return {name.strip(): " ".join(meaning.split()) for name, _, meaning in found}


def _beside(file: Path) -> str:
    """A page of a file in the root, whose links lead to docs/."""
    return re.sub(r"\]\(docs/", "](", file.read_text("utf-8"))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    escaped = [[re.sub(r"([|\[\]])", r"\\\1", cell).replace("\n", " ") for cell in row] for row in rows]
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(row) for row in escaped)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
