"""evaluate: how good the features of one model are."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.options import (
    Device,
    Exclude,
    ImageColumn,
    JsonFile,
    LabelColumn,
    MaxPixels,
    OptionalNeighbors,
    OptionalTest,
    OptionalTrain,
    Seed,
    TextColumn,
)
from infomax.cli.output import print_warnings, write_json
from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from infomax.evaluation.altered_copies import AlteredCopies
    from infomax.evaluation.evaluate import Evaluation
    from infomax.evaluation.proxies.measure import Proxies
    from infomax.evaluation.scores import Predictions
    from infomax.kinds.kind import Loaded
    from infomax.model import InfoMax


OptionalSources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE...]", help="Images, or a file of vectors, to split by itself: a fifth is tested on."
    ),
]
OptionalModel = Annotated[
    Path | None, typer.Option("--model", metavar="RUN", help="Folder of the model, as infomax fit wrote it.")
]
Vectors = Annotated[
    bool, typer.Option("--vectors", help="The sources are files of vectors, as infomax embed wrote them.")
]
Layers = Annotated[bool, typer.Option("--layers", help="Also score the layers below the code.")]
ProxiesToo = Annotated[
    bool,
    typer.Option(
        "--proxies", help="Also measure I(X;Z), the dependence within the code and a decoder's MS-SSIM. Takes minutes."
    ),
]


def evaluate(
    sources: OptionalSources = None,
    train: OptionalTrain = None,
    test: OptionalTest = None,
    model: OptionalModel = None,
    vectors: Vectors = False,
    layers: Layers = False,
    proxies: ProxiesToo = False,
    k: OptionalNeighbors = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    text_column: TextColumn = None,
    seed: Seed = 0,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Measure how well features predict labels, beside raw pixels and an untrained encoder.

    A SOURCE alone is split by itself. Without labels, altered copies of images search their originals.

    Example: infomax evaluate photos --model run

    Example: infomax evaluate --model run --train train --test test
    """
    columns = {"image_column": image_column, "label_column": label_column, "text_column": text_column}
    _validate_options(model, vectors=vectors, layers=layers, proxies=proxies, columns=any(columns.values()))
    learned_from = _only_source(sources, train, test)
    if model is None:
        found, measured = _evaluate_files(learned_from, test, k, seed), None
    else:
        from infomax.cli.loading import load_model, load_told, reading_options
        from infomax.evaluation.evaluate import evaluate_model

        reading = reading_options(exclude, max_pixels, **columns)
        loaded = load_model(model, device, reading)
        training = load_told(loaded, learned_from, reading)
        testing = None if test is None else load_told(loaded, [test], reading)
        found = evaluate_model(loaded, training, testing, k=k, layers=layers, seed=seed)
        measured = _proxies_of(loaded, training, testing, found, seed) if proxies else None
    print_warnings(f"warning: {warning}" for warning in found.warnings)
    if json_file is not None:
        write_json(json_file, _document(model, learned_from, test, seed, found, measured))
    if json_file != "-":
        _print_scores(found)
    if measured is not None:
        print_warnings(measured.warnings)
        if json_file != "-":
            _print_proxies(measured)


def _proxies_of(model: "InfoMax", train: "Loaded", test: "Loaded | None", found: "Evaluation", seed: int) -> "Proxies":
    """Measure the proxies on the split of an evaluation, without the images that leaked."""
    from infomax.evaluation.proxies.measure import measure_proxies
    from infomax.images import LoadedImages

    assert found.split is not None
    first, second = found.split.without_leaks().parts(train, test)
    if not (isinstance(first, LoadedImages) and isinstance(second, LoadedImages)):
        raise InfoMaxError(f"--proxies is for models of images, and this one takes {model.recipe_.data}: leave it out")
    return measure_proxies(model, first, second, seed=seed)


def _document(
    model: Path | None,
    train: list[str],
    test: str | None,
    seed: int,
    found: "Evaluation",
    measured: "Proxies | None",
) -> dict[str, Any]:
    """Put the names of what was evaluated and all figures into one JSON document."""
    sources = {"train": train[0] if len(train) == 1 else train, "test": test}
    document = {"model": None if model is None else str(model), **sources, "seed": seed} | found.to_dict()
    if measured is None:
        return document
    return document | measured.to_dict() | {"seconds": document["seconds"] | measured.seconds}


def _only_source(sources: list[str] | None, train: str | None, test: str | None) -> list[str]:
    """The source to learn from: SOURCE, or --train. Refuse both, and --test alone."""
    if sources and (train, test) != (None, None):
        raise typer.BadParameter("give either SOURCE, which is split by itself, or --train and --test")
    if sources:
        return sources
    if train is None:
        raise typer.BadParameter("give SOURCE, which is split by itself, or --train and --test")
    return [train]


