"""evaluate: how good the features of one model are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infomax.cli.options import Device, Exclude, JsonFile, MaxPixels, NeighborsOption, Seed, Test, Train
from infomax.cli.output import print_warnings, write_json

if TYPE_CHECKING:
    from infomax.evaluation.evaluate import Evaluation
    from infomax.evaluation.proxies.measure import Proxies
    from infomax.evaluation.scores import Predictions


OptionalModel = Annotated[
    Path | None, typer.Option("--model", metavar="RUN", help="Folder of the model, as infomax fit wrote it.")
]
Vectors = Annotated[
    bool, typer.Option("--vectors", help="--train and --test are files of vectors, as infomax embed wrote them.")
]
Layers = Annotated[bool, typer.Option("--layers", help="Also score the layers below the code.")]
ProxiesToo = Annotated[
    bool,
    typer.Option(
        "--proxies", help="Also measure I(X;Z), the dependence within the code and a decoder's MS-SSIM. Takes minutes."
    ),
]


def evaluate(
    train: Train,
    test: Test,
    model: OptionalModel = None,
    vectors: Vectors = False,
    layers: Layers = False,
    proxies: ProxiesToo = False,
    k: NeighborsOption = 20,
    seed: Seed = 0,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Measure how well features predict labels, beside raw pixels and an untrained encoder.

    Example: infomax evaluate --model run --train train --test test
    """
    from infomax.cli.loading import load_both, load_told, reading_options
    from infomax.embeddings import read_embeddings
    from infomax.evaluation.evaluate import evaluate_model, evaluate_vectors
    from infomax.evaluation.labels import LabeledFeatures

    _validate_options(model, vectors=vectors, layers=layers, proxies=proxies)
    measured = None
    if model is None:
        first, second = (read_embeddings(Path(file)) for file in (train, test))
        splits = LabeledFeatures(first.vectors, first.labels), LabeledFeatures(second.vectors, second.labels)
        found = evaluate_vectors(*splits, k=k, seed=seed)
    else:
        loaded, training = load_both(model, train, device, reading_options(exclude, max_pixels))
        testing = load_told(loaded, test)
        found = evaluate_model(loaded, training, testing, k=k, layers=layers, seed=seed)
        if proxies:
            from infomax.evaluation.proxies.measure import measure_proxies

            measured = measure_proxies(loaded, training, testing, seed=seed)
    if json_file is not None:
        names = {"model": None if model is None else str(model), "train": train, "test": test, "seed": seed}
        document = names | found.to_dict()
        if measured is not None:
            document |= measured.to_dict() | {"seconds": document["seconds"] | measured.seconds}
        write_json(json_file, document)
    if json_file != "-":
        _print_scores(found)
    if measured is not None:
        print_warnings(measured.warnings)
        if json_file != "-":
            _print_proxies(measured)


def _validate_options(model: Path | None, *, vectors: bool, layers: bool, proxies: bool) -> None:
    """Refuse options that contradict each other."""
    if (model is None) is not vectors:
        raise typer.BadParameter("give either --model RUN, or --vectors with two files of vectors")
    if vectors and layers:
        raise typer.BadParameter("--layers needs a model: give --model RUN instead of --vectors")
    if vectors and proxies:
        raise typer.BadParameter("--proxies needs a model: give --model RUN instead of --vectors")


def _print_scores(found: "Evaluation") -> None:
    """Print a table: a row for each set of features, a column for each vote and classifier."""
    print(f"{found.n_train} training and {found.n_test} test vectors of {found.dim} numbers")
    print(f"effective rank {found.unlabeled['effective_rank']:.1f}, mean spread {found.unlabeled['spread']:.3g}")
    if found.code is None or found.labels is None:
        print("no labels in both splits, so no accuracies")
        return
    labels = found.labels
    print(f"{len(labels.names)} labels; always predicting the most common one gives {100 * labels.chance:.1f} %")
    print(f"test accuracy with its 95 % interval; kNN is the majority vote of the {found.code.k} nearest")
    titles = {"knn_cosine": "kNN cosine", "knn_euclidean": "kNN Euclidean", "linear": "linear", "mlp": "hidden layer"}
    print("".join([f"{'features':<20}{'numbers':>8}", *(f"{title:>18}" for title in titles.values())]))
    rows = {"code": found.code, **found.layers, "untrained encoder": found.baselines.get("random")}
    for name, scores in {**rows, "raw pixels": found.baselines.get("pixels")}.items():
        if scores is not None:
            cells = (_cell(scores.headline.get(title)) for title in titles)
            print("".join([f"{name:<20}{scores.dim:>8}", *(f"{cell:>18}" for cell in cells)]))


def _print_proxies(measured: "Proxies") -> None:
    """Print a line for each proxy."""
    mine, ndm, decoded = measured.mine, measured.ndm, measured.ms_ssim
    print(f"I(X;Z), Z {mine.code}: {mine.value:.2f} ± {2 * mine.standard_error:.2f} nats by a critic (MINE), ", end="")
    print(f"{mine.at_least:.2f} to {mine.at_most:.2f} by p(z|x)")
    print(f"dependence of the code's dimensions (NDM): {ndm.value:.2f} ± {2 * ndm.standard_error:.2f} nats")
    print(
        f"a decoder restores MS-SSIM {decoded.ms_ssim:.3f} ± {2 * decoded.standard_error:.3f}; "
        f"the mean image, {decoded.mean_image:.3f}"
    )


def _cell(predictions: "Predictions | None") -> str:
    if predictions is None:
        return "-"
    low, high = predictions.interval
    return f"{100 * predictions.accuracy:.1f} % ± {50 * (high - low):.1f} %"
