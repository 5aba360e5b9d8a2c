"""index: make an index, or bring it up to date."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.loading import reading_options
from infomax.cli.options import (
    SOURCE_HELP,
    Device,
    Exclude,
    ImageColumn,
    IndexOption,
    JsonFile,
    LabelColumn,
    MaxPixels,
    RayAddress,
    TextColumn,
)
from infomax.cli.output import print_left_out, print_warnings, write_json
from infomax.errors import InfoMaxError
from infomax.object_store import is_url, place_of

if TYPE_CHECKING:
    from infomax.decoding.options import ReadingOptions
    from infomax.search.index import Index
    from infomax.search.recall import Recall
    from infomax.search.sync import Changes


ModelOfNew = Annotated[
    Path | None,
    typer.Option("--model", metavar="RUN", help="Folder of the model, as infomax fit wrote it; only for a new index."),
]
Prune = Annotated[bool, typer.Option("--prune", help="Also remove images that are gone from SOURCE or broken now.")]
Unmounted = Annotated[
    bool, typer.Option("--unmounted", help="With --prune: also where SOURCE was on a disk that is not mounted.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; decode and write nothing.")]


VectorsFile = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        metavar="FILE.parquet",
        help="Vectors of any other model, with columns path and vector; SOURCE is then the folder of the paths.",
    ),
]
PrepareApproximate = Annotated[
    bool,
    typer.Option("--approximate", help="Also prepare approximate searches, and say how many matches they find."),
]
Fingerprint = Annotated[
    str, typer.Option("--fingerprint", metavar="NAME", help="With --vectors: the name of the model that made them.")
]
Sources = Annotated[list[str] | None, typer.Argument(metavar="SOURCE", help=SOURCE_HELP)]


def index(
    index: IndexOption,
    sources: Sources = None,
    model: ModelOfNew = None,
    vectors: VectorsFile = None,
    fingerprint: Fingerprint = "vectors",
    prune: Prune = False,
    unmounted: Unmounted = False,
    dry_run: DryRun = False,
    approximate: PrepareApproximate = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    text_column: TextColumn = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    json_file: JsonFile = None,
    device: Device = "auto",
    ray: RayAddress = None,
) -> None:
    """Make an index of images or texts, or update it: only new and changed ones are embedded.

    Example: infomax index photos --model run --index photos.index
    """
    if vectors is not None:
        others = {"--model": model, "--prune": prune, "--dry-run": dry_run, "--device": device != "auto", "--ray": ray}
        others["--approximate"] = approximate
        _refuse_together("--vectors", others)
        _index_vectors(vectors, index, fingerprint, sources or [], exclude, max_pixels, json_file)
        return
    if not sources:
        raise typer.BadParameter("give one, or --vectors FILE.parquet", param_hint="SOURCE...")
    from infomax.search.planning import plan

    columns = {"image_column": image_column, "label_column": label_column, "text_column": text_column}
    reading = reading_options([each for each in exclude or () if each], max_pixels, **columns)
    if dry_run and not _exists(index):
        changes, noun = plan(sources, model, reading), "item"
    else:
        opened = _opened(index, model, device)
        if "" in (exclude or ()):
            _forget_excluded(index, dry_run=dry_run)
        options: dict[str, Any] = {"prune": prune, "unmounted": unmounted, "dry_run": dry_run}
        changes, noun = _synchronize(opened, list(sources), ray, reading, options), opened.kind.noun
    recall = None if dry_run or not approximate else _opened(index, None, device).prepare_approximate()
    _print_remarks(changes, index, noun, dry_run=dry_run)
    _report(changes, index, recall, json_file, dry_run=dry_run)


def _report(changes: "Changes", index: Path, recall: "Recall | None", json_file: str | None, *, dry_run: bool) -> None:
    """Print the counts, and how many matches an approximate search finds; write them as JSON."""
    counts = {name: getattr(changes, name) for name in ("added", "updated", "unchanged", "removed")}
    counts["skipped"] = len(changes.skipped)
    if json_file is not None:
        others = {name: getattr(changes, name) for name in ("moved", "same_file", "gone")}
        told = {} if recall is None else {"approximate": asdict(recall)}
        write_json(json_file, {"index": str(place_of(index)), "dry_run": dry_run, **counts, **others, **told})
    if json_file != "-":
        counts |= {"moved": changes.moved} if changes.moved else {}
        print(f"{'would be ' if dry_run else ''}{', '.join(f'{name} {count}' for name, count in counts.items())}")
    if recall is not None and json_file != "-":
        print(
            f"approximate searches find {100 * recall.recall:.1f} % of the {recall.k} nearest, "
            f"measured with {recall.queries} of the index, in {recall.milliseconds:.1f} ms"
        )


def _exists(index: Path) -> bool:
    """Whether there is anything where the index is to be."""
    from infomax.search.index_folder import IndexFolder

    return IndexFolder(index).exists if is_url(index) else index.exists()


def _opened(index: Path, model: Path | None, device: str) -> "Index":
    """Open the index, or make it for a model."""
    from infomax.search.index import Index

    if model is None:
        return Index.open(index, device=device, progress=True)
    return Index.create(index, model, device=device, progress=True)


def _refuse_together(option: str, others: Mapping[str, object]) -> None:
    """Refuse options that say nothing beside another one."""
    if wrong := [name for name, given in others.items() if given]:
        raise typer.BadParameter(f"{option} and {wrong[0]} do not go together", param_hint=option)


def _synchronize(
    index: "Index", sources: list[str], ray: str | None, reading: "ReadingOptions", options: dict[str, Any]
) -> "Changes":
    """Bring an index up to date, in this process or on a cluster."""
    if ray is None:
        return index.synchronize(sources, named=True, reading=reading, **options)
    from infomax.cluster.indexing import index_on
    from infomax.cluster.session import connected

    _refuse_together("--ray", {"--dry-run": options["dry_run"]})
    with connected(ray) as session:
        return index_on(session, index, sources, reading, **options)


def _index_vectors(
    file: Path,
    index: Path,
    fingerprint: str,
    sources: list[str],
    exclude: list[str] | None,
    max_pixels: int | None,
    json_file: str | None,
) -> None:
    """Make an index for vectors of another model, or add to it; say which paths are no files."""
    from infomax.embeddings import read_embeddings
    from infomax.search.index_folder import IndexFolder, OtherModel
    from infomax.search.vectors import GivenVectors, add_vectors

    if len(sources) > 1:
        raise typer.BadParameter("with --vectors give one folder, in which their paths are", param_hint="SOURCE...")
    found, folder = read_embeddings(file), IndexFolder(index)
    if found.paths is None:
        raise InfoMaxError(f"{file} has no column named path: give the path of the image of each vector")
    dim = found.vectors.shape[1]
    folder.create_for(OtherModel(fingerprint, dim))
    given: GivenVectors = {"vectors": found.vectors, "paths": found.paths, "labels": found.labels}
    reading = reading_options(exclude, max_pixels)
    changes = add_vectors(folder, folder.open_store(dim), given, next(iter(sources), None), reading, progress=True)
    if changes.skipped:
        none = "1 path is no image file" if len(changes.skipped) == 1 else f"{len(changes.skipped)} paths are no images"
        print_warnings([f"{none} here, listed by name: {place_of(index)}/skipped.csv"])
    counts = {"added": changes.added, "updated": changes.updated, "without_file": len(changes.skipped)}
    if json_file is not None:
        write_json(json_file, {"index": str(place_of(index)), "dim": dim, "fingerprint": fingerprint, **counts})
    if json_file != "-":
        print(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()))


def _forget_excluded(index: Path, *, dry_run: bool) -> None:
    """Forget what was excluded in earlier calls."""
    from infomax.images.remembered import RememberedExclusions
    from infomax.search.index_folder import IndexFolder

    if dry_run:
        raise typer.BadParameter(
            "'' forgets what was excluded before, which a dry run does not", param_hint="--exclude"
        )
    folder = IndexFolder(index)
    RememberedExclusions(folder.excluded_file).forget()
    folder.publish(folder.excluded_file)


def _print_remarks(changes: "Changes", index: Path, noun: str = "image", *, dry_run: bool) -> None:
    """Say on stderr what the counts do not tell."""
    from infomax.images.census import count_left_out

    first = f"{changes.skipped[0].where!r}, {changes.skipped[0].reason}" if changes.skipped else ""
    where = first if dry_run else f"{place_of(index)}/skipped.csv"
    print_left_out(count_left_out(changes.skipped, changes.census), where, noun)
    remarks = []
    if changes.same_file:
        paths = "path is" if changes.same_file == 1 else "paths are"
        remarks.append(f"{changes.same_file} {paths} the same file as another: listed once")
    if changes.gone:
        rows = "row has lost its file" if changes.gone == 1 else "rows have lost their files"
        remarks.append(f"{changes.gone} {rows}: --prune removes {'it' if changes.gone == 1 else 'them'}")
    print_warnings(remarks)
