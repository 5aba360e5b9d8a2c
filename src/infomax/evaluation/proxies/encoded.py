"""Inputs with their codes, and random codes that stand for them."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.evaluation.proxies.training import private_seed

FEWEST_ROWS = 100  # in the training and in the test part
CODE_NOISE = 0.1  # standard deviation of the noise that blurs a deterministic code, as a fraction of the code's own

Codes = Float[np.ndarray, "n d"]
_Inputs = Num[np.ndarray, "n h w 3"] | Num[np.ndarray, "n dx"]


@dataclass(frozen=True)
class EncodedInputs:
    """Inputs and the codes that an encoder gives them.

    Attributes:
        inputs: Images (n, h, w, 3) of 0..255, or vectors (n, dx).
        mean: Codes (n, d); for a stochastic encoder the means of the posteriors.
        log_var: Log variances (n, d) of the posteriors; None for a deterministic encoder.

    """

    inputs: _Inputs
    mean: Codes
    log_var: Codes | None = None


@final
@dataclass(frozen=True)
class NoisyCodes:
    """Normal posteriors from which codes are drawn.

    Attributes:
        mean: Means of the posteriors.
        deviation: Standard deviations of the posteriors.

    """

    mean: Float[Tensor, "n d"]
    deviation: Float[Tensor, "n d"]

    def draw(self, rows: Int[Tensor, " k"] | None = None) -> Float[Tensor, "k d"]:
        """Draw a code for each row, with torch's global random numbers.

        Args:
            rows: Row numbers; None draws for all rows.

        Returns:
            The codes, on the CPU.

        """
        mean = self.mean if rows is None else self.mean[rows]
        deviation = self.deviation if rows is None else self.deviation[rows]
        return mean + deviation * torch.randn(mean.shape)


def noisy_codes(part: EncodedInputs, train: EncodedInputs) -> NoisyCodes:
    """Take the posteriors of a stochastic encoder, or blur the codes of a deterministic one.

    Args:
        part: The inputs whose codes are wanted.
        train: The training part. Its codes scale the noise: CODE_NOISE standard deviations of each dimension.

    Returns:
        The posteriors.

    """
    mean = torch.from_numpy(part.mean.astype(np.float32))
    if part.log_var is not None:
        return NoisyCodes(mean, torch.from_numpy(part.log_var.astype(np.float32) / 2).exp())
    spread = torch.from_numpy(train.mean.astype(np.float32)).std(0)
    return NoisyCodes(mean, (CODE_NOISE * spread).clamp(min=1e-6).expand_as(mean))


def draw_codes(part: EncodedInputs, train: EncodedInputs, *, seed: int = 0) -> Codes:
    """Draw one code for each input, as `estimate_mine` does.

    Exact codes of most encoders lie near a surface of few dimensions. Their dimensions then depend on each other
    without limit, so the dependence is measured on noisy codes.

    Args:
        part: The inputs whose codes are wanted.
        train: The training part, as in `noisy_codes`.
        seed: Seed of the random numbers.

    Returns:
        The codes.

    """
    with private_seed(seed):
        codes: Codes = noisy_codes(part, train).draw().numpy()
    return codes


def validate_codes(train: Codes, test: Float[np.ndarray, "m d"]) -> None:
    """Refuse codes that cannot be measured.

    Args:
        train: Codes to train on.
        test: Codes to test on.

    Raises:
        InfoMaxError: Fewer than FEWEST_ROWS codes in either part, or codes that are not finite.

    """
    for name, codes in {"train": train, "test": test}.items():
        if len(codes) < FEWEST_ROWS:
            raise InfoMaxError(f"{len(codes)} images to {name} on: such an estimate needs {FEWEST_ROWS} or more")
        if not np.isfinite(codes).all():
            raise InfoMaxError(f"the codes to {name} on hold NaN or infinity: the model has diverged")
