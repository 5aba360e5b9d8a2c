"""search: the images of an index that are most similar to a query."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from infomax.cli.options import After, Before, Device, IncludeGone, IndexOption, JsonFile, MetricName
from infomax.cli.output import one_line, print_gone, print_warnings, write_json
from infomax.errors import InfoMaxError
from infomax.object_store import place_of
from infomax.paths import expand_home, path_from_here

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from infomax.neighbors.distances import Metric
    from infomax.search.index import Index
    from infomax.search.queries import Conditions
    from infomax.search.results import Match, Matches

    SearchedWith: TypeAlias = "bytes | str | Path | Float[np.ndarray, ' d']"


_LINE = 100  # characters of a text that a match shows

QueryImages = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Image files, text files or texts, or vectors in .npy files; - reads stdin."),
]
MatchCount = Annotated[int, typer.Option("-k", min=1, help="Number of matches for each image.")]
Approximate = Annotated[
    bool, typer.Option("--approximate", help="Search a large index faster; may miss a few matches.")
]
FolderName = Annotated[
    str | None, typer.Option("--folder", metavar="FOLDER", help="Only find images below this folder.")
]
LabelName = Annotated[str | None, typer.Option("--label", metavar="NAME", help="Only find images with this label.")]
TagName = Annotated[str | None, typer.Option("--tag", metavar="NAME", help="Only find images with this tag.")]
Together = Annotated[bool, typer.Option("--together", help="Search once, for what all IMAGEs have in common.")]
Unlike = Annotated[
    list[Path] | None, typer.Option("--unlike", metavar="IMAGE", help="Find none like this one; may be repeated.")
]
CropOption = Annotated[
    str | None, typer.Option("--crop", metavar="X,Y,W,H", help="Search by this part of IMAGE, each in 0..1.")
]
MatchesFigure = Annotated[
    Path | None, typer.Option("--figure", metavar="FILE.png", help="Also draw the matches into this file.")
]


def search(
    images: QueryImages,
    index: IndexOption,
    k: MatchCount = 10,
    metric: MetricName = "cosine",
    approximate: Approximate = False,
    folder: FolderName = None,
    label: LabelName = None,
    tag: TagName = None,
    after: After = None,
    before: Before = None,
    include_gone: IncludeGone = False,
    together: Together = False,
    unlike: Unlike = None,
    crop: CropOption = None,
    figure: MatchesFigure = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Find the images of an index that are most similar to an image. The image itself is not among them.

    Example: infomax search cat.jpg --index photos.index -k 9

    Example: infomax search beach.jpg sunset.jpg --together --unlike city.jpg --index photos.index
    """
    from infomax.search.index import Index

    opened = Index.open(index, device=device)
    queries = [_query(each) for each in images]
    conditions: Conditions = {"folder": folder, "label": label, "tag": tag, "after": after, "before": before}
    options = {"metric": metric, "approximate": approximate, "include_gone": include_gone, **conditions}
    shaped = _shape(opened, queries, unlike or [], crop, together=together)
    if len(shaped) == 1 < len(queries):
        images, queries = [" + ".join(images)], queries[:1]
    found = [_find(opened, vector, own, k, options) for vector, own in shaped]
    _print_remarks(place_of(index), found, conditions)
    lines = _lines(opened, found)
    if figure is not None:
        _draw(opened, queries, found, metric, figure)
    if json_file is not None:
        answer = {"metric": metric, "approximate": approximate}
        pairs = zip(images, found, strict=True)
        documents = [
            {"query": name, **answer, "matches": [_match(each, lines) for each in matches]} for name, matches in pairs
        ]
        write_json(json_file, documents[0] if len(documents) == 1 else documents)
    if json_file != "-":
        _print_matches(images, found, metric, lines, approximate=approximate)
        if figure is not None:
            print(f"the figure is {figure}")


