"""Information between views as typed settings: encoder, views, objective, schedule."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import torch

from infomax.errors import InfoMaxError
from infomax.information import bounds
from infomax.information.critics import Bilinear, Concatenated, Cosine, Critic, Separable
from infomax.information.divergences import DIVERGENCES
from infomax.information.pairs import PAIRINGS
from infomax.information.priors import PRIORS
from infomax.recipes.recipe import Recipe, TrainingContext
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
from infomax.representation.objectives import CrossViewInfo, Objective, PriorMatching, Sum
from infomax.training.schedule import Schedule

TIMM = "timm:"
SMALLEST_AREA = 0.08  # of an image, that a small view shows


@final
@dataclass(frozen=True, kw_only=True)
class MultiViewInfoMax(Recipe):
    """Maximize alpha * I(Z_a; Z_b) + beta * mean_p I(Z_a; C_p(X_b)) - gamma * prior, a and b views of one image.

    A term whose weight is 0 is left out altogether.

    network: the encoder by name, or timm:NAME for one of timm. widths: of its stages; of resnet18 the first alone.
    views, view_size: how many, of what side in pixels; min_crop_area: of an image, that one shows at the least.
    late, final_view_size: in this last share of the steps views have another size. Small ones first cost little.
    local_crops, local_crop_size, local_crop_max_area: further crops, of that area at most, which are asked for their code alone.
    color: how strong the changes of color are, 1 as in SimCLR. blur, solarize: probabilities.
    alpha, beta, gamma: weights of the global bound, the local bound and the prior.
    bound, divergence, pairs: of both bounds, by name.
    critic: by name; `auto` is cosine for InfoNCE and separable for the bounds whose scores must reach further.
    hidden, rank, temperature: of the critics; temperature of cosine alone. They are the projection heads.
    prior: none, gaussian (which makes the code stochastic), adversarial-uniform or adversarial-gaussian.
    epochs, batch, parts, optimizer, learning_rate, adamw_learning_rate, weight_decay, epsilon, warmup, decay: of Schedule.
    compiled: whether torch.compile makes the encoder faster; it takes a C++ compiler, and a minute.
    """

    size: int = 32
    dim: int = 256
    network: str = "whitened"
    widths: tuple[int, ...] = (128, 256)
    epochs: int
    batch: int = 256
    micro_batches: int = 1
    views: int = 2
    view_size: int = 32
    min_crop_area: float = 0.25
    final_fraction: float = 0.0
    final_view_size: int = 32
    local_crops: int = 0
    local_crop_size: int = 16
    local_crop_max_area: float = 0.25
    color: float = 1.0
    blur: float = 0.0
    solarize: float = 0.0
    alpha: float = 1.0
    beta: float = 0.0
    gamma: float = 0.01
    bound: str = "infonce"
    divergence: str = "jensen-shannon"
    pairs: str = "all-pairs"
    critic: str = "auto"
    hidden: int = 512
    rank: int = 128
    temperature: float = 0.2
    prior: str = "none"
    optimizer: str = "muon"
    learning_rate: float = 0.02
    adamw_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    warmup: float = 0.1
    decay: str = "linear"
    compiled: bool = False

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if (value := getattr(self, name)) not in known and not (name == "network" and value.startswith(TIMM)):
                raise InfoMaxError(f"unknown {name} '{value}': choose one of {', '.join(known)}")
        if self.views < 2:
            raise InfoMaxError(f"views is {self.views}: use 2 or more, for a view is compared with another one")
        for name in ("size", "dim", "hidden", "rank"):
            if getattr(self, name) < 1:
                raise InfoMaxError(f"{name} is {getattr(self, name)}: use 1 or more")
        if not self.widths or min(self.widths) < 1:
            raise InfoMaxError(f"widths are {self.widths}: give each stage 1 or more")
        if self.local_crops < 0:
            raise InfoMaxError(f"local_crops is {self.local_crops}: use 0 or more")
        for name in ("final_fraction", "local_crop_max_area"):
            if not 0 <= getattr(self, name) <= 1:
                raise InfoMaxError(f"{name} is {getattr(self, name)}: give a share, 0 to 1")
        for name in ("alpha", "beta", "gamma"):
            if not math.isfinite(value := getattr(self, name)):
                raise InfoMaxError(f"{name} is {value}: use a finite number")
        if not 0 < self.temperature < math.inf:
            raise InfoMaxError(f"temperature is {self.temperature}: use a positive number, 0.2 say")
        if not any((self.alpha, self.beta)):
            raise InfoMaxError("alpha and beta are both 0: nothing is left to learn from; make one positive")
        for view in (*self.plan(0.0), *self.plan(1.0)):  # which refuse what they cannot be
            if view.size > self.size:
                raise InfoMaxError(f"a view of {view.size} px is larger than the images of {self.size} px")
        self.schedule()

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How an image enters the encoder."""
        return self.size, self.network

    def encoder(self) -> Encoder:
        """A new encoder, initialized from PyTorch's global random state. Raises InfoMaxError where timm is missing."""
        stochastic = self.prior == "gaussian"
        if self.network.startswith(TIMM):
            return TimmEncoder(self.network.removeprefix(TIMM), self.dim, stochastic=stochastic)
        return _NETWORKS[self.network](self, stochastic)

    def objective(self) -> Objective:
        """The bounds between views, and the prior, with new critics."""
        between = partial(
            CrossViewInfo,
            bound=bounds.of_name(self.bound, DIVERGENCES[self.divergence]),
            pairs=PAIRINGS[self.pairs],
            targets=self.views,
        )
        terms: list[Objective] = []
        if self.alpha:
            terms.append(self.alpha * between(self._critic(self.dim, shared=True)))
        if self.beta:
            with torch.random.fork_rng(devices=[]):
                channels = self.encoder().channels
            terms.append(self.beta * between(self._critic(channels, shared=False), target="positions"))
        if self.gamma and self.prior != "none":
            terms.append(self.gamma * PriorMatching(PRIORS[self.prior](self.dim)))
        return Sum(*terms)

    def plan(self, done: float) -> Sequence[CropPolicy]:
        """The kinds of views that are drawn once so much of the training is done, 0 to 1."""
        size = self.final_view_size if self.final_fraction and done >= 1 - self.final_fraction else self.view_size
        kinds = [CropPolicy(size, self.views, scale=(self.min_crop_area, 1.0))]
        if self.local_crops:
            kinds.append(
                CropPolicy(self.local_crop_size, self.local_crops, scale=(SMALLEST_AREA, self.local_crop_max_area))
            )
        return [self._colored(kind) for kind in kinds]

    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
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
            whole=True,
        )

    def validate(self, n: int, ranks: int) -> None:
        """Raise InfoMaxError where n images or so many processes will not do, or views are too small to encode."""
        self.schedule().validate(n, ranks)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            encoder = self.encoder().eval()
            for side in {self.size, *(view.size for done in (0.0, 1.0) for view in self.plan(done))}:
                try:
                    encoder(torch.zeros(1, side, side, 3, dtype=torch.uint8))
                except RuntimeError:
                    raise InfoMaxError(
                        f"views of {side} px are too small for {self.network}: make them larger"
                    ) from None

    def learn(self, encoder: Encoder, objective: Objective | None, fitting: TrainingContext) -> None:
        """Gradient ascent on the objective."""
        assert objective is not None
        fitting.ascend(encoder, objective, self.schedule(), views=self.plan, compiled=self.compiled)

    def with_epochs(self, epochs: int) -> "MultiViewInfoMax":
        """The same recipe with other passes over the images."""
        return self.with_settings(epochs=epochs)

    def _colored(self, view: CropPolicy) -> CropPolicy:
        factor = 0.4 * self.color
        return replace(
            view,
            brightness=factor,
            contrast=factor,
            saturation=factor,
            hue=min(0.5, 0.1 * self.color),
            blur=self.blur,
            solarize=self.solarize,
        )

    def _critic(self, targets: int, *, shared: bool) -> Critic:
        name = self.critic if self.critic != "auto" else "cosine" if self.bound == "infonce" else "separable"
        return _CRITICS[name](self, targets, shared)


