"""Pretrained nets of Hugging Face transformers, such as DINOv2, DINOv3 and SigLIP 2.

The package is an extra: pip install 'infomax[transformers]'. Weights are read from safetensors alone, and no code of a
repository is run.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.paths import expand_home
from infomax.representation.backbones.description import NetDescription, OpenedNet
from infomax.representation.backbones.loading import load_weights
from infomax.representation.backbones.weights import read_weights

_CLASS_TOKEN = ("cls_token", "class_embedding", "class_token")
_REGISTERS = ("register_tokens", "mask_register_tokens")


@final
class Transformers:
    """Vision models by the name of a repository of the hub, or by a folder that `save_pretrained` wrote."""

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Load a net with its own weights, or with those of a file."""
        library, place = _library(name), _place(name)
        try:
            model = library.AutoModel.from_pretrained(
                place, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
            preparation, _ = library.image_processing_utils.BaseImageProcessor.get_image_processor_dict(place)
        except Exception as error:  # it raises kinds of several packages, of the network among them
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InfoMaxError(f"backbone transformers:{name}: cannot be loaded ({reason})") from None
        net, digest = _TransformersNet(getattr(model, "vision_model", model)), ""
        if weights:
            found = read_weights(weights, sha256)
            load_weights(net.model, found.tensors, f"transformers:{name}")
            digest = found.sha256
        elif sha256:
            raise InfoMaxError("sha256 is that of a file: give the file by weights=FILE")
        config: Any = net.model.config
        described = _preparation(preparation, config)
        options = {"model_type": config.model_type, "config": _plain(config.to_diff_dict())}
        prefix = _prefix_tokens(net.model)
        return OpenedNet(
            NetDescription(
                library="transformers", name=name, prefix_tokens=prefix, options=options, sha256=digest, **described
            ),
            net,
        )

    def build(self, description: NetDescription) -> nn.Module:
        """Make the net with random weights, from its configuration."""
        library = _library(description.name)
        try:
            config = {name: value for name, value in description.options["config"].items() if name != "model_type"}
            made = library.AutoConfig.for_model(description.options["model_type"], **config)
            model = library.AutoModel.from_config(made, trust_remote_code=False)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InfoMaxError(f"backbone transformers:{description.name}: cannot be made again ({error})") from None
        return _TransformersNet(getattr(model, "vision_model", model))


class _TransformersNet(nn.Module):
    """A vision model whose output is its last hidden state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.float()

    def forward(self, images: Tensor) -> Tensor:
        hidden: Tensor = self.model(pixel_values=images).last_hidden_state
        return hidden


def _library(name: str) -> Any:
    try:
        library = import_module("transformers")
        import_module("transformers.image_processing_utils")
    except ImportError:
        raise InfoMaxError(
            f"backbone transformers:{name}: transformers is missing: pip install 'infomax[transformers]'"
        ) from None
    return library


def _place(name: str) -> str:
    """A folder as it stands on the disk, or the name of a repository."""
    folder = expand_home(name)
    return str(folder) if Path(folder).is_dir() else name


def _preparation(settings: dict[str, Any], config: Any) -> dict[str, Any]:
    """Size and normalization, as the repository says them."""
    given: Any = settings.get("crop_size") if settings.get("do_center_crop", True) else None
    given = given or settings.get("size") or getattr(config, "image_size", 224)
    if isinstance(given, dict):
        given = given.get("height") or given.get("shortest_edge") or getattr(config, "image_size", 224)
    size = given[0] if isinstance(given, list | tuple) else given
    scale = 1.0 / float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    plain = settings.get("do_normalize", True) is False
    mean = [0.0] * 3 if plain else settings.get("image_mean", [0.5] * 3)
    std = [1.0] * 3 if plain else settings.get("image_std", [0.5] * 3)
    return {
        "size": int(size or 224),
        "mean": tuple(scale * float(value) for value in mean),
        "std": tuple(scale * float(value) for value in std),
    }


def _prefix_tokens(model: nn.Module) -> int:
    """Count the tokens before those of the patches: the class token and registers."""
    names = {name.rpartition(".")[2]: weight for name, weight in model.named_parameters()}
    if not any(each in names for each in _CLASS_TOKEN):
        return 0
    return 1 + sum(names[each].shape[1] for each in _REGISTERS if each in names)


def _plain(value: Any) -> Any:
    """Drop from a configuration what JSON has no words for."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
