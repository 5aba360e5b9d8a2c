"""estimate-mi: mutual information of paired samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.options import JsonFile, Seed
from infomax.cli.output import print_warnings, write_json
from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def estimate_mi(
    x: Annotated[Path, typer.Argument(metavar="X.npy", help="Samples of X, shape (n,) or (n, d).")],
    y: Annotated[Path, typer.Argument(metavar="Y.npy", help="Samples of Y; row i belongs to row i of X.")],
    bound: Annotated[
        str | None,
        typer.Option("--bound", metavar="NAME", help="Estimator; the most accurate one is chosen if left out."),
    ] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Estimate the mutual information of paired samples, in nats.

    Example: infomax estimate-mi x.npy y.npy
    """
    from dataclasses import asdict

    from infomax.information import estimate_mi as estimate

    samples = [_load_array(file) for file in (x, y)]
    try:
        found = estimate(*samples, bound=bound, seed=seed)
    except ValueError as error:
        raise InfoMaxError(f"{x}, {y}: {error}") from None
    print_warnings(found.warnings)
    if json_file is not None:
        write_json(json_file, {"x": str(x), "y": str(y), "samples": len(samples[0]), "unit": "nats", **asdict(found)})
    if json_file != "-":
        print(f"{found.value:.4f} nats, standard error {found.standard_error:.4f} (by {found.bound})")


def _load_array(path: Path) -> "NDArray[Any]":
    import numpy as np

    try:
        with path.open("rb") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise InfoMaxError(f"{path} is no .npy file of numbers ({error}): write it with numpy.save") from None
