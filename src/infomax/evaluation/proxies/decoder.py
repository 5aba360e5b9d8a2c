"""How much of an image its code preserves: MS-SSIM of the images that a decoder reconstructs from frozen codes.

The Deep InfoMax paper uses it as a proxy of the information I(X;Z) (Hjelm et al. 2019, arXiv 1808.06670). A decoder of
limited size and training time finds only part of it. So values compare only between equal decoders trained for equally
many steps.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, mse_loss

from infomax.devices import autocast
from infomax.errors import InfoMaxError
from infomax.evaluation.proxies.training import private_seed, step_progress
from infomax.information.ascent import maximize

DECODER_STEPS = 3000
_BATCH, _LEARNING_RATE = 64, 1e-3
_CHANNELS = 256  # of the decoder's smallest feature map; the paper has 512, at four times the cost

_WINDOW, _SIGMA = 11, 1.5  # pixels
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_Images = UInt8[np.ndarray, "n s s 3"]
_Codes = Float[np.ndarray, "n d"]
_TestImages = UInt8[np.ndarray, "m s s 3"]
_TestCodes = Float[np.ndarray, "m d"]


@dataclass(frozen=True)
class Reconstruction:
    """Reconstructions of test images from their codes, and how similar they are.

    Attributes:
        ms_ssim: Mean MS-SSIM over the images, 1 if all are perfect.
        standard_error: Standard error of this mean.
        scales: How many of the five scales images of this size have.
        mean_image: Mean MS-SSIM if the mean training image replaces every reconstruction: the baseline.
        squared_error: Mean squared error over pixels, of values 0..1.
        pixels: The reconstructions, in the order of the codes.

    """

    ms_ssim: float
    standard_error: float
    scales: int
    mean_image: float
    squared_error: float
    pixels: _Images


def reconstruct(
    train_codes: _Codes,
    train: _Images,
    test_codes: _TestCodes,
    test: _TestImages,
    *,
    steps: int = DECODER_STEPS,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Train a decoder by squared error on the training images, and measure it on the test images.

    Args:
        train_codes: Codes of the training images.
        train: Training images of 0..255.
        test_codes: Codes of the test images.
        test: Test images of 0..255.
        steps: Number of training steps.
        seed: Seed of all random numbers.
        device: Where to compute; by default the CPU.
        progress: Whether to show progress on stderr.

    Returns:
        The reconstructions and their similarity to the test images.

    Raises:
        InfoMaxError: Images smaller than the window of 11 pixels, or codes that are not finite.

    """
    weights = _scale_weights(test.shape[1])
    device = device or torch.device("cpu")
    codes, held_out = _standardize(train_codes, test_codes)
    with private_seed(seed):
        decoder = _Decoder(codes.shape[1], train.shape[1]).to(device)
        _train(decoder, codes, train, steps, device, progress)
    pixels = np.concatenate([_decode(decoder, part.to(device)) for part in torch.split(held_out, _BATCH)])
    mean_image = np.broadcast_to(np.rint(train.mean(0)).astype(np.uint8), test.shape)
    similarity, baseline = _similarity(pixels, test), _similarity(mean_image, test)
    return Reconstruction(
        ms_ssim=float(similarity.mean()),
        standard_error=float(similarity.std() / math.sqrt(len(similarity))),
        scales=len(weights),
        mean_image=float(baseline.mean()),
        squared_error=_squared_error(pixels, test),
        pixels=pixels,
    )


def ms_ssim(x: UInt8[Tensor, "n h w c"], y: UInt8[Tensor, "n h w c"]) -> Float[Tensor, " n"]:
    """Compute the multi-scale structural similarity of images.

    prod_j contrast-structure_j ^ w_j over scales j, each half as large as the one before, with the luminance at the
    last scale. The factors are means over the pixels and channels of a scale; negative means count as 0
    (Wang, Simoncelli & Bovik 2003, "Multiscale structural similarity for image quality assessment", eq. 7).

    The window is that of the paper, a Gaussian of 11 x 11 pixels that stays within the image. Five scales need 176
    pixels on a side. Smaller images have as many scales as the window fits into: two at 32 pixels, three at 64. Their
    weights are scaled to sum to 1. So values at different image sizes are not quite the same measure.

    Args:
        x: Images of 0..255.
        y: Images of 0..255.

    Returns:
        For each pair of images the similarity: 1 for equal images, 0 if nothing agrees.

    Raises:
        InfoMaxError: Images smaller than the window.

    """
    weights = _scale_weights(min(x.shape[1:3]))
    a, b = (images.permute(0, 3, 1, 2).double() for images in (x, y))
    product = torch.ones(len(a), dtype=a.dtype)
    for scale, weight in enumerate(weights):
        similarity, contrast = _ssim(a, b)
        product = product * (similarity if scale == len(weights) - 1 else contrast).clamp(min=0) ** weight
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return product


