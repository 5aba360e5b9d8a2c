"""fit: learn features from a collection of images."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.loading import open_sources, reading_options
from infomax.cli.options import (
    Bands,
    Device,
    Exclude,
    ImageColumn,
    LabelColumn,
    MaxPixels,
    Seed,
    SourceArgument,
    TextColumn,
)
from infomax.cli.output import health_warnings_on_stderr, print_left_out, quoted
from infomax.cli.recipe_choice import PretrainedNet, Settings, recipe_choice
from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from infomax.images import ReadingOptions
    from infomax.images.source import Source
    from infomax.model import InfoMax
    from infomax.training.logging import TensorBoardLogger


Out = Annotated[Path, typer.Option("--out", metavar="RUN", help="A new folder for model, log and checkpoints.")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME", help="What to learn, and how; auto chooses by device and images."),
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="What SOURCE holds, images or text; by default what the recipe takes."),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the images; by default the recipe's own.")]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", help="Time that auto may take on a CPU to learn from SOURCE and embed it; by default 5."),
]
BoundOption = Annotated[
    str | None,
    typer.Option("--bound", metavar="NAME", help="f-divergence, donsker-varadhan, nwj, infonce or smile."),
]
DivergenceOption = Annotated[
    str | None,
    typer.Option("--divergence", metavar="NAME", help="Of the f-divergence bound: squared-hellinger, say."),
]
PriorOption = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="NAME",
        help="gaussian, sliced-gaussian, adversarial-gaussian, adversarial-uniform, noise-gaussian, noise-uniform "
        "or none.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run that is in RUN.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in RUN.")]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Show the training in TensorBoard too, from RUN/tensorboard.")
]


def fit(
    sources: SourceArgument,
    out: Out,
    recipe: RecipeName = None,
    kind: Kind = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    settings: Settings = None,
    backbone: PretrainedNet = None,
    bound: BoundOption = None,
    divergence: DivergenceOption = None,
    prior: PriorOption = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    bands: Bands = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = False,
    overwrite: Overwrite = False,
    tensorboard: TensorBoard = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    text_column: TextColumn = None,
) -> None:
    """Learn features from a collection of images, or of texts, without labels.

    Example: infomax fit photos/ --out run

    Example: infomax fit notes/ --kind text --out run
    """
    from infomax.model import InfoMax

    chosen = recipe_choice(recipe, settings, backbone, bound=bound, divergence=divergence, prior=prior)
    columns = {"image_column": image_column, "label_column": label_column, "text_column": text_column}
    reading = reading_options(exclude, max_pixels, bands, **columns)
    learning: dict[str, Any] = {"settings": chosen.settings, "epochs": epochs, "minutes": minutes}
    model = InfoMax(chosen.recipe, kind=kind, **learning, device=device, seed=seed, progress=True, reading=reading)
    source = _open(sources, reading, (chosen.recipe, kind), out if resume else None)
    if _train(model, source, out, resume=resume, overwrite=overwrite, tensorboard=tensorboard):
        _print_result(model, sources, out)


def _train(model: "InfoMax", source: "Source", out: Path, *, resume: bool, overwrite: bool, tensorboard: bool) -> bool:
    """Train, and tell whether this is the process that speaks of it."""
    from infomax.training.distributed import Distributed
    from infomax.training.interruption import TrainingInterrupted
    from infomax.training.logging import TensorBoardLogger

    with (
        TensorBoardLogger(out / "tensorboard") if tensorboard else nullcontext() as logger,
        health_warnings_on_stderr(),
    ):
        try:
            model.fit(source, out=out, resume=resume, overwrite=overwrite, logger=logger)
        except TrainingInterrupted as stopped:
            raise InfoMaxError(str(stopped)) from None
        first = Distributed.of_environment().first
        if first and logger is not None:
            _show_neighbors(logger, model, source)
    return first


def _print_result(model: "InfoMax", sources: Sequence[str], out: Path) -> None:
    """Say what was learned and left out, and how to go on."""
    data = model.config_["data"]
    noun = model.recipe_.data_kind.noun
    print_left_out(data["left_out"], str(out / "skipped.csv"), noun)
    print(f"learned {model.recipe_.dim} features from {data['images']} {noun}s; the model is in {out}")
    print(model.recipe_.data_kind.next_step(" ".join(map(quoted, sources)), quoted(out)))


def _open(
    sources: Sequence[str], reading: "ReadingOptions", chosen: tuple[str | None, str | None], resumed: Path | None
) -> "Source":
    """Open SOURCE as the kind of data that the recipe, --kind or the run to resume takes."""
    from infomax.recipes import kind_of
    from infomax.recipes.configuration import config_to_resume

    before = None if resumed is None else config_to_resume(resumed, overwrite=False)
    return open_sources(sources, reading, kind_of(*chosen, before and before["recipe"]))


def _show_neighbors(logger: "TensorBoardLogger", model: "InfoMax", source: "Source") -> None:
    """Show random images with their nearest neighbors in TensorBoard; of other kinds of data, nothing."""
    import numpy as np

    from infomax.figures.montage import montage_of
    from infomax.images import LoadedImages

    images = model.load_examples(source)
    if not isinstance(images, LoadedImages):
        return
    logger.show("neighbors", np.asarray(montage_of(source, images, model.encode(images.pixels))))
