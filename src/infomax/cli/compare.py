"""compare: several runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import Device, JsonFile, Neighbors, Seed, Test, Train
from infomax.cli.output import write_json


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that infomax fit wrote.")],
    train: Train,
    test: Test,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder for the report.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the report that is in DIR.")] = False,
    k: Neighbors = 20,
    seed: Seed = 0,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Put runs side by side: one page with figures, neighbors, maps, curves and settings, to read anywhere."""
    from infomax.evaluation import comparison
    from infomax.figures.report import refuse_unless_free, to_dict, write_report

    refuse_unless_free(out, overwrite=overwrite)
    found = comparison.compare(runs, train, test, k=k, seed=seed, device=device)
    page = write_report(found, out)
    if json_file is not None:
        write_json(json_file, to_dict(found, seed))
    if json_file != "-":
        print(f"the report is {page}, and its figures are beside it")
