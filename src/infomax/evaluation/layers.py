"""What a model has besides its code: the layers below it, and what an encoder that has learned nothing would make.

Here alone the evaluation looks into an encoder; everything else of it sees arrays.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from infomax.devices import autocast, batches_on, choose_device
from infomax.model import InfoMax
from infomax.representation.encoders import Encoder, Representation

Layer = Literal["conv", "fc", "code"]
Pixels = UInt8[np.ndarray, "n h w 3"]

CALIBRATION = 2_000
"""Images that the batch norms of an untrained encoder see."""

CALIBRATED_AT_ONCE = 500
"""Enough for the statistics of a batch to be those of the collection."""


def lower_layers(model: InfoMax) -> tuple[Layer, ...]:
    """The layers below the code, from the input up: conv, the feature map; fc, what the code is a linear map of."""
    encoder = _encoder(model)
    if encoder is None:
        return ()
    return ("conv",) if _last(encoder) is None else ("conv", "fc")


def layer_vectors(model: InfoMax, pixels: Pixels, layer: Layer) -> Float[np.ndarray, "n d"]:
    """One layer of the trained encoder, of every image; a feature map is flattened."""
    encoder = _encoder(model)
    assert encoder is not None, f"no encoder, no layer {layer}: ask lower_layers first"
    return _vectors(encoder, pixels, layer, model)


def untrained_vectors(
    model: InfoMax, train: UInt8[np.ndarray, "m h w 3"], test: Pixels, seed: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, "n d"]] | None:
    """The codes of an encoder of the same shape with random weights; None for a model that has no such encoder.

    What an encoder takes from images without learning, it may take: its batch norms use the statistics of some
    training images. With those it is initialized with, all codes are nearly parallel, and the floor is too low.

    In the precision of training, which takes half the time on some CPUs: a floor bears that, where codes that are
    stored and compared elsewhere would not.
    """
    if _encoder(model) is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        encoder = model.recipe_.encoder()
    sample = torch.from_numpy(np.array(train[:: max(1, len(train) // CALIBRATION)][:CALIBRATION]))
    encoder.prepare(sample)
    _calibrate(encoder, sample)
    with autocast(choose_device(model.device)):
        return _vectors(encoder, train, "code", model), _vectors(encoder, test, "code", model)


def _encoder(model: InfoMax) -> Encoder | None:
    """The network of a model that has one."""
    encoder: object = model.encoder_
    return encoder if isinstance(encoder, Encoder) else None


@torch.no_grad()
def _calibrate(encoder: Encoder, images: Tensor) -> None:
    """Set the statistics of every batch norm to their means over the batches of these images."""
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain mean, from the beginning
    encoder.train()
    for batch in torch.split(images, CALIBRATED_AT_ONCE):
        encoder(batch)


def _vectors(encoder: Encoder, pixels: Pixels, layer: Layer, model: InfoMax) -> Float[np.ndarray, "n d"]:
    device = choose_device(model.device)
    encoder = encoder.to(device).eval()
    with torch.inference_mode():
        batches = batches_on(device, pixels, f"embedding ({layer})", shown=model.progress)
        return np.concatenate([_read(encoder, batch, layer).float().cpu().numpy() for batch in batches])


def _read(encoder: Encoder, batch: Tensor, layer: Layer) -> Float[Tensor, "n d"]:
    if layer != "fc":
        representation: Representation = encoder(batch)
        return representation.mean if layer == "code" else representation.local.flatten(1)
    seen: list[Tensor] = []
    last = _last(encoder)
    assert last is not None
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    encoder(batch)
    hook.remove()
    return seen[0]


def _last(encoder: Encoder) -> nn.Linear | None:
    """The linear layer that gives the code's mean; encoders call it so."""
    named = encoder.named_modules()
    return next((each for name, each in named if name.endswith("mean") and isinstance(each, nn.Linear)), None)