_NETWORKS: Mapping[str, Callable[[MultiViewInfoMax, bool], Encoder]] = {
    "whitened": lambda r, stochastic: WhitenedEncoder(r.widths, r.dim, stochastic=stochastic),
    "resnet18": lambda r, stochastic: ResNet18(r.dim, width=r.widths[0], stochastic=stochastic),
    "multiscale": lambda r, stochastic: MultiscaleEncoder(r.widths, dim=r.dim, stochastic=stochastic),
    "vit": lambda r, stochastic: VisionTransformer(dim=r.dim, stochastic=stochastic),
    "convolutional": lambda r, _: ConvolutionalEncoder(r.size, r.widths, r.dim),
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

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "network": (*_NETWORKS, f"{TIMM}NAME"),
    "bound": tuple(bounds.BOUNDS),
    "divergence": tuple(DIVERGENCES),
    "pairs": tuple(PAIRINGS),
    "critic": ("auto", *_CRITICS),
    "prior": ("none", *PRIORS),
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
"""CrossViewInfo for a CPU: the whitened encoder, two small views and late ones of 24 px, Muon; a quarter hour of two cores.

    infomax fit 'train-*.parquet' --recipe multiview-fast --out RUN

Six of the epochs (`--epochs 6`), CIFAR-10's test images named by a majority of the 20 nearest of the 50,000 training
images: 67.3 % after 313 seconds of two cores of an AMD EPYC, torch 2.13, from the start of the process
(docs/benchmarks.md). The whole is unmeasured. The settings rest on short trainings, one seed each, by CPU time of one
core: 5,000 of the training images held out, named by a weighted vote of the 20 nearest of 10,000 others.

| CPU seconds | optimizer, batch, rate | views | kNN |
|---|---|---|---|
| 40 | AdamW, 256, 0.002 | 24 px | 42.9 % |
| 40 | AdamW, 256, 0.002 | 16 px | 48.5 % |
| 40 | Muon, 256, 0.02 | 16 px | 53.2 % |
| 40 | Muon, 512, 0.03 | 16 px | 53.7 % |
| 40 | Muon, 512, 0.03 | 16 px, the last quarter of the time 24 px | 54.0 % |
| 180 | Muon, 256, 0.02 | 16 px | 59.4 % |
"""


MULTIVIEW = MultiViewInfoMax(
    name="views",
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
"""CrossViewInfo for one GPU and three minutes: ResNet-18 from small views to whole ones.

    infomax fit 'train-*.parquet' --recipe views --out RUN

Unmeasured: no GPU was at hand, and the epochs are a guess at three minutes of an H100 with all that comes before and
after the training. `--set compiled=true` may pay; `benchmarks/record.py` says.
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
"""CrossViewInfo for one GPU and twenty minutes, in pieces of under ten: two large views and four small ones, ResNet-18.

    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe multiview-best --out RUN
    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe multiview-best --out RUN --resume      # until it is done

Stopped by the signal it saves within a step, and goes on bit for bit. Unmeasured: no GPU was at hand, and the epochs
are a guess at twenty minutes of an H100.
"""
