"""How much of an image its code gives back: MS-SSIM of a decoder trained on the frozen code.

The Deep InfoMax paper takes it for a proxy of the information I(X;Z) (Hjelm et al. 2019, arXiv 1808.06670). A decoder
of limited size and patience finds some of it, so values compare only between equal decoders trained equally long.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, mse_loss

from infomax.devices import autocast
from infomax.errors import InfoMaxError
from infomax.evaluation.pace import timed_steps

WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
STEPS, BATCH, LEARNING_RATE = 3000, 64, 1e-3
CHANNELS = 256  # of the decoder's smallest map; the paper has 512, at four times the cost

Squares = UInt8[np.ndarray, "n s s 3"]
Codes = Float[np.ndarray, "n d"]
TestSquares = UInt8[np.ndarray, "m s s 3"]
TestCodes = Float[np.ndarray, "m d"]


@dataclass(frozen=True)
class Reconstruction:
    """What the decoder makes of held-out codes.

    ms_ssim: mean over the images, 1 for perfect ones.
    standard_error: its spread over the images.
    scales: how many of the five scales images of this size have.
    mean_image: the MS-SSIM of the mean training image put in place of every reconstruction: the floor.
    squared_error: mean over pixels, of values 0..1.
    pixels: the reconstructions, in the order of the codes.
    """

    ms_ssim: float
    standard_error: float
    scales: int
    mean_image: float
    squared_error: float
    pixels: Squares


def reconstruct(
    train_codes: Codes,
    train: Squares,
    test_codes: TestCodes,
    test: TestSquares,
    *,
    steps: int = STEPS,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Train a decoder by squared error on the training images' codes, and judge it on the test images.

    Raises InfoMaxError for images smaller than the window of 11 pixels, or codes that are not finite.
    """
    count = len(scale_weights(test.shape[1]))
    if not (np.isfinite(train_codes).all() and np.isfinite(test_codes).all()):
        raise InfoMaxError("the codes to decode hold NaN or infinity: the model has diverged")
    device = device or torch.device("cpu")
    center, spread = train_codes.mean(0), train_codes.std(0).clip(min=1e-6)
    known, held = (torch.from_numpy((codes - center) / spread).float() for codes in (train_codes, test_codes))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        decoder = Decoder(known.shape[1], train.shape[1]).to(device)
        _train(decoder, known, train, steps, device, progress)
    pixels = np.concatenate([_decoded(decoder, codes.to(device)) for codes in torch.split(held, BATCH)])
    floor = np.broadcast_to(np.rint(train.mean(0)).astype(np.uint8), test.shape)
    values, baselines = (
        np.concatenate(
            [ms_ssim(torch.from_numpy(a), torch.from_numpy(b)).numpy() for a, b in _batches(reconstructions, test)]
        )
        for reconstructions in (pixels, floor)
    )
    return Reconstruction(
        float(values.mean()),
        float(values.std() / math.sqrt(len(values))),
        count,
        float(baselines.mean()),
        float(np.mean([((a / 255.0 - b / 255.0) ** 2).mean() for a, b in zip(pixels, test, strict=True)])),
        pixels,
    )


def ms_ssim(x: UInt8[Tensor, "n h w c"], y: UInt8[Tensor, "n h w c"]) -> Float[Tensor, " n"]:
    """Multi-scale structural similarity of images of 0..255: 1 for the same, 0 where nothing agrees.

    prod_j contrast-structure_j ^ w_j, j the scales, each half as large as the one before, the last of them with its
    luminance; means over the pixels and channels of a scale, those below 0 counted as 0
    (Wang, Simoncelli & Bovik 2003, "Multiscale structural similarity for image quality assessment", eq. 7).

    The window is theirs, a Gaussian of 11 x 11 pixels that stays within the image. Five scales take 176 pixels a
    side; smaller images have as many as the window fits into, two at 32 pixels, three at 64, and the weights of those
    are scaled to sum to 1. Values at different sizes of images are no longer quite the same measure.

    Raises InfoMaxError for images smaller than the window.
    """
    weights = scale_weights(min(x.shape[1:3]))
    a, b = (images.permute(0, 3, 1, 2).double() for images in (x, y))
    product = torch.ones(len(a), dtype=a.dtype)
    for scale, weight in enumerate(weights):
        similarity, contrast = _ssim(a, b)
        product = product * (similarity if scale == len(weights) - 1 else contrast).clamp(min=0) ** weight
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return product


def scale_weights(side: int) -> tuple[float, ...]:
    """The weights of the scales that images of this side have, which sum to 1."""
    if side < WINDOW:
        raise InfoMaxError(f"images of {side} pixels have no structural similarity: it takes {WINDOW} or more")
    weights = [weight for scale, weight in enumerate(WEIGHTS) if side >> scale >= WINDOW]
    return tuple(weight / sum(weights) for weight in weights)


@final
class Decoder(nn.Module):
    """Codes to images of 0..1: the paper's decoder, a linear layer and transposed convolutions that double."""

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        side, channels = size, CHANNELS
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
        """The images."""
        out: Tensor = self.layers(codes)
        return out


def _train(
    decoder: Decoder, codes: Float[Tensor, "n d"], images: Squares, steps: int, device: torch.device, progress: bool
) -> None:
    optimizer = torch.optim.AdamW(decoder.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, cycle_momentum=False)
    for _ in timed_steps("decoder", steps, shown=progress):
        rows = torch.randint(len(codes), (BATCH,))
        target = torch.from_numpy(images[rows.numpy()]).to(device).permute(0, 3, 1, 2) / 255
        with autocast(device):
            pixels = decoder(codes[rows].to(device))
        optimizer.zero_grad()
        torch.autograd.backward(mse_loss(pixels.float(), target))
        optimizer.step()
        schedule.step()
    decoder.eval()


@torch.no_grad()
def _decoded(decoder: Decoder, codes: Float[Tensor, "n d"]) -> Squares:
    pixels: Squares = (decoder(codes) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _batches(a: Squares, b: Squares) -> Iterator[tuple[Squares, Squares]]:
    for start in range(0, len(a), BATCH):
        yield np.array(a[start : start + BATCH]), np.array(b[start : start + BATCH])


def _ssim(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Structural similarity at one scale, and its contrast-structure part alone.

    (2 m_a m_b + c1) / (m_a^2 + m_b^2 + c1) * (2 s_ab + c2) / (s_a^2 + s_b^2 + c2)
    """
    channels = a.shape[1]
    line = torch.exp(-(torch.arange(WINDOW, dtype=a.dtype) - WINDOW // 2).square() / (2 * SIGMA**2))
    line = line / line.sum()

    def mean(x: Tensor) -> Tensor:
        rows = conv2d(x, line.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
        return conv2d(rows, line.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a.square() + mean(b * b) - mean_b.square()
    contrast = (2 * (mean(a * b) - mean_a * mean_b) + C2) / (variances + C2)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))
