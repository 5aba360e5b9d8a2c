"""Recipe: typed settings of one way to learn, as code, as text on a command line, and as JSON."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Shaped

from infomax.constraints import validate_fields, validate_type
from infomax.errors import InfoMaxError
from infomax.kinds.kind import DataKind
from infomax.kinds.registry import IMAGES, find_kind
from infomax.progress import staged_progress
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.context import TrainingContext
from infomax.training.run_folder import Run
from infomax.training.schedule import Schedule
from infomax.training.trainer import CHECKPOINT_KEYS, Trainer

Own = TypeVar("Own", bound="Recipe")


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """Settings that say in full what is learned and how. Subclasses are final and declare their constraints.

    Attributes:
        name: What `--recipe` calls it.
        size: How much of an item is taken: the side of the images in pixels, the words of a text.
        dim: Numbers in a code.

    """

    kind: ClassVar[str]
    """What config.json calls the class."""

    data: ClassVar[str] = IMAGES
    """The kind of data that it takes, by its name in `infomax.kinds`."""

    name: str
    size: int
    dim: int

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def data_kind(self) -> DataKind:
        """The kind of data that the recipe takes."""
        return find_kind(self.data)

    @property
    @abstractmethod
    def input_signature(self) -> tuple[object, ...]:
        """All that a code depends on apart from the encoder's weights; a model's fingerprint is made of both."""

    def completed(self: Own) -> Own:
        """Fill in what was left to the parts of the recipe, such as the side of the images that a net takes."""
        return self

    @abstractmethod
    def encoder(self) -> Encoder:
        """Make a new encoder, initialized from PyTorch's global random state."""

    @abstractmethod
    def objective(self) -> Objective | None:
        """Make a new objective with its critics; None where nothing is learned by gradients."""

    def schedule(self) -> Schedule | None:
        """Give the schedule of a training by gradients; None for a closed form."""
        return None

    @property
    def checkpoint_keys(self) -> tuple[str, ...]:
        """What last.ckpt of such a training holds."""
        return CHECKPOINT_KEYS

    @property
    def can_continue(self) -> bool:
        """Whether a finished training can go on to more epochs."""
        return self.schedule() is not None

    def validate(self, n: int, world_size: int) -> None:
        """Refuse a collection or a number of processes that the recipe cannot learn from.

        Args:
            n: How many images there are.
            world_size: How many processes train together.

        Raises:
            InfoMaxError: One of them cannot be used.

        """
        schedule = self.schedule()
        if schedule is not None:
            schedule.validate(n, world_size)
        elif world_size > 1:
            raise InfoMaxError(f"recipe {self.name} learns in one process: start it without torchrun")

    def fit(
        self,
        encoder: Encoder,
        objective: Objective | None,
        examples: Shaped[np.ndarray, "n ..."],
        labels: Sequence[str] | None,
        context: TrainingContext,
    ) -> None:
        """Train the encoder, and the objective if there is one, from the checkpoint of the run on if there is one.

        Args:
            encoder: Trained in place.
            objective: Its critics are trained in place.
            examples: What the encoder takes, one row an item: pixels (n, size, size, 3), say.
            labels: Their labels, for diagnostics alone; None without labels.
            context: Where to compute, log and save.

        """
        schedule = self.schedule()
        assert schedule is not None
        assert objective is not None
        Trainer(encoder, objective, schedule, context).fit(examples, labels)

    def stage_seconds(self, n: int, device: torch.device) -> Mapping[str, float]:  # noqa: ARG002
        """Estimate how long each stage of a training takes, decoding first.

        Args:
            n: How many images there are.
            device: Where the training computes.

        Returns:
            Seconds by the name of the stage, in order; none where the training has no stages.

        """
        return {}

    def progress(self, n: int, device: torch.device, *, shown: bool) -> AbstractContextManager[None]:
        """Draw one bar over all stages of a training, where it has several.

        Args:
            n: How many images there are.
            device: Where the training computes.
            shown: Whether to draw.

        Returns:
            A context in which the stages find the bar.

        """
        return staged_progress(self.stage_seconds(n, device) if shown else {}, shown=shown)

    def expected_seconds(self, n: int, device: torch.device) -> float | None:  # noqa: ARG002
        """Estimate how long it takes to learn from a collection and to embed it.

        Args:
            n: How many images there are.
            device: Where it computes.

        Returns:
            Seconds; None where that is not known before it has begun.

        """
        return None

    def usual_seconds(self, n: int, device: torch.device) -> float | None:  # noqa: ARG002
        """Estimate how long it usually takes to learn from a collection and to embed it, whatever the load.

        Args:
            n: How many images there are.
            device: Where it computes.

        Returns:
            Seconds, the same whenever it is asked; None where that is not known.

        """
        return None

    def validate_resumable(self, run: Run, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse to resume what would not be the same training.

        Args:
            run: The folder of the training.
            before: Its config.json.
            now: The config.json of the training that is to continue it.

        Raises:
            InfoMaxError: A setting differs, nothing is left to do, or a file is damaged.

        """
        if run.finished and not self.can_continue:
            run.finish(keep_checkpoint=False)  # a kill may have come in between
            raise InfoMaxError(f"{run.path} has finished: nothing is left to resume; to learn anew, use --overwrite")
        epochs, wanted = (config["recipe"].get("epochs", 1) for config in (before, now))
        if run.finished and wanted <= epochs:
            raise InfoMaxError(f"{run.path} has finished its {epochs} epochs: for more, add --epochs N to --resume")
        for name in {**before["recipe"], **now["recipe"]}:
            then, today = before["recipe"].get(name), now["recipe"].get(name)
            if then != today and name != "epochs":
                what = "recipe" if name in ("name", "kind") else name
                raise InfoMaxError(
                    f"{run.path} was begun with {what} {then}, not {today}: resume with the settings it began with"
                )
        schedule = self.schedule()
        if epochs != wanted and schedule is not None and (schedule.warmup or schedule.decay != "constant"):
            raise InfoMaxError(
                f"{run.path} was begun with {epochs} epochs, at the end of which its learning rate is to be 0: resume "
                f"with --epochs {epochs}, or start a new --out"
            )
        checkpoint = run.validate_resumable(before, now, self.checkpoint_keys)
        if checkpoint is not None and schedule is not None:
            begun = checkpoint["epoch"] + (checkpoint["batch"] > 0)
            if wanted < begun:
                raise InfoMaxError(f"{run.path} is in epoch {begun} already: resume with --epochs {begun} or more")

    def with_epochs(self: Own, epochs: int) -> Own:
        """Replace the number of epochs.

        Args:
            epochs: Passes over the images.

        Returns:
            The recipe with that setting.

        Raises:
            InfoMaxError: The recipe has no epochs, or the number is below 1.

        """
        if self.schedule() is None:
            raise InfoMaxError(
                f"recipe {self.name} learns in closed form and has no epochs: leave --epochs {epochs} out, "
                "or choose another --recipe, dim-cifar10 say"
            )
        return self.with_settings(epochs=epochs)

    def with_settings(self: Own, **settings: Any) -> Own:
        """Replace settings.

        Args:
            **settings: The new values by name. Text is read as on a command line where the setting is not text.

        Returns:
            The recipe with these settings.

        Raises:
            InfoMaxError: A setting is unknown, or its value cannot be used.

        """
        return replace(self, **{name: self._read(name, value) for name, value in settings.items()})

    def with_texts(self: Own, texts: Sequence[str]) -> Own:
        """Replace settings as written on a command line.

        Args:
            texts: NAME=VALUE each: beta=0, blocks=32,64.

        Returns:
            The recipe with these settings.

        Raises:
            InfoMaxError: A setting is unknown, or its value cannot be used.

        """
        return self.with_settings(**{name: value for name, _, value in (text.partition("=") for text in texts)})

    def to_dict(self) -> dict[str, Any]:
        """Convert to what JSON knows: the settings, and the `kind` of the recipe."""
        settings = asdict(self).items()
        return {"kind": self.kind} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in settings
        }

    @classmethod
    def from_dict(cls: type[Own], settings: Mapping[str, Any]) -> Own:
        """Read the settings of a config.json.

        Args:
            settings: The settings by name.

        Returns:
            The recipe.

        Raises:
            InfoMaxError: They are settings of another kind of recipe.

        """
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
            if name != "kind"
        }
        names = [field.name for field in fields(cls)]
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if strange := sorted({*known} - {*names} | needed - {*known}):
            raise InfoMaxError(
                f"settings of another kind of recipe ({', '.join(strange)}): the known ones are {', '.join(names)}"
            )
        for name, value in known.items():
            validate_type(cls, name, value)
        return cls(**known)

    def _read(self, name: str, value: Any) -> Any:
        """Convert a value, where it is text, to the type of the setting, and check its type."""
        known = [field.name for field in fields(self) if field.name != "name"]
        if name == "name" and self.name == value:
            return value
        if name not in known:
            raise InfoMaxError(f"no setting '{name}' in {self.name}: choose one of {', '.join(known)}")
        now = getattr(self, name)
        if isinstance(value, np.generic):
            value = value.item()
        elif isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, str) and not isinstance(now, str):
            try:
                value = _read_tuple(value, now) if isinstance(now, tuple) else _READ.get(type(now), type(now))(value)
            except (ValueError, KeyError):
                written = ",".join(map(str, now)) if isinstance(now, tuple) else now
                raise InfoMaxError(f"setting {name}={value}: give a value like {name}={written}") from None
        validate_type(type(self), name, value)
        return value


_READ: dict[type, Callable[[str], Any]] = {
    bool: lambda text: {"true": True, "false": False}[text.lower()],
}


def _read_tuple(text: str, now: tuple[Any, ...]) -> tuple[Any, ...]:
    """Read values between commas, of the type that they have now."""
    kind = type(now[0]) if now else int
    return tuple(kind(part) for part in text.split(","))
