"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

SOURCE_HELP = (
    "Folders of images, image files, parquet files, a .npy or .npz file of images, a .txt of paths, a URL (s3, gs, "
    "az), or a name: digits, cifar10. Several are put together; a glob works with quotes and without."
)
SourceArgument = Annotated[list[str], typer.Argument(metavar="SOURCE...", help=SOURCE_HELP)]
ImageColumn = Annotated[
    str | None,
    typer.Option("--image-column", metavar="NAME", help="Column of the images in parquet files; found if left out."),
]
TextColumn = Annotated[
    str | None,
    typer.Option("--text-column", metavar="NAME", help="Column of the texts in a table; found if left out."),
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", metavar="NAME", help="Column of the labels in parquet files; found if left out."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help="Leave out files and folders of this name or path, such as 'thumb*' or 2019/raw; may be repeated. Hidden "
        "ones and a NAS's thumbnails always are. An index remembers them; '' makes it forget.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels", metavar="N", min=1, help="Largest image that is decoded; by default 89 million pixels."
    ),
]
Bands = Annotated[
    str | None,
    typer.Option("--bands", metavar="R,G,B", help="Bands to show as red, green and blue, counted from 1: 4,3,2, say."),
]
Model = Annotated[Path, typer.Option("--model", metavar="RUN", help="Folder of the model, as infomax fit wrote it.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of everything random; the same seed repeats a result.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where to compute; auto uses a GPU if there is one.")
]
MetricName = Annotated[
    Literal["cosine", "euclidean"], typer.Option("--metric", help="Distance between feature vectors.")
]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Also write the result as JSON; - prints only the JSON to stdout."),
]

After = Annotated[
    str | None,
    typer.Option("--after", metavar="DATE", help="Only images taken at this time or later: 2024, 2024-05, 2024-05-31."),
]
Before = Annotated[str | None, typer.Option("--before", metavar="DATE", help="Only images taken before this time.")]
IncludeGone = Annotated[bool, typer.Option("--include-gone", help="Also images whose file no longer exists.")]

RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Work on a Ray cluster: auto for the one that this machine belongs to, its address, or local.",
    ),
]
IndexOption = Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder or URL (s3, gs, az) of the index.")]
Host = Annotated[
    str, typer.Option("--host", help="Address to listen on; 0.0.0.0 admits other machines, which need the token.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
PublicUrl = Annotated[
    str | None,
    typer.Option(
        "--public-url",
        metavar="URL",
        help="Address of the page behind a proxy, such as https://photos.example.org/images/.",
    ),
]
NoToken = Annotated[
    bool,
    typer.Option(
        "--no-token",
        help="Let in everybody who can reach the page; by default they need the printed address.",
    ),
]
AllowChanges = Annotated[
    bool,
    typer.Option("--allow-changes", help="Let the page tag images and move them to a trash folder, never delete."),
]
NoOriginals = Annotated[bool, typer.Option("--no-originals", help="Show thumbnails only, never the files themselves.")]
TrashFolder = Annotated[
    Path | None, typer.Option("--trash", metavar="DIR", help="Folder for --allow-changes [default: INDEX.trash].")
]
Train = Annotated[
    str,
    typer.Option("--train", metavar="SOURCE", help="Labeled images, from which neighbors vote and classifiers learn."),
]
OptionalTrain = Annotated[
    str | None,
    typer.Option("--train", metavar="SOURCE", help="Images from which neighbors vote and classifiers learn."),
]
OptionalTest = Annotated[
    str | None,
    typer.Option(
        "--test", metavar="SOURCE", help="Other images, to measure accuracy on. Without it, --train is split by itself."
    ),
]
OptionalNeighbors = Annotated[
    int | None, typer.Option("-k", min=1, help="Number of nearest neighbors that vote.", show_default="20")
]
