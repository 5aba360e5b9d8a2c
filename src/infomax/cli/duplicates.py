"""duplicates: groups of images that look the same, and what to do about them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from infomax.cli.options import IncludeGone, JsonFile
from infomax.cli.output import counted, one_line, print_gone, quoted, write_json
from infomax.paths import path_from_here

if TYPE_CHECKING:
    from infomax.cleaning.choice import GroupChoice
    from infomax.cleaning.moving import Outcome
    from infomax.kinds.kind import DataKind
    from infomax.search.index import Index
    from infomax.search.results import GroupKind, IndexedImage

_Paths = Annotated[list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="Images for --keep-both.")]
_Index = Annotated[Path | None, typer.Option("--index", metavar="DIR", help="Folder of the index.")]
_Threshold = Annotated[
    float, typer.Option("--threshold", metavar="T", help="Least cosine similarity, -1 to 1, of near images.")
]
_Kinds = Annotated[
    str, typer.Option("--kinds", metavar="KIND,KIND", help="Kinds of groups: same-bytes, same-image, near.")
]
_Mirrored = Annotated[bool, typer.Option("--mirrored", help="Mirrored copies are the same image, too.")]
_Turned = Annotated[bool, typer.Option("--turned", help="Copies turned by 90, 180 or 270 degrees are, too.")]
_Framed = Annotated[bool, typer.Option("--framed", help="Copies with a frame or bars of one color are, too.")]
_References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference", metavar="FOLDER", help="Only list duplicates of images below this folder, which all stay."
    ),
]
_AcrossFolders = Annotated[
    bool, typer.Option("--not-within-folder", help="Ignore duplicates that are in one and the same folder.")
]
_Figure = Annotated[
    Path | None, typer.Option("--figure", metavar="FILE.png", help="Also draw the groups into this file.")
]
_Keep = Annotated[Literal["best"] | None, typer.Option("--keep", help="Which image of each group --move-to keeps.")]
_MoveTo = Annotated[
    Path | None, typer.Option("--move-to", metavar="DIR", help="Move the others there, with an undo file.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what --move-to would move; move nothing.")]
_Undo = Annotated[Path | None, typer.Option("--undo", metavar="DIR", help="Move everything back from there.")]
_KeepBoth = Annotated[
    bool, typer.Option("--keep-both", help="Remember that the IMAGEs are all to be kept: not listed together again.")
]
_Decisions = Annotated[bool, typer.Option("--decisions", help="List what --keep-both has remembered.")]
_Forget = Annotated[str | None, typer.Option("--forget", metavar="ID", help="Forget a decision, or all.")]


def duplicates(
    images: _Paths = None,
    index: _Index = None,
    threshold: _Threshold = 0.8,
    kinds: _Kinds = "same-bytes,same-image",
    mirrored: _Mirrored = False,
    turned: _Turned = False,
    framed: _Framed = False,
    references: _References = None,
    across_folders: _AcrossFolders = False,
    include_gone: IncludeGone = False,
    figure: _Figure = None,
    json_file: JsonFile = None,
    keep: _Keep = None,
    move_to: _MoveTo = None,
    dry_run: _DryRun = False,
    undo: _Undo = None,
    keep_both: _KeepBoth = False,
    decisions: _Decisions = False,
    forget: _Forget = None,
) -> None:
    """List groups of images that look the same, the best of each marked; move the others, and move them back.

    The best has the most pixels, then color, then the most bytes, then is the oldest. Nothing is ever deleted.

    Example: infomax duplicates --index photos.index --figure groups.png

    Example: infomax duplicates --index photos.index --keep best --move-to trash --dry-run

    Example: infomax duplicates --undo trash

    Example: infomax duplicates --index photos.index --keep-both a.jpg b.jpg
    """
    reviews = keep_both or decisions or forget is not None
    _refuse_misuse(images, index, keep, move_to, dry_run=dry_run, undo=undo, keep_both=keep_both, reviews=reviews)
    if undo is not None:
        return _undo(undo, json_file)
    from infomax.search.index import Index

    opened = Index.open(index or "")
    if reviews:
        return _decide(opened, images if keep_both else None, forget, json_file)
    from infomax.cleaning.choice import choose

    copies = {"mirrored": mirrored, "turned": turned, "framed": framed, "include_gone": include_gone}
    groups = opened.duplicates(threshold, _kinds(kinds), **copies)
    print_gone(len(groups.left_out), groups.missing_roots)
    choices = choose(groups, references=references or (), across_folders=across_folders, thumbnails=opened.thumbnails)
    return _act(opened, choices, threshold, figure, json_file, move_to, dry_run=dry_run)


def _kinds(names: str) -> "list[GroupKind]":
    """Kinds of groups by the names that the command line has for them."""
    known: dict[str, GroupKind] = {"same-bytes": "same bytes", "same-image": "same image", "near": "near"}
    asked = [name.strip().replace(" ", "-") for name in names.split(",")]
    if unknown := [name for name in asked if name not in known]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}", param_hint="--kinds")
    return [known[name] for name in asked]


def _refuse_misuse(
    images: Sequence[Path] | None,
    index: Path | None,
    keep: str | None,
    move_to: Path | None,
    *,
    dry_run: bool,
    undo: Path | None,
    keep_both: bool,
    reviews: bool,
) -> None:
    """Raise a usage error for options that do not go together."""
    if index is None and undo is None:
        raise typer.BadParameter("name the folder of the index", param_hint="--index")
    if undo is not None and (move_to is not None or keep is not None or dry_run or reviews):
        raise typer.BadParameter("moves back what --move-to has moved; give it alone", param_hint="--undo")
    if reviews and (move_to is not None or keep is not None):
        raise typer.BadParameter("decisions are reviewed by themselves; move in another call", param_hint="--move-to")
    if keep_both and not images:
        raise typer.BadParameter("name the two or more images to keep", param_hint="--keep-both")
    if images and not keep_both:
        raise typer.BadParameter("images are given for --keep-both only", param_hint="IMAGE")
    if (keep is None) != (move_to is None):
        raise typer.BadParameter("--keep best and --move-to DIR go together", param_hint="--keep")
    if dry_run and move_to is None:
        raise typer.BadParameter("says what --move-to DIR would move; give both", param_hint="--dry-run")


def _act(
    index: "Index",
    choices: "Sequence[GroupChoice]",
    threshold: float,
    figure: Path | None,
    json_file: str | None,
    move_to: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Draw, move, and print the groups."""
    blank = index.blank_images()
    if figure is not None and choices:
        from infomax.figures.canvas import save_png
        from infomax.figures.groups import draw_groups

        save_png(draw_groups(index, choices), figure)
    if json_file != "-":
        has_near = any(choice.group.kind == "near" for choice in choices)
        _print_groups(choices, threshold if has_near else None, index.kind)
        if blank:
            empty = f"{counted(len(blank), 'image')} {'is' if len(blank) == 1 else 'are'} blank or nearly blank"
            print(f"{empty}: only equal bytes make these duplicates")
        if figure is not None:
            print(f"the figure is {figure}" if choices else "there is no group to draw, so there is no figure")
    outcome = None
    if move_to is not None:
        from infomax.cleaning.moving import move_surplus

        outcome = move_surplus(index, choices, move_to, dry_run=dry_run)
    if json_file is not None:
        document: dict[str, Any] = {"threshold": threshold, "groups": [_group(choice) for choice in choices]}
        document["blank"] = [each.path for each in blank]
        write_json(json_file, document if outcome is None else {**document, **_moves(outcome, dry_run=dry_run)})
    if outcome is not None and move_to is not None:
        _report(outcome, move_to, quiet=json_file == "-", dry_run=dry_run)