def _scale_weights(side: int) -> tuple[float, ...]:
    """The weights of the scales that an image with this shorter side has; they sum to 1."""
    if side < _WINDOW:
        raise InfoMaxError(f"images of {side} pixels have no structural similarity: it needs {_WINDOW} or more")
    weights = [weight for scale, weight in enumerate(_SCALE_WEIGHTS) if side >> scale >= _WINDOW]
    return tuple(weight / sum(weights) for weight in weights)


def _standardize(train: _Codes, test: _TestCodes) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    """Codes with mean 0 and variance 1 in each dimension of the training codes."""
    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise InfoMaxError("the codes to decode hold NaN or infinity: the model has diverged")
    center, spread = train.mean(0), train.std(0).clip(min=1e-6)
    return torch.from_numpy((train - center) / spread).float(), torch.from_numpy((test - center) / spread).float()


@final
class _Decoder(nn.Module):
    """Codes to images of 0..1: as in the paper a linear layer, then transposed convolutions that double the side."""

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        side, channels = size, _CHANNELS
        while side % 2 == 0 and side > 4:
            side //= 2
        layers: list[nn.Module] = [
            nn.Linear(dim, channels * side * side),
            nn.Unflatten(1, (channels, side, side)),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        while side < size:
            fewer = max(16, channels // 2)
            layers += [nn.ConvTranspose2d(channels, fewer, 4, stride=2, padding=1), nn.BatchNorm2d(fewer), nn.ReLU()]
            side, channels = 2 * side, fewer
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n 3 s s"]:
        """Reconstruct the images."""
        out: Tensor = self.layers(codes)
        return out


def _train(
    decoder: _Decoder, codes: Float[Tensor, "n d"], images: _Images, steps: int, device: torch.device, progress: bool
) -> None:
    def similarity(decoder: _Decoder) -> Tensor:
        rows = torch.randint(len(codes), (_BATCH,))
        target = torch.from_numpy(images[rows.numpy()]).to(device).permute(0, 3, 1, 2) / 255
        with autocast(device):
            pixels = decoder(codes[rows].to(device))
        return -mse_loss(pixels.float(), target)

    with step_progress("decoder", steps, shown=progress) as advance:
        maximize(decoder, similarity, steps=steps, learning_rate=_LEARNING_RATE, on_step=advance)
    decoder.eval()


@torch.no_grad()
def _decode(decoder: _Decoder, codes: Float[Tensor, "n d"]) -> _Images:
    pixels: _Images = (decoder(codes) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _similarity(reconstructions: _Images, images: _Images) -> Float[np.ndarray, " n"]:
    """MS-SSIM of each pair, a batch at a time."""
    values = []
    for start in range(0, len(images), _BATCH):
        a, b = (torch.from_numpy(np.array(each[start : start + _BATCH])) for each in (reconstructions, images))
        values.append(ms_ssim(a, b).numpy())
    return np.concatenate(values)


def _squared_error(reconstructions: _Images, images: _Images) -> float:
    """The mean squared error over pixels of 0..1, one image at a time."""
    pairs = zip(reconstructions, images, strict=True)
    return float(np.mean([((a / 255.0 - b / 255.0) ** 2).mean() for a, b in pairs]))


def _ssim(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Structural similarity at one scale, and its contrast-structure part alone.

    (2 m_a m_b + c1) / (m_a^2 + m_b^2 + c1) * (2 s_ab + c2) / (s_a^2 + s_b^2 + c2)
    """
    mean_a, mean_b = _windowed_mean(a), _windowed_mean(b)
    covariance = _windowed_mean(a * b) - mean_a * mean_b
    variances = _windowed_mean(a * a) - mean_a.square() + _windowed_mean(b * b) - mean_b.square()
    contrast = (2 * covariance + _C2) / (variances + _C2)
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a.square() + mean_b.square() + _C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


def _windowed_mean(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c _ _"]:
    """Means weighted by the Gaussian window, where it lies within the image."""
    channels = x.shape[1]
    line = torch.exp(-(torch.arange(_WINDOW, dtype=x.dtype) - _WINDOW // 2).square() / (2 * _SIGMA**2))
    line = line / line.sum()
    rows = conv2d(x, line.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return conv2d(rows, line.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
