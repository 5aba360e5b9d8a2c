"""compare: several runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import Device, JsonFile, OptionalNeighbors, OptionalTest, Seed, Train
from infomax.cli.output import print_warnings, write_json


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of models, as infomax fit wrote them.")],
    train: Train,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the report.")],
    test: OptionalTest = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the report that DIR holds.")] = False,
    k: OptionalNeighbors = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Compare runs on one page: which is better, scores, neighbors, maps, how they were learned, and settings.

    Example: infomax compare first second --train train --test test --out report
    """
    from infomax.evaluation import comparison
    from infomax.evaluation.conclusion import conclusion
    from infomax.figures.report import refuse_unless_free, to_dict, write_report

    refuse_unless_free(out, overwrite=overwrite)
    found = comparison.compare(runs, train, test, k=k, seed=seed, device=device)
    page = write_report(found, out, seed)
    print_warnings(f"warning: {warning}" for warning in found.split.warnings)
    if json_file is not None:
        write_json(json_file, to_dict(found, seed))
    if json_file != "-":
        print(conclusion(found, seed))
        print(f"the report is {page}, and its figures are beside it")
