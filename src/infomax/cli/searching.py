"""index, search, duplicates, outliers: a collection that is searched by picture."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.options import Device, IndexFolder, JsonFile, MetricName, Source
from infomax.cli.output import tell_skipped, write_json

if TYPE_CHECKING:
    from infomax.search.index import Match


def index(
    source: Source,
    index: IndexFolder,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="RUN", help="The folder that infomax fit wrote; for a new index.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove pictures that have vanished from SOURCE, or are broken now.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; decode and write nothing.")
    ] = False,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Make an index of pictures, or bring it up to date: only what is new or changed is embedded."""
    from infomax.search.index import Index, preview

    if dry_run and not index.exists():
        changes = preview(source, model)
    else:
        opened = (
            Index.open(index, device=device, progress=True)
            if model is None
            else Index.create(index, model, device=device, progress=True)
        )
        changes = opened.synchronise(source, prune=prune, dry_run=dry_run)
    skipped = index / "skipped.csv"
    if changes.skipped:
        first = changes.skipped[0]
        tell_skipped(len(changes.skipped), f"{first.where!r}, {first.reason}" if dry_run else str(skipped))
    counts = {name: getattr(changes, name) for name in ("added", "updated", "unchanged", "removed")}
    counts["skipped"] = len(changes.skipped)
    if json_file is not None:
        write_json(json_file, {"index": str(index), "dry_run": dry_run, **counts})
    if json_file != "-":
        print(f"{'would be ' if dry_run else ''}{', '.join(f'{name} {count}' for name, count in counts.items())}")


def search(
    pictures: Annotated[list[str], typer.Argument(metavar="PICTURE...", help="Files to search with; - is stdin.")],
    index: IndexFolder,
    k: Annotated[int, typer.Option("-k", min=1, help="How many matches.")] = 10,
    metric: MetricName = "cosine",
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Faster in a large index, but may miss a few matches.")
    ] = False,
    folder: Annotated[
        str | None, typer.Option("--folder", metavar="F", help="Only pictures below this folder.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="L", help="Only pictures with this label.")] = None,
    figure: Annotated[Path | None, typer.Option("--figure", metavar="FILE.png", help="Draw the matches.")] = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Find the pictures of an index that are most like a picture."""
    from infomax.search.index import Index

    opened = Index.open(index, device=device)
    queries: list[bytes | Path] = [sys.stdin.buffer.read() if each == "-" else Path(each) for each in pictures]
    found = [
        opened.search(query, k, metric=metric, approximate=approximate, folder=folder, label=label) for query in queries
    ]
    if not any(found):
        print(
            f"infomax: {index} holds no pictures{' of that folder or label' if folder or label else ''}",
            file=sys.stderr,
        )
    if figure is not None:
        from infomax.figures.matches import draw_matches
        from infomax.figures.montage import save_png

        save_png(draw_matches(opened, queries, found, metric), figure)
    if json_file is not None:
        documents = [
            {"query": name, "metric": metric, "approximate": approximate, "matches": [_match(each) for each in matches]}
            for name, matches in zip(pictures, found, strict=True)
        ]
        write_json(json_file, documents[0] if len(documents) == 1 else documents)
    if json_file != "-":
        kind = f"by {'approximate search, ' if approximate else ''}{metric} distance"
        for name, matches in zip(pictures, found, strict=True):
            print(f"{name}: {len(matches)} {'match' if len(matches) == 1 else 'matches'}, {kind}")
            for each in matches:
                end = f"{each.picture.path}  {each.picture.label or ''}".rstrip()
                print(f"{each.rank:>5}  {each.distance:<10.6f}  {' '.join(end.splitlines())}")
        if figure is not None:
            print(f"the figure is {figure}")


def duplicates(
    index: IndexFolder,
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="T", help="Only pictures of at least this cosine are compared.")
    ] = 0.8,
    json_file: JsonFile = None,
) -> None:
    """List groups of near-identical pictures: near to the model, and in what they show."""
    from infomax.search.index import Index

    groups = Index.open(index).duplicates(threshold)
    if json_file is not None:
        documents = [
            {"similarity": group.similarity, "paths": [each.path for each in group.pictures]} for group in groups
        ]
        write_json(json_file, {"threshold": threshold, "groups": documents})
    if json_file != "-":
        for group in groups:
            print(f"{len(group.pictures)} pictures, similarity at least {group.similarity:.6f}")
            for each in group.pictures:
                print(f"       {' '.join(each.path.splitlines())}")
        print(f"{len(groups)} {'group' if len(groups) == 1 else 'groups'} at a threshold of {threshold}")


def outliers(
    index: IndexFolder,
    n: Annotated[int, typer.Option("-n", min=1, help="How many pictures.")] = 20,
    k: Annotated[int, typer.Option("-k", min=1, help="Over how many nearest the distance is averaged.")] = 10,
    metric: MetricName = "cosine",
    json_file: JsonFile = None,
) -> None:
    """List the pictures that are least like the rest."""
    from infomax.search.index import Index

    found = Index.open(index).outliers(n, k=k, metric=metric)
    if json_file is not None:
        documents = [
            {"rank": rank, "path": each.picture.path, "label": each.picture.label, "distance": each.distance}
            for rank, each in enumerate(found, 1)
        ]
        write_json(json_file, {"metric": metric, "k": k, "outliers": documents})
    if json_file != "-":
        for rank, each in enumerate(found, 1):
            print(f"{rank:>5}  {each.distance:<10.6f}  {' '.join(each.picture.path.splitlines())}")


def _match(match: "Match") -> dict[str, Any]:
    return {
        "rank": match.rank,
        "path": match.picture.path,
        "label": match.picture.label,
        "distance": match.distance,
        "similarity": match.similarity,
    }
