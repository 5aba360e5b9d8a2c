"""The proxies of the Deep InfoMax paper (Hjelm et al. 2019, arXiv 1808.06670), for a model and two splits of images."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from infomax.devices import batches_on, choose_device
from infomax.evaluation.proxies import decoder, training
from infomax.evaluation.proxies.decoder import Reconstruction, reconstruct
from infomax.evaluation.proxies.encoded import EncodedInputs, draw_codes
from infomax.evaluation.proxies.mine import MineEstimate, estimate_mine
from infomax.evaluation.proxies.neural_dependency import NeuralDependency, neural_dependency
from infomax.images import LoadedImages
from infomax.model import InfoMax


@dataclass(frozen=True)
class Proxies:
    """Three proxies of the quality of a representation.

    Attributes:
        mine: I(X;Z) by a critic.
        ndm: Dependence among the dimensions of the code.
        ms_ssim: Images that a decoder reconstructs from the codes.
        seconds: Wall time of each, in seconds.

    """

    mine: MineEstimate
    ndm: NeuralDependency
    ms_ssim: Reconstruction
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers in the form of JSON, without the reconstructed images."""
        fields = {"mean_image": "mean_picture"}  # the names of JSON fields are a contract
        numbers = vars(self.ms_ssim).items()
        decoded = {fields.get(name, name): value for name, value in numbers if name not in ("ms_ssim", "pixels")}
        return {
            "mine": asdict(self.mine),
            "ndm": asdict(self.ndm),
            "ms_ssim": {"value": self.ms_ssim.ms_ssim, **decoded},
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons not to trust the values, each with the name of its proxy."""
        found = {"mine": self.mine.warnings, "ndm": self.ndm.warnings}
        return tuple(f"{name}: {warning}" for name, warnings in found.items() for warning in warnings)


def measure_proxies(
    model: InfoMax, train: LoadedImages, test: LoadedImages, *, steps: int | None = None, seed: int = 0
) -> Proxies:
    """Train the critics and the decoder of the three proxies, and measure them on test images.

    This takes minutes; the remaining time is shown.

    Args:
        model: A fitted model.
        train: Images to train on.
        test: Images to measure on.
        steps: Training steps of each proxy, in place of its own number.
        seed: Seed of all random numbers.

    Returns:
        The proxies.

    Raises:
        InfoMaxError: Fewer than 100 images in either split, codes that are not finite, or images below 11 pixels.

    """
    device, shown = choose_device(model.device), model.progress
    known, held_out = _encode(model, train), _encode(model, test)
    critic_steps = steps or training.CRITIC_STEPS
    times = [time.perf_counter()]
    codes = draw_codes(known, known, seed=seed), draw_codes(held_out, known, seed=seed + 1)
    ndm = neural_dependency(*codes, steps=critic_steps, seed=seed, device=device, progress=shown)
    times.append(time.perf_counter())
    mine = estimate_mine(known, held_out, steps=critic_steps, seed=seed, device=device, progress=shown)
    times.append(time.perf_counter())
    decoded = reconstruct(
        known.mean,
        train.pixels,
        held_out.mean,
        test.pixels,
        steps=steps or decoder.DECODER_STEPS,
        seed=seed,
        device=device,
        progress=shown,
    )
    times.append(time.perf_counter())
    seconds = dict(zip(("ndm", "mine", "ms_ssim"), np.diff(times).round(2).tolist(), strict=True))
    return Proxies(mine, ndm, decoded, seconds)


def _encode(model: InfoMax, images: LoadedImages) -> EncodedInputs:
    """The images with their codes, and with their posteriors if the encoder is stochastic."""
    device = choose_device(model.device)
    encoder = model.encoder_.to(device).eval()
    means, log_vars = [], []
    with torch.inference_mode():
        for batch in batches_on(device, images.pixels, "encoding", shown=model.progress):
            represented = encoder(batch)
            means.append(represented.mean.float().cpu().numpy())
            if represented.log_var is not None:
                log_vars.append(represented.log_var.float().cpu().numpy())
    return EncodedInputs(images.pixels, np.concatenate(means), np.concatenate(log_vars) if log_vars else None)