def _print_groups(choices: "Sequence[GroupChoice]", threshold: float | None, data: "DataKind") -> None:
    """Print each group, a line for each image or text."""
    from infomax.cleaning.wording import date_of, size_of

    for choice in choices:
        group = choice.group
        # copies are verified by themselves: the features of a gray one may be far from those of its original
        least = f", similarity at least {group.similarity:.3f}" if group.kind == "near" else ""
        print(f"{len(group.images)} {data.noun}s, {group.kind.replace('image', data.noun)}{least}")
        for number, each in enumerate(group.images):
            mark = "best" if each == choice.best else ""
            gone = "  (gone)" if each.gone else ""
            change = f"  ({group.changes[number]})" if number < len(group.changes) and group.changes[number] else ""
            size = data.extent(each.width, each.height)
            print(
                f"  {mark:<4}  {size:>13}  {size_of(each.size):>7}  {_format(each):<5}  {date_of(each.mtime):<16}  "
                f"{one_line(path_from_here(each.path))}{change}{gone}"
            )
    surplus = [image for choice in choices for image in choice.surplus]
    print(
        f"{counted(len(choices), 'group')}{'' if threshold is None else f' at a threshold of {threshold}'}; "
        f"{counted(len(surplus), data.noun)} beside the best ones, {size_of(sum(image.size for image in surplus))}"
    )


