"""Which parts matter: one change at a time to multiview-fast, all for the same CPU time, judged on held-out images.

    OMP_NUM_THREADS=1 python benchmarks/ablation.py --train 'train-*.parquet' --out ablation.jsonl [--seconds 75]
    OMP_NUM_THREADS=1 python benchmarks/ablation.py --train ... --out ablation.jsonl --arms base 'bound: JSD' --seeds 1

Every arm learns for so many seconds of CPU time (wall time on a GPU), at a rate that rises and falls within them: a few
steps are timed first, and say how many there will be. 5,000 of the training images, the same for all arms, take no
part and are judged on: kNN by 10,000 of the others, k = 20, cosine, and the linear classifier fitted to those 10,000.
The test images are not touched. What --out holds already is not learned again; the table is of all that it holds.
With the defaults the whole takes 25 minutes of one core.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infomax.devices import autocast, choose_device
from infomax.evaluation.classifiers import fit_linear
from infomax.images import load_images
from infomax.neighbors.knn import knn_accuracy
from infomax.recipes import DIM_CIFAR10, MULTIVIEW_FAST, DeepInfoMax, MultiViewInfoMax
from infomax.representation.encoders import Encoder
from infomax.training.trainer import PREPARED_FROM, Trainer, batch_loader

HELD_OUT, BANK, AT_ONCE = 5_000, 10_000, 500
TIMED, UNTIMED = 6, 2  # steps that say how long one takes, after so many that warm up
BASE = MULTIVIEW_FAST.with_settings(final_fraction=0.0)

ARMS: dict[str, MultiViewInfoMax | DeepInfoMax] = {
    "base": BASE,
    "bound: JSD": BASE.with_settings(bound="f-divergence", divergence="jensen-shannon"),
    "bound: chi2": BASE.with_settings(bound="f-divergence", divergence="pearson-chi2"),
    "local in place of global": BASE.with_settings(alpha=0.0, beta=1.0),
    "local and global": BASE.with_settings(beta=1.0),
    "4 views": BASE.with_settings(views=4, batch=BASE.batch // 2),
    "views of 32 px": BASE.with_settings(view_size=32),
    "no change of color": BASE.with_settings(color=0.0),
    "prior: Gaussian": BASE.with_settings(prior="gaussian"),
    "prior: adversarial, uniform": BASE.with_settings(prior="adversarial-uniform"),
    "encoder: the article's": BASE.with_settings(network="convolutional", widths=(64, 128, 256)),
    "encoder: multi-scale": BASE.with_settings(network="multiscale", widths=(64, 128, 256)),
    "encoder: ViT": BASE.with_settings(network="vit"),
    "one view: the article's recipe": DIM_CIFAR10,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=75)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    images = load_images(options.train, BASE.size, progress=True)
    assert images.labels is not None, "labels are needed to judge"
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
            encoder, told = learned(ARMS[arm], pixels[kept], options.seconds, seed, device)
            bank, queries = (codes(encoder, pixels[rows], device) for rows in (kept[:BANK], held))
            knn = knn_accuracy(bank, list(labels[kept[:BANK]]), queries, list(labels[held]))
            names, classes = np.unique(labels, return_inverse=True)
            linear = fit_linear(bank, classes[kept[:BANK]], len(names))
            right = float((linear.predict(queries) == classes[held]).mean())
            line = {"arm": arm, "seed": seed, "seconds": options.seconds, **told, "knn": knn, "linear": right}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
    print("\n" + table([line for line in read(options.out) if line["seconds"] == options.seconds]))


def learned(
    recipe: MultiViewInfoMax | DeepInfoMax, pixels: NDArray[np.uint8], seconds: float, seed: int, device: torch.device
) -> tuple[Encoder, dict[str, Any]]:
    """The encoder after so many seconds of learning, and how many steps those were."""

    def begun(steps: int) -> Trainer:
        torch.manual_seed(seed)
        encoder = recipe.encoder()
        encoder.prepare(torch.from_numpy(pixels[:PREPARED_FROM]))
        views = recipe.plan if isinstance(recipe, MultiViewInfoMax) else None
        return Trainer(
            encoder,
            recipe.objective(),
            recipe.schedule(),
            steps=steps,
            views=views,
            seed=seed,
            device=device,
            bfloat16=True,
        )

    def learn(training: Trainer, steps: int) -> float:
        start = now(device)
        for _ in range(steps):
            training.learn(pick(next(indices)))
        return now(device) - start

    pick, indices = batch_loader(pixels, device), batches(len(pixels), recipe.batch, seed)
    trial = begun(UNTIMED + TIMED)
    learn(trial, UNTIMED)
    steps = max(1, round(seconds / (learn(trial, TIMED) / TIMED)))
    training = begun(steps)
    spent = learn(training, steps)
    return training.encoder, {"steps": steps, "epochs": steps * recipe.batch / len(pixels), "spent": round(spent, 1)}


def batches(n: int, size: int, seed: int) -> Iterator[Tensor]:
    """Full batches, epoch after epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(n, generator=generator)
        yield from (each for each in torch.split(order, size) if len(each) == size)


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


@torch.inference_mode()
def codes(encoder: Encoder, pixels: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    encoder.eval()
    parts = [torch.from_numpy(pixels[start : start + AT_ONCE]) for start in range(0, len(pixels), AT_ONCE)]
    with autocast(device):  # as it was learned, and in half the time
        return np.concatenate([encoder(part.to(device)).mean.float().cpu().numpy() for part in parts])


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(lines: list[dict[str, Any]]) -> str:
    """Means over seeds, with the standard deviation where there are several."""
    by_arm: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_arm[line["arm"]].append(line)
    rows = ["| arm | steps | epochs | kNN | linear | n |", "|---|---|---|---|---|---|"]
    for arm, each in by_arm.items():
        steps, epochs = (statistics.mean(line[name] for line in each) for name in ("steps", "epochs"))
        accuracies = [spread([line[name] for line in each]) for name in ("knn", "linear")]
        rows.append(f"| {arm} | {steps:.0f} | {epochs:.2f} | {' | '.join(accuracies)} | {len(each)} |")
    return "\n".join(rows)


def spread(values: list[float]) -> str:
    more = f" ({statistics.stdev(values):.1%})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1%}{more}"


if __name__ == "__main__":
    main()
