"""I(X;Z), the mutual information of images and their codes, by a critic trained as in MINE.

The information is a Kullback-Leibler divergence in nats. A critic bounds it from below (Belghazi et al. 2018, arXiv
1801.04062; as a proxy, Hjelm et al. 2019, arXiv 1808.06670). The bound is read on images on which neither the critic
nor the encoder was trained, because on training images such bounds are too large.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from infomax.evaluation.proxies.encoded import CODE_NOISE, EncodedInputs, NoisyCodes, noisy_codes, validate_codes
from infomax.evaluation.proxies.training import BATCH_SIZE, CRITIC_STEPS, maximize_critic, n_training_rows, private_seed
from infomax.information import all_pairs, donsker_varadhan, lower_bound
from infomax.information.critics import Critic, Separable

_HIDDEN, _RANK = 256, 128
_BLOCK = 500  # images whose pairs are scored together when the bound is read
_VALIDATION_BLOCKS = 4  # at most


_DRAWN = "drawn from the posterior"
_BLURRED = f"the code with noise of {CODE_NOISE} of its spread"


@dataclass(frozen=True)
class MineEstimate:
    """I(X;Z) in nats, of the input and a noisy code. For a code that is a continuous function of x it is infinite.

    Attributes:
        value: The Donsker-Varadhan bound on the test images, at least 0 and at most the ceiling.
        standard_error: Its spread over blocks of those images. It does not show how far the critic is from the best
            one.
        ceiling: ln n of the test images, the most that n images can show.
        at_least: A lower bound from p(z|x), which is known, without training: InfoNCE with the optimal critic.
        at_most: An upper bound from p(z|x) and a Gaussian marginal.
        code: Which noise the code has, in words.
        warnings: Reasons not to trust the value, in words.

    """

    value: float
    standard_error: float
    ceiling: float
    at_least: float
    at_most: float
    code: str
    warnings: tuple[str, ...] = field(default=())


def estimate_mine(
    train: EncodedInputs,
    test: EncodedInputs,
    *,
    steps: int = CRITIC_STEPS,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = False,
) -> MineEstimate:
    """Train a critic on one part by the Donsker-Varadhan bound, and read the bound on the other part.

    Codes are drawn from the posterior, z = mean + exp(log_var / 2) * noise. The information of an exact code is
    infinite, so a code without posterior gets noise of CODE_NOISE standard deviations of each dimension.

    Args:
        train: Inputs and codes to train on.
        test: Inputs and codes to read the bound on.
        steps: Number of training steps.
        seed: Seed of all random numbers.
        device: Where to compute; by default the CPU.
        progress: Whether to show progress on stderr.

    Returns:
        The estimate.

    Raises:
        InfoMaxError: Fewer than 100 rows in either part, or codes that are not finite.

    """
    validate_codes(train.mean, test.mean)
    device = device or torch.device("cpu")
    with private_seed(seed):
        train_codes, test_codes = noisy_codes(train, train), noisy_codes(test, train)
        critic = _InputCritic(train.inputs.shape[1:], train_codes).to(device)
        _train(critic, train, train_codes, steps, device, progress)
        drawn = test_codes.draw()
        blocks = _bound_of_blocks(critic, test, torch.arange(len(drawn)), drawn, device)
        at_least, at_most = _bracket(test_codes, drawn, train_codes)
    ceiling = math.log(len(drawn))
    value = min(max(0.0, float(blocks.mean())), ceiling)
    return MineEstimate(
        value=value,
        standard_error=float(blocks.std() / math.sqrt(len(blocks))) if len(blocks) > 1 else math.nan,
        ceiling=ceiling,
        at_least=at_least,
        at_most=at_most,
        code=_DRAWN if train.log_var is not None else _BLURRED,
        warnings=tuple(_warnings(value, ceiling, at_least, at_most)),
    )


def _train(
    critic: "_InputCritic", train: EncodedInputs, codes: NoisyCodes, steps: int, device: torch.device, progress: bool
) -> None:
    """Train on all pairs of random batches; rows set aside choose the step to keep."""
    cut = n_training_rows(len(train.mean))
    validation_rows = torch.arange(cut, len(train.mean))[: _VALIDATION_BLOCKS * _BLOCK]
    validation_codes = codes.draw(validation_rows)

    def objective(critic: Critic) -> Tensor:
        rows = torch.randperm(cut)[:BATCH_SIZE]
        drawn = codes.draw(rows).to(device)
        return lower_bound(critic, _flat_inputs(train, rows, device), drawn, all_pairs, donsker_varadhan)

    def validate(critic: Critic) -> float:
        return _bound_of_blocks(critic, train, validation_rows, validation_codes, device).mean().item()

    maximize_critic(critic, objective, validate, name="mine", steps=steps, progress=progress)


@torch.no_grad()
def _bound_of_blocks(
    critic: Critic, part: EncodedInputs, rows: Int[Tensor, " k"], codes: Float[Tensor, "k d"], device: torch.device
) -> Float[Tensor, " blocks"]:
    """The bound over all pairs within each block of rows."""
    n_blocks = max(1, len(rows) // _BLOCK)
    values = []
    for block, drawn in zip(rows.tensor_split(n_blocks), codes.tensor_split(n_blocks), strict=True):
        inputs = _flat_inputs(part, block, device)
        values.append(lower_bound(critic, inputs, drawn.to(device), all_pairs, donsker_varadhan).cpu())
    return torch.stack(values)


def _flat_inputs(part: EncodedInputs, rows: Int[Tensor, " k"], device: torch.device) -> Float[Tensor, "k dx"]:
    return torch.from_numpy(part.inputs[rows.numpy()]).flatten(1).to(device).float()


def _bracket(posterior: NoisyCodes, codes: Float[Tensor, "n d"], train: NoisyCodes) -> tuple[float, float]:
    """A lower and an upper bound on I(X;Z) without a trained critic, because p(z|x) is known.

    Lower: InfoNCE with the optimal score log p(z|x): mean_i [ log p(z_i|x_i) - log mean_j p(z_i|x_j) ] <= ln n.
    Upper: E log p(z|x) / m(z) for any density m. It exceeds the information by KL(p(z) || m). Here m is the Gaussian
    with mean and covariance of the training codes.            (Poole et al. 2019, arXiv 1905.06922, eq. 1 and 12)
    """
    mean, precision, z = posterior.mean.double(), posterior.deviation.double() ** -2, codes.double()
    quadratic = (mean.square() * precision - precision.log()).sum(1)
    own, contrast = [], []
    for rows in torch.split(torch.arange(len(z)), _BLOCK):
        scores = -0.5 * (z[rows].square() @ precision.T - 2 * z[rows] @ (mean * precision).T + quadratic)
        own.append(scores[torch.arange(len(rows)), rows])
        contrast.append(own[-1] - scores.logsumexp(1) + math.log(len(z)))
    marginal = _gaussian_log_density(z, train.draw().double())
    return max(0.0, float(torch.cat(contrast).mean())), float((torch.cat(own) - marginal).mean())


def _gaussian_log_density(z: Float[Tensor, "n d"], train: Float[Tensor, "m d"]) -> Float[Tensor, " n"]:
    """The log density of z under the Gaussian of the training codes, without the term d/2 log(2 pi)."""
    from sklearn.covariance import ledoit_wolf

    center = train.mean(0)
    covariance, _ = ledoit_wolf((train - center).numpy(), assume_centered=True)
    factor = torch.linalg.cholesky(torch.from_numpy(covariance))
    white = torch.linalg.solve_triangular(factor, (z - center).T, upper=False)
    log_density: Tensor = -0.5 * white.square().sum(0) - factor.diagonal().log().sum()
    return log_density


def _warnings(value: float, ceiling: float, at_least: float, at_most: float) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    if at_most > ceiling - 1 and max(value, at_least) > ceiling - 1:
        yield (
            f"near the ceiling: this many images show at most {ceiling:.2f} nats; the truth lies between "
            f"{at_least:.2f} and {at_most:.2f}"
        )
    if at_least - value > 0.5:
        yield f"the critic is not tight: it finds {value:.2f} nats of the {at_least:.2f} that the posteriors show"


@final
class _InputCritic(Critic):
    """T(x, z) = f(x)^T g(z), where f is a small convolutional network for images and an MLP for vectors."""

    def __init__(self, shape: tuple[int, ...], codes: NoisyCodes) -> None:
        super().__init__()
        drawn = codes.draw()
        self.center, self.spread = nn.Buffer(drawn.mean(0)), nn.Buffer(drawn.std(0).clamp(min=1e-6))
        self.images = _ImageNetwork(shape) if len(shape) == 3 else None
        features = self.images.features if self.images is not None else shape[0]
        self.products = Separable(features, drawn.shape[1], _HIDDEN, rank=_RANK)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch r"]:
        """Compute f(x) of vectors or flattened images."""
        return self.products.embed_x(self.images(x) if self.images is not None else x)

    def embed_y(self, y: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch r"]:
        """Compute g(z), each dimension of z on its own scale."""
        return self.products.embed_y((y - self.center) / self.spread)

    def score(self, u: Float[Tensor, "*#batch r"], v: Float[Tensor, "*#batch r"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product."""
        return self.products.score(u, v)

    def score_all(self, u: Float[Tensor, "*batch n r"], v: Float[Tensor, "k r"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product."""
        return self.products.score_all(u, v)


@final
class _ImageNetwork(nn.Module):
    """Flattened images of 0..255 to features: convolutions that halve the side until it is at most 4 pixels."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        height, width, channels = shape
        layers: list[nn.Module] = []
        outputs = 32
        while min(height, width) > 4:
            layers += [nn.Conv2d(channels, outputs, 3, stride=2, padding=1), nn.SiLU()]
            channels, outputs = outputs, min(2 * outputs, 128)
            height, width = (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.features = height * width * channels

    def forward(self, x: Float[Tensor, "n dx"]) -> Float[Tensor, "n k"]:
        """Compute the features."""
        out: Tensor = self.layers((x / 127.5 - 1).reshape(-1, *self.shape).permute(0, 3, 1, 2))
        return out
