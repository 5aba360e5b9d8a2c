"""compare: several runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import Device, JsonFile, NeighborsOption, Seed, Test, Train
from infomax.cli.output import write_json


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of models, as infomax fit wrote them.")],
    train: Train,
    test: Test,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the report.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the report that DIR holds.")] = False,
    k: NeighborsOption = 20,
    seed: Seed = 0,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Compare runs on one page: scores, neighbors, maps, training curves and settings.

    Example: infomax compare first second --train train --test test --out report
    """
    from infomax.evaluation import comparison
    from infomax.figures.report import refuse_unless_free, to_dict, write_report

    refuse_unless_free(out, overwrite=overwrite)
    found = comparison.compare(runs, train, test, k=k, seed=seed, device=device)
    page = write_report(found, out)
    if json_file is not None:
        write_json(json_file, to_dict(found, seed))
    if json_file != "-":
        print(f"the report is {page}, and its figures are beside it")
