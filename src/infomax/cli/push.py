"""push: upload a model to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import Model


def push(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository; it is made if need be.")],
    model: Model,
    license: Annotated[  # noqa: A002
        str | None, typer.Option("--license", metavar="NAME", help="License of the model: apache-2.0, say.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", metavar="FILE", help="What evaluate --json wrote, for the card.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Upload a model with its card to the Hugging Face hub, under the account that is logged in there.

    Example: infomax push me/features --model run --license apache-2.0
    """
    from infomax.model import InfoMax

    done = InfoMax.load(model, device="cpu").push_to_hub(repository, license=license, scores=scores, private=private)
    print(f"{model} is now at {done}")
    print(f"anybody who may read it gets it by:  infomax pull {repository} --out RUN")
