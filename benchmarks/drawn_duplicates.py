"""Copies of drawings, pages and screens that `duplicates` finds, and drawings of one layout that it confuses.

    python benchmarks/drawn_duplicates.py [--half report] [--each 6] [--layouts card,form] [--out FILE]

Drawings of each layout differ in their content: in words, in numbers, in a print. Each is copied in several ways, and
originals and copies of one layout are compared with each other. A copy is found when it is the same image as its
original. Two drawings are confused when any of their versions are the same image. The bounds were set on the drawings
of `--half tune`; those of `report` have other contents.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from _common import argument_parser, machine_document, table_head, table_row, write_report
from duplicates import Change, saved, scaled

Random = np.random.Generator

LEXICON = (
    "account annual market board review plan north south lake river budget total cost index value model train image "
    "signal energy report summary green light house paper stone cloud bridge garden silver copper winter summer monday"
)
WORDS = LEXICON.split()
FIRST = {"tune": 1000, "report": 5000}
"""First seed of the drawings."""


def words(random: Random, count: int) -> str:
    """Some words."""
    return " ".join(random.choice(WORDS, count))


def write(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, size: int, color: Any = "black") -> None:
    """Write a line of text."""
    draw.text((x, y), text, fill=color, font=ImageFont.load_default(size))


def blank(width: int, height: int, ground: Any = "white") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty drawing."""
    image = Image.new("RGB", (width, height), ground)
    return image, ImageDraw.Draw(image)


def slide(random: Random) -> Image.Image:
    """A slide with other text."""
    image, draw = blank(960, 540, (250, 250, 252))
    draw.rectangle((0, 0, 960, 70), (20, 60, 120))
    write(draw, 30, 15, "Quarterly report", 34, "white")
    for line in range(5):
        write(draw, 60, 120 + 70 * line, f"- {words(random, 5)}", 30)
    return image


def form(random: Random) -> Image.Image:
    """A form that is filled in otherwise."""
    image, draw = blank(850, 1100)
    write(draw, 60, 40, "Application for a permit", 32)
    for row in range(12):
        write(draw, 60, 130 + 75 * row, f"{('Name', 'Street', 'City', 'Phone', 'Date', 'Amount')[row % 6]}:", 20)
        draw.rectangle((200, 120 + 75 * row, 780, 160 + 75 * row), outline="black", width=2)
        text = words(random, 2) if row % 6 < 3 else str(random.integers(10**6, 10**7))
        write(draw, 215, 128 + 75 * row, text, 22, (0, 0, 120))
    return image


def certificate(random: Random) -> Image.Image:
    """A certificate of which one line differs."""
    image, draw = blank(850, 1100)
    write(draw, 60, 40, "Certificate of attendance", 36)
    for line in range(10):
        write(draw, 60, 130 + 75 * line, words(np.random.default_rng(line), 9), 22)
    write(draw, 60, 950, words(random, 3), 28)
    return image


def page(random: Random) -> Image.Image:
    """A page of other text."""
    image, draw = blank(1240, 1754)
    for line in range(50):
        write(draw, 120, 120 + 30 * line, words(random, 12), 22)
    return image


def short_page(random: Random) -> Image.Image:
    """A page of six lines."""
    image, draw = blank(1240, 1754)
    for line in range(6):
        write(draw, 120, 160 + 30 * line, words(random, 10), 22)
    return image


def card(random: Random) -> Image.Image:
    """An identity card of somebody else."""
    image, draw = blank(640, 400, (225, 235, 245))
    draw.rectangle((0, 0, 640, 60), (150, 30, 40))
    write(draw, 20, 12, "IDENTITY CARD", 32, "white")
    draw.rectangle((30, 100, 200, 320), (200, 200, 200))
    draw.ellipse((80, 130, 150, 210), (120, 110, 100))
    for row, label in enumerate(("Name", "Given name", "Born", "Number")):
        write(draw, 230, 100 + 60 * row, label, 16, (100, 100, 100))
        value = words(random, 1) if row < 2 else str(random.integers(10**7, 10**8))
        write(draw, 230, 120 + 60 * row, value.upper(), 26)
    return image


