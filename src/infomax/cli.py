"""The command line: parse, call, print. Results go to stdout, progress and warnings to stderr.

Exit code 0 done, 1 failed, 2 wrong usage; a failure is one line that says what, where and what to do.
"""

import errno
import json
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from infomax.model import InfoMax
    from infomax.pictures import Pictures
    from infomax.search.index import Match

INTERRUPTED = 130
"""The exit code that typer makes of a KeyboardInterrupt."""

app = typer.Typer(
    help="Features from unlabelled pictures by maximising mutual information, and search by picture.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of pictures, parquet files (a quoted glob is fine), a .npy or .npz of uint8 pictures, "
        "or a name: digits, cifar10.",
    ),
]
Model = Annotated[Path, typer.Option("--model", metavar="RUN", help="The folder that infomax fit wrote.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Fixes everything that is random.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto takes a GPU where there is one.")
]
MetricName = Annotated[Literal["cosine", "euclidean"], typer.Option("--metric", help="How far apart two codes are.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout, and nothing else.")
]

IndexFolder = Annotated[Path, typer.Option("--index", metavar="DIR", help="The folder of the index.")]


@app.command()
def fit(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="A new folder for the model, log and checkpoints.")],
    recipe: Annotated[str | None, typer.Option("--recipe", metavar="NAME", help="What to learn, and how.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the pictures; the recipe's own if left out.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting of the recipe: --set beta=0."),
    ] = None,
    bound: Annotated[
        str | None,
        typer.Option("--bound", metavar="NAME", help="f-divergence, donsker-varadhan, nwj, infonce or smile."),
    ] = None,
    divergence: Annotated[
        str | None,
        typer.Option("--divergence", metavar="NAME", help="Of the f-divergence bound: squared-hellinger, say."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option("--prior", metavar="NAME", help="gaussian, adversarial-uniform, adversarial-gaussian or none."),
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in RUN.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in RUN.")] = False,
) -> None:
    """Learn features from a collection of pictures, without labels."""
    from infomax.model import DEFAULT_RECIPE, InfoMax
    from infomax.recipes import find_recipe

    choices = {"bound": bound, "divergence": divergence, "prior": prior}
    texts = [*(f"{name}={value}" for name, value in choices.items() if value is not None), *(settings or [])]
    chosen = find_recipe(recipe or DEFAULT_RECIPE).with_texts(texts) if texts else recipe
    model = InfoMax(chosen, epochs=epochs, device=device, seed=seed, progress=True)
    model.fit(source, out=out, resume=resume, overwrite=overwrite)
    data = model.config_["data"]
    _tell_skipped(data["skipped"], str(out / "skipped.csv"))
    print(f"learnt {model.recipe_.dim} features from {data['pictures']} pictures; the model is in {out}")
    print(f"see what it finds alike:  infomax montage {_quoted(source)} --model {_quoted(out)} --out montage.png")


@app.command()
def embed(
    source: Source,
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.parquet", help="Columns: path, row, label if known, vector.")
    ],
    device: Device = "auto",
) -> None:
    """Write the feature vector of every picture to a parquet file."""
    from infomax.embeddings import write_embeddings

    loaded, pictures = _load(model, source, device)
    write_embeddings(out, pictures, loaded.embed(pictures))
    print(f"{len(pictures.keys)} vectors of {loaded.recipe_.dim} numbers are in {out}")


