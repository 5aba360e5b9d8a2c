"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of images, parquet files (a quoted glob is fine), a .npy or .npz of uint8 images, "
        "or a name: digits, cifar10.",
    ),
]
Model = Annotated[Path, typer.Option("--model", metavar="RUN", help="The folder that infomax fit wrote.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Fixes everything that is random.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto takes a GPU where there is one.")
]
MetricName = Annotated[Literal["cosine", "euclidean"], typer.Option("--metric", help="How far apart two codes are.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout, and nothing else.")
]

IndexOption = Annotated[Path, typer.Option("--index", metavar="DIR", help="The folder of the index.")]
Host = Annotated[str, typer.Option("--host", help="Where to listen; 0.0.0.0 lets other machines in.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]
Train = Annotated[
    str, typer.Option("--train", metavar="SOURCE", help="LoadedImages whose labels the classifiers may learn from.")
]
Test = Annotated[str, typer.Option("--test", metavar="SOURCE", help="Other images, to judge them by.")]
Neighbors = Annotated[int, typer.Option("-k", min=1, help="How many nearest neighbors vote.")]
