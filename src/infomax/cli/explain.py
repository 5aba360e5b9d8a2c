"""explain: which positions of two images their match comes from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infomax.cli.options import Device, JsonFile, Model
from infomax.cli.output import write_json
from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from infomax.images import ReadingOptions

_REFERENCE_IMAGES = 256


def explain(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="An image file, or a row of a SOURCE, such as digits#5.")
    ],
    match: Annotated[str, typer.Argument(metavar="MATCH", help="Another one, such as photos.parquet#7.")],
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.png", help="The figure to write.")],
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="SOURCE",
            help="Images such as the model was trained on; InfoNCE, Donsker-Varadhan and SMILE need them.",
        ),
    ] = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Draw which positions of two images go with each other's code, in nats.

    Example: infomax explain cat.jpg dog.jpg --model run --out match.png
    """
    from dataclasses import asdict

    from infomax.evaluation import explanation
    from infomax.figures.canvas import save_png
    from infomax.figures.heatmap import NamedImage, draw_explanation, signed
    from infomax.model import InfoMax

    loaded = InfoMax.load(model, device=device)
    reading = loaded.reading_options()
    pair = [_pixels(name, loaded.recipe_.size, reading) for name in (query, match)]
    named = [NamedImage(_pixels(name, None, reading), name) for name in (query, match)]
    others = None if reference is None else loaded.load_images(reference).pixels
    if others is not None:
        others = others[:: max(1, len(others) // _REFERENCE_IMAGES)][:_REFERENCE_IMAGES]
    maps = explanation.explain(loaded, pair[0], pair[1], others)
    save_png(draw_explanation(named[0], named[1], maps), out)
    if json_file is not None:
        values = {name: _finite(each) for name, each in asdict(maps).items()}
        document = {"query": query, "match": match, "unit": "nats", "grid": list(maps.query_by_match.shape)}
        write_json(json_file, {**document, **values})
    if json_file != "-":
        by_match, by_query = (signed(float(each.mean()), 2) for each in (maps.query_by_match, maps.match_by_query))
        print(f"the query's positions with the match's code: {by_match} nats on average")
        print(f"the match's positions with the query's code: {by_query} nats on average")
        print(f"the figure is {out}")


def _pixels(name: str, size: int | None, reading: "ReadingOptions") -> "NDArray[np.uint8]":
    """An image as a square of `size`, or of its own size: the file of that name, or the row after the # of a SOURCE."""
    from infomax.decoding.broken import BrokenImage
    from infomax.decoding.image import no_pillow_warnings
    from infomax.images.opening import open_source
    from infomax.paths import expand_home

    source, mark, row = name.rpartition("#")
    try:
        if not (mark and row.isdecimal()) or Path(name).is_file():
            with no_pillow_warnings():
                return _square(expand_home(name), size, reading)
        found = open_source(source)
        if int(row) >= len(found.entries):
            raise InfoMaxError(
                f"{name}: {source} has {len(found.entries)} images, the last is {source}#{len(found.entries) - 1}"
            )
        content = next(found.read([int(row)])).data
        if isinstance(content, BrokenImage):
            raise content
        with no_pillow_warnings():
            return _square(content, size, reading)
    except BrokenImage as broken:
        raise InfoMaxError(f"{name} cannot be explained: {broken.reason}; give an image") from None


def _square(
    content: "bytes | Path | NDArray[np.uint8]", size: int | None, reading: "ReadingOptions"
) -> "NDArray[np.uint8]":
    """The central square of an image, of `size` pixels; of its own size, within what a figure shows, without one."""
    from infomax.decoding.image import crop_resize, open_image
    from infomax.figures.heatmap import MOST_SIDE

    with open_image(content, 2 * (size or MOST_SIDE), reading) as opened:
        return crop_resize(opened.image, size or min(opened.width, opened.height, MOST_SIDE))


def _finite(values: "NDArray[np.float64]") -> list[list[Any]]:
    """The map as JSON numbers. JSON has no minus infinity, which a chi-squared score can give: it becomes null."""
    from math import isfinite

    return [[value if isfinite(value) else None for value in row] for row in values.tolist()]
