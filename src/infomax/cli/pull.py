"""pull: get a model from the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer


def pull(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="A new folder for the model.")],
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="NAME", help="Branch, tag or commit; by default the main one.")
    ] = None,
) -> None:
    """Get a model from the Hugging Face hub. What comes is JSON and safetensors; nothing of it is run.

    Example: infomax pull me/features --out run
    """
    from infomax.hub import download_model
    from infomax.model import InfoMax

    download_model(repository, out, revision=revision)
    recipe = InfoMax.load(out, device="cpu").recipe_
    print(f"{out} has the model of {repository}: recipe {recipe.name}, {recipe.dim} numbers an image")
