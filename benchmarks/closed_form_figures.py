"""The figures of docs/closed-form.md, of a run of a closed-form recipe: its atoms, and what its first numbers tell.

    python benchmarks/closed_form_figures.py RUN SOURCE [--out docs/figures]

closed-form-atoms.png: for each kind of patch the first atoms, as patches. closed-form-code.png: for each of the first
numbers of the code the images of SOURCE where it is least, and where it is largest.
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from infomax import InfoMax
from infomax.representation.encoders import SpectralEncoder
from infomax.representation.encoders.spectral import PatchCodebook

ROWS, COLUMNS = 8, 16  # atoms
NUMBERS, ENDS = 10, 8  # numbers of the code, images at either end


def tiled(images: NDArray[np.generic], columns: int, gap: int = 1) -> NDArray[np.generic]:
    """Images (n, side, side, c) as one, white between them."""
    n, side, _, channels = images.shape
    white = 255 if images.dtype == np.uint8 else 1
    padded = np.pad(images, ((0, 0), (gap, gap), (gap, gap), (0, 0)), constant_values=white)
    rows = padded.reshape(n // columns, columns, side + 2 * gap, side + 2 * gap, channels)
    return rows.transpose(0, 2, 1, 3, 4).reshape(n // columns * (side + 2 * gap), -1, channels)


def patches(words: PatchCodebook) -> NDArray[np.float32]:
    """The first atoms, each as the patch that whitening makes it of, stretched to its full range."""
    some = words.atoms[: ROWS * COLUMNS] @ torch.linalg.pinv(words.whitening)
    some = some.view(len(some), words.planes, words.patch, words.patch).permute(0, 2, 3, 1)
    low, high = some.amin((1, 2, 3), keepdim=True), some.amax((1, 2, 3), keepdim=True)
    stretched: NDArray[np.float32] = ((some - low) / (high - low)).expand(-1, -1, -1, 3).numpy()
    return stretched


def atoms(encoder: SpectralEncoder) -> Figure:
    figure, axes = plt.subplots(
        1, len(encoder.codebooks), figsize=(10, 10 / len(encoder.codebooks) / 2 + 0.4), squeeze=False
    )
    for axis, words in zip(axes[0], encoder.codebooks, strict=True):
        axis.imshow(tiled(patches(words), COLUMNS))
        axis.set_title(f"{words.patch} px, {'gray' if words.planes == 1 else 'color'}", fontsize=9)
        axis.axis("off")
    figure.tight_layout(pad=0.5)
    return figure


def ends(pixels: NDArray[np.uint8], code: NDArray[np.float32]) -> Figure:
    figure, axes = plt.subplots(NUMBERS, 2, figsize=(10, 0.62 * NUMBERS + 0.3))
    for number, (least, most) in enumerate(axes):
        order = code[:, number].argsort()
        for axis, rows in ((least, order[:ENDS]), (most, order[::-1][:ENDS])):
            axis.imshow(tiled(pixels[rows], ENDS))
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
        least.set_ylabel(str(number + 1), rotation=0, labelpad=10, va="center")
    axes[0, 0].set_title("where the number is least", fontsize=9)
    axes[0, 1].set_title("where it is largest", fontsize=9)
    figure.tight_layout(pad=0.4)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("source")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    args = parser.parse_args()
    model = InfoMax.load(args.run)
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder), f"{args.run} is not of a closed-form recipe"
    pixels = np.array(model.load_images(args.source).pixels)
    atoms(encoder).savefig(args.out / "closed-form-atoms.png", dpi=110)
    ends(pixels, model.transform(pixels)).savefig(args.out / "closed-form-code.png", dpi=110)


if __name__ == "__main__":
    main()
