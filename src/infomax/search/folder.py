"""The folder of an index.

    index.json       what made it: the format, and the fingerprint and dimension of the model
    model/           a copy of the model, so that the folder is all one needs to search, here or elsewhere
    images.lance/  the rows
    skipped.csv      what the last synchronization left out, and why
    map.safetensors  the images as points of a plane, once somebody has asked for that; made again when rows change

It appears by one rename once it is complete, so a folder that lacks any of the first three was tampered with.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.model import InfoMax
from infomax.paths import shown
from infomax.search.lance import LanceStore

FORMAT = 1
STALE = 3600.0
"""Seconds after which a folder that never became an index is taken for abandoned."""


@dataclass(frozen=True)
class IndexMetadata:
    """The content of index.json; `model` is the fingerprint of the model, and a row of another does not belong here."""

    format: int
    model: str
    dim: int


class IndexFolder:
    """The files of an index; the rows are the store's."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.card_file = self.path / "index.json"
        self.model_folder = self.path / "model"
        self.skipped_file = self.path / "skipped.csv"
        self.map_file = self.path / "map.safetensors"

    @property
    def exists(self) -> bool:
        """Whether an index is here."""
        return self.card_file.is_file()

    def create(self, model: InfoMax) -> None:
        """Make the folder with an empty store; one that another process makes meanwhile is as good.

        Raises InfoMaxError where something else is in the way, OSError where the place cannot be written to.
        """
        self.refuse_unless_free()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.sweep()
        unfinished = IndexFolder(self.path.with_name(f".{self.path.name}.{uuid4().hex}.tmp"))
        try:
            unfinished.path.mkdir()
            model.save(unfinished.model_folder)
            LanceStore.create(unfinished.path, model.recipe_.dim)
            with written_atomically(unfinished.card_file, "w") as file:
                json.dump(asdict(IndexMetadata(FORMAT, model.fingerprint, model.recipe_.dim)), file, indent=2)
                file.write("\n")
            try:
                unfinished.path.rename(self.path)
            except OSError:
                if not self.exists:
                    raise
        finally:
            shutil.rmtree(unfinished.path, ignore_errors=True)

    def refuse_unless_free(self) -> None:
        """Raise InfoMaxError where the path is a file or a folder with anything in it."""
        if self.path.exists() and not self.path.is_dir():
            raise InfoMaxError(f"{shown(self.path)} is a file, and an index is a folder: choose another --index")
        if self.path.is_dir() and any(self.path.iterdir()):
            raise InfoMaxError(f"{shown(self.path)} is not empty and holds no index: choose another --index")

    def sweep(self) -> None:
        """Remove what killed processes have left of indexes that never came to be."""
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            if left.is_dir() and time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)

    def read(self) -> IndexMetadata:
        """The card. Raises InfoMaxError where there is no index, or none that this version can read."""
        if self.path.exists() and not self.path.is_dir():
            raise InfoMaxError(f"{shown(self.path)} is a file, and an index is a folder: check --index")
        try:
            card = IndexMetadata(**json.loads(self.card_file.read_text("utf-8")))
        except FileNotFoundError:
            what = "holds no index (no index.json)" if self.path.is_dir() else "does not exist"
            raise InfoMaxError(f"{shown(self.path)} {what}: make one with infomax index SOURCE --model RUN") from None
        except (ValueError, TypeError) as error:
            raise InfoMaxError(f"{shown(self.card_file)} is damaged ({error}): index again into a new folder") from None
        if card.format != FORMAT:
            raise InfoMaxError(
                f"{shown(self.path)} has format {card.format}, and this version reads {FORMAT}: "
                "use the infomax that made it, or index again into a new folder"
            )
        return card

    def load_model(self, device: str = "auto") -> InfoMax:
        """The copy of the model. Raises InfoMaxError where it is missing or not the one the index was made with."""
        card = self.read()
        model = InfoMax.load(self.model_folder, device=device)
        if model.fingerprint != card.model:
            raise InfoMaxError(
                f"{shown(self.model_folder)} is not the model this index was made with: index again into a new folder"
            )
        return model
