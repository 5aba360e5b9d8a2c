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
from infomax.information.pairs import PAIRS
from infomax.information.priors import PRIORS
from infomax.recipes.recipe import Fitting, Recipe
from infomax.representation.augmentation import View
from infomax.representation.encoders import (
    ConvolutionalEncoder,
    Encoder,
    MultiscaleEncoder,
    ResNet18,
    TimmEncoder,
    VisionTransformer,
    WhitenedEncoder,
)
from infomax.representation.objectives import Objective, Prior, Sum, Views
from infomax.training.schedule import Schedule

TIMM = "timm:"
SMALLEST_AREA = 0.08  # of a picture, that a small view shows


@final
@dataclass(frozen=True, kw_only=True)
class ViewInfoMax(Recipe):
    """Maximise alpha * I(Z_a; Z_b) + beta * mean_p I(Z_a; C_p(X_b)) - gamma * prior, a and b views of one picture.

    A term whose weight is 0 is left out altogether.

    network: the encoder by name, or timm:NAME for one of timm. widths: of its stages; of resnet18 the first alone.
    views, view_size: how many, of what side in pixels; least_area: of a picture, that one shows at the least.
    late, late_size: in this last share of the steps views have another size. Small ones first cost little.
    small_views, small_size, small_area: further crops, of that area at most, which are asked for their code alone.
    colour: how strong the changes of colour are, 1 as in SimCLR. blur, solarise: probabilities.
    alpha, beta, gamma: weights of the global bound, the local bound and the prior.
    bound, divergence, pairs: of both bounds, by name.
    critic: by name; `auto` is cosine for InfoNCE and separable for the bounds whose scores must reach further.
    hidden, rank, temperature: of the critics; temperature of cosine alone. They are the projection heads.
    prior: none, gaussian (which makes the code stochastic), adversarial-uniform or adversarial-gaussian.
    epochs, batch, parts, optimiser, learning_rate, vector_rate, weight_decay, epsilon, warm_up, decay: of Schedule.
    compiled: whether torch.compile makes the encoder faster; it takes a C++ compiler, and a minute.
    """

    size: int = 32
    dim: int = 256
    network: str = "whitened"
    widths: tuple[int, ...] = (128, 256)
    epochs: int
    batch: int = 256
    parts: int = 1
    views: int = 2
    view_size: int = 32
    least_area: float = 0.25
    late: float = 0.0
    late_size: int = 32
    small_views: int = 0
    small_size: int = 16
    small_area: float = 0.25
    colour: float = 1.0
    blur: float = 0.0
    solarise: float = 0.0
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
    optimiser: str = "muon"
    learning_rate: float = 0.02
    vector_rate: float = 2e-3
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    warm_up: float = 0.1
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
        if self.small_views < 0:
            raise InfoMaxError(f"small_views is {self.small_views}: use 0 or more")
        for name in ("late", "small_area"):
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
                raise InfoMaxError(f"a view of {view.size} px is larger than the pictures of {self.size} px")
        self.schedule()

    @property
    def entrance(self) -> tuple[object, ...]:
        """How a picture enters the encoder."""
        return self.size, self.network

    def encoder(self) -> Encoder:
        """A new encoder, initialised from PyTorch's global random state. Raises InfoMaxError where timm is missing."""
        stochastic = self.prior == "gaussian"
        if self.network.startswith(TIMM):
            return TimmEncoder(self.network.removeprefix(TIMM), self.dim, stochastic=stochastic)
        return _NETWORKS[self.network](self, stochastic)

    def objective(self) -> Objective:
        """The bounds between views, and the prior, with new critics."""
        between = partial(
            Views,
            bound=bounds.of_name(self.bound, DIVERGENCES[self.divergence]),
            pairs=PAIRS[self.pairs],
            targets=self.views,
        )
        terms: list[Objective] = []
        if self.alpha:
            terms.append(self.alpha * between(self._critic(self.dim, shared=True)))
        if self.beta:
            with torch.random.fork_rng(devices=[]):
                channels = self.encoder().channels
            terms.append(self.beta * between(self._critic(channels, shared=False), against="positions"))
        if self.gamma and self.prior != "none":
            terms.append(self.gamma * Prior(PRIORS[self.prior](self.dim)))
        return Sum(*terms)

    def plan(self, done: float) -> Sequence[View]:
        """The kinds of views that are drawn once so much of the training is done, 0 to 1."""
        size = self.late_size if self.late and done >= 1 - self.late else self.view_size
        kinds = [View(size, self.views, scale=(self.least_area, 1.0))]
        if self.small_views:
            kinds.append(View(self.small_size, self.small_views, scale=(SMALLEST_AREA, self.small_area)))
        return [self._coloured(kind) for kind in kinds]

    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        return Schedule(
            self.epochs,
            self.batch,
            self.learning_rate,
            self.epsilon,
            optimiser=self.optimiser,
            vector_rate=self.vector_rate,
            weight_decay=self.weight_decay,
            warm_up=self.warm_up,
            decay=self.decay,
            parts=self.parts,
            whole=True,
        )

    def require(self, n: int, ranks: int) -> None:
        """Raise InfoMaxError where n pictures or so many processes will not do, or views are too small to encode."""
        self.schedule().require(n, ranks)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            encoder = self.encoder().eval()
            for side in {self.size, *(view.size for done in (0.0, 1.0) for view in self.plan(done))}:
                try:
                    encoder(torch.zeros(1, side, side, 3, dtype=torch.uint8))
                except RuntimeError:
                    raise InfoMaxError(
                        f"views of {side} px are too small for {self.network}: make them larger"
                    ) from None

    def learn(self, encoder: Encoder, objective: Objective | None, fitting: Fitting) -> None:
        """Gradient ascent on the objective."""
        assert objective is not None
        fitting.ascend(encoder, objective, self.schedule(), views=self.plan, compiled=self.compiled)

    def with_epochs(self, epochs: int) -> "ViewInfoMax":
        """The same recipe with other passes over the pictures."""
        return self.with_settings(epochs=epochs)

    def _coloured(self, view: View) -> View:
        factor = 0.4 * self.colour
        return replace(
            view,
            brightness=factor,
            contrast=factor,
            saturation=factor,
            hue=min(0.5, 0.1 * self.colour),
            blur=self.blur,
            solarise=self.solarise,
        )

    def _critic(self, targets: int, *, shared: bool) -> Critic:
        name = self.critic if self.critic != "auto" else "cosine" if self.bound == "infonce" else "separable"
        return _CRITICS[name](self, targets, shared)


