"""fit: learn features."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import Device, Seed, Source
from infomax.cli.output import health_warnings_told, quoted, tell_skipped


def fit(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="A new folder for the model, log and checkpoints.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME", help="What to learn, and how; auto looks at device and images."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the images; the recipe's own if left out.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting of the recipe: --set beta=0."),
    ] = None,
    bound: Annotated[
        str | None,
        typer.Option("--bound", metavar="NAME", help="f-divergence, donsker-varadhan, nwj, infonce or smile."),
    ] = None,
    divergence: Annotated[
        str | None,
        typer.Option("--divergence", metavar="NAME", help="Of the f-divergence bound: squared-hellinger, say."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option("--prior", metavar="NAME", help="gaussian, adversarial-uniform, adversarial-gaussian or none."),
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in RUN.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in RUN.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Show the training in TensorBoard too, from RUN/tensorboard.")
    ] = False,
) -> None:
    """Learn features from a collection of images, without labels."""
    from infomax.devices import choose_device
    from infomax.model import InfoMax
    from infomax.recipes import AUTO, choose_recipe, find_recipe, recipe_from_config
    from infomax.training.distributed import Distributed
    from infomax.training.logging import TensorBoardLogger
    from infomax.training.run_folder import Run

    choices = {"bound": bound, "divergence": divergence, "prior": prior}
    texts = [*(f"{name}={value}" for name, value in choices.items() if value is not None), *(settings or [])]
    reason = ""
    if recipe is not None and recipe != AUTO:
        chosen = find_recipe(recipe)
    elif resume and not overwrite:
        chosen = recipe_from_config(Run(out).read_config()["recipe"])
    else:
        chosen, reason = choose_recipe(source, choose_device(device))
    model = InfoMax(chosen.with_texts(texts), epochs=epochs, device=device, seed=seed, progress=True)
    with TensorBoardLogger(out / "tensorboard") if tensorboard else nullcontext() as board, health_warnings_told():
        model.fit(source, out=out, resume=resume, overwrite=overwrite, board=board)
        if not Distributed.of_environment().first:
            return
        if board is not None:
            import numpy as np

            from infomax.figures.montage import montage_of

            images = model.load_images(source)
            board.show("neighbors", np.asarray(montage_of(source, images, model.embed(images))))
    data = model.config_["data"]
    tell_skipped(data["skipped"], str(out / "skipped.csv"))
    if reason:
        print(f"recipe {chosen.name} was chosen for {reason}; --recipe NAME takes another")
    print(f"learned {model.recipe_.dim} features from {data['images']} images; the model is in {out}")
    print(f"see what it finds alike:  infomax montage {quoted(source)} --model {quoted(out)} --out montage.png")