def screen(random: Random) -> Image.Image:
    """A screen with other mail."""
    image, draw = blank(1280, 720, (245, 245, 245))
    draw.rectangle((0, 0, 1280, 40), (50, 50, 60))
    draw.rectangle((0, 40, 220, 720), (230, 232, 236))
    for line in range(13):
        draw.line((220, 90 + 48 * line, 1280, 90 + 48 * line), (210, 210, 210))
        write(draw, 240, 58 + 48 * line, words(random, 1), 20)
        write(draw, 430, 58 + 48 * line, words(random, 6), 20, (80, 80, 80))
    return image


def terminal(random: Random) -> Image.Image:
    """A terminal, light on dark."""
    image, draw = blank(800, 600, (20, 20, 25))
    for line in range(24):
        write(draw, 10, 8 + 24 * line, f"$ {words(random, int(random.integers(3, 8)))}", 18, (80, 220, 100))
    return image


def shirt(random: Random) -> Image.Image:
    """A shirt of one outline in other colors, with another print."""
    image, draw = blank(480, 640, (226, 231, 212))
    outline = [(150, 110), (200, 90), (280, 90), (330, 110), (430, 200), (380, 260), (335, 220), (335, 560)]
    outline += [(145, 560), (145, 220), (100, 260), (50, 200)]
    draw.polygon(outline, tuple(random.integers(20, 200, 3).tolist()))
    color, kind = tuple(random.integers(0, 255, 3).tolist()), int(random.integers(0, 4))
    if kind == 0:
        for y in range(240, 540, int(random.integers(24, 60))):
            draw.rectangle((146, y, 334, y + 10), color)
    elif kind == 1:
        draw.ellipse((190, 260, 290, 360), color)
    elif kind == 2:
        write(draw, 170, 280, words(random, 1).upper(), 34, color)
    else:
        for x, y in ((x, y) for x in range(160, 330, 50) for y in range(240, 540, 50)):
            draw.ellipse((x, y, x + 16, y + 16), color)
    return image


def stamp(random: Random) -> Image.Image:
    """A page with a small stamp of another color, or at another place."""
    image, draw = blank(850, 1100)
    for line in range(12):
        write(draw, 60, 100 + 60 * line, words(np.random.default_rng(line), 9), 22)
    x, y = int(random.integers(2, 6)) * 100, 880
    hue = [(200, 30, 30), (30, 60, 200), (20, 130, 60), (150, 40, 150)][int(random.integers(0, 4))]
    draw.ellipse((x, y, x + 120, y + 120), outline=hue, width=8)
    write(draw, x + 24, y + 42, "PAID", 30, hue)
    return image


def chart(random: Random) -> Image.Image:
    """A chart with other bars."""
    image, draw = blank(800, 600)
    write(draw, 250, 20, "Sales by region", 30)
    draw.line((80, 520, 760, 520), "black", 3)
    draw.line((80, 80, 80, 520), "black", 3)
    for bar in range(8):
        height = int(random.integers(60, 420))
        draw.rectangle((110 + 80 * bar, 520 - height, 160 + 80 * bar, 519), (60, 120, 200))
        write(draw, 115 + 80 * bar, 530, f"Q{bar + 1}", 18)
    return image


LAYOUTS: dict[str, Callable[[Random], Image.Image]] = {
    each.__name__.replace("_", " "): each
    for each in (slide, form, certificate, page, short_page, card, screen, terminal, shirt, stamp, chart)
}