def _report(outcome: "Outcome", folder: Path, *, quiet: bool, dry_run: bool) -> None:
    """Say what was moved and what stays; end with exit code 1 if somebody should look at it."""
    from infomax.cleaning.moving import target_of
    from infomax.cleaning.wording import size_of

    if not quiet:
        if dry_run:
            for move in outcome.moves:
                target = path_from_here(str(outcome.folder / target_of(move, outcome.folder)))
                print(f"would move {one_line(path_from_here(str(move.source)))} to {one_line(target)}")
        sidecars = len(outcome.moves) - outcome.images
        along = f" and {counted(sidecars, 'sidecar')}" if sidecars else ""
        print(
            f"{'would move' if dry_run else 'moved'} {counted(outcome.images, 'image')}{along} of "
            f"{counted(outcome.groups, 'group')}, {size_of(outcome.bytes)}, to {folder}"
        )
        if outcome.moves and not dry_run:
            print(f"to move everything back: infomax duplicates --undo {quoted(folder)}")
    _print_left(outcome)


def _undo(folder: Path, json_file: str | None) -> None:
    """Move everything back, and say so."""
    from infomax.cleaning.moving import undo_moves

    outcome = undo_moves(folder)
    if json_file is not None:
        write_json(json_file, _moves(outcome, dry_run=False))
    if json_file != "-":
        print(f"moved back {counted(len(outcome.moves), 'file')} from {folder}")
    _print_left(outcome)


def _print_left(outcome: "Outcome") -> None:
    """Say what stays on stderr: each failure, and the number of others for each reason."""
    counts: dict[str, int] = {}
    for each in outcome.left:
        if each.failed:
            print(f"infomax: {one_line(path_from_here(each.path))} {one_line(each.reason)}", file=sys.stderr)
        else:
            counts[each.reason] = counts.get(each.reason, 0) + 1
    for reason, count in counts.items():
        print(f"infomax: left {counted(count, 'file')} in place: {reason}", file=sys.stderr)
    if outcome.failed:
        raise typer.Exit(1)


def _decide(index: "Index", images: list[Path] | None, forget: str | None, json_file: str | None) -> None:
    """Remember, forget and list decisions."""
    if images is not None:
        index.keep_both(images)
    forgotten = 0 if forget is None else index.decisions.forget(None if forget == "all" else forget)
    known = list(index.decisions)
    if json_file is not None:
        documents = [{"id": each.id, "time": each.time, "paths": list(each.paths)} for each in known]
        write_json(json_file, {"forgotten": forgotten, "decisions": documents})
    if json_file != "-":
        for each in known:
            print(
                f"{each.id}  {each.time[:10]}  keep {'  '.join(one_line(path_from_here(path)) for path in each.paths)}"
            )
        print(f"{counted(len(known), 'decision')}{f', {forgotten} forgotten' if forget is not None else ''}")


def _group(choice: "GroupChoice") -> dict[str, Any]:
    group = choice.group
    images = [
        {
            "path": each.path,
            "width": each.width,
            "height": each.height,
            "size": each.size,
            "mtime": each.mtime,
            "format": _format(each) or None,
            "change": group.changes[number] if number < len(group.changes) else "",
        }
        for number, each in enumerate(group.images)
    ]
    return {
        "similarity": group.similarity,
        "kind": group.kind,
        "best": choice.best.path,
        "surplus": [each.path for each in choice.surplus],
        "paths": [each.path for each in group.images],
        "gone": [each.path for each in group.images if each.gone],
        "images": images,
    }


def _moves(outcome: "Outcome", *, dry_run: bool) -> dict[str, Any]:
    from infomax.paths import printable

    return {
        "dry_run": dry_run,
        "folder": printable(str(outcome.folder)),
        "moves": [
            {"from": printable(str(each.source)), "to": printable(str(each.target)), "size": each.size}
            for each in outcome.moves
        ],
        "left": [{"path": each.path, "reason": each.reason, "failed": each.failed} for each in outcome.left],
    }


def _format(image: "IndexedImage") -> str:
    from infomax.cleaning.wording import format_of

    return format_of(image.path)
