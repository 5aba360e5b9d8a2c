"""Full record of a recipe: time from the start of the process to the accuracies, with hardware, versions and seeds.

    PYTHONPATH=src python benchmarks/record.py --recipe multiview-fast --train 'train-*.parquet' --test 'test-*.parquet'
    PYTHONPATH=src python benchmarks/record.py --recipe multiview --train ... --test ... --seeds 0 1 2
    PYTHONPATH=src python benchmarks/record.py --recipe multiview-best --train ... --test ... --out RUN --pause 540
    PYTHONPATH=src python benchmarks/record.py --recipe multiview-fast --train ... --held-out 5000

Each seed runs in its own process and prints a line of JSON; the table follows. Each process decodes the images into an
empty cache, unless --cache names one. Labels are used for the evaluation only.

--held-out holds out random training images from all training and evaluates on them in place of test images, to choose
settings. --pause saves a training that takes longer than some seconds, and the same command continues it, for machines
that are available for minutes only. The time of `fit` is then the training time in the log, over all processes.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import argument_parser, mean_and_deviation, processor, table_head, table_row

STAGES = ("start", "data", "fit", "embed", "knn", "linear")


def main() -> None:
    options = parsed()
    if options.child:
        print(json.dumps(record(options)))
        return
    lines = []
    for seed in options.seeds:
        command = [sys.executable, __file__, *sys.argv[1:], "--child", "--seeds", str(seed)]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if ended.returncode:
            sys.exit(ended.returncode)
        print(ended.stdout, end="", flush=True)
        lines.append(json.loads(ended.stdout))
    print("\n" + table(lines))


def parsed() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--train", required=True)
    evaluated = parser.add_mutually_exclusive_group(required=True)
    evaluated.add_argument("--test")
    evaluated.add_argument("--held-out", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--no-linear", action="store_true")
    parser.add_argument("--out", type=Path, help="folder for the runs: OUT/SEED")
    parser.add_argument("--pause", type=int, metavar="SECONDS")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pause and not options.out:
        parser.error("--pause needs --out, to continue from")
    return options


def record(options: argparse.Namespace) -> dict[str, Any]:
    """Record of one seed: recipe and machine, the seconds of each stage, and the accuracies."""
    import numpy as np
    import torch

    from infomax.devices import choose_device
    from infomax.errors import InfoMaxError
    from infomax.evaluation.classifiers import fit_linear
    from infomax.images import load_images
    from infomax.model import InfoMax
    from infomax.neighbors.knn import knn_accuracy
    from infomax.recipes import find_recipe

    device = choose_device(options.device)
    if device.type == "cuda":
        torch.zeros(1, device=device)  # a GPU takes seconds to start
    seconds = {"start": age()}
    marked = time.perf_counter()

    def mark(stage: str) -> None:
        nonlocal marked
        now = time.perf_counter()
        seconds[stage], marked = now - marked, now

    seed = options.seeds[0]
    recipe = find_recipe(options.recipe).with_texts(options.set)
    with tempfile.TemporaryDirectory() as empty:
        cache = options.cache or Path(empty)
        train = load_images(options.train, recipe.size, cache=cache)
        assert train.labels is not None, "the training images need labels"
        pixels, labels = train.pixels, np.array(train.labels)
        if options.test:
            test = load_images(options.test, recipe.size, cache=cache)
            assert test.labels is not None, "the test images need labels"
            test_pixels, truth = test.pixels, np.array(test.labels)
        else:
            order = np.random.default_rng(0).permutation(len(pixels))
            held, kept = order[: options.held_out], np.sort(order[options.held_out :])
            test_pixels, truth = pixels[held], labels[held]
            pixels, labels = pixels[kept], labels[kept]
        mark("data")
        run = options.out / str(seed) if options.out else None
        begun = run is not None and (run / "config.json").exists()
        if options.pause:
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
            signal.alarm(options.pause)
        model = InfoMax(recipe, epochs=options.epochs, seed=seed, device=options.device, progress=True)
        if begun and run is not None and (run / "model.safetensors").exists():
            model = InfoMax.load(run, device=options.device)
        else:
            try:
                model.fit(np.asarray(pixels), out=run, resume=begun)
            except InfoMaxError as error:
                sys.exit(f"{error}\n{training_seconds(run):.0f} s of training so far" if run else str(error))
        signal.alarm(0)
        mark("fit")
        if begun and run is not None:
            seconds["fit"] = training_seconds(run)
        bank, queries = model.transform(np.asarray(pixels)), model.transform(np.asarray(test_pixels))
        mark("embed")
        knn = knn_accuracy(bank, list(labels), queries, list(truth), k=options.k)
        mark("knn")
        result: dict[str, Any] = {"knn": knn}
        if not options.no_linear:
            names, classes = np.unique(labels, return_inverse=True)
            classifier = fit_linear(bank, classes, len(names))
            result["linear"] = float((names[classifier.predict(queries)] == truth).mean())
            mark("linear")
    return {
        "recipe": model.recipe_.to_dict(),
        "seed": seed,
        "n_train": len(pixels),
        "n_test": len(test_pixels),
        "evaluated_on": "test" if options.test else "held out of training",
        "k": options.k,
        **result,
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
        "total": round(sum(seconds.values()), 2),
        "hardware": torch.cuda.get_device_name() if device.type == "cuda" else processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": model.config_["precision"],
        "versions": {"torch": torch.__version__, "python": platform.python_version(), "system": platform.platform()},
    }


def age() -> float:
    """Seconds since this process started, from the kernel where it says so (Linux)."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.process_time()


def training_seconds(run: Path) -> float:
    """Seconds of training in the log of a run, over all its processes."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    epochs = [line["seconds"] for line in lines if line["kind"] == "epoch"]
    return float(sum(epochs))


def table(lines: list[dict[str, Any]]) -> str:
    """The record as a Markdown table."""
    first = lines[0]
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    measured = ["knn", *(["linear"] if "linear" in first else [])]
    stages = [stage for stage in STAGES if stage in first["seconds"]]
    rows = [
        f"{first['recipe']['name']}: {first['hardware']}, {first['cores']} cores, {first['threads']} threads,",
        f"{first['precision']}, {versions}; {first['n_train']} training images, {first['n_test']} test images",
        f"({first['evaluated_on']}), k = {first['k']}\n",
        table_head(["seed", *measured, *(f"{stage}, s" for stage in stages), "total, s"]),
    ]
    for line in lines:
        accuracies = [f"{line[name]:.2%}" for name in measured]
        times = [f"{line['seconds'][stage]:.1f}" for stage in stages]
        rows.append(table_row([str(line["seed"]), *accuracies, *times, f"{line['total']:.1f}"]))
    if len(lines) > 1:
        for name in measured:
            values = [line[name] for line in lines]
            rows.append(f"\n{name}: mean (standard deviation) {mean_and_deviation(values, '.2%')}, n = {len(values)}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
