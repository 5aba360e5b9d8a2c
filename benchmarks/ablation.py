"""Ablation: one change at a time to multiview-fast, each for the same CPU time, evaluated on held-out images.

    OMP_NUM_THREADS=1 python benchmarks/ablation.py --train 'train-*.parquet' --out ablation.jsonl [--seconds 75]
    OMP_NUM_THREADS=1 python benchmarks/ablation.py --train ... --out ablation.jsonl --arms base 'bound: JSD' --seeds 1

Every arm is trained for --seconds of CPU time (wall time on a GPU) with a full learning-rate schedule. A few steps are
timed first to determine the number of steps. The same 5,000 training images are held out from all arms. Accuracy is
measured on them: kNN among 10,000 of the other images, k = 20, cosine, and the linear classifier fitted to these
10,000. The test images are not used. Arms that --out already holds are not trained again; the table shows all of its
lines. With the defaults everything takes 25 minutes of one core.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from _common import argument_parser, mean_and_deviation, seconds_of, table_head, table_row
from infomax.devices import autocast, choose_device
from infomax.evaluation.classifiers import fit_linear
from infomax.images import load_images
from infomax.neighbors.knn import knn_accuracy
from infomax.recipes import DIM_CIFAR10, MULTIVIEW_FAST, DeepInfoMax, MultiViewInfoMax
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import LeJepa, Objective
from infomax.training.context import TrainingContext
from infomax.training.trainer import PREPARED_FROM, Trainer, batch_loader

HELD_OUT, BANK, BATCH = 5_000, 10_000, 500
TIMED, WARMUP = 6, 2  # steps that are timed to determine their number, after some to warm up
BASE = MULTIVIEW_FAST.with_settings(final_fraction=0.0)

ARMS: dict[str, MultiViewInfoMax | DeepInfoMax] = {
    "base": BASE,
    "bound: JSD": BASE.with_settings(bound="f-divergence", divergence="jensen-shannon"),
    "bound: chi2": BASE.with_settings(bound="f-divergence", divergence="pearson-chi2"),
    "local instead of global": BASE.with_settings(alpha=0.0, beta=1.0),
    "local and global": BASE.with_settings(beta=1.0),
    "4 views": BASE.with_settings(views=4, batch=BASE.batch // 2),
    "views of 32 px": BASE.with_settings(view_size=32),
    "no color augmentation": BASE.with_settings(color=0.0),
    "prior: Gaussian": BASE.with_settings(prior="gaussian"),
    "prior: adversarial, uniform": BASE.with_settings(prior="adversarial-uniform"),
    "prior: sliced Gaussian": BASE.with_settings(prior="sliced-gaussian"),
    "prior: Gaussian noise": BASE.with_settings(prior="noise-gaussian", noise=1.0),
    "prior: uniform noise": BASE.with_settings(prior="noise-uniform", noise=0.25),
    "LeJEPA": BASE,
    "encoder: Su (2018)": BASE.with_settings(network="convolutional", widths=(64, 128, 256)),
    "encoder: multi-scale": BASE.with_settings(network="multiscale", widths=(64, 128, 256)),
    "encoder: ViT": BASE.with_settings(network="vit"),
    "one view: dim-cifar10": DIM_CIFAR10,
}


PROJECTED = 64  # numbers that LeJEPA holds to N(0, 1); its authors find 64 to 256 best


def objective_of(arm: str) -> Objective:
    """The objective of the arm's recipe, or the loss of LeJEPA in its place, with as wide a head."""
    recipe = ARMS[arm]
    if arm != "LeJEPA":
        return recipe.objective()
    hidden = [nn.Linear(BASE.dim, BASE.hidden), nn.BatchNorm1d(BASE.hidden), nn.ReLU()]
    return LeJepa(nn.Sequential(*hidden, nn.Linear(BASE.hidden, PROJECTED)), weight=0.02)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--train", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=75)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    images = load_images(options.train, BASE.size, progress=True)
    assert images.labels is not None, "the images need labels"
    order = np.random.default_rng(0).permutation(len(images.pixels))
    held, kept = order[:HELD_OUT], order[HELD_OUT:]
    pixels, labels = np.array(images.pixels), np.array(images.labels)
    known = read(options.out)
    for seed in options.seeds:
        for arm in options.arms:
            if any(
                line["arm"] == arm and line["seed"] == seed and line["seconds"] == options.seconds for line in known
            ):
                continue
            encoder, cost = trained(arm, pixels[kept], options.seconds, seed, device)
            bank, queries = (codes(encoder, pixels[rows], device) for rows in (kept[:BANK], held))
            knn = knn_accuracy(bank, list(labels[kept[:BANK]]), queries, list(labels[held]))
            names, classes = np.unique(labels, return_inverse=True)
            linear = fit_linear(bank, classes[kept[:BANK]], len(names))
            accuracy = float((linear.predict(queries) == classes[held]).mean())
            line = {"arm": arm, "seed": seed, "seconds": options.seconds, **cost, "knn": knn, "linear": accuracy}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
    print("\n" + table([line for line in read(options.out) if line["seconds"] == options.seconds]))


