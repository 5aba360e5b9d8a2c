"""Recipe dim-cifar10 beside a plain PyTorch script of the same recipe: kNN accuracy and training throughput.

    python benchmarks/seed_parity.py --baseline seed_recipe.py --train 'train-*.parquet' --test 'test-*.parquet' \
        --out parity accuracy --epochs 2 10 --seeds 0 1 2
    python benchmarks/seed_parity.py --baseline ... --train ... --test ... --out parity throughput

The baseline is a script that takes --train, --test, --epochs, --steps and --seed and prints JSON lines with `epoch` and
`knn`, or with `images_per_second`. `accuracy` trains every seed for the first number of epochs, and the first seed for
all of them; results that --out holds are not computed again. `throughput` alternates the two on the same machine with
the same batch size and compares medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from _common import argument_parser, cached_json, machine, mean_and_deviation, table_head, table_row
from infomax.devices import bfloat16_is_fast
from infomax.model import InfoMax
from infomax.neighbors.knn import knn_accuracy
from infomax.recipes import DIM_CIFAR10
from infomax.training.context import TrainingContext
from infomax.training.schedule import batches
from infomax.training.trainer import Trainer, batch_loader

RECIPE = "dim-cifar10"
WARMUP = 20


def baseline(args: argparse.Namespace, *extra: str, train: str) -> list[dict[str, Any]]:
    """Run the baseline script and return its JSON lines."""
    command = [sys.executable, args.baseline, "--train", train, "--test", args.test, *extra]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def baseline_accuracies(args: argparse.Namespace, seed: int, epochs: int) -> dict[int, float]:
    """Accuracy of the baseline after each epoch."""
    file = args.out / f"baseline-seed{seed}-epochs{epochs}.jsonl"
    if not file.exists():
        lines = baseline(args, "--epochs", str(epochs), "--seed", str(seed), train=args.train)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {line["epoch"]: line["knn"] for line in lines if "knn" in line}


def our_accuracy(args: argparse.Namespace, seed: int, epochs: int) -> float:
    """Accuracy of infomax after so many epochs, continuing the run of earlier calls."""

    def measured() -> dict[str, Any]:
        run = args.out / f"run-seed{seed}"
        model = InfoMax(RECIPE, epochs=epochs, seed=seed, progress=True)
        model.fit(args.train, out=run, resume=(run / "config.json").exists())
        train, test = model.load_images(args.train), model.load_images(args.test)
        assert train.labels is not None
        assert test.labels is not None
        accuracy = knn_accuracy(model.encode(train.pixels), train.labels, model.encode(test.pixels), test.labels, k=20)
        return {"epochs": epochs, "knn": accuracy}

    return float(cached_json(args.out / f"infomax-seed{seed}-epochs{epochs}.json", measured)["knn"])


def accuracy(args: argparse.Namespace) -> None:
    first, *more = sorted(args.epochs)
    print(table_head(["epochs", "seed", "baseline", "infomax", "difference"]))
    differences = []
    for seed in args.seeds:
        wanted = [first, *more] if seed == args.seeds[0] else [first]
        theirs = baseline_accuracies(args, seed, wanted[-1])
        for epochs in wanted:
            ours = our_accuracy(args, seed, epochs)
            accuracies = f"{theirs[epochs]:.4f}", f"{ours:.4f}", f"{ours - theirs[epochs]:+.4f}"
            print(table_row([str(epochs), str(seed), *accuracies]), flush=True)
            if epochs == first:
                differences.append((theirs[epochs], ours))
    for name, values in zip(("baseline", "infomax"), zip(*differences, strict=True), strict=True):
        print(f"{name} after {first} epochs: mean (standard deviation) {mean_and_deviation(values, '.4f')}")


def our_rate(args: argparse.Namespace, steps: int) -> float:
    """Images per second of training steps after a warm-up, counted as the baseline does."""
    recipe = DIM_CIFAR10
    pixels = InfoMax(RECIPE).load_images(args.piece, recipe.size).pixels
    device = torch.device("cpu")
    training = Trainer(
        recipe.encoder(),
        recipe.objective(),
        recipe.schedule(),
        TrainingContext(device=device, bfloat16=bfloat16_is_fast(device)),
    )
    training.total_steps = WARMUP + steps
    pick = batch_loader(pixels, device)
    order = batches(len(pixels), recipe.batch, 0, 0)
    for indices in order[:WARMUP]:
        training.train_step(pick(indices))
    start = time.perf_counter()
    for indices in order[WARMUP : WARMUP + steps]:
        training.train_step(pick(indices))
    return steps * recipe.batch / (time.perf_counter() - start)


def throughput(args: argparse.Namespace) -> None:
    rates: dict[str, list[float]] = {"baseline": [], "infomax": []}
    for _ in range(args.rounds):
        rates["baseline"].append(baseline(args, "--steps", str(args.steps), train=args.piece)[-1]["images_per_second"])
        rates["infomax"].append(our_rate(args, args.steps))
        print({name: [round(rate, 1) for rate in each] for name, each in rates.items()}, flush=True)
    medians = {name: statistics.median(each) for name, each in rates.items()}
    print(machine())
    print(f"n = {args.rounds} rounds of {args.steps} steps; medians {medians}")
    print(f"ratio {medians['infomax'] / medians['baseline']:.2f}")


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--baseline", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--out", type=Path, default=Path("parity"))
    measures = parser.add_subparsers(required=True)
    measure = measures.add_parser("accuracy")
    measure.add_argument("--epochs", type=int, nargs="+", default=[2, 10])
    measure.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    measure.set_defaults(run=accuracy)
    measure = measures.add_parser("throughput")
    measure.add_argument("--piece", required=True, help="one parquet file with enough images for the steps")
    measure.add_argument("--steps", type=int, default=100)
    measure.add_argument("--rounds", type=int, default=5)
    measure.set_defaults(run=throughput)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.run(args)


if __name__ == "__main__":
    main()
