"""The command line: parse, call, print. Results go to stdout, progress and warnings to stderr.

Exit code 0 done, 1 failed, 2 wrong usage; a failure is one line that says what, where and what to do.
"""

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from infomax.model import InfoMax
    from infomax.pictures import Pictures

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
Seed = Annotated[int, typer.Option("--seed", min=0, help="Fixes everything that is random.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto takes a GPU where there is one.")
]
MetricName = Annotated[Literal["cosine", "euclidean"], typer.Option("--metric", help="How far apart two codes are.")]


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
    device: Device = "auto",
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in RUN.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in RUN.")] = False,
) -> None:
    """Learn features from a collection of pictures, without labels."""
    from infomax.model import DEFAULT_RECIPE, InfoMax
    from infomax.recipes import find_recipe

    chosen = find_recipe(recipe or DEFAULT_RECIPE).with_texts(settings) if settings else recipe
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
    try:
        app()
    except InfoMaxError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or 'a file'}: {_remedy(error)}")
    except KeyboardInterrupt:
        _fail("stopped before anything was learnt; type the same command to start again")


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


def _tell_skipped(count: int, where: str) -> None:
    if count:
        print(f"infomax: skipped {count} broken {'picture' if count == 1 else 'pictures'}: {where}", file=sys.stderr)


def _quoted(text: str | Path) -> str:
    from shlex import quote

    return quote(str(text))
