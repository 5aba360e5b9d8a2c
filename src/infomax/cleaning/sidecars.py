"""Files that belong to an image: metadata, edits, and the film of a Live Photo."""

import re
from collections.abc import Collection
from pathlib import Path

_BESIDE_NAME = (".xmp", ".json", ".supplemental-metadata.json")
"""What darktable and Google Takeout append to the whole name: IMG_1.jpg.xmp, IMG_1.jpg.json."""

_BESIDE_STEM = (".xmp", ".aae", ".mov", ".mp4")
"""What Lightroom and Apple put in place of the extension: IMG_1.xmp, IMG_1.AAE, IMG_1.MOV."""

_NUMBERED = re.compile(r"(?P<stem>.*)(?P<number>\(\d+\))(?P<extension>\.[^.]*)")


def sidecars_of(image: Path, leaving: Collection[Path] = ()) -> list[Path]:
    """Find the sidecars of an image file, in upper or lower case.

    A sidecar that stands for the whole stem belongs to every file of that stem. It is only listed if none of them
    stays: IMG_1.xmp is not listed for IMG_1.JPG while IMG_1.CR2 remains.

    Args:
        image: The image file.
        leaving: Files that leave the folder together with the image.

    Returns:
        The sidecars, in the order of their names.

    """
    try:
        names = sorted(path.name for path in image.parent.iterdir())
    except OSError:
        return []
    name, stem = image.name.casefold(), image.stem.casefold()
    whole = {f"{name}{end}" for end in _BESIDE_NAME}
    if numbered := _NUMBERED.fullmatch(name):  # Takeout writes IMG_1.jpg(1).json for IMG_1(1).jpg
        whole.add("{stem}{extension}{number}.json".format(**numbered.groupdict()))
    shared = {f"{stem}{end}" for end in _BESIDE_STEM}
    gone = {path.name for path in leaving if path.parent == image.parent} | {image.name}
    siblings = [each for each in names if each not in gone and Path(each).stem.casefold() == stem]
    if any(each.casefold() not in shared | whole for each in siblings):
        shared = set()
    found = [image.parent / each for each in names if each.casefold() in whole | shared and each not in gone]
    return [path for path in found if path.is_file() and not path.is_symlink()]
