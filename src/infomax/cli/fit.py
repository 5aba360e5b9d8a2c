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
)
from infomax.cli.output import health_warnings_on_stderr, print_left_out, quoted
from infomax.cli.recipe_choice import PretrainedNet, Settings, recipe_choice
from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from infomax.images.source import Source
    from infomax.model import InfoMax
    from infomax.training.logging import TensorBoardLogger


Out = Annotated[Path, typer.Option("--out", metavar="RUN", help="A new folder for model, log and checkpoints.")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME", help="What to learn, and how; auto chooses by device and images."),
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
) -> None:
    """Learn features from a collection of images, without labels.

    Example: infomax fit photos/ --out run
    """
    from infomax.model import InfoMax
    from infomax.training.distributed import Distributed
    from infomax.training.interruption import TrainingInterrupted
    from infomax.training.logging import TensorBoardLogger

    chosen = recipe_choice(recipe, settings, backbone, bound=bound, divergence=divergence, prior=prior)
    reading = reading_options(exclude, max_pixels, bands, image_column=image_column, label_column=label_column)
    learning: dict[str, Any] = {"settings": chosen.settings, "epochs": epochs, "minutes": minutes}
    model = InfoMax(chosen.recipe, **learning, device=device, seed=seed, progress=True, reading=reading)
    source = open_sources(sources, reading)
    with (
        TensorBoardLogger(out / "tensorboard") if tensorboard else nullcontext() as logger,
        health_warnings_on_stderr(),
    ):
        try:
            model.fit(source, out=out, resume=resume, overwrite=overwrite, logger=logger)
        except TrainingInterrupted as stopped:
            raise InfoMaxError(str(stopped)) from None
        if not Distributed.of_environment().first:
            return
        if logger is not None:
            _show_neighbors(logger, model, source)
    _print_result(model, sources, out)


def _print_result(model: "InfoMax", sources: Sequence[str], out: Path) -> None:
    """Say what was learned and left out, and how to go on."""
    data = model.config_["data"]
    print_left_out(data["left_out"], str(out / "skipped.csv"))
    print(f"learned {model.recipe_.dim} features from {data['images']} images; the model is in {out}")
    again = " ".join(map(quoted, sources))
    print(f"see which images they find alike:  infomax montage {again} --model {quoted(out)} --out montage.png")


def _show_neighbors(logger: "TensorBoardLogger", model: "InfoMax", source: "Source") -> None:
    """Show random images with their nearest neighbors in TensorBoard."""
    import numpy as np

    from infomax.figures.montage import montage_of

    images = model.load_images(source)
    logger.show("neighbors", np.asarray(montage_of(source, images, model.encode(images.pixels))))
