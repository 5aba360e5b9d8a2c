"""Choose the best image of each group of duplicates, and which of the others may go."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import inf
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from infomax.errors import InfoMaxError
from infomax.paths import printable, quoted_path
from infomax.search.presence import native
from infomax.search.results import Group, IndexedImage, Thumbnails

COLORLESS = 12  # levels of 255 by which the channels of an image without color differ at most


@dataclass(frozen=True)
class GroupChoice:
    """A group of duplicates with the image to keep.

    Attributes:
        group: The group.
        best: The image to keep.
        surplus: The images that `best` can stand for, in the order of their paths. The rest of the group stays.

    """

    group: Group
    best: IndexedImage
    surplus: tuple[IndexedImage, ...]


def choose(
    groups: Sequence[Group],
    *,
    references: Sequence[str | Path] = (),
    across_folders: bool = False,
    thumbnails: Thumbnails | None = None,
) -> list[GroupChoice]:
    """Choose the best image of each group: most pixels, then color, then most bytes, the oldest, the first path.

    An image whose file no longer exists is never surplus, and the best only where no file is left.

    Args:
        groups: Groups of duplicates, as `Index.duplicates` finds them.
        references: Folders whose images always stay. Only groups with an image from them and another one count, and
            the best is chosen from them.
        across_folders: Whether images of one and the same folder are no duplicates of each other.
        thumbnails: Maps ids to thumbnails, by which gray copies are told from colored images. Without it they count
            alike.

    Returns:
        A choice for each group that has two images or more left.

    Raises:
        InfoMaxError: A reference folder does not exist.

    """
    roots = [_reference_root(folder) for folder in references]
    choices = []
    for group in groups:
        gone = {image.path for image in group.images if image.gone}
        gray = _gray_images(group, thumbnails)
        choice = _choose(group, roots, gone, gray, across_folders=across_folders)
        if choice is not None:
            choices.append(choice)
    return choices


def _choose(
    group: Group, roots: Sequence[str], gone: Collection[str], gray: Collection[str], *, across_folders: bool
) -> GroupChoice | None:
    """Choose the best of one group. None if it is no group by the rules for folders."""
    stay = {image.path for image in group.images if _is_below(image.path, roots)}
    others = [image for image in group.images if image.path not in stay]
    if len(group.images) < 2 or (roots and not (stay and others)):
        return None
    if across_folders and len({_folder(image) for image in group.images}) < 2:
        return None
    best = min(
        (image for image in group.images if not stay or image.path in stay),
        key=lambda image: (image.path in gone, _worth(image, image.id in gray)),
    )
    kept_folders = {_folder(image) for image in group.images if image == best or image.path in stay}
    surplus = [
        image
        for image in others
        if image != best and image.path not in gone and not (across_folders and _folder(image) in kept_folders)
    ]
    return GroupChoice(group, best, tuple(surplus))


def _worth(image: IndexedImage, is_gray: bool) -> tuple[int, bool, int, float, str]:
    """Sorts the best image first."""
    age = inf if image.mtime is None else image.mtime
    return -image.width * image.height, is_gray, -image.size, age, image.path


def _gray_images(group: Group, thumbnails: Thumbnails | None) -> set[str]:
    """Ids of the images without color."""
    found = {} if thumbnails is None else thumbnails([image.id for image in group.images])
    return {name for name, content in found.items() if _is_gray(content)}


def _is_gray(content: bytes) -> bool:
    """Whether the channels of a thumbnail are alike, but for what compression adds."""
    with Image.open(BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB").resize((16, 16)), np.int16)
    return int(np.ptp(pixels, axis=2).max()) <= COLORLESS


def _folder(image: IndexedImage) -> str:
    return PurePath(image.path).parent.as_posix()


def _reference_root(folder: str | Path) -> str:
    """A folder as a prefix of paths, its links resolved."""
    path = Path(folder)
    if not path.is_dir():
        raise InfoMaxError(f"the reference folder {quoted_path(folder)} does not exist: check --reference")
    return printable(path.resolve().as_posix().rstrip("/") + "/")


def _is_below(path: str, roots: Sequence[str]) -> bool:
    """Whether a file lies below one of some folders, by its path or once links are resolved."""
    if not roots:
        return False
    return path.startswith(tuple(roots)) or printable(os.path.realpath(native(path))).startswith(tuple(roots))
