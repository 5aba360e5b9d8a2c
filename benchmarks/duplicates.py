"""Recall and precision of `duplicates` on known copies of real photos, by kind of copy.

    python benchmarks/duplicates.py PHOTOS --model RUN [--photos 200] [--half report] [--passes default,turned]
                                    [--scratch FOLDER] [--out FILE]

PHOTOS are parquet files of photos (a quoted glob). Copies of some photos are made by 32 transformations and put into
one index with all photos. Duplicates are found by default, and once with each option that a transformation needs. A
copy is found when its photo is in the same group. A pair of a group is false when its images come from different
photos; SAME_PHOTO names the photos that a person has seen to be copies of one another. The bounds were tuned on the
first half of the photos that are copied; the second half is reported. Images and index stay in --scratch and are used
again.
"""

import argparse
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from _common import argument_parser, machine_document, peak_memory_mb, table_head, table_row, write_report

Change = Callable[[Image.Image], Image.Image]

SAME_PHOTO = {(627, 1098), (2071, 2356)}
"""Photos of the clothing collection that a person sees to be copies of one another: row numbers, train then test."""


def saved(kind: str, **options: int) -> Change:
    """Encode again."""

    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return Image.open(file).convert("RGB")

    return change


def scaled(factor: float) -> Change:
    """Scale both sides."""
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC
    )


