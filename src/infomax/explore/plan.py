"""What `infomax explore` was asked for, as it is handed to the process that learns."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from infomax.decoding.options import ReadingOptions

QUICK_MINUTES = 0.5
"""Time that the recipe `auto` may take to learn and to embed, unless another one is given: the page is waiting."""


@dataclass(frozen=True)
class Plan:
    """What to learn, from which images, and where to keep it.

    Attributes:
        sources: Each SOURCE as typed.
        folder: Folder to keep model and index in.
        recipe: Name of a recipe; None for the one that suits the collection.
        minutes: Time that the recipe `auto` may take; None for QUICK_MINUTES.
        settings: Settings of the recipe to replace, by name.
        exclude: Patterns of files to leave out.
        max_pixels: Largest image that is decoded; None for the usual limit.
        image_column: Column of the images in parquet files; None to find it.
        label_column: Column of the labels in parquet files; None to find it.
        device: "auto", "cpu" or "cuda".
        seed: Seed of everything random.
        refit: Whether to learn again where there is a model.

    """

    sources: Sequence[str]
    folder: str
    recipe: str | None = None
    minutes: float | None = None
    settings: dict[str, str] | None = None
    exclude: Sequence[str] = ()
    max_pixels: int | None = None
    image_column: str | None = None
    label_column: str | None = None
    device: str = "auto"
    seed: int = 0
    refit: bool = False

    def reading(self) -> ReadingOptions:
        """Say how the images are read."""
        return ReadingOptions(
            tuple(self.exclude), self.max_pixels, image_column=self.image_column, label_column=self.label_column
        )

    def to_json(self) -> str:
        """Write the plan as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Plan":
        """Read what `to_json` wrote.

        Args:
            line: The line.

        Returns:
            The plan.

        """
        content: dict[str, Any] = json.loads(line)
        return cls(**{field.name: content[field.name] for field in fields(cls)})

    @property
    def place(self) -> Path:
        """The folder as a path."""
        return Path(self.folder)
