"""Features beside the codes of a model: the layers below the code, and an untrained encoder.

Only this module looks inside an encoder; the rest of the evaluation sees arrays.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from infomax.devices import autocast, batches_on, choose_device
from infomax.model import InfoMax
from infomax.representation.encoders import Encoder, Representation

Layer = Literal["conv", "fc", "code"]
Examples = Shaped[np.ndarray, "n ..."]

_CALIBRATION_IMAGES = 2_000  # images from which an untrained encoder takes its batch-norm statistics
_CALIBRATION_BATCH = 500  # large enough that the statistics of a batch are close to those of the collection


def lower_layers(model: InfoMax) -> tuple[Layer, ...]:
    """Names of the layers below the code, from the input up.

    Args:
        model: A fitted model.

    Returns:
        "conv", the feature map, and "fc", the input of the linear layer that gives the code. "fc" is missing when the
        encoder has no such layer.

    """
    return ("conv",) if _code_layer(model.encoder_) is None else ("conv", "fc")


def layer_vectors(model: InfoMax, pixels: Examples, layer: Layer) -> Float[np.ndarray, "n d"]:
    """Features of one layer of the trained encoder, one row an image.

    Args:
        model: A fitted model.
        pixels: Images of the size that the model takes, shape (n, h, w, 3), uint8.
        layer: "conv", "fc" or "code"; `lower_layers` lists those that the model has below the code.

    Returns:
        Features, shape (n, d), float32; a feature map is flattened.

    """
    return _vectors(model.encoder_, pixels, layer, model)


def untrained_vectors(
    model: InfoMax, train: Shaped[np.ndarray, "m ..."], test: Examples, seed: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, "n d"]]:
    """Codes of an encoder with the model's architecture and random weights: a baseline.

    The encoder may use what needs no learning, so its batch norms take their statistics from some training images. With
    their initial statistics all codes are nearly parallel, and the baseline is too low.

    Codes are computed in the precision of training, which takes half the time on some CPUs. A baseline tolerates the
    rounding; codes that are stored and compared elsewhere would not.

    Args:
        model: A fitted model, for its recipe and device.
        train: Training images, shape (m, h, w, 3), uint8.
        test: Test images, shape (n, h, w, 3), uint8.
        seed: Seed of the weights.

    Returns:
        The codes of the training images, shape (m, d), and of the test images, shape (n, d), float32.

    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        encoder = model.recipe_.encoder()
    sample = torch.from_numpy(np.array(train[:: max(1, len(train) // _CALIBRATION_IMAGES)][:_CALIBRATION_IMAGES]))
    encoder.prepare(sample)
    _calibrate(encoder, sample)
    with autocast(choose_device(model.device)):
        return _vectors(encoder, train, "code", model), _vectors(encoder, test, "code", model)


@torch.no_grad()
def _calibrate(encoder: Encoder, images: Tensor) -> None:
    """Set the statistics of every batch norm to their means over batches of these images."""
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain mean over all batches from the first
    encoder.train()
    for batch in torch.split(images, _CALIBRATION_BATCH):
        encoder(batch)


def _vectors(encoder: Encoder, pixels: Examples, layer: Layer, model: InfoMax) -> Float[np.ndarray, "n d"]:
    device = choose_device(model.device)
    encoder = encoder.to(device).eval()
    with torch.inference_mode():
        batches = batches_on(device, pixels, f"embedding ({layer})", shown=model.progress)
        return np.concatenate([_layer_output(encoder, batch, layer).float().cpu().numpy() for batch in batches])


def _layer_output(encoder: Encoder, batch: Tensor, layer: Layer) -> Float[Tensor, "n d"]:
    if layer != "fc":
        representation: Representation = encoder(batch)
        return representation.mean if layer == "code" else representation.local.flatten(1)
    inputs: list[Tensor] = []
    code_layer = _code_layer(encoder)
    assert code_layer is not None, "no layer fc: lower_layers lists the layers that there are"
    hook = code_layer.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    encoder(batch)
    hook.remove()
    return inputs[0]


def _code_layer(encoder: Encoder) -> nn.Linear | None:
    """The linear layer that gives the mean of the code. Encoders name it `mean`."""
    named = encoder.named_modules()
    return next((each for name, each in named if name.endswith("mean") and isinstance(each, nn.Linear)), None)