def _evaluate_files(train: list[str], test: str | None, k: int | None, seed: int) -> "Evaluation":
    """Evaluate vectors in one file or two."""
    from infomax.embeddings import read_embeddings
    from infomax.evaluation.evaluate import evaluate_vectors
    from infomax.evaluation.labels import LabeledFeatures

    if len(train) > 1:
        raise typer.BadParameter("--vectors takes one file, which is split by itself, or --train and --test")
    files = [read_embeddings(Path(file)) for file in (*train, test) if file is not None]
    return evaluate_vectors(*(LabeledFeatures(each.vectors, each.labels) for each in files), k=k, seed=seed)


def _validate_options(model: Path | None, *, vectors: bool, layers: bool, proxies: bool, columns: bool) -> None:
    """Refuse options that contradict each other."""
    if (model is None) is not vectors:
        raise typer.BadParameter("give either --model RUN, or --vectors with files of vectors")
    if vectors and columns:
        raise typer.BadParameter("columns are of images: give --model RUN instead of --vectors")
    if vectors and layers:
        raise typer.BadParameter("--layers needs a model: give --model RUN instead of --vectors")
    if vectors and proxies:
        raise typer.BadParameter("--proxies needs a model: give --model RUN instead of --vectors")


def _print_scores(found: "Evaluation") -> None:
    """Print how the images were split, and what was measured."""
    split = found.split
    if split is not None and split.by_itself:
        print(split.description)
    if split is not None and split.unlabeled:
        print(f"{_images(split.unlabeled)} without a label left out")
    print(f"{found.n_train} training and {found.n_test} test vectors of {found.dim} numbers")
    print(f"effective rank {found.unlabeled['effective_rank']:.1f}, mean spread {found.unlabeled['spread']:.3g}")
    for note in found.notes:
        print(note)
    if found.code is None or found.labels is None:
        reason = split.problem if split is not None and split.problem else "no labels in both splits"
        print(f"{reason}, so no accuracies")
        if found.altered is not None:
            _print_altered(found.altered)
        return
    _print_accuracies(found)


def _print_accuracies(found: "Evaluation") -> None:
    """Print a table: a row for each set of features, a column for each vote and classifier."""
    labels, code = found.labels, found.code
    assert labels is not None
    assert code is not None
    print(f"{len(labels.names)} labels; always predicting the most common one gives {100 * labels.chance:.1f} %")
    print(f"test accuracy with its 95 % interval; kNN is the majority vote of the {code.k} nearest")
    if found.as_given is not None:
        print("leaked test images are left out; the last line has the accuracies of the code with them")
    titles = {"knn_cosine": "kNN cosine", "knn_euclidean": "kNN Euclidean", "linear": "linear", "mlp": "hidden layer"}
    print("".join([f"{'features':<20}{'numbers':>8}", *(f"{title:>18}" for title in titles.values())]))
    rows = {"code": code, **found.layers, "untrained encoder": found.baselines.get("random")}
    raw = {name: scores for name, scores in found.baselines.items() if name != "random"}
    rows |= {"raw pixels": raw.pop("pixels", None), **raw, "code, with leaks": found.as_given}
    for name, scores in rows.items():
        if scores is not None:
            cells = (_cell(scores.headline.get(title)) for title in titles)
            print("".join([f"{name:<20}{scores.dim:>8}", *(f"{cell:>18}" for cell in cells)]))


def _print_altered(altered: "AlteredCopies") -> None:
    """Print how often altered copies find their original, and how often raw pixels do."""
    document = altered.to_dict()
    low, high = document["code"]["interval"]
    print(
        f"an altered copy finds its original first among {altered.images:,} images: "
        f"{100 * document['code']['all']:.1f} % ± {50 * (high - low):.1f} %, "
        f"{100 * document['pixels']['all']:.1f} % by raw pixels"
    )
    print(f"{'copy':<20}{'code':>18}{'raw pixels':>18}")
    for name in altered.code:
        code, pixels = (f"{100 * document[features][name]:.1f} %" for features in ("code", "pixels"))
        print(f"{name:<20}{code:>18}{pixels:>18}")


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"


def _print_proxies(measured: "Proxies") -> None:
    """Print a line for each proxy."""
    mine, ndm, decoded = measured.mine, measured.ndm, measured.ms_ssim
    print(f"I(X;Z), Z {mine.code}: {mine.value:.2f} {_spread(mine.standard_error)} nats by a critic (MINE), ", end="")
    print(f"{mine.at_least:.2f} to {mine.at_most:.2f} by p(z|x)")
    print(f"dependence of the code's dimensions (NDM): {ndm.value:.2f} {_spread(ndm.standard_error)} nats")
    print(
        f"a decoder restores MS-SSIM {decoded.ms_ssim:.3f} {_spread(decoded.standard_error, 3)}; "
        f"the mean image, {decoded.mean_image:.3f}"
    )


def _spread(standard_error: float, digits: int = 2) -> str:
    """Twice a standard error, or that too few images show none."""
    return f"± {2 * standard_error:.{digits}f}" if isfinite(standard_error) else "(too few images for a spread)"


def _cell(predictions: "Predictions | None") -> str:
    if predictions is None:
        return "-"
    low, high = predictions.interval
    return f"{100 * predictions.accuracy:.1f} % ± {50 * (high - low):.1f} %"
