"""Run the notebooks of examples/ without Jupyter, and keep what their cells show: python -m tests.notebooks [NAME...].

A cell shows what it prints, and the value of its last line: figures and images as PNG or JPEG, anything else as text.
That is what Jupyter shows, as long as a notebook has no magics and draws no figure by pyplot.
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

Output = dict[str, Any]
"""One output of a cell, as the format of notebooks has it (nbformat 4.5)."""


def read(path: Path) -> dict[str, Any]:
    """Read a notebook."""
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells that hold Python."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(path: Path, folder: Path) -> list[list[Output]]:
    """Run all cells of a notebook in a folder, in this process.

    Args:
        path: The notebook.
        folder: The working directory of the cells.

    Returns:
        The outputs of each cell with code.

    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        return [
            _run_cell("".join(cell["source"]), names, f"{path.name}, cell {number}", number)
            for number, cell in enumerate(code_cells(read(path)), start=1)
        ]


def _run_cell(source: str, names: dict[str, Any], where: str, number: int) -> list[Output]:
    """Run one cell among the names that the cells before it have left."""
    body = ast.parse(source, where).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), where, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
    text, shown = printed.getvalue(), [] if value is None else [_shown(value, number)]
    return [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}, *shown][not text :]


def _shown(value: object, number: int) -> Output:
    """What the value of the last line looks like."""
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if isinstance(value, Image.Image | Figure):
        kind, content = _drawn(value)
        data = {kind: base64.b64encode(content).decode(), "text/plain": [f"<{type(value).__name__}>"]}
    return {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def _drawn(value: Image.Image | Figure) -> tuple[str, bytes]:
    """Draw a figure as PNG, and an image as the smaller one of PNG and JPEG."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    if isinstance(value, Figure):
        value.savefig(png, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
        return "image/png", png.getvalue()
    value.save(png, "PNG", optimize=True)
    value.convert("RGB").save(jpeg, "JPEG", quality=85, optimize=True)
    return min(("image/png", png.getvalue()), ("image/jpeg", jpeg.getvalue()), key=lambda each: len(each[1]))


def write_outputs(path: Path) -> None:
    """Run a notebook and write into it what its cells show."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = run(path, Path(folder))
    notebook = read(path)
    for number, (cell, shown) in enumerate(zip(code_cells(notebook), outputs, strict=True), start=1):
        cell["execution_count"], cell["outputs"] = number, shown
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("INFOMAX_CACHE", tempfile.mkdtemp())
    for each in NOTEBOOKS:
        if not sys.argv[1:] or each.stem in sys.argv[1:]:
            write_outputs(each)
