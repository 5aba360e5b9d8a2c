"""How often an altered copy of an image finds its original first among all images: a measure that needs no labels."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, UInt8
from PIL import Image, ImageEnhance, ImageFilter

from infomax.evaluation.scores import wilson_interval
from infomax.kinds.images.raw_pixels import raw_pixels
from infomax.model import InfoMax
from infomax.neighbors.knn import neighbors

_QUERIES = 500  # images of which copies are made
_CROP = 0.7  # of the width and of the height: half of the area
_COLOR = 0.5  # largest relative change of brightness, contrast and saturation
_BLUR = 1 / 16  # standard deviation of the blur, as a fraction of the side
_QUALITY = 15  # of JPEG

_Pixels = UInt8[np.ndarray, "n h w 3"]


@final
@dataclass(frozen=True)
class AlteredCopies:
    """Which altered copies found their original first.

    Attributes:
        images: Images that were searched, originals among them.
        queries: Images of which copies were made.
        code: For each alteration, whether no other image is nearer to the copy by its code, shape (queries,).
        pixels: The same by raw pixels.

    """

    images: int
    queries: int
    code: dict[str, Bool[np.ndarray, " q"]]
    pixels: dict[str, Bool[np.ndarray, " q"]]

    @property
    def found(self) -> Bool[np.ndarray, " copies"]:
        """Whether each copy finds its original by its code, all alterations together, shape (copies,)."""
        return np.concatenate([*self.code.values()])

    def to_dict(self) -> dict[str, Any]:
        """The rates as a JSON document: fractions by alteration, and of all copies with a 95 % interval."""
        document: dict[str, Any] = {"images": self.images, "queries": self.queries}
        for name, found in {"code": self.code, "pixels": self.pixels}.items():
            everything = np.concatenate([*found.values()])
            rates = {alteration: float(each.mean()) for alteration, each in found.items()}
            document[name] = {"all": float(everything.mean()), "interval": wilson_interval(everything), **rates}
        return document


def find_altered_copies(
    model: InfoMax, pixels: _Pixels, codes: Float[np.ndarray, "n d"], *, seed: int = 0
) -> AlteredCopies:
    """Alter copies of some images, and search the originals among all images by cosine distance.

    Each of at most 500 images is cropped, changed in color, blurred, and saved as JPEG. If the collection holds the
    original twice, either one counts.

    Args:
        model: A fitted model.
        pixels: All images of the size that the model takes, shape (n, h, w, 3), uint8; at least 2.
        codes: Their codes, shape (n, d).
        seed: Seed of the queries and of the alterations.

    Returns:
        Which copies found their original, by code and by pixels.

    """
    random = np.random.default_rng(seed)
    rows = np.sort(random.choice(len(pixels), min(len(pixels), _QUERIES), replace=False))
    by_code: dict[str, Bool[np.ndarray, " q"]] = {}
    by_pixels: dict[str, Bool[np.ndarray, " q"]] = {}
    flat = raw_pixels(pixels)
    for name, alter in ALTERATIONS.items():
        copies = np.stack([np.asarray(alter(Image.fromarray(pixels[row]), random)) for row in rows])
        by_code[name] = _finds(model.encode(copies), codes, rows)
        by_pixels[name] = _finds(raw_pixels(copies), flat, rows)
    return AlteredCopies(len(pixels), len(rows), by_code, by_pixels)


def _finds(
    copies: Float[np.ndarray, "q d"] | Int8[np.ndarray, "q d"],
    collection: Float[np.ndarray, "n d"] | Int8[np.ndarray, "n d"],
    rows: Int[np.ndarray, " q"],
) -> Bool[np.ndarray, " q"]:
    """Whether the row nearest to each copy is its original, or equals it."""
    nearest = neighbors(copies, collection, 1).indices[:, 0]
    equal: Bool[np.ndarray, " q"] = (collection[nearest] == collection[rows]).all(1)
    return equal


def _cropped(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = max(1, round(_CROP * image.width))
    left, top = random.integers(0, image.width - side + 1, 2).tolist()
    part = image.crop((left, top, left + side, top + side))
    return part.resize(image.size, Image.Resampling.BICUBIC)


def _recolored(image: Image.Image, random: np.random.Generator) -> Image.Image:
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(random.uniform(1 - _COLOR, 1 + _COLOR))
    return image


def _blurred(image: Image.Image, random: np.random.Generator) -> Image.Image:  # noqa: ARG001
    return image.filter(ImageFilter.GaussianBlur(_BLUR * image.width))


def _as_jpeg(image: Image.Image, random: np.random.Generator) -> Image.Image:  # noqa: ARG001
    content = BytesIO()
    image.save(content, "jpeg", quality=_QUALITY)
    return Image.open(content).convert("RGB")


Alteration = Callable[[Image.Image, np.random.Generator], Image.Image]

ALTERATIONS: dict[str, Alteration] = {"crop": _cropped, "color": _recolored, "blur": _blurred, "jpeg": _as_jpeg}
"""What happens to a copy, by name."""
