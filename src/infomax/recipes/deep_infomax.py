"""The article's method as typed settings: encoder, objective, schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, Literal

from infomax.errors import InfoMaxError
from infomax.information.bounds import f_divergence
from infomax.information.critics import Concatenated
from infomax.information.divergences import DIVERGENCES
from infomax.information.priors import GaussianPrior
from infomax.representation.encoders import ConvolutionalEncoder
from infomax.representation.objectives import Global, Local, Objective, Prior
from infomax.representation.training import Schedule


@dataclass(frozen=True)
class DeepInfoMax:
    """Maximise alpha * I(X; Z) + beta * mean_p I(C_p(X); Z) - gamma * KL(p(z|x) || N(0, 1)): the article's eq. (14).

    name: what `--recipe` calls it.
    size: side of the pictures, in pixels.
    blocks: channels of the encoder's blocks, each of which halves the picture.
    dim: dimensions of the code; also the width of the critics.
    scale, shift: a pixel of 0..255 enters the encoder as pixel * scale + shift.
    alpha, beta, gamma: weights of the global bound, the local bound and the prior.
    divergence: the f-divergence of both bounds, by name.
    global_against: whether the code is paired with the picture's own code or with its flattened feature map.
    batch, epochs, learning_rate, epsilon: of Adam.
    """

    name: str
    size: int
    blocks: tuple[int, ...]
    epochs: int
    batch: int
    dim: int = 256
    scale: float = 1 / 255
    shift: float = -0.5
    alpha: float = 0.5
    beta: float = 1.5
    gamma: float = 0.01
    divergence: str = "gan"
    global_against: Literal["code", "feature-map"] = "code"
    learning_rate: float = 1e-3
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        if self.divergence not in DIVERGENCES:
            raise InfoMaxError(f"unknown divergence '{self.divergence}': choose one of {', '.join(DIVERGENCES)}")
        if not any((self.alpha, self.beta)):
            raise InfoMaxError("alpha and beta are both 0: nothing is left to learn from; make one of them positive")

    def encoder(self) -> ConvolutionalEncoder:
        """A new encoder, initialised from PyTorch's global random state."""
        return ConvolutionalEncoder(self.size, self.blocks, self.dim, self.scale, self.shift)

    def objective(self) -> Objective:
        """The article's eq. (14), with new critics."""
        bound = partial(f_divergence, divergence=DIVERGENCES[self.divergence])
        side = self.size // 2 ** len(self.blocks)
        whole = self.dim if self.global_against == "code" else side * side * self.blocks[-1]
        return (
            self.alpha * Global(Concatenated(self.dim, whole, self.dim), bound, against=self.global_against)
            + self.beta * Local(Concatenated(self.dim, self.blocks[-1], self.dim), bound)
            + self.gamma * Prior(GaussianPrior())
        )

    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        return Schedule(self.epochs, self.batch, self.learning_rate, self.epsilon)

    def with_settings(self, **settings: Any) -> "DeepInfoMax":
        """The same recipe with some settings replaced."""
        return replace(self, **settings)

    def with_texts(self, texts: Sequence[str]) -> "DeepInfoMax":
        """The same recipe with settings replaced as written on a command line: beta=0, blocks=32,64.

        Raises InfoMaxError for a setting that is none, or a value that is not of its kind.
        """
        settings: dict[str, Any] = {}
        for text in texts:
            name, _, value = text.partition("=")
            if name == "name" or name not in (known := self.to_dict()):
                names = ", ".join(key for key in self.to_dict() if key != "name")
                raise InfoMaxError(f"no setting '{name}' in {self.name}: choose one of {names}")
            kind = type(known[name])
            try:
                settings[name] = tuple(int(part) for part in value.split(",")) if kind is list else kind(value)
            except ValueError:
                raise InfoMaxError(f"setting {name}={value}: give a value like {name}={known[name]}") from None
        return self.with_settings(**settings)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON knows them."""
        return asdict(self) | {"blocks": list(self.blocks)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "DeepInfoMax":
        """The settings of a config.json. Raises InfoMaxError for settings that are not ours."""
        try:
            return cls(**{**settings, "blocks": tuple(settings["blocks"])})
        except (KeyError, TypeError) as error:
            known = ", ".join(field.name for field in fields(cls))
            raise InfoMaxError(f"settings of another kind of recipe ({error}): the known ones are {known}") from None
