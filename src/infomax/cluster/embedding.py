"""Embed a source on a cluster: tasks decode and encode a share each, and the vectors come back in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float

from infomax.cluster.session import Session
from infomax.cluster.shares import shares
from infomax.decoding.options import ReadingOptions
from infomax.images import Skipped
from infomax.images.source import Source
from infomax.model import InfoMax

EMBEDDED_AT_ONCE = 2_000
"""Images of a task: minutes of work at most, which is what a machine that dies costs."""


@dataclass(frozen=True)
class Embedded:
    """Vectors of a source, with what `infomax.embeddings` writes beside them.

    Attributes:
        keys: Name of each item.
        rows: Position of each item in the source. Skipped ones count.
        labels: Label of each item, "" if it has none; None if no item has any.
        skipped: Items that could not be read.
        vectors: Their vectors, shape (n, d), float32.

    """

    keys: list[str]
    rows: list[int]
    labels: list[str] | None
    skipped: list[Skipped]
    vectors: Float[np.ndarray, "n d"]


@dataclass(frozen=True)
class PackedModel:
    """A model as it is sent to another machine: the files of its folder.

    Attributes:
        files: Content of each file, by name.
        device: Where it runs: "auto", "cpu" or "cuda".
        reading: How images are read.

    """

    files: Mapping[str, bytes]
    device: str
    reading: ReadingOptions | None = None

    @classmethod
    def of(cls, model: InfoMax, reading: ReadingOptions | None = None) -> "PackedModel":
        """Pack a model.

        Args:
            model: A fitted model.
            reading: How images are read.

        Returns:
            The files that `InfoMax.save` writes.

        """
        with TemporaryDirectory() as folder:
            model.save(folder)
            files = {file.name: file.read_bytes() for file in Path(folder).iterdir() if file.is_file()}
        return cls(files, model.device, reading)

    @cached_property
    def model(self) -> InfoMax:
        """The model, loaded when it is first needed."""
        with TemporaryDirectory() as folder:
            for name, content in self.files.items():
                Path(folder, name).write_bytes(content)
            return InfoMax.load(folder, device=self.device, reading=self.reading)


def embed_on(
    session: Session,
    model: InfoMax,
    source: Source,
    reading: ReadingOptions | None = None,
    *,
    share: int = EMBEDDED_AT_ONCE,
) -> Embedded:
    """Embed a source on a cluster.

    The vectors are those of one process up to the rounding of float32 (1e-6 of their length): a batch of another size
    may be summed in another order.

    Args:
        session: The cluster.
        model: A fitted model.
        source: An open source, whose files every machine can read under the same paths or URLs.
        reading: How images are read.
        share: Images of a task, at most.

    Returns:
        The vectors, in the order of the source.

    Raises:
        InfoMaxError: The source is unusable, or the cluster fails.

    """
    cut = shares(source, share)
    places = [(each.start, each.stop) for each in cut]
    sizes = [stop - start for start, stop in places]
    packed = PackedModel.of(model, reading)
    parts = session.run(
        _embed_share, (packed, source), places, sizes, gpu=model.device != "cpu", bar=("embedding", model.progress)
    )
    labeled = any(part.labels is not None for part in parts)
    labels = [label for part in parts for label in part.labels or [""] * len(part.keys)]
    return Embedded(
        [key for part in parts for key in part.keys],
        [row for part in parts for row in part.rows],
        labels if labeled else None,
        [each for part in parts for each in part.skipped],
        np.concatenate([np.empty((0, model.recipe_.dim), np.float32), *(part.vectors for part in parts)]),
    )


def _embed_share(common: tuple[PackedModel, Source], start: int, stop: int) -> Embedded:
    """Embed a share, in a process of the cluster."""
    from infomax.cluster.shares import Share

    packed, source = common
    model = packed.model
    items = model.load_examples(Share(source, start, stop))
    rows = [start + row for row in items.rows]
    return Embedded(items.keys, rows, items.labels, list(items.skipped), model.encode(items.examples))
