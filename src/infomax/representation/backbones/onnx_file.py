"""A net from an ONNX file, run by ONNX Runtime on the CPU: pip install 'infomax[onnx]'."""

from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.representation.backbones.description import IMAGENET, NetDescription, OpenedNet
from infomax.representation.backbones.weights import read_content

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@final
class OnnxFile:
    """Nets by the path of their file; `FILE.onnx#NAME` takes the output NAME rather than the first."""

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Read the file whole: the model carries it from now on."""
        if weights:
            raise InfoMaxError("backbone onnx:FILE holds its weights itself: leave weights out")
        path, mark, output = name.rpartition("#") if "#" in name else (name, "", "")
        content, digest = read_content(path, sha256)
        if not content:
            raise InfoMaxError("the ONNX file of the backbone cannot be used (it is empty): give another")
        options = {"output": output, "bytes": len(content)}
        mean, std = IMAGENET
        net = OnnxNet(len(content), output)
        net.model.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        size, takes_bytes = net.input_size, net.takes_bytes
        if takes_bytes:
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        found: dict[str, Any] = {"size": size or 224, "mean": mean, "std": std, "sha256": digest, "options": options}
        return OpenedNet(NetDescription(library="onnx", name=Path(path).name + mark + output, **found), net)

    def build(self, description: NetDescription) -> nn.Module:
        """Make room for the file, which comes with the weights of the model."""
        length, output = description.options.get("bytes"), description.options.get("output")
        if type(length) is not int or not isinstance(output, str) or length < 1:
            raise InfoMaxError("the model's description of its ONNX file is damaged: fit again")
        return OnnxNet(length, output)


@final
class OnnxNet(nn.Module):
    """An ONNX file as a module without gradients. Its bytes are the one buffer, so that they travel as weights do.

    Args:
        length: Of the file, in bytes.
        output: Name of the output to take; "" for the first.

    """

    model: Tensor

    def __init__(self, length: int, output: str) -> None:
        super().__init__()
        self.output = output
        self.register_buffer("model", torch.zeros(length, dtype=torch.uint8))
        self._session: Any = None

    def forward(self, images: Tensor) -> Tensor:
        """Run the file on images.

        Args:
            images: Channels first, of values as the file takes them.

        Returns:
            The output, in float32.

        """
        session = self._opened()
        taken = session.get_inputs()[0]
        kind = _TYPES[taken.type]
        values = images.cpu()
        planes = (values.round().clamp(0, 255) if kind is np.uint8 else values).numpy().astype(kind)
        if taken.shape[-1] == 3:
            planes = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        names = [self.output] if self.output else [session.get_outputs()[0].name]
        at_once = taken.shape[0] if isinstance(taken.shape[0], int) else len(planes)
        parts = [
            session.run(names, {taken.name: planes[start : start + at_once]})[0]
            for start in range(0, len(planes), at_once)
        ]
        return torch.from_numpy(np.concatenate(parts).astype(np.float32)).to(images.device)

    @property
    def input_size(self) -> int | None:
        """Side of the images that the file takes, in pixels; None where it takes any."""
        shape = self._opened().get_inputs()[0].shape
        side = shape[1] if shape[-1] == 3 else shape[2]
        return side if isinstance(side, int) else None

    @property
    def takes_bytes(self) -> bool:
        """Whether the file takes pixels of 0..255 as they are."""
        return _TYPES[self._opened().get_inputs()[0].type] is np.uint8

    def _opened(self) -> Any:
        """The session, made when it is first needed."""
        if self._session is None:
            self._session = _session(self.model.cpu().numpy().tobytes(), self.output)
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}


def _session(content: bytes, output: str) -> Any:
    """Open a file. Raises InfoMaxError where ONNX Runtime is missing or the file is no net of images."""
    try:
        runtime: Any = import_module("onnxruntime")
    except ImportError:
        raise InfoMaxError("a backbone of ONNX needs onnxruntime: pip install 'infomax[onnx]'") from None
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a kind of error for each way in which a file is damaged
        reason = str(error).partition("\n")[0]
        if "external data" in reason.lower():
            raise InfoMaxError(
                "the ONNX file of the backbone keeps its weights in a file beside it: export it as one file, by "
                "external_data=False in torch.onnx.export"
            ) from None
        raise InfoMaxError(f"the ONNX file of the backbone cannot be used ({reason}): give another") from None
    inputs, outputs = session.get_inputs(), [each.name for each in session.get_outputs()]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
        raise InfoMaxError("the ONNX file of the backbone must take images alone, as one input of four axes")
    if output and output not in outputs:
        raise InfoMaxError(f"the ONNX file of the backbone has no output {output!r}: choose {', '.join(outputs)}")
    return session