@app.command()
def montage(
    source: Source,
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.png", help="The figure to write.")],
    metric: MetricName = "cosine",
    queries: Annotated[int, typer.Option("--queries", min=1, help="Rows: pictures picked at random.")] = 10,
    neighbours: Annotated[int, typer.Option("--neighbours", min=1, help="Columns: the nearest of each.")] = 9,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw random pictures, each with its nearest neighbours in the collection."""
    from infomax.search.montage import montage_of, save_png

    loaded, pictures = _load(model, source, device)
    codes = loaded.embed(pictures)
    image = montage_of(source, pictures, codes, metric=metric, queries=queries, neighbours=neighbours, seed=seed)
    save_png(image, out)
    print(f"the figure is {out}")


@app.command()
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
        _tell_skipped(len(changes.skipped), f"{first.where!r}, {first.reason}" if dry_run else str(skipped))
    counts = {name: getattr(changes, name) for name in ("added", "updated", "unchanged", "removed")}
    counts["skipped"] = len(changes.skipped)
    if json_file is not None:
        _write_json(json_file, {"index": str(index), "dry_run": dry_run, **counts})
    if json_file != "-":
        print(f"{'would be ' if dry_run else ''}{', '.join(f'{name} {count}' for name, count in counts.items())}")


@app.command()
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
        from infomax.search.figure import draw_matches
        from infomax.search.montage import save_png

        save_png(draw_matches(opened, queries, found, metric), figure)
    if json_file is not None:
        documents = [
            {"query": name, "metric": metric, "approximate": approximate, "matches": [_match(each) for each in matches]}
            for name, matches in zip(pictures, found, strict=True)
        ]
        _write_json(json_file, documents[0] if len(documents) == 1 else documents)
    if json_file != "-":
        kind = f"by {'approximate search, ' if approximate else ''}{metric} distance"
        for name, matches in zip(pictures, found, strict=True):
            print(f"{name}: {len(matches)} {'match' if len(matches) == 1 else 'matches'}, {kind}")
            for each in matches:
                end = f"{each.picture.path}  {each.picture.label or ''}".rstrip()
                print(f"{each.rank:>5}  {each.distance:<10.6f}  {' '.join(end.splitlines())}")
        if figure is not None:
            print(f"the figure is {figure}")


@app.command()
def duplicates(
    index: IndexFolder,
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="T", help="Pictures of at least this cosine are linked.")
    ] = 0.999,
    json_file: JsonFile = None,
) -> None:
    """List groups of pictures that are nearly identical to the model."""
    from infomax.search.index import Index

    groups = Index.open(index).duplicates(threshold)
    if json_file is not None:
        documents = [
            {"similarity": group.similarity, "paths": [each.path for each in group.pictures]} for group in groups
        ]
        _write_json(json_file, {"threshold": threshold, "groups": documents})
    if json_file != "-":
        for group in groups:
            print(f"{len(group.pictures)} pictures, similarity at least {group.similarity:.6f}")
            for each in group.pictures:
                print(f"       {' '.join(each.path.splitlines())}")
        print(f"{len(groups)} {'group' if len(groups) == 1 else 'groups'} at a threshold of {threshold}")


@app.command()
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
        _write_json(json_file, {"metric": metric, "k": k, "outliers": documents})
    if json_file != "-":
        for rank, each in enumerate(found, 1):
            print(f"{rank:>5}  {each.distance:<10.6f}  {' '.join(each.picture.path.splitlines())}")


@app.command("estimate-mi")
def estimate_mi(
    x: Annotated[Path, typer.Argument(metavar="X.npy", help="Samples, (n,) or (n, d) numbers.")],
    y: Annotated[Path, typer.Argument(metavar="Y.npy", help="As many samples, row i belonging to row i of X.")],
    bound: Annotated[
        str | None, typer.Option("--bound", metavar="NAME", help="The most accurate, unless you insist on one.")
    ] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Estimate the mutual information of paired samples, in nats."""
    from dataclasses import asdict

    from infomax.information import estimate_mi as estimate

    samples = [_load_array(file) for file in (x, y)]
    try:
        found = estimate(*samples, bound=bound, seed=seed)
    except ValueError as error:
        raise InfoMaxError(f"{x}, {y}: {error}") from None
    for warning in found.warnings:
        print(f"infomax: {warning}", file=sys.stderr)
    if json_file is not None:
        _write_json(json_file, {"x": str(x), "y": str(y), "samples": len(samples[0]), "unit": "nats", **asdict(found)})
    if json_file != "-":
        print(f"{found.value:.4f} nats, standard error {found.standard_error:.4f} (by {found.bound})")


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="A folder for the demo; an earlier one is replaced.")
    ] = Path("infomax-demo"),
) -> None:
    """Learn scikit-learn's handwritten digits without their labels, and show what was learnt."""
    from infomax.evaluation.knn import knn_accuracy
    from infomax.model import InfoMax
    from infomax.search.montage import montage_of, save_png

    model = InfoMax("seed-digits", progress=True).fit("digits:train", out=out, overwrite=True)
    train, test = model.load_pictures("digits:train"), model.load_pictures("digits:test")
    codes, test_codes = model.embed(train), model.embed(test)
    assert train.labels is not None
    assert test.labels is not None
    learnt = knn_accuracy(codes, train.labels, test_codes, test.labels)
    flat, test_flat = (each.pixels.reshape(len(each.pixels), -1).astype("float32") for each in (train, test))
    raw = knn_accuracy(flat, train.labels, test_flat, test.labels)
    figure = out / "figures" / "montage.png"
    save_png(montage_of("digits:test", test, test_codes), figure)
    print(f"Learnt from {len(train.keys)} handwritten digits, without their labels.")
    print(
        f"20 nearest neighbours name a new digit right in {learnt:.1%} of {len(test.keys)} ({raw:.1%} by raw pixels)."
    )
    print(f"Ten digits with their nearest neighbours: {figure}")
    print("Next, with pictures of your own:")
    print("  infomax fit PHOTOS --out RUN")
    print("  infomax montage PHOTOS --model RUN --out montage.png")


def main() -> None:
    """Run the command line; a failure that a person can mend is one line on stderr and exit code 1."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be valid text
    try:
        app()
    except InfoMaxError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or 'a file'}: {_remedy(error)}")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _fail("stopped at once; type the same command to start again, a fit that had begun with --resume")
        raise


def _fail(message: str) -> None:
    print(f"infomax: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(1)


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room there, or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a place that you may write to"
    return "check the path"


def _load(run: Path, source: str, device: str) -> "tuple[InfoMax, Pictures]":
    from infomax.model import InfoMax

    model = InfoMax.load(run, device=device, progress=True)
    pictures = model.load_pictures(source)
    _tell_skipped(
        len(pictures.skipped),
        f"the first: {pictures.skipped[0].where!r}, {pictures.skipped[0].reason}" if pictures.skipped else "",
    )
    return model, pictures


def _load_array(path: Path) -> "NDArray[Any]":
    import numpy as np

    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise InfoMaxError(f"{path} is no .npy file of numbers ({error}): write it with numpy.save") from None


def _match(match: "Match") -> dict[str, Any]:
    return {
        "rank": match.rank,
        "path": match.picture.path,
        "label": match.picture.label,
        "distance": match.distance,
        "similarity": match.similarity,
    }


def _write_json(file: str, document: object) -> None:
    text = json.dumps(document, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    from infomax.files import written_atomically

    with written_atomically(Path(file), "w") as out:
        out.write(text)


def _tell_skipped(count: int, where: str) -> None:
    if count:
        print(f"infomax: skipped {count} broken {'picture' if count == 1 else 'pictures'}: {where}", file=sys.stderr)


def _quoted(text: str | Path) -> str:
    from shlex import quote

    return quote(str(text))
