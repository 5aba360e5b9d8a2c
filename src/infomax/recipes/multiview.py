"""Information between views: typed settings of encoder, views, objective and schedule, and the presets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, final

import numpy as np
import torch
from jaxtyping import UInt8

from infomax.constraints import FINITE, FRACTION, AtLeast, OneOf, positive
from infomax.errors import InfoMaxError
from infomax.information import bounds
from infomax.information.channels import NOISE_CHANNELS
from infomax.information.critics import Bilinear, Concatenated, Cosine, Critic, Separable
from infomax.information.divergences import DIVERGENCES
from infomax.information.pairs import PAIRINGS
from infomax.information.priors import PRIORS
from infomax.recipes.recipe import Recipe
from infomax.representation.augmentation import CropPolicy
from infomax.representation.encoders import (
    ConvolutionalEncoder,
    Encoder,
    MultiscaleEncoder,
    ResNet18,
    TimmEncoder,
    VisionTransformer,
    WhitenedEncoder,
)
from infomax.representation.objectives import CrossViewInfo, Objective, PriorMatching, Sum, ThroughNoise
from infomax.training.context import TrainingContext
from infomax.training.schedule import Schedule
from infomax.training.trainer import Trainer

TIMM = "timm:"
NETWORKS = ("whitened", "resnet18", "multiscale", "vit", "convolutional")
CRITICS = ("cosine", "separable", "concatenated", "bilinear")
SMALLEST_AREA = 0.08  # of an image, that a local crop shows


@final
@dataclass(frozen=True, kw_only=True)
class MultiViewInfoMax(Recipe):
    """Maximize alpha * I(Z_a; Z_b) + beta * mean_p I(Z_a; C_p(X_b)) - gamma * prior, a and b views of one image.

    A term whose weight is 0 is left out altogether.

    Attributes:
        size: Side of the images, in pixels.
        dim: Numbers in a code.
        network: The encoder by name, or timm:NAME for one of timm.
        widths: Channels of the encoder's stages; of resnet18 the first alone.
        epochs: Passes over the images.
        batch: Images of a step.
        micro_batches: Gradient accumulation: equal parts that a batch is split into.
        views: Views of each image that are compared.
        view_size: Their side, in pixels. Small views cost little.
        min_crop_area: Least area of a view, as a fraction of the image.
        final_fraction: Fraction of the steps, at the end, in which views have another size.
        final_view_size: That size, in pixels.
        local_crops: Further small crops, of which only the code is used.
        local_crop_size: Their side, in pixels.
        local_crop_max_area: Their largest area, as a fraction of the image.
        color: Strength of the color changes; 1 is SimCLR's.
        blur: Probability of a Gaussian blur.
        solarize: Probability of solarizing.
        alpha: Weight of the global bound.
        beta: Weight of the local bound.
        gamma: Weight of the prior.
        bound: Of both informations, by name.
        divergence: The f-divergence of the bound "f-divergence", by name.
        pairs: How positives and negatives are paired, by name.
        critic: "auto" is cosine for InfoNCE, and separable for the bounds whose scores must reach further.
        hidden: Hidden width of the critics; they are the projection heads.
        rank: Output dimensions of the critics.
        temperature: Of the cosine critic.
        prior: none, gaussian (which makes the code stochastic), sliced-gaussian by a test along all directions,
            adversarial-uniform or adversarial-gaussian, noise-gaussian or noise-uniform by noise on the code.
        noise: Size of that noise, for codes of spread 1.
        optimizer: Its name.
        learning_rate: Of the optimizer; for LARS and Muon, of the matrices.
        adamw_learning_rate: Of the vectors, which Muon leaves to AdamW.
        weight_decay: Of the matrices.
        epsilon: Of Adam and AdamW.
        warmup: Fraction of the steps in which the rate rises.
        decay: How the rate falls after that: constant, linear or cosine.
        compiled: Whether torch.compile speeds up the encoder; it takes a C++ compiler, and a minute.

    """

    kind: ClassVar[str] = "multiview"

    size: Annotated[int, AtLeast(1)] = 32
    dim: Annotated[int, AtLeast(1)] = 256
    network: Annotated[str, OneOf(NETWORKS, prefixes=(TIMM,))] = "whitened"
    widths: Annotated[tuple[int, ...], AtLeast(1)] = (128, 256)
    epochs: int
    batch: int = 256
    micro_batches: int = 1
    views: Annotated[int, AtLeast(2, "a view is compared with another one")] = 2
    view_size: int = 32
    min_crop_area: float = 0.25
    final_fraction: Annotated[float, FRACTION] = 0.0
    final_view_size: int = 32
    local_crops: Annotated[int, AtLeast(0)] = 0
    local_crop_size: int = 16
    local_crop_max_area: Annotated[float, FRACTION] = 0.25
    color: float = 1.0
    blur: float = 0.0
    solarize: float = 0.0
    alpha: Annotated[float, FINITE] = 1.0
    beta: Annotated[float, FINITE] = 0.0
    gamma: Annotated[float, FINITE] = 0.01
    bound: Annotated[str, OneOf(tuple(bounds.BOUNDS))] = "infonce"
    divergence: Annotated[str, OneOf(tuple(DIVERGENCES))] = "jensen-shannon"
    pairs: Annotated[str, OneOf(tuple(PAIRINGS))] = "all-pairs"
    critic: Annotated[str, OneOf(("auto", *CRITICS))] = "auto"
    hidden: Annotated[int, AtLeast(1)] = 512
    rank: Annotated[int, AtLeast(1)] = 128
    temperature: Annotated[float, positive(0.2)] = 0.2
    prior: Annotated[str, OneOf(("none", *PRIORS, *NOISE_CHANNELS))] = "none"
    noise: Annotated[float, positive(0.3)] = 0.3
    optimizer: str = "muon"
    learning_rate: float = 0.02
    adamw_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    warmup: float = 0.1
    decay: str = "linear"
    compiled: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any((self.alpha, self.beta)):
            raise InfoMaxError("alpha and beta are both 0: nothing is left to learn from; make one positive")
        for view in (*self.view_plan(0.0), *self.view_plan(1.0)):  # each refuses what it cannot be
            if view.size > self.size:
                raise InfoMaxError(f"a view of {view.size} px is larger than the images of {self.size} px")
        self.schedule()

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How an image enters the encoder."""
        return self.size, self.network

    def encoder(self) -> Encoder:
        """Make a new encoder. Raises InfoMaxError where timm is asked for and missing."""
        stochastic = self.prior == "gaussian"
        if self.network.startswith(TIMM):
            return TimmEncoder(self.network.removeprefix(TIMM), self.dim, stochastic=stochastic)
        return _ENCODERS[self.network](self, stochastic)

    def objective(self) -> Objective:
        """Make the bounds between views, and the prior, with new critics."""
        between = partial(
            CrossViewInfo,
            bound=bounds.of_name(self.bound, DIVERGENCES[self.divergence]),
            pairs=PAIRINGS[self.pairs],
            n_targets=self.views,
        )
        noisy = self.prior in NOISE_CHANNELS
        terms: list[Objective] = []
        if self.alpha:
            critic = self._critic(self.dim, shared=True)
            terms.append(self.alpha * between(critic, target="mean" if noisy else "code"))
        if self.beta:
            terms.append(self.beta * between(self._critic(self._channels(), shared=False), target="positions"))
        if self.gamma and self.prior in PRIORS:
            terms.append(self.gamma * PriorMatching(PRIORS[self.prior](self.dim)))
        return ThroughNoise(Sum(*terms), NOISE_CHANNELS[self.prior](self.noise)) if noisy else Sum(*terms)

    def schedule(self) -> Schedule:
        """Train in full batches by the optimizer of the settings."""
        return Schedule(
            self.epochs,
            self.batch,
            self.learning_rate,
            self.epsilon,
            optimizer=self.optimizer,
            adamw_learning_rate=self.adamw_learning_rate,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            decay=self.decay,
            micro_batches=self.micro_batches,
            drop_last=True,
        )

    def view_plan(self, done: float) -> Sequence[CropPolicy]:
        """Say how views are cropped.

        Args:
            done: Fraction of the training that is done, 0 to 1.

        Returns:
            The policy of the views, and that of the local crops if there are any.

        """
        size = self.final_view_size if self.final_fraction and done >= 1 - self.final_fraction else self.view_size
        policies = [CropPolicy(size, self.views, scale=(self.min_crop_area, 1.0))]
        if self.local_crops:
            area = (SMALLEST_AREA, self.local_crop_max_area)
            policies.append(CropPolicy(self.local_crop_size, self.local_crops, scale=area))
        return [self._with_colors(policy) for policy in policies]

    def validate(self, n: int, world_size: int) -> None:
        """Also refuse views that are too small for the encoder."""
        self.schedule().validate(n, world_size)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            encoder = self.encoder().eval()
            for side in {self.size, *(view.size for done in (0.0, 1.0) for view in self.view_plan(done))}:
                try:
                    encoder(torch.zeros(1, side, side, 3, dtype=torch.uint8))
                except RuntimeError:
                    raise InfoMaxError(
                        f"views of {side} px are too small for {self.network}: make them larger"
                    ) from None

    def fit(
        self,
        encoder: Encoder,
        objective: Objective | None,
        pixels: UInt8[np.ndarray, "n h w 3"],
        labels: Sequence[str] | None,
        context: TrainingContext,
    ) -> None:
        """Train on views instead of the images themselves."""
        assert objective is not None
        trainer = Trainer(encoder, objective, self.schedule(), context, views=self.view_plan, compiled=self.compiled)
        trainer.fit(pixels, labels)

    def _with_colors(self, policy: CropPolicy) -> CropPolicy:
        factor = 0.4 * self.color
        return replace(
            policy,
            brightness=factor,
            contrast=factor,
            saturation=factor,
            hue=min(0.5, 0.1 * self.color),
            blur=self.blur,
            solarize=self.solarize,
        )

    def _channels(self) -> int:
        """Channels of the encoder's feature map; only timm has to build the network to know."""
        if self.network.startswith(TIMM):
            with torch.random.fork_rng(devices=[]):
                return self.encoder().channels
        return _CHANNELS[self.network](self)

    def _critic(self, targets: int, *, shared: bool) -> Critic:
        name = self.critic if self.critic != "auto" else "cosine" if self.bound == "infonce" else "separable"
        return _CRITICS[name](self, targets, shared)


