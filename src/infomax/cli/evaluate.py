"""evaluate: how good the features of one model are."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infomax.cli.options import Device, JsonFile, Seed
from infomax.cli.output import write_json

if TYPE_CHECKING:
    from infomax.evaluation.evaluate import Evaluation
    from infomax.evaluation.proxies.measure import Proxies
    from infomax.evaluation.scores import Predictions
from infomax.cli.options import Neighbors, Test, Train


def evaluate(
    train: Train,
    test: Test,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="RUN", help="The folder that infomax fit wrote.")
    ] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="TRAIN and TEST are files of vectors, as infomax embed writes them.")
    ] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Judge the layers below the code, too.")] = False,
    proxies: Annotated[
        bool,
        typer.Option("--proxies", help="Also I(X;Z), the code's dependence and a decoder's MS-SSIM. Takes minutes."),
    ] = False,
    k: Neighbors = 20,
    seed: Seed = 0,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Tell how good features are: nearest neighbors and classifiers on them, beside pixels and untrained features."""
    from infomax.cli.loading import load_both
    from infomax.embeddings import read_embeddings
    from infomax.evaluation.evaluate import LabeledFeatures, evaluate_model, evaluate_vectors

    if (model is None) is not vectors:
        raise typer.BadParameter("give either --model RUN, or --vectors with two files of vectors")
    if vectors and layers:
        raise typer.BadParameter("--layers are of a model: give --model RUN instead of --vectors")
    if vectors and proxies:
        raise typer.BadParameter("--proxies are of a model: give --model RUN instead of --vectors")
    measured = None
    if model is None:
        first, second = (read_embeddings(Path(file)) for file in (train, test))
        splits = LabeledFeatures(first.vectors, first.labels), LabeledFeatures(second.vectors, second.labels)
        found = evaluate_vectors(*splits, k=k, seed=seed)
    else:
        loaded, training = load_both(model, train, device)
        testing = loaded.load_images(test)
        found = evaluate_model(loaded, training, testing, k=k, layers=layers, seed=seed)
        if proxies:
            from infomax.evaluation.proxies.measure import measure_proxies as measure

            measured = measure(loaded, training, testing, seed=seed)
    if json_file is not None:
        names = {"model": None if model is None else str(model), "train": train, "test": test, "seed": seed}
        document = names | found.to_dict()
        if measured is not None:
            document |= measured.to_dict() | {"seconds": document["seconds"] | measured.seconds}
        write_json(json_file, document)
    if json_file != "-":
        _tell(found)
    if measured is not None:
        for warning in measured.warnings:
            print(f"infomax: {warning}", file=sys.stderr)
        if json_file != "-":
            _tell_proxies(measured)


def _tell(found: "Evaluation") -> None:
    """A table for people: a row for each set of features, a column for each way to judge it."""
    print(f"{found.n_train} training and {found.n_test} test vectors of {found.dim} numbers")
    print(f"effective rank {found.unlabeled['effective_rank']:.1f}, mean spread {found.unlabeled['spread']:.3g}")
    if found.code is None or found.task is None:
        print("no labels in both splits, so no accuracies")
        return
    print(f"{len(found.task.names)} labels; the commonest alone is right for {100 * found.task.chance:.1f} %")
    print(f"right in the test split, with a 95 % interval; kNN by majority of {found.code.k}")
    titles = {"knn_cosine": "kNN cosine", "knn_euclidean": "kNN Euclidean", "linear": "linear", "mlp": "hidden layer"}
    print("".join([f"{'features':<20}{'numbers':>8}", *(f"{title:>18}" for title in titles.values())]))
    rows = {"code": found.code, **found.layers, "untrained encoder": found.baselines.get("random")}
    for name, judged in {**rows, "raw pixels": found.baselines.get("pixels")}.items():
        if judged is not None:
            cells = (_cell(judged.headline.get(title)) for title in titles)
            print("".join([f"{name:<20}{judged.dim:>8}", *(f"{cell:>18}" for cell in cells)]))


def _tell_proxies(measured: "Proxies") -> None:
    """A line for each."""
    mine, ndm, decoded = measured.mine, measured.ndm, measured.ms_ssim
    print(f"I(X;Z), Z {mine.code}: {mine.value:.2f} ± {2 * mine.standard_error:.2f} nats by a critic (MINE), ", end="")
    print(f"{mine.at_least:.2f} to {mine.at_most:.2f} by p(z|x)")
    print(f"dependence of the code's dimensions (NDM): {ndm.value:.2f} ± {2 * ndm.standard_error:.2f} nats")
    print(
        f"a decoder restores MS-SSIM {decoded.ms_ssim:.3f} ± {2 * decoded.standard_error:.3f}; "
        f"the mean image, {decoded.mean_image:.3f}"
    )


def _cell(verdict: "Predictions | None") -> str:
    if verdict is None:
        return "-"
    low, high = verdict.interval
    return f"{100 * verdict.accuracy:.1f} % ± {50 * (high - low):.1f} %"
