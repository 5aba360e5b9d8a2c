"""Figures of docs/closed-form.md for a run of a closed-form recipe: its atoms, and its first dimensions.

    python benchmarks/closed_form_figures.py RUN SOURCE [--out docs/figures]

closed-form-atoms.png: the first atoms of each patch size, as patches. closed-form-code.png: for each of the first
dimensions of the code, the images of SOURCE with its smallest and its largest values.
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from _common import argument_parser
from infomax import InfoMax
from infomax.representation.encoders import SpectralEncoder
from infomax.representation.encoders.codebook import PatchCodebook

ROWS, COLUMNS = 8, 16  # atoms
DIMENSIONS, ENDS = 10, 8  # dimensions of the code, images at either end


def tiled(images: NDArray[np.generic], columns: int, gap: int = 1) -> NDArray[np.generic]:
    """Images (n, side, side, c) as one image, with white between them."""
    n, side, _, channels = images.shape
    white = 255 if images.dtype == np.uint8 else 1
    padded = np.pad(images, ((0, 0), (gap, gap), (gap, gap), (0, 0)), constant_values=white)
    rows = padded.reshape(n // columns, columns, side + 2 * gap, side + 2 * gap, channels)
    return rows.transpose(0, 2, 1, 3, 4).reshape(n // columns * (side + 2 * gap), -1, channels)


def patches(codebook: PatchCodebook) -> NDArray[np.float32]:
    """The first atoms, each as the patch whose whitening it is, stretched to the full range of values."""
    some = codebook.atoms[: ROWS * COLUMNS] @ torch.linalg.pinv(codebook.whitening)
    some = some.view(len(some), codebook.planes, codebook.patch, codebook.patch).permute(0, 2, 3, 1)
    low, high = some.amin((1, 2, 3), keepdim=True), some.amax((1, 2, 3), keepdim=True)
    stretched: NDArray[np.float32] = ((some - low) / (high - low)).expand(-1, -1, -1, 3).numpy()
    return stretched


def atoms(encoder: SpectralEncoder) -> Figure:
    figure, axes = plt.subplots(
        1, len(encoder.codebooks), figsize=(10, 10 / len(encoder.codebooks) / 2 + 0.4), squeeze=False
    )
    for axis, codebook in zip(axes[0], encoder.codebooks, strict=True):
        axis.imshow(tiled(patches(codebook), COLUMNS))
        axis.set_title(f"{codebook.patch} px, {'gray' if codebook.planes == 1 else 'color'}", fontsize=9)
        axis.axis("off")
    figure.tight_layout(pad=0.5)
    return figure


def ends(pixels: NDArray[np.uint8], code: NDArray[np.float32]) -> Figure:
    figure, axes = plt.subplots(DIMENSIONS, 2, figsize=(10, 0.62 * DIMENSIONS + 0.3))
    for number, (least, most) in enumerate(axes):
        order = code[:, number].argsort()
        for axis, rows in ((least, order[:ENDS]), (most, order[::-1][:ENDS])):
            axis.imshow(tiled(pixels[rows], ENDS))
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
        least.set_ylabel(str(number + 1), rotation=0, labelpad=10, va="center")
    axes[0, 0].set_title("smallest values", fontsize=9)
    axes[0, 1].set_title("largest values", fontsize=9)
    figure.tight_layout(pad=0.4)
    return figure


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("source")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    args = parser.parse_args()
    model = InfoMax.load(args.run)
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder), f"{args.run} is no run of a closed-form recipe"
    pixels = np.array(model.load_images(args.source).pixels)
    atoms(encoder).savefig(args.out / "closed-form-atoms.png", dpi=110)
    ends(pixels, model.transform(pixels)).savefig(args.out / "closed-form-code.png", dpi=110)


if __name__ == "__main__":
    main()
