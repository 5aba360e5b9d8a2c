"""search: the images of an index that are most similar to a query."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.options import After, Before, Device, IncludeGone, IndexOption, JsonFile, MetricName
from infomax.cli.output import one_line, print_gone, print_warnings, write_json
from infomax.errors import InfoMaxError
from infomax.paths import expand_home

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from infomax.neighbors.distances import Metric
    from infomax.search.index import Index
    from infomax.search.queries import Conditions
    from infomax.search.results import Match, Matches


def search(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Image files to search with, or .npy files of one vector; - reads stdin."),
    ],
    index: IndexOption,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of matches for each image.")] = 10,
    metric: MetricName = "cosine",
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Search a large index faster; may miss a few matches.")
    ] = False,
    folder: Annotated[
        str | None, typer.Option("--folder", metavar="FOLDER", help="Only find images below this folder.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="Only find images with this label.")
    ] = None,
    after: After = None,
    before: Before = None,
    include_gone: IncludeGone = False,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE.png", help="Also draw the matches into this file.")
    ] = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Find the images of an index that are most similar to an image.

    Example: infomax search cat.jpg --index photos.index -k 9
    """
    from infomax.search.index import Index

    opened = Index.open(index, device=device)
    queries = [_query(each) for each in images]
    conditions: Conditions = {"folder": folder, "label": label, "after": after, "before": before}
    ask = partial(opened.search, k=k, metric=metric, approximate=approximate, include_gone=include_gone, **conditions)
    found = [ask(query) for query in queries]
    _print_remarks(index, found, conditions)
    if figure is not None:
        _draw(opened, queries, found, metric, figure)
    if json_file is not None:
        answer = {"metric": metric, "approximate": approximate}
        pairs = zip(images, found, strict=True)
        documents = [{"query": name, **answer, "matches": list(map(_match, matches))} for name, matches in pairs]
        write_json(json_file, documents[0] if len(documents) == 1 else documents)
    if json_file != "-":
        _print_matches(images, found, metric, approximate=approximate)
        if figure is not None:
            print(f"the figure is {figure}")


def _query(name: str) -> "bytes | Path | NDArray[Any]":
    """What to search with: the content of stdin, a vector in a .npy file, or an image file."""
    if name == "-":
        return sys.stdin.buffer.read()
    if name.endswith(".npy"):
        import numpy as np

        try:
            with expand_home(name).open("rb") as file:
                array = np.load(file, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InfoMaxError(
                f"{name} cannot be searched with ({error}): give a vector that numpy.save wrote"
            ) from None
        if array.dtype.kind == "f" and array.ndim == 1:
            found: NDArray[Any] = array
            return found
    return Path(name)


def _draw(
    opened: "Index",
    queries: "Sequence[bytes | Path | NDArray[Any]]",
    found: "Sequence[Matches]",
    metric: "Metric",
    figure: Path,
) -> None:
    """Draw the matches into a file. Raises InfoMaxError for a query that is a vector."""
    from infomax.figures.canvas import save_png
    from infomax.figures.matches import draw_matches

    drawn = [query for query in queries if isinstance(query, bytes | Path)]
    if len(drawn) < len(queries):
        raise InfoMaxError("a vector cannot be drawn: leave --figure out, or search with images")
    save_png(draw_matches(opened, drawn, found, metric), figure)


def _print_remarks(index: Path, found: "Sequence[Matches]", conditions: "Conditions") -> None:
    """Say on stderr why there are no matches or fewer, and which files are missing."""
    left_out = {path for matches in found for path in matches.left_out}
    if not any(found) and not left_out:
        named = conditions["folder"] or conditions["label"]
        timed = conditions["after"] or conditions["before"]
        which = " of that folder or label" if named else ""
        print_warnings([f"{index} holds no images{which}{' taken at that time' if timed else ''}"])
    print_gone(len(left_out), sorted({root for matches in found for root in matches.missing_roots}))


def _print_matches(
    images: Sequence[str], found: Sequence[Sequence["Match"]], metric: "Metric", *, approximate: bool
) -> None:
    """Print the matches of each query, a line each."""
    kind = f"by {'approximate search, ' if approximate else ''}{metric} distance"
    for name, matches in zip(images, found, strict=True):
        print(f"{name}: {len(matches)} {'match' if len(matches) == 1 else 'matches'}, {kind}")
        for each in matches:
            end = f"{each.image.path}  {each.image.label or ''}".rstrip() + ("  (gone)" if each.image.gone else "")
            print(f"{each.rank:>5}  {each.distance:<10.6f}  {one_line(end)}")


def _match(match: "Match") -> dict[str, Any]:
    return {
        "rank": match.rank,
        "path": match.image.path,
        "label": match.image.label,
        "distance": match.distance,
        "similarity": match.similarity,
        **{name: getattr(match.image, name) for name in ("format", "taken", "camera", "latitude", "longitude", "gone")},
    }
