"""Pretrained nets of timm (PyTorch Image Models): pip install 'infomax[timm]'.

timm would unpickle some of its files. So the weights are fetched as safetensors from where timm keeps them, and loaded
here.
"""

from importlib import import_module
from typing import Any, final

from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.representation.backbones.description import NetDescription, OpenedNet
from infomax.representation.backbones.hub_files import fetch_file
from infomax.representation.backbones.loading import load_weights
from infomax.representation.backbones.weights import read_weights


@final
class Timm:
    """Nets of timm by the names of `timm.list_models(pretrained=True)`."""

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Load a net with the weights of a file, or with those that timm's name stands for."""
        net = _TimmNet(name)
        defaults = net.model.pretrained_cfg
        if not weights:
            repository = defaults.get("hf_hub_id")
            if not isinstance(repository, str):
                raise InfoMaxError(f"backbone timm:{name}: timm has no weights for it: give a file by weights=FILE")
            weights = str(fetch_file(repository, "model.safetensors"))
        found = read_weights(weights, sha256)
        load_weights(net.model, found.tensors, f"timm:{name}")
        size = int(defaults["input_size"][-1])
        mean, std = (tuple(255.0 * float(value) for value in defaults[key]) for key in ("mean", "std"))
        described: dict[str, Any] = {"size": size, "mean": mean, "std": std, "prefix_tokens": net.prefix_tokens}
        return OpenedNet(NetDescription(library="timm", name=name, sha256=found.sha256, **described), net)

    def build(self, description: NetDescription) -> nn.Module:
        """Make the net with random weights."""
        return _TimmNet(description.name)


class _TimmNet(nn.Module):
    """A model of timm up to its last feature map or its tokens."""

    def __init__(self, name: str) -> None:
        super().__init__()
        if not name or any(mark in name for mark in ":/\\"):  # timm would look such a name up on the hub or on the disk
            raise InfoMaxError(f"backbone timm:{name}: give a name of timm.list_models()")
        try:
            timm: Any = import_module("timm")
        except ImportError:
            raise InfoMaxError(f"backbone timm:{name}: timm is missing: pip install 'infomax[timm]'") from None
        try:
            self.model = timm.create_model(name, pretrained=False, num_classes=0)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InfoMaxError(f"backbone timm:{name}: timm cannot make it ({reason}): choose another") from None
        self.prefix_tokens = int(getattr(self.model, "num_prefix_tokens", 0))
        self.channels_last = getattr(self.model, "output_fmt", "NCHW") == "NHWC"

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.model.forward_features(images)
        return features.permute(0, 3, 1, 2) if self.channels_last and features.ndim == 4 else features