_ENCODERS: Mapping[str, Callable[[MultiViewInfoMax, bool], Encoder]] = {
    "whitened": lambda r, stochastic: WhitenedEncoder(r.widths, r.dim, stochastic=stochastic),
    "resnet18": lambda r, stochastic: ResNet18(r.dim, width=r.widths[0], stochastic=stochastic),
    "multiscale": lambda r, stochastic: MultiscaleEncoder(r.widths, dim=r.dim, stochastic=stochastic),
    "vit": lambda r, stochastic: VisionTransformer(dim=r.dim, stochastic=stochastic),
    "convolutional": lambda r, _: ConvolutionalEncoder(r.size, r.widths, r.dim),
}

_CHANNELS: Mapping[str, Callable[[MultiViewInfoMax], int]] = {
    "whitened": lambda r: WhitenedEncoder.channels_of(r.widths),
    "resnet18": lambda r: ResNet18.channels_of(r.widths[0]),
    "multiscale": lambda _: MultiscaleEncoder.channels_of(),
    "vit": lambda _: VisionTransformer.channels_of(),
    "convolutional": lambda r: ConvolutionalEncoder.channels_of(r.widths),
}

# (recipe, dimensions of the target, whether both halves may be one network) -> a critic of a code and a target
_CRITICS: Mapping[str, Callable[[MultiViewInfoMax, int, bool], Critic]] = {
    "cosine": lambda r, targets, shared: Cosine(
        r.dim, targets, r.hidden, rank=r.rank, temperature=r.temperature, shared=shared
    ),
    "separable": lambda r, targets, _: Separable(r.dim, targets, r.hidden, rank=r.rank),
    "concatenated": lambda r, targets, _: Concatenated(r.dim, targets, r.hidden),
    "bilinear": lambda r, targets, _: Bilinear(r.dim, targets),
}