def trained(
    arm: str, pixels: NDArray[np.uint8], seconds: float, seed: int, device: torch.device
) -> tuple[Encoder, dict[str, Any]]:
    """The encoder after some seconds of training, and the number of steps in them."""
    recipe = ARMS[arm]

    def trainer(steps: int) -> Trainer:
        torch.manual_seed(seed)
        encoder = recipe.encoder()
        encoder.prepare(torch.from_numpy(pixels[:PREPARED_FROM]))
        views = recipe.view_plan if isinstance(recipe, MultiViewInfoMax) else None
        context = TrainingContext(seed=seed, device=device, bfloat16=True)
        made = Trainer(encoder, objective_of(arm), recipe.schedule(), context, views=views)
        made.total_steps = steps
        return made

    def learn(training: Trainer, steps: int) -> float:
        """Seconds of CPU time over all threads, or of wall time on a GPU."""

        def run() -> None:
            for _ in range(steps):
                training.train_step(pick(next(indices)))

        return seconds_of(run, device) * (1 if device.type == "cuda" else torch.get_num_threads())

    pick, indices = batch_loader(pixels, device), batches(len(pixels), recipe.batch, seed)
    trial = trainer(WARMUP + TIMED)
    learn(trial, WARMUP)
    steps = max(1, round(seconds / (learn(trial, TIMED) / TIMED)))
    training = trainer(steps)
    spent = learn(training, steps)
    return training.encoder, {"steps": steps, "epochs": steps * recipe.batch / len(pixels), "spent": round(spent, 1)}


def batches(n: int, size: int, seed: int) -> Iterator[Tensor]:
    """Yield full batches, epoch after epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(n, generator=generator)
        yield from (each for each in torch.split(order, size) if len(each) == size)


@torch.inference_mode()
def codes(encoder: Encoder, pixels: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    encoder.eval()
    parts = [torch.from_numpy(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    with autocast(device):  # the precision of training, in half the time
        return np.concatenate([encoder(part.to(device)).mean.float().cpu().numpy() for part in parts])


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(lines: list[dict[str, Any]]) -> str:
    """Means over seeds, with the standard deviation when there are several."""
    by_arm: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_arm[line["arm"]].append(line)
    rows = [table_head(["arm", "steps", "epochs", "kNN", "linear", "n"])]
    for arm, each in by_arm.items():
        steps, epochs = (statistics.mean(line[name] for line in each) for name in ("steps", "epochs"))
        accuracies = [mean_and_deviation([line[name] for line in each], ".1%") for name in ("knn", "linear")]
        rows.append(table_row([arm, f"{steps:.0f}", f"{epochs:.2f}", *accuracies, str(len(each))]))
    return "\n".join(rows)


if __name__ == "__main__":
    main()
