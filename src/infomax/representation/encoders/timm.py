"""Any model of timm (PyTorch Image Models) as an encoder. The package is an extra: pip install 'infomax[timm]'."""

import math
from importlib import import_module
from typing import Any, final

import torch
from jaxtyping import Num
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.representation.encoders.representation import Code, Encoder, Representation, planar, positions


@final
class TimmEncoder(Encoder):
    """A model of timm without its classifier: its last feature map or its patch tokens, and a code from their pooling.

    Weights start afresh: nothing is downloaded, for a model that was trained on labels is no longer label-free.

    Args:
        name: as `timm.list_models()` has it: resnet18, vit_tiny_patch16_224, convnext_atto, ...
        dim: d, the dimensions of the code.
        stochastic: whether the code has a variance.
        options: what timm.create_model takes besides: img_size=32 and patch_size=4 for small images, say.

    Raises InfoMaxError where timm is missing, or knows no such model, or has no features of it by position.

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
        self.code = Code(getattr(self.model, "head_hidden_size", self.channels), dim, stochastic=stochastic)

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255, of a side that the model takes."""
        features: Tensor = self.model.forward_features(planar(images, next(self.parameters())))
        mean, log_var = self.code(self.model.forward_head(features, pre_logits=True))
        if features.ndim == 3:  # tokens, those of no position first
            local = features[:, self.model.num_prefix_tokens :]
            rows, columns = self._token_grid(local.shape[1], images.shape[1:3])
            return Representation(local, mean, log_var, (rows, columns))
        if getattr(self.model, "output_fmt", "NCHW") == "NHWC":
            features = features.permute(0, 3, 1, 2)
        local, grid = positions(features)
        return Representation(local, mean, log_var, grid)

    def _token_grid(self, tokens: int, shape: torch.Size) -> tuple[int, int]:
        """Rows and columns of so many tokens: of the images' proportions."""
        rows = round(math.sqrt(tokens * shape[0] / shape[1]))
        if rows * (tokens // rows) != tokens:
            raise InfoMaxError(f"encoder timm: {tokens} tokens do not fill a grid: choose another model")
        return rows, tokens // rows
