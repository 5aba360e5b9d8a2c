"""All backbones by name: LIBRARY:NAME for those of a library, one word for the others."""

from collections.abc import Callable
from typing import final

from torch import nn

from infomax.errors import InfoMaxError
from infomax.representation.backbones import lite0
from infomax.representation.backbones.description import IMAGENET, Channels, Library, NetDescription, OpenedNet
from infomax.representation.backbones.frozen import FrozenNet, probed
from infomax.representation.backbones.loading import load_weights
from infomax.representation.backbones.onnx_file import OnnxFile
from infomax.representation.backbones.timm import Timm
from infomax.representation.backbones.torchvision import Torchvision
from infomax.representation.backbones.transformers import Transformers
from infomax.representation.backbones.weights import read_weights

LIBRARIES: dict[str, Library] = {
    lite0.NAME: lite0.Lite0(),
    "timm": Timm(),
    "torchvision": Torchvision(),
    "transformers": Transformers(),
    "onnx": OnnxFile(),
}
"""What makes pretrained nets, by the word before the colon; `register_backbone` adds to it."""


def register_backbone(
    name: str,
    factory: Callable[[], nn.Module],
    *,
    size: int = 224,
    mean: Channels = IMAGENET[0],
    std: Channels = IMAGENET[1],
    prefix_tokens: int = 0,
) -> None:
    """Make any module usable as a backbone, under a name.

    Register it again before a model that was made with it is loaded: a model carries weights, and never code.

    Args:
        name: One word, which `--set backbone=NAME` and `Backbone(backbone=NAME)` take from now on.
        factory: Makes the module with its weights. It maps normalized images (n, 3, size, size) to a feature map
            (n, c, h, w), tokens (n, tokens, c), or vectors (n, d).
        size: Side of the images that it takes, in pixels.
        mean: Mean that is subtracted from red, green and blue, of values 0..255.
        std: What they are divided by then.
        prefix_tokens: Tokens before those of the patches, the class token first.

    Raises:
        InfoMaxError: The name is no word, or that of a library.

    Examples:
        >>> from torch import nn
        >>> from infomax.representation.backbones.registry import open_backbone, register_backbone
        >>> register_backbone("tiny", lambda: nn.Conv2d(3, 8, 4, stride=4), size=32)
        >>> open_backbone("tiny").description.numbers
        8

    """
    if not name.replace("-", "").replace("_", "").isalnum() or isinstance(LIBRARIES.get(name), _BUILT_IN):
        raise InfoMaxError(f"a backbone named {name!r}: give one word that is none of {', '.join(LIBRARIES)}")
    description = NetDescription(library=name, size=size, mean=mean, std=std, prefix_tokens=prefix_tokens)
    LIBRARIES[name] = _Registered(factory, description)


def open_backbone(backbone: str, size: int = 0, weights: str = "", sha256: str = "") -> FrozenNet:
    """Make a pretrained net by its name.

    Args:
        backbone: `efficientnet-lite0`, `timm:NAME`, `torchvision:NAME`, `transformers:REPOSITORY-OR-FOLDER`,
            `onnx:FILE`, or a name that was registered.
        size: Side of the images that it is to take, in pixels; 0 for its own.
        weights: A file of weights; "" for the library's own.
        sha256: Digest that the file must have; "" where it is not known.

    Returns:
        The net, frozen.

    Raises:
        InfoMaxError: The net or its weights cannot be had; the message says what to install or to give.

    """
    library, _, name = backbone.partition(":")
    opened = _library(library).open(name, weights, sha256)
    return probed(opened, size or opened.description.size)


def build_backbone(description: NetDescription) -> FrozenNet:
    """Make the net of a description, for weights that are yet to be loaded. Nothing is downloaded.

    Args:
        description: As a fitted model carries it.

    Returns:
        The net, frozen.

    Raises:
        InfoMaxError: What makes it is missing.

    """
    return FrozenNet(description, _library(description.library).build(description))


def _library(name: str) -> Library:
    try:
        return LIBRARIES[name]
    except KeyError:
        known = ", ".join(each if isinstance(LIBRARIES[each], _SINGLE) else f"{each}:NAME" for each in LIBRARIES)
        raise InfoMaxError(
            f"unknown backbone {name!r}: choose one of {known}, or register it before (register_backbone)"
        ) from None


@final
class _Registered:
    """A module that the user registered."""

    def __init__(self, factory: Callable[[], nn.Module], description: NetDescription) -> None:
        self.factory, self.description = factory, description

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Make the module, and load a file of weights where one is given."""
        if name:
            raise InfoMaxError(f"backbone {self.description.library} is one net alone: leave ':{name}' out")
        net = self.factory()
        if weights:
            load_weights(net, read_weights(weights, sha256).tensors, self.description.library)
        return OpenedNet(self.description, net)

    def build(self, description: NetDescription) -> nn.Module:  # noqa: ARG002
        """Make the module."""
        return self.factory()


_SINGLE = (lite0.Lite0, _Registered)
_BUILT_IN = tuple(type(each) for each in LIBRARIES.values())
