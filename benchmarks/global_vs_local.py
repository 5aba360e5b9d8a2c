"""Global bound, local bound or both: tables and figure of docs/global-vs-local.md.

    python benchmarks/global_vs_local.py RUNS --train 'train-*.parquet' --test 'test-*.parquet' --out OUT

RUNS is a folder of runs named ARM-EPOCHS-SEED (global-10-0, local-3-2 and so on) with the arms global, local and both.
Each finished run is evaluated once, as `infomax evaluate` does, and OUT/NAME.json keeps the result. The baselines, raw
pixels and an untrained encoder, are evaluated once too. The script prints tables of all results and draws the neighbors
of the longest runs with seed 0 into OUT/global-vs-local.png. --only NAME uses these runs only.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from _common import argument_parser, cached_json, mean_and_deviation, table_head, table_row
from infomax.evaluation.evaluate import evaluate_model, evaluate_vectors
from infomax.evaluation.labels import LabeledFeatures
from infomax.figures.canvas import save_png
from infomax.figures.montage import TILE_SIDE, Tile, draw_montage, pick_queries
from infomax.images import LoadedImages, load_rows
from infomax.model import InfoMax
from infomax.neighbors.knn import neighbors
from infomax.training.run_folder import Run

ARMS = ("global", "local", "both")
NAME = re.compile(rf"({'|'.join(ARMS)})-(\d+)-(\d+)")
QUERIES, MATCHES = 4, 7
FIGURE_SEED = 0
COLORS = 128  # the file is a third as large, with hardly a visible difference
FIGURES = {"knn cosine": "kNN cosine", "knn euclidean": "kNN Euclidean", "linear": "linear", "mlp": "hidden layer"}

Document = dict[str, Any]


def evaluated(path: Path, train: LoadedImages, test: LoadedImages) -> Document:
    """Evaluation of one run, and the training images nearest to the queries of the figure."""
    model = InfoMax.load(path, progress=True)
    codes, test_codes = model.encode(train.pixels), model.encode(test.pixels)
    found = evaluate_vectors(LabeledFeatures(codes, train.labels), LabeledFeatures(test_codes, test.labels))
    rows = pick_queries(len(test_codes), QUERIES, FIGURE_SEED)
    nearest = neighbors(test_codes[rows], codes, MATCHES).indices
    epochs = [line for line in Run(path).read_log() if line["kind"] == "epoch"]
    return {**found.to_dict(), "last": epochs[-1], "queries": rows, "matches": nearest.tolist()}


def baselines(path: Path, train: LoadedImages, test: LoadedImages) -> Document:
    """Scores of raw pixels and of the untrained encoder, which are the same for every run."""
    found = evaluate_model(InfoMax.load(path, progress=True), train, test).to_dict()
    return {name: found[name]["detail"] for name in ("random", "pixels")}


def accuracy(document: Document, figure: str) -> float | None:
    kind, _, metric = figure.partition(" ")
    value = document[kind].get(metric) if metric else document.get(kind)
    return None if value is None else 100 * value


def interval(document: Document, figure: str) -> tuple[float, float]:
    kind, _, metric = figure.partition(" ")
    low, high = document["knn"]["interval"][metric] if metric else document["interval"][kind]
    return 100 * low, 100 * high


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    print(table_head(head))
    for row in rows:
        print(table_row(row))
    print()


def accuracies(found: dict[str, Document]) -> Iterator[Sequence[str]]:
    for name, document in found.items():
        cells = []
        for figure in FIGURES:
            value = accuracy(document, figure)
            if value is None:
                cells.append("")
                continue
            low, high = interval(document, figure)
            cells.append(f"{value:.2f} ({low:.1f} to {high:.1f})")
        yield name, *cells


def spreads(found: dict[str, Document], epochs: int) -> Iterator[Sequence[str]]:
    for arm in ARMS:
        runs = [document for name, document in found.items() if re.fullmatch(rf"{arm}-{epochs}-\d+", name)]
        if runs:
            cells = []
            for figure in FIGURES:
                values = [value for run in runs if (value := accuracy(run, figure)) is not None]
                cells.append(mean_and_deviation(values))
            yield arm, str(len(runs)), *cells


def diagnostics(found: dict[str, Document]) -> Iterator[Sequence[str]]:
    for name, document in found.items():
        last = document["last"]
        health = last["health"]
        bounds = [f"{last[term]:.4f}" if term in last else "" for term in ("global", "local")]
        critics = [
            f"{100 * (critic['positives'] + critic['negatives']) / 2:.1f}"
            if (critic := health["critics"].get(term))
            else ""
            for term in ("global", "local")
        ]
        yield (
            name,
            *bounds,
            *critics,
            f"{health['kl']:.2f}",
            f"{health['information_upper_bound']:.0f}",
            f"{health['effective_rank']:.1f}",
            f"{document['unlabeled']['effective_rank']:.1f}",
            f"{health['active']}",
        )


def draw(
    found: dict[str, Document], train: LoadedImages, test: LoadedImages, sources: tuple[str, str], out: Path
) -> None:
    """Draw each query in one row for each run."""
    queries = next(iter(found.values()))["queries"]
    shown = sorted({index for document in found.values() for row in document["matches"] for index in row})
    asked = load_rows(sources[1], [test.rows[row] for row in queries], TILE_SIDE)
    pixels = dict(zip(shown, load_rows(sources[0], [train.rows[index] for index in shown], TILE_SIDE), strict=True))
    assert train.labels is not None
    assert test.labels is not None
    rows = []
    for number, (query, tile) in enumerate(zip(queries, asked, strict=True)):
        for name, document in found.items():
            matches = [Tile(pixels[index], (train.labels[index],)) for index in document["matches"][number]]
            rows.append([Tile(tile, (f"{test.labels[query]}: {name.split('-')[0]}",)), *matches])
    figure = draw_montage(rows, f"the {MATCHES} nearest training images, by cosine distance")
    save_png(figure.quantize(COLORS, dither=Image.Dither.NONE), out)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    args = parser.parse_args()
    names = [path.name for path in args.runs.iterdir() if NAME.fullmatch(path.name) and Run(path).finished]
    names = [name for name in names if args.only is None or name in args.only]
    if not names:
        raise SystemExit(f"{args.runs} holds no finished run named ARM-EPOCHS-SEED")
    names.sort(key=lambda name: (-int(name.split("-")[1]), ARMS.index(name.split("-")[0]), name))
    args.out.mkdir(parents=True, exist_ok=True)
    first = InfoMax.load(args.runs / names[0], progress=True)
    train, test = first.load_images(args.train), first.load_images(args.test)
    found = {
        name: cached_json(args.out / f"{name}.json", partial(evaluated, args.runs / name, train, test))
        for name in names
    }
    reference = cached_json(args.out / "baselines.json", partial(baselines, args.runs / names[0], train, test))

    lengths = sorted({int(name.split("-")[1]) for name in names}, reverse=True)
    table(
        ["", *FIGURES.values()],
        accuracies({**found, "untrained encoder": reference["random"], "raw pixels": reference["pixels"]}),
    )
    for epochs in lengths:
        table([f"{epochs} epoch{'s' * (epochs > 1)}", "seeds", *FIGURES.values()], spreads(found, epochs))
    columns = [
        "global, nats",
        "local, nats",
        "global critic, %",
        "local critic, %",
        "KL",
        "I(X;Z) at most, nats",
        "rank",
        "rank, test",
    ]
    table(["", *columns, "active"], diagnostics(found))
    longest = {name: found[name] for arm in ARMS if (name := f"{arm}-{lengths[0]}-0") in found}
    if longest:
        draw(longest, train, test, (args.train, args.test), args.out / "global-vs-local.png")


if __name__ == "__main__":
    main()
