"""demo: everything once, on images that come with scikit-learn."""

from pathlib import Path
from shutil import rmtree
from typing import Annotated

import typer

from infomax.cli.options import Host, Port
from infomax.cli.serve import page_access, serve_index


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="A folder for the demo; an earlier one is replaced.")
    ] = Path("infomax-demo"),
    serve: Annotated[bool, typer.Option("--serve", help="Then search all digits in the browser.")] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Learn scikit-learn's handwritten digits without their labels, and show what was learned."""
    from infomax.figures.canvas import save_png
    from infomax.figures.montage import montage_of
    from infomax.model import InfoMax
    from infomax.neighbors.knn import knn_accuracy

    model = InfoMax("spectral-fast", progress=True).fit("digits:train", out=out, overwrite=True)
    train, test = model.load_images("digits:train"), model.load_images("digits:test")
    codes, test_codes = model.encode(train.pixels), model.encode(test.pixels)
    assert train.labels is not None
    assert test.labels is not None
    learned = knn_accuracy(codes, train.labels, test_codes, test.labels)
    flat, test_flat = (each.pixels.reshape(len(each.pixels), -1).astype("float32") for each in (train, test))
    raw = knn_accuracy(flat, train.labels, test_flat, test.labels)
    figure = out / "figures" / "montage.png"
    save_png(montage_of("digits:test", test, test_codes), figure)
    print(f"Learned from {len(train.keys)} handwritten digits, without their labels.")
    print(
        f"The 20 nearest neighbors classify {learned:.1%} of {len(test.keys)} new digits correctly "
        f"({raw:.1%} by raw pixels)."
    )
    print(f"Ten digits with their nearest neighbors: {figure}")
    print("Next, with images of your own:")
    print("  infomax fit PHOTOS --out RUN")
    print("  infomax montage PHOTOS --model RUN --out montage.png")
    if serve:
        from infomax.search.index import Index

        folder = out / "digits.index"
        rmtree(folder, ignore_errors=True)
        Index.create(folder, model).add("digits")
        serve_index(folder, page_access(host, port, None, no_token=False), "auto")