_NETWORKS: Mapping[str, Callable[[ViewInfoMax, bool], Encoder]] = {
    "whitened": lambda r, stochastic: WhitenedEncoder(r.widths, r.dim, stochastic=stochastic),
    "resnet18": lambda r, stochastic: ResNet18(r.dim, width=r.widths[0], stochastic=stochastic),
    "multiscale": lambda r, stochastic: MultiscaleEncoder(r.widths, dim=r.dim, stochastic=stochastic),
    "vit": lambda r, stochastic: VisionTransformer(dim=r.dim, stochastic=stochastic),
    "convolutional": lambda r, _: ConvolutionalEncoder(r.size, r.widths, r.dim),
}

# (recipe, dimensions of the target, whether both halves may be one network) -> a critic of a code and a target
_CRITICS: Mapping[str, Callable[[ViewInfoMax, int, bool], Critic]] = {
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
    "pairs": tuple(PAIRS),
    "critic": ("auto", *_CRITICS),
    "prior": ("none", *PRIORS),
}


VIEWS_FAST = ViewInfoMax(
    name="views-fast", epochs=16, batch=512, learning_rate=0.03, view_size=16, late=0.25, late_size=24
)
"""Views for a CPU: the whitened encoder, two small views and late ones of 24 px, Muon; a quarter hour of two cores.

    infomax fit 'train-*.parquet' --recipe views-fast --out RUN

Six of the epochs (`--epochs 6`), CIFAR-10's test pictures named by a majority of the 20 nearest of the 50,000 training
pictures: 67.3 % after 313 seconds of two cores of an AMD EPYC, torch 2.13, from the start of the process
(docs/benchmarks.md). The whole is unmeasured. The settings rest on short trainings, one seed each, by CPU time of one
core: 5,000 of the training pictures held out, named by a weighted vote of the 20 nearest of 10,000 others.

| CPU seconds | optimiser, batch, rate | views | kNN |
|---|---|---|---|
| 40 | AdamW, 256, 0.002 | 24 px | 42.9 % |
| 40 | AdamW, 256, 0.002 | 16 px | 48.5 % |
| 40 | Muon, 256, 0.02 | 16 px | 53.2 % |
| 40 | Muon, 512, 0.03 | 16 px | 53.7 % |
| 40 | Muon, 512, 0.03 | 16 px, the last quarter of the time 24 px | 54.0 % |
| 180 | Muon, 256, 0.02 | 16 px | 59.4 % |
"""


VIEWS = ViewInfoMax(
    name="views",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=45,
    batch=1024,
    view_size=24,
    late=0.5,
    late_size=32,
    hidden=1024,
)
"""Views for one GPU and three minutes: ResNet-18 from small views to whole ones.

    infomax fit 'train-*.parquet' --recipe views --out RUN

Unmeasured: no GPU was at hand, and the epochs are a guess at three minutes of an H100 with all that comes before and
after the training. `--set compiled=true` may pay; `benchmarks/record.py` says.
"""


VIEWS_BEST = ViewInfoMax(
    name="views-best",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=150,
    batch=1024,
    view_size=32,
    small_views=4,
    hidden=2048,
    blur=0.2,
)
"""Views for one GPU and twenty minutes, in pieces of under ten: two large views and four small ones, ResNet-18.

    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe views-best --out RUN
    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe views-best --out RUN --resume      # until it is done

Stopped by the signal it saves within a step, and goes on bit for bit. Unmeasured: no GPU was at hand, and the epochs
are a guess at twenty minutes of an H100.
"""
