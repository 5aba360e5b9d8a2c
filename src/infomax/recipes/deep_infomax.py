"""Deep InfoMax as Su (2018) has it: typed settings of encoder, objective and schedule, and the presets.

Su Jianlin (2018), https://kexue.fm/archives/6024, after Hjelm et al. (2019), arXiv 1808.06670.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, final, get_args

from infomax.constraints import FINITE, AtLeast, OneOf, not_negative, positive
from infomax.errors import InfoMaxError
from infomax.information import bounds
from infomax.information.channels import NOISE_CHANNELS
from infomax.information.critics import Bilinear, Concatenated, Critic, Separable
from infomax.information.divergences import DIVERGENCES
from infomax.information.pairs import PAIRINGS
from infomax.information.priors import PRIORS
from infomax.recipes.recipe import Recipe
from infomax.representation.encoders import ConvolutionalEncoder
from infomax.representation.objectives import (
    CrossPositionInfo,
    GlobalInfo,
    GlobalTarget,
    LocalInfo,
    Objective,
    PriorMatching,
    Sum,
    ThroughNoise,
)
from infomax.training.schedule import Schedule

# (dimensions of x, of y, width) -> a critic
_CRITICS: dict[str, Callable[[int, int, int], Critic]] = {
    "concatenated": Concatenated,
    "separable": Separable,
    "bilinear": lambda x_dim, y_dim, _: Bilinear(x_dim, y_dim),
}


@final
@dataclass(frozen=True, kw_only=True)
class DeepInfoMax(Recipe):
    """Maximize alpha * I(X; Z) + beta * mean_p I(C_p(X); Z) - gamma * KL(p(z|x) || N(0, 1)): Su (2018), eq. 14.

    A term whose weight is 0 is left out altogether.

    Attributes:
        size: Side of the images, in pixels; a multiple of 2 ** len(blocks).
        blocks: Channels of the encoder's blocks, each of which halves the image.
        epochs: Passes over the images.
        batch: Images of a step.
        dim: Numbers in a code; also the width of the critics.
        scale: A pixel of 0..255 enters the encoder as pixel * scale + shift.
        shift: See scale.
        alpha: Weight of the global bound.
        beta: Weight of the local bound.
        gamma: Weight of the prior.
        delta: Weight of the bound between positions of one feature map, which Su (2018) names and does not use.
        bound: Of each information, by name.
        divergence: The f-divergence of the bound "f-divergence", by name.
        pairs: How positives and negatives are paired. "auto" is the derangement of Su (2018) for an f-divergence, and
            all pairs for the other bounds, which need many negatives.
        critic: "auto" is the concatenating critic of Su (2018) for an f-divergence, and for the other bounds the
            separable critic, which scores all pairs at once.
        prior: gaussian in closed form, sliced-gaussian by a test along all directions, adversarial-uniform or
            adversarial-gaussian by a discriminator, noise-gaussian or noise-uniform by noise on the code, or none.
        noise: Size of that noise, for codes of spread 1. The encoder is deterministic then.
        global_target: What the code is paired with: itself, its mean without noise, or the flattened feature map. With
            a noisy prior it is never the noisy code itself.
        learning_rate: Of Adam.
        epsilon: Of Adam.

    """

    kind: ClassVar[str] = "deep-infomax"

    blocks: Annotated[tuple[int, ...], AtLeast(1)]
    epochs: Annotated[int, AtLeast(1)]
    batch: Annotated[int, AtLeast(2, "the negatives are other images of the batch")]
    dim: Annotated[int, AtLeast(1)] = 256
    scale: Annotated[float, FINITE] = 1 / 255
    shift: Annotated[float, FINITE] = -0.5
    alpha: Annotated[float, FINITE] = 0.5
    beta: Annotated[float, FINITE] = 1.5
    gamma: Annotated[float, FINITE] = 0.01
    delta: Annotated[float, FINITE] = 0.0
    bound: Annotated[str, OneOf(tuple(bounds.BOUNDS))] = "f-divergence"
    divergence: Annotated[str, OneOf(tuple(DIVERGENCES))] = "gan"
    pairs: Annotated[str, OneOf(("auto", *PAIRINGS))] = "auto"
    critic: Annotated[str, OneOf(("auto", *_CRITICS))] = "auto"
    prior: Annotated[str, OneOf((*PRIORS, *NOISE_CHANNELS, "none"))] = "gaussian"
    noise: Annotated[float, positive(0.3)] = 0.3
    global_target: Annotated[GlobalTarget, OneOf(get_args(GlobalTarget))] = "code"
    learning_rate: Annotated[float, positive(0.001)] = 1e-3
    epsilon: Annotated[float, not_negative(1e-7)] = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1 or self.size % 2 ** len(self.blocks):
            raise InfoMaxError(
                f"size {self.size} cannot be halved {len(self.blocks)} times, once a block: "
                f"use a multiple of {2 ** len(self.blocks)}"
            )
        if not any((self.alpha, self.beta, self.delta)):
            raise InfoMaxError("alpha, beta and delta are all 0: nothing is left to learn from; make one positive")

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How an image enters the encoder."""
        return self.size, self.scale, self.shift

    def encoder(self) -> ConvolutionalEncoder:
        """Make the encoder of Su (2018), without a variance of the code where the prior has the noise."""
        stochastic = self.prior not in NOISE_CHANNELS
        return ConvolutionalEncoder(self.size, self.blocks, self.dim, self.scale, self.shift, stochastic=stochastic)

    def objective(self) -> Objective:
        """Make the objective of Su (2018), eq. 14, with new critics."""
        simple = self.bound == "f-divergence"
        bound = bounds.of_name(self.bound, DIVERGENCES[self.divergence])
        pairs = PAIRINGS[self.pairs if self.pairs != "auto" else "derangement" if simple else "all-pairs"]
        critic = _CRITICS[self.critic if self.critic != "auto" else "concatenated" if simple else "separable"]
        local, dim = self.blocks[-1], self.dim
        noisy = self.prior in NOISE_CHANNELS
        target: GlobalTarget = "mean" if noisy and self.global_target == "code" else self.global_target
        whole = local * (self.size // 2 ** len(self.blocks)) ** 2 if target == "feature-map" else dim
        terms: list[Objective] = []
        if self.alpha:
            terms.append(self.alpha * GlobalInfo(critic(dim, whole, dim), bound, pairs, target=target))
        if self.beta:
            terms.append(self.beta * LocalInfo(critic(dim, local, dim), bound, pairs))
        if self.delta:
            terms.append(self.delta * CrossPositionInfo(critic(local, local, dim), bound, pairs))
        if self.gamma and self.prior in PRIORS:
            terms.append(self.gamma * PriorMatching(PRIORS[self.prior](dim)))
        return ThroughNoise(Sum(*terms), NOISE_CHANNELS[self.prior](self.noise)) if noisy else Sum(*terms)

    def schedule(self) -> Schedule:
        """Train by Adam at a constant rate."""
        return Schedule(self.epochs, self.batch, self.learning_rate, self.epsilon)


DIM_CIFAR10 = DeepInfoMax(name="dim-cifar10", size=32, blocks=(64, 128, 256), epochs=50, batch=64)
"""The CIFAR-10 script of Su (2018).

    infomax fit 'cifar10/train-*.parquet' --recipe dim-cifar10 --out RUN

docs/benchmarks.md has what it reaches.
"""

DIM_TINY_IMAGENET = DeepInfoMax(
    name="dim-tiny-imagenet",
    size=64,
    blocks=(32, 64, 128, 256),
    scale=1 / 127.5,
    shift=-1.0,
    epochs=100,
    batch=100,
)
"""The Tiny ImageNet script of Su (2018): images of 64 pixels, scaled to -1..1.

    infomax fit tiny-imagenet-200/train --recipe dim-tiny-imagenet --out RUN

docs/results/tiny-imagenet.md has what it reaches. Encoder and loss at 64 pixels are tested against an oracle.
"""

DIM_DIGITS = DeepInfoMax(
    name="dim-digits", size=16, blocks=(64, 128), dim=128, alpha=0.0, beta=1.5, epochs=60, batch=64
)
"""The method of Su (2018) on scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, here 16 x 16.

    infomax fit digits:train --recipe dim-digits --out RUN

It learns from the local bound alone: the global one at the weight of Su (2018) made these features worse.
docs/benchmarks.md has the trials, and what it reaches.
"""
