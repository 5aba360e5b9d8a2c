"""The Deep InfoMax paper's proxies of representation quality, for a model and two splits: none of them needs labels."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from infomax.devices import batches_on, choose_device
from infomax.evaluation.proxies import dependence, reconstruction
from infomax.evaluation.proxies.dependence import (
    EncodedInputs,
    MineEstimate,
    NeuralDependency,
    draw_codes,
    estimate_mine,
    neural_dependency,
)
from infomax.evaluation.proxies.reconstruction import Reconstruction, reconstruct
from infomax.images import LoadedImages
from infomax.model import InfoMax


@dataclass(frozen=True)
class Proxies:
    """I(X;Z) by a critic, the dependence among the code's dimensions, and what a decoder gives back of an image.

    seconds: wall time of each.
    """

    mine: MineEstimate
    ndm: NeuralDependency
    ms_ssim: Reconstruction
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, each with all that belongs to it; the reconstructions themselves are left out."""
        decoded = {name: value for name, value in vars(self.ms_ssim).items() if name not in ("ms_ssim", "pixels")}
        return {
            "mine": asdict(self.mine),
            "ndm": asdict(self.ndm),
            "ms_ssim": {"value": self.ms_ssim.ms_ssim, **decoded},
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why they may not be trusted, each with the name of what it is about."""
        found = {"mine": self.mine.warnings, "ndm": self.ndm.warnings}
        return tuple(f"{name}: {warning}" for name, warnings in found.items() for warning in warnings)


def measure_proxies(
    model: InfoMax, train: LoadedImages, test: LoadedImages, *, steps: int | None = None, seed: int = 0
) -> Proxies:
    """All three, learned on the images of `train` and read on those of `test`. They take minutes, and say how many.

    steps: of each of the three trainings, in place of its own number.

    Raises InfoMaxError for fewer than 100 images in either, codes that are not finite, or images below 11 pixels.
    """
    device, known, held = choose_device(model.device), _encoded(model, train), _encoded(model, test)
    shown = model.progress
    began = [time.perf_counter()]
    codes = draw_codes(known, known, seed=seed), draw_codes(held, known, seed=seed + 1)
    ndm = neural_dependency(*codes, steps=steps or dependence.STEPS, seed=seed, device=device, progress=shown)
    began.append(time.perf_counter())
    mine = estimate_mine(known, held, steps=steps or dependence.STEPS, seed=seed, device=device, progress=shown)
    began.append(time.perf_counter())
    decoded = reconstruct(
        known.mean,
        train.pixels,
        held.mean,
        test.pixels,
        steps=steps or reconstruction.STEPS,
        seed=seed,
        device=device,
        progress=shown,
    )
    began.append(time.perf_counter())
    seconds = dict(zip(("ndm", "mine", "ms_ssim"), np.diff(began).round(2).tolist(), strict=True))
    return Proxies(mine, ndm, decoded, seconds)


def _encoded(model: InfoMax, images: LoadedImages) -> EncodedInputs:
    """The images with their codes, and their posteriors where the encoder has such."""
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
