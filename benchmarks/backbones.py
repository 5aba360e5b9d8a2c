"""A pretrained net alone, whitened, and with the head of the recipe `backbone`: neighbors, numbers, seconds.

    python benchmarks/backbones.py 'clothing/train-*.parquet' --queries 'clothing/test-*.parquet'
    python benchmarks/backbones.py 'cifar10/test-*.parquet' --most 3000 [--set ridge=1] [--spectral spectral-fast]

Each query is named by the weighted vote of its 20 nearest by cosine among the images of SOURCE; without --queries every
image is a query, and all others vote. The head sees no labels. `difference` is that to the net alone, with the standard
error of the paired difference. Seconds are wall time, and in brackets CPU time, of this process with its threads.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from _common import argument_parser, machine, table_head, table_row
from infomax import InfoMax
from infomax.images import load_images, open_source
from infomax.neighbors.knn import neighbors, vote, vote_weights
from infomax.recipes import find_recipe
from infomax.representation.encoders.backbone import BackboneEncoder
from infomax.representation.resampling import reduced

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
K = 20


class Stopwatch:
    """Wall and CPU seconds of one piece of work after another."""

    def __init__(self) -> None:
        self.times: dict[str, str] = {}

    def __call__(self, name: str, work: Callable[[], Vectors]) -> Vectors:
        """Do some work and note its seconds."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.times[name] = f"{time.perf_counter() - wall:.0f} s ({time.process_time() - cpu:.0f})"
        return result


def correct(
    collection: Vectors, queries: Vectors | None, labels: Sequence[str], query_labels: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which queries are named right, by the weighted and by the plain vote."""
    names, codes = np.unique([*labels, *query_labels], return_inverse=True)
    voters, truth = codes[: len(labels)], codes[len(labels) :]
    own = None if queries is not None else np.arange(len(collection))
    found = neighbors(collection if queries is None else queries, collection, K, leave_out=own)
    of_neighbors = voters[found.indices]
    weighted = vote(of_neighbors, len(names), vote_weights(found.distances, "cosine"))
    return weighted == truth, vote(of_neighbors, len(names)) == truth


def whitened(collection: Vectors, others: Vectors, numbers: int, power: float) -> tuple[Vectors, Vectors]:
    """The leading principal components, each divided by its standard deviation to a power."""
    mean = collection.mean(0)
    _, scales, axes = np.linalg.svd(collection - mean, full_matrices=False)
    weights = axes[:numbers].T / np.maximum(scales[:numbers], 1e-6) ** power
    return (collection - mean) @ weights, (others - mean) @ weights


def loaded(source: str, size: int, most: int | None, seed: int) -> tuple[Pixels, list[str]]:
    """Random images of a source, with their labels."""
    images = load_images(open_source(source), size)
    assert images.labels is not None
    rows = np.sort(np.random.default_rng(seed).permutation(len(images.labels))[:most])
    return np.array(images.pixels[rows]), [images.labels[row] for row in rows]


def reduced_pixels(pixels: Pixels, size: int) -> Pixels:
    """Images at a smaller side."""
    parts = [
        reduced(torch.from_numpy(pixels[start : start + 200]).permute(0, 3, 1, 2).float(), size).round().byte()
        for start in range(0, len(pixels), 200)
    ]
    return torch.cat(parts).permute(0, 2, 3, 1).numpy() if parts else np.empty((0, size, size, 3), np.uint8)


def side_by_side(head: Vectors, spectral: Vectors) -> Vectors:
    """The first 256 numbers of each code, joined as the recipe does by default."""
    parts = (head[:, :256], spectral[:, :256])
    lengths = [np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts]
    return np.concatenate([parts[0] / lengths[0], 0.75 * parts[1] / lengths[1]], 1)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("source")
    parser.add_argument("--queries")
    parser.add_argument("--most", type=int, help="random images of the source")
    parser.add_argument("--set", action="append", default=[], help="settings of the recipe `backbone`")
    parser.add_argument("--spectral", help="also join the code of this recipe in closed form")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    recipe = find_recipe("backbone").with_texts(args.set).completed()
    pixels, labels = loaded(args.source, recipe.size, args.most, args.seed)
    query_pixels, query_labels = loaded(args.queries, recipe.size, None, 0) if args.queries else (pixels[:0], labels)
    print(f"{args.source}, {len(pixels)} images, {len(query_labels)} queries\n{machine()}\n{recipe}", flush=True)
    clock = Stopwatch()
    model = InfoMax(recipe, seed=args.seed)
    clock("fit", lambda: model.fit(pixels).encode(pixels[:0]))
    encoder = model.encoder_
    assert isinstance(encoder, BackboneEncoder)

    def features(images: Pixels) -> Vectors:
        with torch.inference_mode():
            found: Vectors = encoder.net.summaries(torch.from_numpy(images)).numpy()
        return found

    alone = clock("embed", lambda: features(pixels))
    of_queries = features(query_pixels) if args.queries else alone[:0]
    with torch.inference_mode():
        head, query_head = (encoder.code_of(torch.from_numpy(each)).numpy() for each in (alone, of_queries))
    rows = {"the net alone": (alone, of_queries)}
    for numbers in (256, 128):
        for power, name in ((0.0, "PCA"), (0.5, "PCA, half whitened"), (1.0, "PCA, whitened")):
            rows[f"{name}, {numbers}"] = whitened(alone, of_queries, numbers, power)
    for numbers in dict.fromkeys((recipe.dim, 256, 128, 64)):
        if numbers <= recipe.dim:
            rows[f"head, {numbers}"] = (head[:, :numbers], query_head[:, :numbers])
    if args.spectral:
        joined, side = InfoMax(args.spectral, seed=args.seed), find_recipe(args.spectral).size
        small = [reduced_pixels(each, side) for each in (pixels, query_pixels)]
        clock("spectral", lambda: joined.fit(small[0]).encode(small[0]))
        codes = [joined.encode(each) for each in small]
        rows[args.spectral] = (codes[0], codes[1])
        both = [side_by_side(*pair) for pair in ((head, codes[0]), (query_head, codes[1]))]
        rows["joined"] = (both[0], both[1])
    _print(rows, labels, query_labels, has_queries=bool(args.queries))
    print(", ".join(f"{name} {seconds}" for name, seconds in clock.times.items()))


def _print(
    rows: dict[str, tuple[Vectors, Vectors]], labels: list[str], query_labels: list[str], *, has_queries: bool
) -> None:
    print(table_head(("features", "numbers", "bytes", "kNN", "plain vote", "difference")))
    base = None
    for name, (collection, queries) in rows.items():
        right, plain = correct(collection, queries if has_queries else None, labels, query_labels)
        base = right if base is None else base
        paired = right.astype(float) - base
        error = paired.std() / len(paired) ** 0.5
        numbers = collection.shape[1]
        accuracies = (f"{100 * right.mean():.1f} %", f"{100 * plain.mean():.1f} %")
        difference = f"{100 * paired.mean():+.1f} ± {100 * error:.1f}"
        print(table_row((name, str(numbers), str(4 * numbers), *accuracies, difference)))


if __name__ == "__main__":
    main()