def cropped(left: float, top: float, right: float, bottom: float) -> Change:
    """Cut parts of the sides off."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop(
            (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        )

    return change


COPIES: dict[str, Change] = {
    "JPEG, quality 75": saved("jpeg", quality=75),
    "JPEG, quality 30": saved("jpeg", quality=30),
    "WebP, quality 50": saved("webp", quality=50),
    "scaled by 0.5": scaled(0.5),
    "scaled by 0.25": scaled(0.25),
    "scaled by 2": scaled(2),
    "gray": lambda image: image.convert("L").convert("RGB"),
    "darkened by 30 %": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "brightened by 30 %": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "blurred, radius 1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "cropped by 5 %": cropped(0.025, 0.025, 0.025, 0.025),
    "cropped by 5 % at one side": cropped(0, 0, 0.05, 0),
    "cropped by 5 % at a corner": cropped(0, 0, 0.05, 0.05),
    "cropped by 5 % at each side": cropped(0.05, 0.05, 0.05, 0.05),
}


def contents_of(layout: str, seeds: Sequence[int]) -> list[tuple[bytes, int, str]]:
    """Thumbnails of drawings and of their copies: content, number of the drawing, and how it was copied."""
    from infomax.images.thumbnails import thumbnail

    drawn = [LAYOUTS[layout](np.random.default_rng(seed)) for seed in seeds]
    every = [(image, number, "") for number, image in enumerate(drawn)]
    every += [(change(image), number, kind) for kind, change in COPIES.items() for number, image in enumerate(drawn)]
    return [(thumbnail(np.asarray(image)).content, number, kind) for image, number, kind in every]


def measure(layout: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Copies found by kind, and pairs of drawings that are confused, with the kinds of their versions."""
    from infomax.copies.miniatures import Rectangle, miniatures_of, square
    from infomax.copies.same_image import SameImageFinder

    versions = contents_of(layout, seeds)

    def squares(rows: Sequence[int], boxes: Sequence[Rectangle], side: int) -> np.ndarray:
        return np.stack([square(versions[row][0], side, box) for row, box in zip(rows, boxes, strict=True)])

    start = time.process_time()
    found: Counter[str] = Counter()
    confused: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for pair in SameImageFinder(miniatures_of([content for content, _, _ in versions]), squares).find():
        (_, a, kind_a), (_, b, kind_b) = versions[pair.a], versions[pair.b]
        if a != b:
            confused.setdefault((min(a, b), max(a, b)), []).append((kind_a, kind_b))
        elif not (kind_a and kind_b):
            found[kind_a or kind_b] += 1
    return {
        "drawings": len(seeds),
        "found": {kind: found[kind] for kind in COPIES},
        "confused": [{"drawings": list(pair), "versions": kinds} for pair, kinds in sorted(confused.items())],
        "seconds of CPU": round(time.process_time() - start, 1),
    }


def print_tables(layouts: dict[str, dict[str, Any]]) -> None:
    """Print what was found by kind of copy, and what was confused by layout."""
    print(table_head(["copy", "found, %", *layouts]))
    total = sum(measured["drawings"] for measured in layouts.values())
    for kind in COPIES:
        counts = [measured["found"][kind] for measured in layouts.values()]
        print(table_row([kind, f"{100 * sum(counts) / total:.0f}", *map(str, counts)]))
    pairs = [measured["drawings"] * (measured["drawings"] - 1) // 2 for measured in layouts.values()]
    counts = [len(measured["confused"]) for measured in layouts.values()]
    named = [f"{count} of {of}" for count, of in zip(counts, pairs, strict=True)]
    print(table_row(["pairs of drawings confused", f"{sum(counts)} of {sum(pairs)}", *named]))


def main() -> None:
    parser: argparse.ArgumentParser = argument_parser(__doc__)
    parser.add_argument("--half", choices=FIRST, default="report", help="Which drawings are made.")
    parser.add_argument("--each", type=int, default=6, help="Drawings of each layout.")
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help="Layouts, separated by commas.")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    layouts: dict[str, dict[str, Any]] = {}
    for layout in args.layouts.split(","):
        layouts[layout] = measure(layout, range(FIRST[args.half], FIRST[args.half] + args.each))
        print(layout, layouts[layout], file=sys.stderr, flush=True)
    print_tables(layouts)
    write_report(args.out, {"layouts": layouts, "machine": machine_document("infomax", "torch", "pillow")})


if __name__ == "__main__":
    main()
