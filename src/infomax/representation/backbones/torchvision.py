"""Pretrained nets of torchvision, up to their last feature map."""

from importlib import import_module
from typing import Any, final

from torch import nn

from infomax.errors import InfoMaxError
from infomax.representation.backbones.description import IMAGENET, NetDescription, OpenedNet
from infomax.representation.backbones.loading import load_weights
from infomax.representation.backbones.weights import read_weights


@final
class Torchvision:
    """Nets of `torchvision.models` by name: resnet50, convnext_tiny, vit_b_16, ..."""

    def open(self, name: str, weights: str, sha256: str) -> OpenedNet:
        """Load a net with the weights of a file, or with torchvision's own, whose hashes it checks."""
        models, model = _models(name), _model(name)
        published = models.get_model_weights(name).DEFAULT
        if weights:
            found = read_weights(weights, sha256)
            tensors, digest = found.tensors, found.sha256
        else:
            try:
                tensors = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
            except (OSError, RuntimeError) as error:
                raise InfoMaxError(
                    f"backbone torchvision:{name}: cannot get its weights ({error}): check the network, or give "
                    "weights=FILE"
                ) from None
            digest = ""
        load_weights(model, tensors, f"torchvision:{name}")
        size = int(getattr(published.transforms(), "crop_size", [224])[0])
        mean, std = IMAGENET
        description: dict[str, Any] = {"size": size, "mean": mean, "std": std, "sha256": digest}
        return OpenedNet(NetDescription(library="torchvision", name=name, **description), _without_classifier(model))

    def build(self, description: NetDescription) -> nn.Module:
        """Make the net with random weights."""
        return _without_classifier(_model(description.name))


def _models(name: str) -> Any:
    try:
        return import_module("torchvision.models")
    except ImportError:
        raise InfoMaxError(f"backbone torchvision:{name}: torchvision is missing: pip install torchvision") from None


def _model(name: str) -> nn.Module:
    models = _models(name)
    if name not in models.list_models(module=models):
        raise InfoMaxError(f"backbone torchvision:{name}: torchvision has no such classifier of images")
    model: nn.Module = models.get_model(name, weights=None)
    return model


def _without_classifier(model: nn.Module) -> nn.Module:
    """The children before the pooling, whose output is the last map; or a transformer without its head."""
    children = dict(model.named_children())
    if "avgpool" in children:
        names = list(children)
        return nn.Sequential(*(children[each] for each in names[: names.index("avgpool")]))
    head = next((each for each in ("heads", "head", "fc") if each in children), None)
    if head is None:
        raise InfoMaxError("this net of torchvision has no last feature map that is known: choose another")
    setattr(model, head, nn.Identity())
    return model
