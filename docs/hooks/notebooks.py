"""The notebooks of examples/ as pages of the site: their text, their code, and what it has shown.

MkDocs calls `on_files`. Nothing is run here; `python -m tests.notebooks` runs the notebooks and writes their outputs.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, and the images that it shows."""
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        images: dict[str, bytes] = {}
        text = "\n\n".join(_parts(json.loads(path.read_text("utf-8")), path.stem, images))
        files.append(File.generated(config, f"examples/{path.stem}.md", content=text))
        for name, content in images.items():
            files.append(File.generated(config, f"examples/{name}", content=content))
    return files


def _parts(notebook: dict[str, Any], name: str, images: dict[str, bytes]) -> Iterator[str]:
    """Markdown of all cells; the images of outputs are added to `images` by their names."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield re.sub(r"\]\(\.\./docs/", "](../", source)
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            yield _shown(output, name, images)
    yield f"This page is the notebook `examples/{name}.ipynb` of the repository."


def _shown(output: dict[str, Any], name: str, images: dict[str, bytes]) -> str:
    """Markdown of one output."""
    data = output.get("data", {})
    for kind in SUFFIXES.keys() & data.keys():
        image = f"{name}-{len(images) + 1}.{SUFFIXES[kind]}"
        images[image] = base64.b64decode(data[kind])
        return f"![What the cell shows]({image})"
    return f"```text\n{''.join(output.get('text', data.get('text/plain', []))).rstrip()}\n```"
