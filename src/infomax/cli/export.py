"""export: write a model in a format that needs nothing of infomax."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import Model


def export(
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write: model.onnx, or model.pt2 for torch.export.")
    ],
) -> None:
    """Write a model as ONNX: images in bytes in, codes out, with all preprocessing inside.

    Example: infomax export --model run --out model.onnx
    """
    from infomax.export import export as write
    from infomax.model import InfoMax

    done = write(InfoMax.load(model, device="cpu"), out)
    opset = f", opset {done.opset}" if done.opset else ""
    compared = (
        "not compared with the model, because onnxruntime is missing"
        if done.difference is None
        else f"differs from the model by {done.difference:.1e} of the largest number"
    )
    print(f"{out} takes uint8 images (n, {done.size}, {done.size}, 3) and gives codes (n, {done.dim}){opset}")
    print(f"it {compared}" if done.difference is not None else f"it was {compared}")
