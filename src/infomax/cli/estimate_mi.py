"""estimate-mi: mutual information of paired samples."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from infomax.cli.options import JsonFile, Seed
from infomax.cli.output import print_warnings, write_json
from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from infomax.information import MutualInformation

KindName = Literal["continuous", "discrete", "categorical", "mixed", "censored"]


BoundName = Annotated[
    str | None,
    typer.Option("--bound", metavar="NAME", help="Estimator; the most accurate one is chosen if left out."),
]
Given = Annotated[
    Path | None,
    typer.Option("--given", metavar="Z.npy", help="Estimate the information of X and Y given these samples of Z."),
]
Blocks = Annotated[
    str | None,
    typer.Option(
        "--blocks", metavar="ROWS|auto", help="The rows are a series: hold out blocks of so many neighbors together."
    ),
]
Permutations = Annotated[
    int, typer.Option("--permutations", metavar="N", min=0, help="Also test for independence by N permutations.")
]
MissingRows = Annotated[
    Literal["refuse", "drop"], typer.Option("--missing", help="Rows with NaN: an error, or dropped and counted.")
]
XKind = Annotated[KindName | None, typer.Option("--x-kind", help="Kind of the columns of X; found if left out.")]
YKind = Annotated[KindName | None, typer.Option("--y-kind", help="Kind of the columns of Y; found if left out.")]
Figure = Annotated[
    Path | None,
    typer.Option(
        "--figure", metavar="FILE.png", help="Draw samples by pointwise information, and the bound by sample size."
    ),
]


def estimate_mi(
    x: Annotated[Path, typer.Argument(metavar="X.npy", help="Samples of X, shape (n,) or (n, d).")],
    y: Annotated[Path, typer.Argument(metavar="Y.npy", help="Samples of Y; row i belongs to row i of X.")],
    bound: BoundName = None,
    given: Given = None,
    blocks: Blocks = None,
    permutations: Permutations = 0,
    missing: MissingRows = "refuse",
    x_kind: XKind = None,
    y_kind: YKind = None,
    figure: Figure = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Estimate the mutual information of paired samples, in nats.

    Example: infomax estimate-mi x.npy y.npy --permutations 999
    """
    from infomax import information

    _require_folders(figure, None if json_file in (None, "-") else Path(str(json_file)))
    samples = [_load_array(file) for file in (x, y)]
    common: dict[str, Any] = {"seed": seed, "blocks": _rows_of_a_block(blocks), "missing": missing}
    try:
        if given is not None:
            _refuse_with_given(bound, permutations, x_kind, y_kind, figure)
            found = information.conditional_mi(samples[0], samples[1], _load_array(given), **common)
        else:
            asked: dict[str, Any] = {"bound": bound, "permutations": permutations, "x_kind": x_kind, "y_kind": y_kind}
            found = information.estimate_mi(samples[0], samples[1], **asked, **common)
        if figure is not None:
            _draw(samples, {**common, "x_kind": x_kind, "y_kind": y_kind}, found, figure)
    except ValueError as error:
        files = ", ".join(str(file) for file in (x, y, given) if file is not None)
        raise InfoMaxError(f"{files}: {error}") from None
    print_warnings(found.warnings)
    files_and_size = {"x": str(x), "y": str(y), **({"given": str(given)} if given else {}), "samples": len(samples[0])}
    if json_file is not None:
        write_json(json_file, {**files_and_size, "unit": "nats", **asdict(found), "normalized": found.normalized})
    if json_file != "-":
        print(f"{found.value:.4f} nats, standard error {found.standard_error:.4f} (by {found.bound})")
        if found.p_value is not None:
            print(f"p = {found.p_value:.4g} for independence, by {permutations} permutations")
        if figure is not None:
            print(f"the figure is {figure}")


def _rows_of_a_block(blocks: str | None) -> int | str | None:
    if blocks is None or blocks == "auto":
        return blocks
    if not blocks.isdecimal():
        raise InfoMaxError(f"--blocks is {blocks!r}: give the rows of a block, or auto")
    return int(blocks)


def _refuse_with_given(*options: object) -> None:
    """Raise an error for options that make no sense with --given; none may be set."""
    if any(options):
        raise InfoMaxError("--given goes with --blocks, --missing, --seed and --json alone: leave the others out")


def _require_folders(*files: Path | None) -> None:
    """Raise an error for a file that cannot be written at the end, before the work begins."""
    for file in files:
        if file is None:
            continue
        if file.expanduser().is_dir():
            raise InfoMaxError(f"{file} is a folder: name a file in it")
        if not file.expanduser().absolute().parent.is_dir():
            raise InfoMaxError(f"{file}: its folder does not exist: make it first")


def _draw(samples: "list[NDArray[Any]]", asked: dict[str, Any], found: "MutualInformation", figure: Path) -> None:
    """Write the figure of pointwise values and of the bound by sample size."""
    from infomax.figures.pointwise import draw_pointwise
    from infomax.files import written_atomically
    from infomax.information import bound_by_sample_size, pointwise_mi

    values = pointwise_mi(*samples, **asked)
    curve = bound_by_sample_size(*samples, **{name: asked[name] for name in asked if name != "blocks"})
    with written_atomically(figure, "wb") as out:
        out.write(draw_pointwise(samples[0], samples[1], values, curve, found))


def _load_array(path: Path) -> "NDArray[Any]":
    import numpy as np

    try:
        with path.open("rb") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise InfoMaxError(f"{path} is no .npy file of numbers ({error}): write it with numpy.save") from None
