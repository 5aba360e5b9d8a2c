"""Can settings be chosen without labels? The held-out bounds of a fit beside its accuracy, over many settings.

    python benchmarks/label_free_choice.py 'train-*.parquet' [--images 8000] [--held-out 2500]

Every setting learns from the same images, with the same views. The Pearson bound and the Gaussian information of its
code are those of log.jsonl, on images that were not learned from. The accuracy is that of neighbors and of a linear
classifier on other images, held out here. The last lines are the rank correlations of the two.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from _common import argument_parser
from infomax import InfoMax
from infomax.evaluation.labels import LabelSplit
from infomax.evaluation.scores import score_features
from infomax.images import load_images
from infomax.recipes import find_recipe

SETTINGS = [
    "patches=6/2,8/2",
    "patches=6/2",
    "patches=8/2",
    "patches=4/2",
    "patches=12/2",
    "patches=gray6/2",
    "patches=6/2,gray8/2",
    "patches=6/2,6@16",
    "atoms=128",
    "atoms=512",
    "threshold=0.1",
    "threshold=0.35",
    "components=16",
    "whitening=0.1",
    "whitening=1e-5",
    "channels=32",
    "channels=96",
    "grid=2",
    "grid=6",
    "cell_ridge=30",
    "cell_pairs=distant",
    "view_ridge=1",
    "view_ridge=0.01",
]
"""Changes of spectral-fast that leave the views as they are."""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("train")
    parser.add_argument("--recipe", default="spectral-fast")
    parser.add_argument("--images", type=int, default=8_000)
    parser.add_argument("--held-out", type=int, default=2_500)
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    args = parser.parse_args()
    original, rows = find_recipe(args.recipe), []
    with tempfile.TemporaryDirectory() as cache:
        loaded = load_images(args.train, original.size, cache=Path(cache))
        assert loaded.labels is not None
        pixels, labels = np.array(loaded.pixels), loaded.labels
    for setting in args.settings:
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            model = InfoMax(original.with_texts([setting])).fit(pixels[: args.images], out=Path(folder) / "run")
            line = json.loads((Path(folder) / "run" / "log.jsonl").read_text().splitlines()[-1])
        seen, unseen = slice(args.images), slice(-args.held_out, None)
        scores = score_features(
            LabelSplit.of(labels[seen], labels[unseen]), model.transform(pixels[seen]), model.transform(pixels[unseen])
        )
        knn = 100 * scores.knn[20, "cosine", "weighted"].accuracy
        linear = 100 * scores.classifiers["linear"].accuracy
        rows.append((line["chi2_held_out"], line["nats_held_out"], knn, linear))
        print(
            f"{setting:<24} chi2 {rows[-1][0]:6.1f}   nats {rows[-1][1]:6.1f}   kNN {knn:.1f}   linear {linear:.1f}"
            f"   {time.process_time() - began:.0f} CPU s",
            flush=True,
        )
    chi2, nats, knn, linear = np.array(rows).T
    for name, bound in (("chi2", chi2), ("nats", nats)):
        for kind, accuracy in (("kNN", knn), ("linear", linear)):
            print(
                f"rank correlation of {name} and {kind}: {spearmanr(bound, accuracy).statistic:+.2f} (n = {len(rows)})"
            )


if __name__ == "__main__":
    main()
