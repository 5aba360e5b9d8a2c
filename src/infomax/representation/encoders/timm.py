"""Any model of timm (PyTorch Image Models) as an encoder. The package is an extra: pip install 'infomax[timm]'."""

import math
from importlib import import_module
from typing import Any, final

import torch
from jaxtyping import Num
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.representation.encoders.representation import (
    CodeHead,
    Encoder,
    Grid,
    Representation,
    flatten_positions,
    standardize_pixels,
)


@final
class TimmEncoder(Encoder):
    """A model of timm without its classifier.

    Its last feature map or its patch tokens give the positions, and its pooling gives the code. The weights start at
    random. Nothing is downloaded, because a model trained on labels would make the features depend on labels.

    Args:
        name: A name from `timm.list_models()`: resnet18, vit_tiny_patch16_224, convnext_atto, ...
        dim: d, the dimensions of the code.
        stochastic: Whether the code has a variance.
        options: Further arguments of `timm.create_model`, such as img_size=32 and patch_size=4 for small images.

    Raises:
        InfoMaxError: If timm is missing, does not know the model, or gives no features by position for it.

    """

    def __init__(
        self, name: str, dim: int = 256, *, stochastic: bool = False, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        try:
            timm = import_module("timm")
        except ImportError:
            raise InfoMaxError("encoder timm: the package timm is missing: pip install 'infomax[timm]'") from None
        try:
            self.model = timm.create_model(name, pretrained=False, num_classes=0, **(options or {}))
        except (RuntimeError, TypeError) as error:
            raise InfoMaxError(f"encoder timm: no model '{name}' with {options or {}}: {error}") from None
        if not hasattr(self.model, "forward_features") or not hasattr(self.model, "forward_head"):
            raise InfoMaxError(f"encoder timm: '{name}' has no features by position: choose another model")
        self.channels, self.dim = self.model.num_features, dim
        self.code = CodeHead(getattr(self.model, "head_hidden_size", self.channels), dim, stochastic=stochastic)

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images with values 0..255, of a size that the model takes."""
        features: Tensor = self.model.forward_features(standardize_pixels(images, next(self.parameters())))
        mean, log_var = self.code(self.model.forward_head(features, pre_logits=True))
        if features.ndim == 3:  # a transformer: tokens without a position, such as the class token, come first
            local = features[:, self.model.num_prefix_tokens :]
            return Representation(local, mean, log_var, _token_grid(local.shape[1], images.shape[1:3]))
        if getattr(self.model, "output_fmt", "NCHW") == "NHWC":
            features = features.permute(0, 3, 1, 2)
        local, grid = flatten_positions(features)
        return Representation(local, mean, log_var, grid)


def _token_grid(n_tokens: int, shape: torch.Size) -> Grid:
    """Arrange the tokens in a grid with the proportions of the images."""
    rows = round(math.sqrt(n_tokens * shape[0] / shape[1]))
    if rows * (n_tokens // rows) != n_tokens:
        raise InfoMaxError(f"encoder timm: {n_tokens} tokens do not fill a grid: choose another model")
    return rows, n_tokens // rows
