"""Export of a fitted model to formats that need nothing of infomax: pixels in, code out, preprocessing inside.

`model.onnx` runs in ONNX Runtime and whatever else reads ONNX; `model.pt2` is a program of `torch.export`. Both take
uint8 images (n, size, size, 3) in a batch of any size and give float32 codes (n, dim).
"""

import io
import logging
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.model import InfoMax
from infomax.paths import quoted_path
from infomax.representation.backbones.onnx_file import OnnxNet

OPSET = 18
"""Version of the ONNX operators that are used."""

LARGEST_DIFFERENCE = 1e-4
"""Between a code of the file and that of the model, as a fraction of the largest number in the codes."""

_PROBES = 4  # random images by which a file is compared with the model


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        path: The file.
        size: Side of the images that it takes, in pixels.
        dim: Numbers in a code.
        opset: Version of the ONNX operators; None for a program of `torch.export`.
        difference: Largest difference from the model in float32, as a fraction of the largest number in the codes; None
            where it could not be measured, because onnxruntime is missing.

    """

    path: Path
    size: int
    dim: int
    opset: int | None
    difference: float | None


def export(model: InfoMax, path: str | Path) -> Exported:
    """Write a model as ONNX or as a program of `torch.export`, by the ending of the file.

    Args:
        model: A fitted model.
        path: A file that ends in .onnx or .pt2.

    Returns:
        What was written.

    Raises:
        InfoMaxError: The ending is another one, a package is missing, the model cannot be exported, or the file gives
            other codes than the model.

    """
    path = Path(path)
    if path.suffix not in (".onnx", ".pt2"):
        raise InfoMaxError(f"{quoted_path(path)}: an export ends in .onnx or .pt2: choose --out model.onnx")
    if any(isinstance(module, OnnxNet) for module in model.encoder_.modules()):
        raise InfoMaxError("a backbone from an ONNX file cannot be exported: use that file, and the head of this model")
    module = model.encoder_.cpu().eval().exportable()
    size, dim = model.recipe_.size, model.recipe_.dim
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (_PROBES, size, size, 3), np.uint8))
    program = _program(module, images)
    difference: float | None
    opset: int | None
    if path.suffix == ".pt2":
        content, opset = io.BytesIO(), None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.export.save(program, content)
        difference = _difference(module, images.numpy(), program.module()(images).detach().numpy())
        _write(path, content.getvalue())
    else:
        found, opset = _onnx(program, model), OPSET
        difference = _check(found, module, images.numpy())
        _write(path, found)
    return Exported(path, size, dim, opset, difference)


def _program(module: nn.Module, images: torch.Tensor) -> "torch.export.ExportedProgram":
    """Trace a module over a batch of any size. Raises InfoMaxError where torch cannot follow it."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim("n", max=1 << 16)},))
    except Exception as error:  # torch has a kind of error for each way in which a program cannot be followed
        reason = " ".join(str(error).split())[:300]
        raise InfoMaxError(f"this model cannot be exported ({reason}): choose another recipe or backbone") from None


def _onnx(program: "torch.export.ExportedProgram", model: InfoMax) -> bytes:
    """Translate a program to ONNX, and note in it where it comes from."""
    for package in ("onnx", "onnxscript"):
        try:
            import_module(package)
        except ImportError:
            raise InfoMaxError(f"export to ONNX: {package} is missing: pip install 'infomax[onnx]'") from None
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of every package that it knows and misses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = torch.onnx.export(
            program, input_names=["images"], output_names=["code"], opset_version=OPSET, dynamo=True, verbose=False
        )
    document = found.model_proto
    document.producer_name = "infomax"
    for name, value in {"fingerprint": model.fingerprint, "recipe": model.recipe_.name}.items():
        entry = document.metadata_props.add()
        entry.key, entry.value = f"infomax.{name}", value
    content: bytes = document.SerializeToString()
    return content


def _check(content: bytes, module: nn.Module, images: UInt8[np.ndarray, "n s s 3"]) -> float | None:
    """Run an ONNX file and compare; None where onnxruntime is missing."""
    try:
        runtime: Any = import_module("onnxruntime")
    except ImportError:
        return None
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return _difference(module, images, session.run(["code"], {"images": images})[0])


def _difference(module: nn.Module, images: UInt8[np.ndarray, "n s s 3"], codes: Any) -> float:
    """Compare codes with those of the module. Raises InfoMaxError where they differ."""
    with torch.inference_mode():
        own = module(torch.from_numpy(images)).numpy()
    difference = float(np.abs(own - codes).max() / max(float(np.abs(own).max()), 1e-12))
    if not difference <= LARGEST_DIFFERENCE:
        raise InfoMaxError(f"the exported file gives other codes than the model (by {difference:.1e}): nothing written")
    return difference


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        file.write(content)