MULTIVIEW_FAST = MultiViewInfoMax(
    name="multiview-fast",
    epochs=16,
    batch=512,
    learning_rate=0.03,
    view_size=16,
    final_fraction=0.25,
    final_view_size=24,
)
"""For a CPU: the whitened encoder, two small views and final ones of 24 px, Muon; a quarter hour of two cores.

    infomax fit 'train-*.parquet' --recipe multiview-fast --out RUN

docs/benchmarks.md has what six of the epochs reach, and the short trainings that the settings rest on. The whole is
unmeasured.
"""

MULTIVIEW = MultiViewInfoMax(
    name="multiview",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=45,
    batch=1024,
    view_size=24,
    final_fraction=0.5,
    final_view_size=32,
    hidden=1024,
)
"""For one GPU and three minutes: ResNet-18, from small views to whole ones.

    infomax fit 'train-*.parquet' --recipe multiview --out RUN

Unmeasured, because no GPU was at hand. The epochs are a guess at three minutes of an H100 with all that comes before
and after the training. `--set compiled=true` may pay; `benchmarks/record.py` measures it.
"""

MULTIVIEW_BEST = MultiViewInfoMax(
    name="multiview-best",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=150,
    batch=1024,
    view_size=32,
    local_crops=4,
    hidden=2048,
    blur=0.2,
)
"""For one GPU and twenty minutes, in pieces of under ten: ResNet-18, two large views and four local crops.

    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe multiview-best --out RUN
    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe multiview-best --out RUN --resume      # until it is done

Stopped by the signal it saves within a step, and goes on bit for bit. Unmeasured, because no GPU was at hand. The
epochs are a guess at twenty minutes of an H100.
"""
