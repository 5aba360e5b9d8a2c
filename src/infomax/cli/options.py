"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of images, parquet files (a quoted glob works too), a .npy or .npz file of uint8 images, "
        "or a name: digits, cifar10.",
    ),
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

IncludeGone = Annotated[bool, typer.Option("--include-gone", help="Also images whose file no longer exists.")]

IndexOption = Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder of the index.")]
Host = Annotated[
    str, typer.Option("--host", help="Address to listen on; 0.0.0.0 admits other machines, without a password.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Train = Annotated[
    str,
    typer.Option("--train", metavar="SOURCE", help="Labeled images, from which neighbors vote and classifiers learn."),
]
Test = Annotated[str, typer.Option("--test", metavar="SOURCE", help="Other labeled images, to measure accuracy on.")]
NeighborsOption = Annotated[int, typer.Option("-k", min=1, help="Number of nearest neighbors that vote.")]