def cropped(part: float, x: float = 0.5, y: float = 0.5) -> Change:
    """Cut a part of the width and of the height off; x and y say how much of it at the left and at the top."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        left, top = round(width * part * x), round(height * part * y)
        return image.crop((left, top, left + round(width * (1 - part)), top + round(height * (1 - part))))

    return change


def levels(function: Callable[[float], float]) -> Change:
    """Map levels in 0..1, the same for all channels."""
    table = [round(255 * min(max(function(level / 255), 0), 1)) for level in range(256)]
    return lambda image: image.point(table * 3)


def hue(steps: int) -> Change:
    """Turn the hue, 256 steps for a full turn."""

    def change(image: Image.Image) -> Image.Image:
        h, s, v = image.convert("HSV").split()
        return Image.merge("HSV", (h.point([(level + steps) % 256 for level in range(256)]), s, v)).convert("RGB")

    return change


def white_balance(red: float, blue: float) -> Change:
    """Multiply red and blue."""

    def change(image: Image.Image) -> Image.Image:
        gains = np.array([red, 1, blue])
        return Image.fromarray((np.asarray(image) * gains).clip(0, 255).astype(np.uint8))

    return change


def noisy(deviation: float) -> Change:
    """Add noise, the same for each run."""

    def change(image: Image.Image) -> Image.Image:
        values = np.asarray(image).astype(float)
        values += np.random.default_rng(int(values.sum()) % 2**32).normal(0, deviation, values.shape)
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    return change


def watermarked(image: Image.Image) -> Image.Image:
    """Write a line of white text across the image."""
    image = image.copy()
    width, height = image.size
    ImageDraw.Draw(image).text((width * 0.1, height * 0.8), "(c) Photo Studio", fill="white", font_size=width // 9)
    return image


def letterboxed(image: Image.Image) -> Image.Image:
    """Add black bars at the left and right, to 16:9."""
    wide = Image.new("RGB", (round(image.height * 16 / 9), image.height))
    wide.paste(image, ((wide.width - image.width) // 2, 0))
    return wide


KINDS: dict[str, tuple[Change, str]] = {
    "JPEG, quality 30": (saved("jpeg", quality=30), ""),
    "JPEG, quality 60": (saved("jpeg", quality=60), ""),
    "JPEG, quality 90": (saved("jpeg", quality=90), ""),
    "WebP, quality 50": (saved("webp", quality=50), ""),
    "PNG": (lambda image: image, ""),
    "scaled by 0.5": (scaled(0.5), ""),
    "scaled by 0.25": (scaled(0.25), ""),
    "scaled by 2": (scaled(2), ""),
    "brightened by 30 %": (lambda image: ImageEnhance.Brightness(image).enhance(1.3), ""),
    "darkened by 30 %": (lambda image: ImageEnhance.Brightness(image).enhance(0.7), ""),
    "contrast +30 %": (lambda image: ImageEnhance.Contrast(image).enhance(1.3), ""),
    "gray": (lambda image: image.convert("L").convert("RGB"), ""),
    "cropped by 2 %": (cropped(0.02), ""),
    "cropped by 5 %": (cropped(0.05), ""),
    "cropped by 5 % at each side": (cropped(0.10), ""),
    "cropped by 10 % at a corner": (cropped(0.10, 1, 0.3), ""),
    "cropped by 10 % at each side": (cropped(0.20), ""),
    "blurred, radius 1.5": (lambda image: image.filter(ImageFilter.GaussianBlur(1.5)), ""),
    "sharpened": (lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0)), ""),
    "noise of 12 levels": (noisy(12), ""),
    "hue turned by 17 degrees": (hue(12), ""),
    "white balance +15 %, -15 %": (white_balance(1.15, 0.85), ""),
    "gamma 0.7": (levels(lambda level: level**0.7), ""),
    "gamma 1.5": (levels(lambda level: level**1.5), ""),
    "line of text": (watermarked, ""),
    "rotated by 1 degree": (lambda image: image.rotate(1, Image.Resampling.BICUBIC), ""),
    "rotated by 2 degrees": (lambda image: image.rotate(-2, Image.Resampling.BICUBIC), ""),
    "black frame": (lambda image: ImageOps.expand(image, image.width // 12, "black"), "framed"),
    "white frame": (lambda image: ImageOps.expand(image, image.width // 16, "white"), "framed"),
    "letterboxed": (letterboxed, "framed"),
    "mirrored": (ImageOps.mirror, "mirrored"),
    "turned by 90 degrees": (lambda image: image.transpose(Image.Transpose.ROTATE_90), "turned"),
}
"""What is done to a photo, and the option that finds it; "" for none."""


def photos(source: str) -> list[Image.Image]:
    """All photos of some parquet files, in the order of the names train, test, or of the files."""
    import pyarrow.parquet as pq

    files = sorted(Path(source).parent.glob(Path(source).name), key=lambda file: ("test" in file.name, file.name))
    cells = [cell for file in files for cell in pq.read_table(file, columns=["image"]).column("image").to_pylist()]
    contents = [cell["bytes"] if isinstance(cell, dict) else cell for cell in cells]
    return [Image.open(io.BytesIO(content)).convert("RGB") for content in contents]


def write_images(images: list[Image.Image], chosen: list[int], folder: Path) -> dict[str, tuple[int, str]]:
    """Write all photos and the copies of the chosen ones; the photo and the kind of each file."""
    told: dict[str, tuple[int, str]] = {}
    there = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    for row, image in enumerate(images):
        told[f"{row:05d}.png"] = (row, "")
        if not there:
            image.save(folder / f"{row:05d}.png", compress_level=1)
    for number, (kind, (change, _)) in enumerate(KINDS.items()):
        for row in chosen:
            name = f"{row:05d}_{number:02d}.png"
            told[name] = (row, kind)
            if not there:
                change(images[row]).save(folder / name, compress_level=2)  # not the bytes of the photo
    return told


def file_pairs(groups: list[Any]) -> Iterator[tuple[str, str]]:
    """Names of the files of each pair of each group."""
    for group in groups:
        yield from combinations([Path(image.path).name for image in group.images], 2)


def measure(index: Any, told: dict[str, tuple[int, str]], option: str) -> dict[str, Any]:
    """Found copies by kind, false pairs by kind, and the time of one search for duplicates."""
    start = time.process_time()
    groups = index.duplicates(**({option: True} if option else {}))
    seconds = time.process_time() - start
    found: Counter[str] = Counter()
    false: Counter[str] = Counter()
    originals = set()
    for pair in file_pairs(groups):
        (a, kind_a), (b, kind_b) = (told[name] for name in pair)
        if a == b:
            found.update({kind_a or kind_b: 1} if not (kind_a and kind_b) else {})
        elif (min(a, b), max(a, b)) not in SAME_PHOTO:
            false.update({kind_a, kind_b})
            originals.add((min(a, b), max(a, b)))
    return {
        "seconds of CPU": round(seconds, 1),
        "groups": len(groups),
        "found": dict(found),
        "false": dict(false),
        "photos confused": sorted(originals),
    }


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make the index and measure all kinds."""
    from infomax import Index

    images = photos(args.source)
    chosen = np.random.default_rng(0).permutation(len(images))[: args.photos].tolist()
    half = len(chosen) // 2
    chosen = {"tune": chosen[:half], "report": chosen[half:], "all": chosen}[args.half]
    told = write_images(images, chosen, args.scratch / "photos")
    index = Index.create(args.scratch / "index", args.model, device="cpu").add(args.scratch / "photos")
    report: dict[str, Any] = {"photos": len(images), "copied": len(chosen), "images": len(index)}
    for name in args.passes.split(","):
        report[name] = measure(index, told, "" if name == "default" else name)
        print(name, report[name], file=sys.stderr, flush=True)
    return {**report, "peak MB": round(peak_memory_mb()), "machine": machine_document("infomax", "torch", "pillow")}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("source", metavar="PHOTOS")
    parser.add_argument("--model", type=Path, required=True, metavar="RUN")
    parser.add_argument("--photos", type=int, default=200, help="Photos that are copied; half of them are for tuning.")
    parser.add_argument("--passes", default="default,framed,mirrored,turned", help="Options to measure, each alone.")
    parser.add_argument("--half", choices=("tune", "report", "all"), default="report")
    parser.add_argument("--scratch", type=Path, default=Path("duplicates-benchmark"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    report = run(args)
    print(table_head(["copy", "option", "recall", "precision"]))
    for kind, (_, option) in KINDS.items():
        if (measured := report.get(option or "default")) is None:
            continue
        found, false = measured["found"].get(kind, 0), measured["false"].get(kind, 0)
        precision = f"{found / (found + false):.3f}" if found + false else ""
        print(table_row([kind, f"`--{option}`" if option else "", f"{found / report['copied']:.2f}", precision]))
    write_report(args.out, report)


if __name__ == "__main__":
    main()
