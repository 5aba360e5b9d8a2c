"""Recipe: typed settings of one way to learn, as code, as text on a command line, and as JSON."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8

from infomax.errors import InfoMaxError
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.distributed import Distributed
from infomax.training.logging import TensorBoardLogger
from infomax.training.run_folder import Run
from infomax.training.schedule import Schedule
from infomax.training.trainer import Plan, fit

Own = TypeVar("Own", bound="Recipe")


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """What a fit is given beside the recipe.

    pixels: the images, of the recipe's size. labels: for measuring alone, "" where there is none.
    seed: fixes everything that is random. device, bfloat16: where to compute, and whether products are rounded to that.
    run: where to log and save, and what to go on from. board: TensorBoard. progress: whether to draw bars on stderr.
    ranks: which of several processes this is; run, board and progress are for the first alone.
    """

    pixels: UInt8[np.ndarray, "n h w 3"]
    labels: Sequence[str] | None
    seed: int
    device: torch.device
    bfloat16: bool
    run: Run | None
    board: TensorBoardLogger | None
    ranks: Distributed
    progress: bool

    def ascend(
        self,
        encoder: Encoder,
        objective: Objective,
        schedule: Schedule,
        *,
        views: Plan | None = None,
        compiled: bool = False,
    ) -> None:
        """Gradient ascent on the objective, as infomax.training.trainer.fit has it."""
        fit(
            encoder,
            objective,
            self.pixels,
            schedule,
            views=views,
            seed=self.seed,
            device=self.device,
            bfloat16=self.bfloat16,
            compiled=compiled,
            labels=self.labels,
            run=self.run,
            board=self.board,
            ranks=self.ranks,
            progress=self.progress,
        )


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """Settings that say in full what is learned and how. Subclasses are final.

    name: what `--recipe` calls it.
    size: side of the images, in pixels.
    dim: numbers in a code.
    """

    name: str
    size: int
    dim: int

    @property
    @abstractmethod
    def input_signature(self) -> tuple[object, ...]:
        """All that a code depends on beside the encoder's weights; the fingerprint of a model is made of both."""

    @abstractmethod
    def encoder(self) -> Encoder:
        """A new encoder, initialized from PyTorch's global random state."""

    @abstractmethod
    def objective(self) -> Objective | None:
        """A new objective with its critics; None where nothing is learned by gradients."""

    def validate(self, n: int, ranks: int) -> None:  # noqa: ARG002
        """Raise InfoMaxError where n images, or so many processes that learn together, will not do."""
        if ranks > 1:
            raise InfoMaxError(f"recipe {self.name} learns in one process: start it without torchrun")

    @abstractmethod
    def learn(self, encoder: Encoder, objective: Objective | None, fitting: TrainingContext) -> None:
        """Fit the encoder, and the objective if there is one, in place; go on from the checkpoint of the run if any."""

    @abstractmethod
    def with_epochs(self: Own, epochs: int) -> Own:
        """The same recipe with other passes over the images. Raises InfoMaxError where it has no such setting."""

    def with_settings(self: Own, **settings: Any) -> Own:
        """The same recipe with some settings replaced."""
        return replace(self, **settings)

    def with_texts(self: Own, texts: Sequence[str]) -> Own:
        """The same recipe with settings replaced as written on a command line: beta=0, blocks=32,64.

        Raises InfoMaxError for a setting that is none, or a value that is not of its kind.
        """
        settings: dict[str, Any] = {}
        known = self.to_dict()
        for text in texts:
            name, _, value = text.partition("=")
            if name == "name" or name not in known:
                names = ", ".join(key for key in known if key != "name")
                raise InfoMaxError(f"no setting '{name}' in {self.name}: choose one of {names}")
            kind = type(known[name])
            try:
                settings[name] = _READ.get(kind, kind)(value)
            except (ValueError, KeyError):
                raise InfoMaxError(f"setting {name}={value}: give a value like {name}={known[name]}") from None
        return self.with_settings(**settings)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON knows them."""
        settings = asdict(self).items()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in settings}

    @classmethod
    def from_dict(cls: type[Own], settings: Mapping[str, Any]) -> Own:
        """The settings of a config.json. Raises InfoMaxError for settings that are not ours."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        try:
            return cls(**known)
        except TypeError as error:
            names = ", ".join(field.name for field in fields(cls))
            raise InfoMaxError(f"settings of another kind of recipe ({error}): the known ones are {names}") from None


_READ: dict[type, Callable[[str], Any]] = {
    list: lambda text: tuple(int(part) for part in text.split(",")),
    bool: lambda text: {"true": True, "false": False}[text.lower()],
}
