"""What a frozen net is, apart from its weights, and how it is made: one small protocol for all libraries."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

from infomax.errors import InfoMaxError

Channels = tuple[float, float, float]

IMAGENET: tuple[Channels, Channels] = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Mean and standard deviation of red, green and blue over ImageNet, for values 0..255."""


@final
@dataclass(frozen=True, kw_only=True)
class NetDescription:
    """What a net is, apart from its weights: enough to make it again anywhere, without a download.

    Attributes:
        library: What makes it: a key of `infomax.representation.backbones.LIBRARIES`, or a name that was registered.
        name: Its name there; "" where the library has one net alone.
        size: Side of the images that it takes, in pixels.
        mean: Mean that is subtracted from red, green and blue, of values 0..255.
        std: What they are divided by then.
        prefix_tokens: Tokens before those of the patches, the class token first.
        numbers: Numbers of a summary; 0 while they are not known.
        channels: Numbers of a position; 0 while they are not known.
        options: What else the library needs; JSON.
        sha256: Digest of the file of the weights; "" where they came as many files, or not from a file.

    """

    library: str
    name: str = ""
    size: int = 224
    mean: Channels = IMAGENET[0]
    std: Channels = IMAGENET[1]
    prefix_tokens: int = 0
    numbers: int = 0
    channels: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def title(self) -> str:
        """Name for messages, as it is written in settings."""
        return f"{self.library}:{self.name}" if self.name else self.library

    def to_tensor(self) -> Tensor:
        """Write the description as bytes of JSON, so that it travels beside the weights."""
        return torch.frombuffer(bytearray(json.dumps(asdict(self)).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, tensor: Tensor) -> "NetDescription":
        """Read a description.

        Args:
            tensor: What `to_tensor` wrote.

        Returns:
            The description.

        Raises:
            InfoMaxError: The tensor holds anything else.

        """
        try:
            document = json.loads(bytes(tensor.cpu().to(torch.uint8).tolist()))
            known = {each.name for each in fields(cls)}
            if not isinstance(document, dict) or document.keys() != known:
                raise ValueError("other fields")
            triples = {name: tuple(float(value) for value in document[name]) for name in ("mean", "std")}
            read = cls(**{**document, **triples})
            read.validate()
        except (ValueError, TypeError, RecursionError) as error:
            raise InfoMaxError(f"the model's description of its backbone is damaged ({error}): fit again") from None
        return read

    def validate(self) -> None:
        """Refuse values of other types. Raises ValueError."""
        texts = (self.library, self.name, self.sha256)
        numbers = (*self.mean, *self.std)
        if not all(isinstance(each, str) for each in texts) or not isinstance(self.options, dict):
            raise ValueError("a name is no text")
        counts = (self.size, self.prefix_tokens, self.numbers, self.channels)
        if not all(type(each) is int and 0 <= each <= 1 << 20 for each in counts):
            raise ValueError(f"sizes {counts}")
        if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or not min(self.std) > 0:
            raise ValueError(f"normalization {numbers}")


@dataclass(frozen=True)
class OpenedNet:
    """A pretrained net as a library gives it.

    Attributes:
        description: What it is.
        net: The net with its weights. It maps normalized images (n, 3, size, size) to a feature map (n, c, h, w),
            tokens (n, tokens, c), or vectors (n, d).

    """

    description: NetDescription
    net: nn.Module


@runtime_checkable
class Library(Protocol):
    """A source of pretrained nets. A new one is a class with these two methods and a line in `LIBRARIES`."""

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Make a net with its pretrained weights.

        Args:
            name: Its name there.
            weights: A file of weights; "" for the library's own, from the user's cache or from where it downloads.
            sha256: Digest that the file must have; "" where it is not known.

        Returns:
            The net with its description.

        Raises:
            InfoMaxError: The library is missing, or the name or the weights cannot be used.

        """

    def build(self, description: NetDescription) -> nn.Module:
        """Make the net of a description, with any weights. Nothing is downloaded and no file is read.

        Args:
            description: As `open` gave it.

        Returns:
            The net.

        Raises:
            InfoMaxError: The library is missing, or the description is none of its own.

        """
