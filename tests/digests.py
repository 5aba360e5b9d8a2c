"""Digests of what the package computes for fixed seeds, to hold a refactoring against the code before it.

    PYTHONPATH=OLD/src python tests/digests.py before.json       # in the tree before the move
    PYTHONPATH=src     python tests/digests.py after.json
    python tests/digests.py --compare before.json after.json     # exit code 1 where they differ by more than 1e-6

Weights are compared as a set of tensors, so that modules may be renamed; arrays by value.
"""

import json
import sys
import tempfile
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
OLD = False


def find(*names: str) -> Any:
    """The first of some `module:attribute` names that exists."""
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"none of {names}")


def weights_of(model: Any) -> list[str]:
    """A hash of every tensor of a model, sorted."""
    modules = [model.encoder_, *([] if model.objective_ is None else [model.objective_])]
    tensors = [tensor for module in modules for tensor in module.state_dict().values()]
    return sorted(
        blake2b(f"{tuple(t.shape)}".encode() + t.cpu().contiguous().numpy().tobytes(), digest_size=8).hexdigest()
        for t in tensors
    )


def shown(found: Any, *names: str) -> Any:
    """The first of some attributes that exists."""
    return next(getattr(found, name) for name in names if hasattr(found, name))


def rounded(values: Any) -> list[float]:
    return [round(float(value), 9) for value in np.asarray(values, np.float64).ravel()[:400]]


def settings(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    return old if OLD else new


def main(out: Path) -> None:
    global OLD
    from infomax import Index, InfoMax

    try:
        import_module("infomax.images")
    except ImportError:
        OLD = True
    find_recipe = find("infomax.recipes:find_recipe")
    torch.set_num_threads(2)
    found: dict[str, Any] = {}
    scratch = Path(tempfile.mkdtemp())

    def fit(name: str, recipe: Any, source: Any, **options: Any) -> Any:
        model = InfoMax(recipe, cache=scratch / "cache", **options).fit(source)
        found[f"{name} weights"] = weights_of(model)
        found[f"{name} codes"] = rounded(model.transform(source)[:7])
        return model

    digits = find_recipe("seed-digits" if OLD else "dim-digits")
    fit("dim", digits, "digits:train", epochs=2)
    fit("dim infonce", digits.with_settings(bound="infonce", alpha=0.5, delta=0.1), "digits:test", epochs=1, seed=3)
    fit("dim adversarial", digits.with_settings(prior="adversarial-uniform", alpha=0.5), "digits:test", epochs=1)
    multiview = find_recipe("views-fast" if OLD else "multiview-fast").with_settings(
        **settings(
            {"local_crops": 1, "min_crop_area": 0.3, "final_fraction": 0.5, "solarize": 0.3},
            {"small_views": 1, "least_area": 0.3, "late": 0.5, "solarise": 0.3},
        ),
        batch=64,
        blur=0.5,
        gamma=0.01,
        beta=0.5,
        prior="gaussian",
        size=16,
        widths=(16, 32),
        **settings(
            {"view_size": 16, "final_view_size": 16, "local_crop_size": 12},
            {"view_size": 16, "late_size": 16, "small_size": 12},
        ),
    )
    fit("multiview", multiview, "digits:test", epochs=2)
    clothing = str(DATA / "clothing" / "test-*.parquet")
    small = settings({"cell_images": 200, "view_images": 200}, {"region_pictures": 200, "view_pictures": 200})
    spectral = find_recipe("spectral-fast").with_settings(**small, atoms=256, channels=32, dim=64)
    fit("spectral chiral", spectral, "digits:test")
    model = fit("spectral", spectral, clothing)
    found["explain"] = {
        name: rounded(value)
        for name, value in vars(
            import_module("infomax.evaluation.explanation").explain(
                model, *find("infomax.images:load_images", "infomax.pictures:load")(clothing, 32).pixels[:2]
            )
        ).items()
        if not isinstance(value, str)
    }

    index = Index.create(scratch / "index", model).add(clothing)
    rows = sorted(
        (
            row
            for batch in index._store.scan(["path", "id", "hash", "size", "width", "height", "label"])
            for row in batch.to_pylist()
        ),
        key=lambda row: row["path"],
    )
    found["index rows"] = blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()
    listed = index.vectors()
    found["index vectors"] = rounded(listed[1][:5])
    found["index thumbnails"] = blake2b(
        b"".join(index.thumbnails([each.id for each in listed[0][:50]]).values()), digest_size=16
    ).hexdigest()
    found["matches"] = [
        [shown(m, "image", "picture").path, round(m.distance, 9)]
        for metric in ("cosine", "euclidean")
        for m in index.search(listed[1][3], 5, metric=metric)
    ]
    found["duplicates"] = [[len(shown(g, "images", "pictures")), round(g.similarity, 9)] for g in index.duplicates(0.5)]
    found["outliers"] = [round(each.distance, 9) for each in index.outliers(5)]
    found["map"] = rounded(index.map().positions[:20])

    evaluate_model = import_module("infomax.evaluation.evaluate").evaluate_model
    load = model.load_images if hasattr(model, "load_images") else model.load_pictures
    train, test = load("digits:train"), load("digits:test")
    judged = evaluate_model(model, train, test, layers=True).to_dict()

    def without_seconds(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without_seconds(each) for name, each in value.items() if name != "seconds"}
        return [without_seconds(each) for each in value] if isinstance(value, list | tuple) else value

    found["evaluation"] = without_seconds(judged)
    proxies = find("infomax.evaluation.proxies.measure:measure_proxies", "infomax.evaluation.proxies:proxies")
    found["proxies"] = without_seconds(proxies(model, train, test, steps=30).to_dict())

    from infomax.information import estimate_mi, pointwise_mi

    generator = np.random.default_rng(0)
    x = generator.normal(size=(1500, 2))
    y = x + generator.normal(size=(1500, 2))
    spiral = np.c_[np.cos(3 * x[:, 0]) * x[:, 0], np.sin(3 * x[:, 0]) * x[:, 0]]
    for name, pair in {
        "normal": (x, y),
        "one": (x[:, 0], y[:, 0] ** 3),
        "spiral": (spiral, y),
        "discrete": (x.round().astype(int), y),
    }.items():
        estimate = estimate_mi(*pair)
        found[f"mi {name}"] = [estimate.value, estimate.standard_error, estimate.lower_bound, *estimate.folds]
    found["pointwise"] = rounded(pointwise_mi(x, y)[:50])
    out.write_text(json.dumps(found, indent=1, default=str))


def compare(before: Any, after: Any, where: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for name in {**before, **after}
            for line in compare(before.get(name), after.get(name), f"{where}/{name}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line for i, pair in enumerate(zip(before, after, strict=True)) for line in compare(*pair, f"{where}/{i}")
        ]
    if isinstance(before, int | float) and isinstance(after, int | float):
        return [] if abs(before - after) <= 1e-6 * max(1, abs(before)) else [f"{where}: {before} -> {after}"]
    return [] if before == after else [f"{where}: {before} -> {after}"]


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        lines = compare(*(json.loads(Path(name).read_text()) for name in sys.argv[2:4]))
        print("\n".join(lines) or "equal")
        sys.exit(bool(lines))
    main(Path(sys.argv[1]))
