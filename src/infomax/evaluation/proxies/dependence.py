"""What a code says of the input, and what its dimensions say of each other: two proxies of the Deep InfoMax paper.

Both are Kullback-Leibler divergences in nats, bounded from below by critics, and read on images that neither the
critics nor the encoder was trained on: in sample such bounds promise too much. (Hjelm et al. 2019, arXiv 1808.06670)
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.evaluation.pace import timed_steps
from infomax.information import all_pairs, donsker_varadhan, lower_bound
from infomax.information.critics import Critic, Separable
from infomax.information.estimation.preprocessing import normal_scores

FEWEST = 100  # rows of either part
STEPS, BATCH, CHECKS = 1500, 256, 15
LEARNING_RATE = 1e-3
HIDDEN, RANK = 256, 128
NOISE = 0.1  # standard deviations of a dimension: how blurred a code without a posterior is read
FRESH = 20_000  # draws from the Gaussian that a partition function is read on
BLOCK = 500

Inputs = Num[np.ndarray, "n h w 3"] | Num[np.ndarray, "n dx"]
Codes = Float[np.ndarray, "n d"]


@dataclass(frozen=True)
class EncodedInputs:
    """Inputs and what an encoder says of them.

    inputs: images (n, h, w, 3) of 0..255, or vectors (n, dx).
    mean: (n, d), the codes; the means of the posteriors where there are such.
    log_var: (n, d), the logarithm of the posteriors' variances; None for an encoder that is a plain function.
    """

    inputs: Inputs
    mean: Codes
    log_var: Codes | None = None


@dataclass(frozen=True)
class MineEstimate:
    """I(X;Z) in nats, of the input and a noisy code: of one that is a continuous function of x it would be infinite.

    value: the critic's Donsker-Varadhan bound on the held-out images, at least 0 and at most the ceiling.
    standard_error: its spread over blocks of those images; not how far the critic is from the best one.
    ceiling: ln n of the held-out images, the most that so many can show.
    at_least, at_most: what p(z|x) itself, which is known, says without any training. See `bracket`.
    code: which Z it is, in words.
    warnings: in words, why the value may not be trusted.
    """

    value: float
    standard_error: float
    ceiling: float
    at_least: float
    at_most: float
    code: str
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class NeuralDependency:
    """KL(p(z) || prod p(z_i)) in nats, the neural dependency measure: 0 where the dimensions are independent.

    value: a lower bound on held-out codes: what the correlations show and what a discriminator finds beyond them.
    standard_error: its spread over those codes.
    by_correlations: the first of the two parts. Of normal scores, so that only dependence counts, not the shape of each
        dimension.
    warnings: in words, why the value may not be trusted.
    """

    value: float
    standard_error: float
    by_correlations: float
    warnings: tuple[str, ...] = field(default=())


def estimate_mine(
    train: EncodedInputs,
    test: EncodedInputs,
    *,
    steps: int = STEPS,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = False,
) -> MineEstimate:
    """The MINE-style estimate of I(X;Z): a critic trained on `train` by Donsker-Varadhan, read on `test`.

    Z is drawn from the posterior, z = mean + exp(log_var / 2) * noise. An encoder without posterior gets noise of NOISE
    standard deviations of each dimension, for the information of an exact code is infinite.

    Raises InfoMaxError for fewer than 100 rows in either part, or codes that are not finite.
    """
    for name, part in {"train": train, "test": test}.items():
        _require_finite(part.mean, name)
    device = device or torch.device("cpu")
    with _seeded(seed):
        known, held = _noisy(train, train), _noisy(test, train)
        critic = InputCritic(train.inputs.shape[1:], known).to(device)
        cut = len(train.mean) - max(FEWEST // 10, len(train.mean) // 10)  # the rest chooses the step to stop at

        def bound() -> Tensor:
            rows = torch.randperm(cut)[:BATCH]
            return lower_bound(
                critic, _inputs(train, rows, device), known.draw(rows, device), all_pairs, donsker_varadhan
            )

        choice = torch.arange(cut, len(train.mean))[: 4 * BLOCK]
        choice_codes = known.draw(choice, torch.device("cpu"))

        def validation() -> float:
            return _read(critic, train, choice, choice_codes, device).mean().item()

        _ascend(critic, bound, validation, "mine", steps, progress)
        rows = torch.arange(len(test.mean))
        codes = held.draw(rows, torch.device("cpu"))
        blocks = _read(critic, test, rows, codes, device)
        at_least, at_most = bracket(held, codes, known)
    ceiling = math.log(len(rows))
    value = min(max(0.0, float(blocks.mean())), ceiling)
    return MineEstimate(
        value,
        float(blocks.std() / math.sqrt(len(blocks))) if len(blocks) > 1 else math.nan,
        ceiling,
        at_least,
        at_most,
        "drawn from the posterior" if train.log_var is not None else f"the code with noise of {NOISE} of its spread",
        tuple(_doubts(value, ceiling, at_least, at_most)),
    )


def neural_dependency(
    train: Codes,
    test: Float[np.ndarray, "m d"],
    *,
    steps: int = STEPS,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = False,
) -> NeuralDependency:
    """The neural dependency measure of codes, by what is learned on `train` and read on `test`.

    The paper has one discriminator tell codes from codes whose dimensions are shuffled. Tens of nats are more than any
    discriminator can vouch for on as many thousand codes, so the way there is taken in two steps, by way of the
    Gaussian g of the same correlations R, whose density is known:

        log p(z) / prod p(z_i)  =  log g(z) / prod g(z_i)  +  log p(z) / g(z)
                                =  -1/2 log det R - 1/2 z^T (R^-1 - 1) z  +  v(z) - log E_g exp v

    with z in normal scores, and the discriminator v telling codes from draws of g. The mean over held-out codes is a
    lower bound on the divergence.

    Raises InfoMaxError for fewer than 100 rows in either part, or codes that are not finite.
    """
    from sklearn.covariance import ledoit_wolf

    for name, part in {"train": train, "test": test}.items():
        _require_finite(part, name)
    device = device or torch.device("cpu")
    with _seeded(seed):
        known, held = (_normal_scores(part) for part in (train, test))
        covariance, _ = ledoit_wolf(known.numpy(), assume_centered=True)
        factor = torch.linalg.cholesky(torch.from_numpy(covariance))
        white, held_white = (torch.linalg.solve_triangular(factor, z.T, upper=False).T for z in (known, held))
        gaussian = (held.square() - held_white.square()).sum(1) / 2 - factor.diagonal().log().sum()
        cut = len(white) - max(FEWEST // 10, len(white) // 10)
        samples = white.float().to(device)
        discriminator = _network(samples.shape[1], 1).to(device)

        def noise(n: int) -> Tensor:
            return torch.randn(n, samples.shape[1]).to(device)

        def bound() -> Tensor:
            positives = discriminator(samples[torch.randint(cut, (BATCH,))]).squeeze(-1)
            return donsker_varadhan(positives, discriminator(noise(4 * BATCH)).reshape(BATCH, 4))

        fresh = noise(min(FRESH, 10 * len(train)))

        def log_ratios(white: Tensor) -> Tensor:
            with torch.no_grad():
                partition = torch.logsumexp(discriminator(fresh), 0) - math.log(len(fresh))
                out: Tensor = (discriminator(white) - partition).squeeze(-1)
                return out

        _ascend(discriminator, bound, lambda: log_ratios(samples[cut:]).mean().item(), "ndm", steps, progress)
        rest = log_ratios(held_white.float().to(device)).double().cpu()
    value, by_correlations, error = (
        float((gaussian + rest).mean()),
        float(gaussian.mean()),
        _standard_error(gaussian + rest),
    )
    warnings = []
    if len(train) < 20 * train.shape[1]:
        warnings.append(f"few codes: {len(train)} of {train.shape[1]} dimensions; the truth may be well above")
    if float(rest.mean()) > math.log(len(fresh)) - 1:
        warnings.append(
            f"the discriminator is at its ceiling of {math.log(len(fresh)):.1f} nats: the truth may be above"
        )
    return NeuralDependency(max(0.0, value), error, max(0.0, by_correlations), tuple(warnings))


def draw_codes(part: EncodedInputs, train: EncodedInputs, *, seed: int = 0) -> Codes:
    """A code of each input as `input_information` reads it: drawn from the posterior, or blurred where there is none.

    Exact codes that lie in a few dimensions of many, as those of most encoders do, depend on each other without limit.
    """
    with _seeded(seed):
        codes: Codes = _noisy(part, train).draw(torch.arange(len(part.mean)), torch.device("cpu")).numpy()
    return codes


@dataclass(frozen=True)
class _Noisy:
    """Normal posteriors to draw codes from."""

    mean: Float[Tensor, "n d"]
    deviation: Float[Tensor, "n d"]

    def draw(self, rows: Tensor, device: torch.device) -> Float[Tensor, "k d"]:
        """A code of each of the rows."""
        mean = self.mean[rows]
        return (mean + self.deviation[rows] * torch.randn(mean.shape)).to(device)


def _noisy(part: EncodedInputs, train: EncodedInputs) -> _Noisy:
    mean = torch.from_numpy(part.mean.astype(np.float32))
    if part.log_var is not None:
        return _Noisy(mean, torch.from_numpy(part.log_var.astype(np.float32) / 2).exp())
    spread = torch.from_numpy(train.mean.astype(np.float32)).std(0)
    return _Noisy(mean, (NOISE * spread).clamp(min=1e-6).expand_as(mean))


def bracket(posterior: _Noisy, codes: Float[Tensor, "n d"], train: _Noisy) -> tuple[float, float]:
    """A lower and an upper bound on I(X;Z) that need no critic, for p(z|x) is known.

    InfoNCE with the score log p(z|x), the best there is: mean_i [ log p(z_i|x_i) - log mean_j p(z_i|x_j) ] <= ln n.
    And E log p(z|x) / m(z) for any density m, which exceeds the information by KL(p(z) || m): here the Gaussian of the
    training codes' mean and covariance.            (Poole et al. 2019, arXiv 1905.06922, eq. 1 and 12)
    """
    mean, precision, z = posterior.mean.double(), posterior.deviation.double() ** -2, codes.double()
    quadratic = (mean.square() * precision - precision.log()).sum(1)
    own, contrast = [], []
    for rows in torch.split(torch.arange(len(z)), BLOCK):
        scores = -0.5 * (z[rows].square() @ precision.T - 2 * z[rows] @ (mean * precision).T + quadratic)
        own.append(scores[torch.arange(len(rows)), rows])
        contrast.append(own[-1] - scores.logsumexp(1) + math.log(len(z)))
    from sklearn.covariance import ledoit_wolf

    known = train.draw(torch.arange(len(train.mean)), torch.device("cpu")).double()
    center = known.mean(0)
    covariance, _ = ledoit_wolf((known - center).numpy(), assume_centered=True)
    factor = torch.linalg.cholesky(torch.from_numpy(covariance))
    white = torch.linalg.solve_triangular(factor, (z - center).T, upper=False)
    marginal = -0.5 * white.square().sum(0) - factor.diagonal().log().sum()
    return max(0.0, float(torch.cat(contrast).mean())), float((torch.cat(own) - marginal).mean())


@final
class InputCritic(Critic):
    """T(x, z) = f(x)^T g(z), with f a small convolutional network for images and an MLP for vectors."""

    def __init__(self, shape: tuple[int, ...], codes: _Noisy) -> None:
        super().__init__()
        drawn = codes.draw(torch.arange(len(codes.mean)), torch.device("cpu"))
        self.center, self.spread = nn.Buffer(drawn.mean(0)), nn.Buffer(drawn.std(0).clamp(min=1e-6))
        self.images = _ImageNetwork(shape) if len(shape) == 3 else None
        features = self.images.features if self.images is not None else shape[0]
        self.products = Separable(features, drawn.shape[1], HIDDEN, rank=RANK)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch r"]:
        """f(x) of vectors, or of images flattened."""
        return self.products.embed_x(self.images(x) if self.images is not None else x)

    def embed_y(self, y: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch r"]:
        """g(z), each dimension at its own scale."""
        return self.products.embed_y((y - self.center) / self.spread)

    def score(self, u: Float[Tensor, "*#batch r"], v: Float[Tensor, "*#batch r"]) -> Float[Tensor, "*batch"]:
        """The dot product."""
        return self.products.score(u, v)

    def score_all(self, u: Float[Tensor, "*batch n r"], v: Float[Tensor, "k r"]) -> Float[Tensor, "*batch n k"]:
        """One matrix product."""
        return self.products.score_all(u, v)


@final
class _ImageNetwork(nn.Module):
    """Flattened images of 0..255 to features: convolutions that halve them until 4 pixels are left a side."""

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
        out: Tensor = self.layers((x / 127.5 - 1).reshape(-1, *self.shape).permute(0, 3, 1, 2))
        return out


def _normal_scores(codes: Codes) -> Float[Tensor, "n d"]:
    """Each dimension by itself, so that ties are broken differently in each and dead dimensions stay independent."""
    columns = torch.from_numpy(codes.astype(np.float64))
    return torch.cat([normal_scores(column.unsqueeze(1)) for column in columns.T], 1).double()


def _network(inputs: int, outputs: int) -> nn.Sequential:
    """An MLP that starts at zero."""
    layers = nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, outputs)
    )
    for parameter in layers[-1].parameters():
        nn.init.zeros_(parameter)
    return layers


def _ascend(
    module: nn.Module,
    bound: Callable[[], Tensor],
    validation: Callable[[], float],
    what: str,
    steps: int,
    progress: bool,
) -> None:
    """Raise the bound, and keep the weights of the check at which the bound on images set aside was best."""
    optimizer = torch.optim.AdamW(module.parameters(), LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, cycle_momentum=False)
    best, best_value = _state(module), validation()
    every = max(1, steps // CHECKS)
    for step in timed_steps(what, steps, shown=progress):
        optimizer.zero_grad()
        torch.autograd.backward(-bound())
        optimizer.step()
        schedule.step()
        if step % every == 0 and (value := validation()) > best_value:
            best, best_value = _state(module), value
    module.load_state_dict(best)


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@torch.no_grad()
def _read(
    critic: Critic, part: EncodedInputs, rows: Tensor, codes: Float[Tensor, "k d"], device: torch.device
) -> Float[Tensor, " blocks"]:
    """The bound over all pairs of each block of rows."""
    sizes = max(1, len(rows) // BLOCK)
    blocks = zip(rows.tensor_split(sizes), codes.tensor_split(sizes), strict=True)
    return torch.stack(
        [
            lower_bound(critic, _inputs(part, each, device), drawn.to(device), all_pairs, donsker_varadhan).cpu()
            for each, drawn in blocks
        ]
    )


def _inputs(part: EncodedInputs, rows: Tensor, device: torch.device) -> Float[Tensor, "k dx"]:
    """Inputs as flat vectors."""
    return torch.from_numpy(part.inputs[rows.numpy()]).flatten(1).to(device).float()


def _doubts(value: float, ceiling: float, at_least: float, at_most: float) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    if at_most > ceiling - 1 and max(value, at_least) > ceiling - 1:
        yield (
            f"near the ceiling: so many images show no more than {ceiling:.2f} nats; the truth lies between "
            f"{at_least:.2f} and {at_most:.2f}"
        )
    if at_least - value > 0.5:
        yield f"the critic is not tight: it finds {value:.2f} nats of the {at_least:.2f} that the posteriors show"


def _standard_error(values: Float[Tensor, " n"]) -> float:
    return float(values.std() / math.sqrt(len(values)))


def _require_finite(codes: Codes, name: str) -> None:
    if len(codes) < FEWEST:
        raise InfoMaxError(f"{len(codes)} images to {name} on: such an estimate takes {FEWEST} or more")
    if not np.isfinite(codes).all():
        raise InfoMaxError(f"the codes to {name} on hold NaN or infinity: the model has diverged")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers of our own; the global state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