def _query(name: str) -> "SearchedWith":
    """What to search with: the content of stdin, a vector in a .npy file, or an image file."""
    if name == "-":
        return sys.stdin.buffer.read()
    if name.endswith(".npy"):
        import numpy as np

        try:
            with expand_home(name).open("rb") as file:
                array = np.load(file, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InfoMaxError(f"{name} cannot be searched with ({error}): give what numpy.save wrote") from None
        if array.dtype.kind == "f" and array.ndim == 1:
            vector: Float[np.ndarray, " d"] = array
            return vector
    return Path(name) if os.path.lexists(name) else name  # a text, or a file that is missing


def _lines(index: "Index", found: "Sequence[Matches]") -> dict[str, str]:
    """What matches say in one line, by their ids: the beginnings of texts. Images say nothing."""
    if not index.kind.has_lines:
        return {}
    cards = index.cards([each.image.id for matches in found for each in matches])
    return {id_: line for id_, card in cards.items() if (line := index.kind.line(card))}


def _draw(
    opened: "Index", queries: "Sequence[SearchedWith]", found: "Sequence[Matches]", metric: "Metric", figure: Path
) -> None:
    """Draw the matches into a file. Raises InfoMaxError for a query that is a vector."""
    from infomax.figures.canvas import save_png
    from infomax.figures.matches import draw_matches

    drawn = [query for query in queries if isinstance(query, bytes | Path)]
    if len(drawn) < len(queries):
        raise InfoMaxError("a vector cannot be drawn: leave --figure out, or search with images")
    save_png(draw_matches(opened, drawn, found, metric), figure)


def _shape(
    index: "Index", queries: "Sequence[SearchedWith]", unlike: "Sequence[Path]", crop: str | None, *, together: bool
) -> "list[tuple[Float[np.ndarray, ' d'], list[SearchedWith]]]":
    """The vectors to search with, each with the files that it is made of."""
    from infomax.search.originals import Crop, combine, cropped

    part = None if crop is None else Crop.parse(crop)
    options = None if part is None else index.model.reading_options()
    vectors = [
        index.embed(
            query
            if part is None or options is None or not isinstance(query, bytes | Path)
            else cropped(query, part, options)
        )
        for query in queries
    ]
    others = [index.embed(each) for each in unlike]
    if together or others:
        return [(combine(vectors, others), [*queries, *unlike])]
    return [(vector, [query]) for vector, query in zip(vectors, queries, strict=True)]


def _find(
    index: "Index", vector: "Float[np.ndarray, ' d']", own: "Sequence[SearchedWith]", k: int, options: dict[str, Any]
) -> "Matches":
    """The matches of a vector, without the files that it was made of."""
    from infomax.search.presence import file_key
    from infomax.search.results import Matches

    keys = {file_key(str(each.absolute())) for each in own if isinstance(each, Path)} - {None}
    found = index.search(vector, k + len(keys), **options)
    others = [each for each in found if not keys or file_key(each.image.path) not in keys][:k]
    ranked = [replace(each, rank=rank) for rank, each in enumerate(others, 1)]
    return Matches(ranked, index.thumbnails, left_out=found.left_out, missing_roots=found.missing_roots)


def _print_remarks(index: Path | str, found: "Sequence[Matches]", conditions: "Conditions") -> None:
    """Say on stderr why there are no matches or fewer, and which files are missing."""
    left_out = {path for matches in found for path in matches.left_out}
    if not any(found) and not left_out:
        named = conditions["folder"] or conditions["label"] or conditions["tag"]
        timed = conditions["after"] or conditions["before"]
        which = " of that folder, label or tag" if named else ""
        print_warnings([f"{index} holds no images{which}{' taken at that time' if timed else ''}"])
    print_gone(len(left_out), sorted({root for matches in found for root in matches.missing_roots}))


def _print_matches(
    images: Sequence[str],
    found: Sequence[Sequence["Match"]],
    metric: "Metric",
    texts: dict[str, str],
    *,
    approximate: bool,
) -> None:
    """Print the matches of each query, a line each."""
    kind = f"by {'approximate search, ' if approximate else ''}{metric} distance"
    for name, matches in zip(images, found, strict=True):
        print(f"{name}: {len(matches)} {'match' if len(matches) == 1 else 'matches'}, {kind}")
        for each in matches:
            end = f"{path_from_here(each.image.path)}  {each.image.label or ''}".rstrip()
            print(f"{each.rank:>5}  {each.distance:<7.3f}  {one_line(end)}{'  (gone)' if each.image.gone else ''}")
            if text := texts.get(each.image.id):
                print(f"{'':14}  {shorten(text, _LINE, placeholder='...')}")


def _match(match: "Match", texts: dict[str, str]) -> dict[str, Any]:
    text = texts.get(match.image.id)
    return {
        "rank": match.rank,
        "path": match.image.path,
        "label": match.image.label,
        "distance": match.distance,
        "similarity": match.similarity,
        **{name: getattr(match.image, name) for name in ("format", "taken", "camera", "latitude", "longitude", "gone")},
        **({} if text is None else {"text": text}),
    }
