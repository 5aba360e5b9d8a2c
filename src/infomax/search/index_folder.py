"""The folder of an index.

    index.json       what made it: the format, and the fingerprint and dimension of the model
    model/           a copy of the model, so that the folder is all that a search needs, here or elsewhere
    images.lance/    the rows
    skipped.csv      what the last synchronization left out, and why
    excluded.json    patterns that --exclude has left out of these folders
    roots.json       the folders that were indexed, each with the mount point of its disk
    decisions.jsonl  images that were reviewed and are to be kept, though they look the same
    tags.jsonl       words that people gave to images, and which images the page leaves out
    map.safetensors  the images as points of a plane, once they have been asked for; made again when rows change
    miniatures.safetensors  the thumbnails at 32 x 32 pixels, once duplicates have been asked for

The folder appears by one rename once it is complete. So a folder that lacks any of the first three is damaged.

An index may also be on an object store, with the same names; see `infomax.search.mirror`. Its table is made first, for
one model, and index.json last: what lacks it is no index yet, and the same command completes it.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from infomax.errors import InfoMaxError
from infomax.files import append_lines, written_atomically
from infomax.images import ReadingOptions, Skipped, SourceLike, write_skipped
from infomax.images.remembered import RememberedExclusions
from infomax.images.source import Source
from infomax.kinds.kind import DataKind
from infomax.kinds.registry import IMAGES
from infomax.object_store import is_url, url_of
from infomax.paths import expand_home, quoted_path
from infomax.search.mirror import Mirror
from infomax.search.roots import Roots
from infomax.search.stores import create_store, open_store
from infomax.search.stores.store import Store

if TYPE_CHECKING:  # torch loads when it is first needed
    from infomax.model import InfoMax

    ModelLike: TypeAlias = "InfoMax | OtherModel | str | Path"

FORMAT = 3
STALE = 3600.0
"""Seconds after which a folder that never became an index counts as abandoned."""


@dataclass(frozen=True)
class IndexMetadata:
    """The content of index.json.

    Attributes:
        format: Number of the format of the folder.
        model: Fingerprint of the model; rows of another model do not belong here.
        dim: Dimension of the vectors.
        embeds: Whether the folder holds the model; else the vectors come from outside.
        data: The kind of data that the model takes, by its name in `infomax.kinds`.

    """

    format: int
    model: str
    dim: int
    embeds: bool = True
    data: str = IMAGES


@dataclass(frozen=True)
class OtherModel:
    """A model that is not here: its vectors come from outside, and the index cannot embed images.

    Attributes:
        fingerprint: What tells its vectors from those of other models; any text, its name say.
        dim: Dimension of the vectors.

    """

    fingerprint: str
    dim: int

    def metadata(self) -> IndexMetadata:
        """Give the content of index.json. Raises InfoMaxError where there is no name or no number."""
        if not self.fingerprint or self.dim < 1:
            raise InfoMaxError("vectors of another model need its name, and one number or more: give both")
        return IndexMetadata(FORMAT, self.fingerprint, self.dim, embeds=False)


class IndexFolder:
    """The files of an index; the rows are the store's.

    Args:
        path: The folder, or a URL of an object store, which need not exist yet.

    Attributes:
        path: The folder; of a URL, that of the local copies of its small files.
        place: The folder or URL, where the rows are.

    """

    def __init__(self, path: str | Path) -> None:
        self._mirror = Mirror(url_of(path)) if is_url(path) else None
        self.path = self._mirror.path if self._mirror else expand_home(path)
        self.place: Path | str = self._mirror.url if self._mirror else self.path
        self.metadata_file = self.path / "index.json"
        self.model_folder = self.path / "model"
        self.skipped_file = self.path / "skipped.csv"
        self.excluded_file = self.path / "excluded.json"
        self.roots_file = self.path / "roots.json"
        self.decisions_file = self.path / "decisions.jsonl"
        self.tags_file = self.path / "tags.jsonl"
        self.map_file = self.path / "map.safetensors"
        self.miniatures_file = self.path / "miniatures.safetensors"

    @property
    def absolute_place(self) -> Path | str:
        """The folder whatever the current one is, or the URL."""
        return self.place.absolute() if isinstance(self.place, Path) else self.place

    @property
    def exists(self) -> bool:
        """Whether an index is here."""
        return self.metadata_file.is_file()

    def refresh(self) -> None:
        """See what others have written to an object store. A folder shows that by itself."""
        if self._mirror:
            self._mirror.pull()

    def publish(self, file: Path) -> None:
        """Write one of the files to the object store, if the index is on one.

        Args:
            file: The file.

        Raises:
            InfoMaxError: The store cannot be reached, or refuses.

        """
        if self._mirror:
            self._mirror.publish(file)

    def write_skipped(self, skipped: Sequence[Skipped]) -> None:
        """Write skipped.csv.

        Args:
            skipped: What the last synchronization left out, and why.

        Raises:
            InfoMaxError: The object store cannot be reached, or refuses.
            OSError: The folder cannot be written to.

        """
        write_skipped(self.skipped_file, skipped)
        self.publish(self.skipped_file)

    def append(self, file: Path, lines: Sequence[str]) -> None:
        """Append lines to one of the files, all or none, for every reader of the index.

        Args:
            file: The file.
            lines: Lines without line ends.

        Raises:
            OSError: The file cannot be written.
            InfoMaxError: The object store cannot be reached, or refuses.

        """
        (self._mirror.append if self._mirror else append_lines)(file, lines)

    def create_for(self, model: "ModelLike") -> None:
        """Make the folder for a model, unless it exists already, which must then be for the same model.

        Args:
            model: A fitted model, which is copied into the folder, or the RUN folder of one; or an OtherModel.

        Raises:
            InfoMaxError: The index was made with another model, or something else is in the way.
            OSError: The place cannot be written to.

        """
        from infomax.model import InfoMax

        if isinstance(model, OtherModel):
            fitted, wanted = None, model.metadata()
        else:
            fitted = model if isinstance(model, InfoMax) else InfoMax.load(model)
            wanted = IndexMetadata(FORMAT, fitted.fingerprint, fitted.recipe_.dim, data=fitted.recipe_.data)
        if not self.exists:
            self._make(wanted, fitted)
        found = self.read_metadata()
        if found.model != wanted.model and found.embeds:
            raise InfoMaxError(
                f"{quoted_path(self.place)} was made with another model: use that one, which is in "
                f"{quoted_path(self.model_folder)}, or choose another --index"
            )
        if found != wanted:
            raise InfoMaxError(
                f"{quoted_path(self.place)} is for vectors of {found.dim} numbers by the model {found.model!r}, not of "
                f"{wanted.dim} by {wanted.model!r}: choose another --index"
            )

    def create(self, model: "InfoMax") -> None:
        """Make the folder with an empty store for a fitted model, which is copied into it.

        Args:
            model: The model.

        Raises:
            InfoMaxError: Something else is in the way.
            OSError: The place cannot be written to.

        """
        self._make(IndexMetadata(FORMAT, model.fingerprint, model.recipe_.dim, data=model.recipe_.data), model)

    def _make(self, metadata: IndexMetadata, model: "InfoMax | None") -> None:
        """Make the folder with an empty store. An index that another process makes meanwhile is as good."""
        if self._mirror:
            self._make_remote(self._mirror, metadata, model)
            return
        self._refuse_unless_free()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        unfinished = IndexFolder(self.path.with_name(f".{self.path.name}.{uuid4().hex}.tmp"))
        try:
            unfinished.path.mkdir()
            if model is not None:
                model.save(unfinished.model_folder)
            create_store(unfinished.path, metadata.dim, metadata.model)
            unfinished._write_metadata(metadata)
            try:
                unfinished.path.rename(self.path)
            except OSError:
                if not self.exists:
                    raise
        finally:
            shutil.rmtree(unfinished.path, ignore_errors=True)

    def _make_remote(self, mirror: Mirror, metadata: IndexMetadata, model: "InfoMax | None") -> None:
        """Make an index on an object store. Of several machines that make it at once, all for one model succeed."""
        if not mirror.is_free():
            raise InfoMaxError(f"{quoted_path(mirror.url)} is not empty and holds no index: choose another --index")
        create_store(mirror.url, metadata.dim, metadata.model)
        if model is not None:
            with TemporaryDirectory() as folder:
                model.save(folder)
                mirror.publish_model(Path(folder))
        self._write_metadata(metadata)
        mirror.publish(self.metadata_file)

    def _write_metadata(self, metadata: IndexMetadata) -> None:
        with written_atomically(self.metadata_file, "w") as file:
            json.dump(asdict(metadata), file, indent=2)
            file.write("\n")

    def read_metadata(self) -> IndexMetadata:
        """Read index.json.

        Raises:
            InfoMaxError: There is no index, or it is damaged or of another format.

        """
        if self.path.exists() and not self.path.is_dir():
            raise InfoMaxError(f"{quoted_path(self.path)} is a file, and an index is a folder: check --index")
        try:
            metadata = IndexMetadata(**json.loads(self.metadata_file.read_text("utf-8")))
        except FileNotFoundError:
            what = "holds no index (no index.json)" if self.path.is_dir() else "does not exist"
            raise InfoMaxError(
                f"{quoted_path(self.place)} {what}: make one with infomax index SOURCE --model RUN"
            ) from None
        except (ValueError, TypeError) as error:
            where = quoted_path(self.metadata_file)
            raise InfoMaxError(f"{where} is damaged ({error}): index again into a new folder") from None
        if metadata.format != FORMAT:
            raise InfoMaxError(
                f"{quoted_path(self.place)} has format {metadata.format}, and this version reads {FORMAT}: "
                "index again into a new folder"
            )
        return metadata

    def open_source(
        self, source: SourceLike, options: ReadingOptions, roots: Roots, kind: DataKind, *, remember: bool, named: bool
    ) -> Source:
        """Open a source without what was left out of it before.

        Args:
            source: What the user named.
            options: How it is read.
            roots: Folders that were indexed before.
            kind: The kind of data.
            remember: Whether to remember its folders, and what is left out now.
            named: Whether each text in a list names a file, as on a command line.

        Returns:
            The source.

        Raises:
            InfoMaxError: The source cannot be opened, or the index cannot be written to.

        """
        excluded = RememberedExclusions(self.excluded_file)
        opened = kind.open(source, excluded.applied(source, options), named=named)
        if remember:
            roots.add(opened.roots() or [], self.roots_file)
            excluded.add(source, options)
            self.publish(self.roots_file)
            self.publish(self.excluded_file)
        return opened

    def open_store(self, dim: int) -> Store:
        """Open the rows.

        Args:
            dim: Dimension that the vectors must have.

        Returns:
            The store.

        Raises:
            InfoMaxError: The rows are missing or damaged, or have vectors of another dimension.

        """
        store = open_store(self.place)
        if store.dim != dim:
            raise InfoMaxError(
                f"{quoted_path(self.place)} has vectors of {store.dim} numbers, and its model gives {dim}: "
                "index again into a new folder"
            )
        return store

    def load_model(self, device: str = "auto") -> "InfoMax":
        """Load the copy of the model.

        Args:
            device: Where the model runs: "auto", "cpu" or "cuda".

        Returns:
            The model.

        Raises:
            InfoMaxError: The model is missing, damaged, or not the one that the index was made with.

        """
        from infomax.model import InfoMax

        metadata = self.read_metadata()
        if not metadata.embeds:
            raise InfoMaxError(
                f"{quoted_path(self.place)} holds vectors of another model ({metadata.model}), which is not here: "
                "search with a vector, or with an image of the index"
            )
        folder = self._mirror.fetch_model(metadata.model) if self._mirror else self.model_folder
        model = InfoMax.load(folder, device=device)
        if model.fingerprint != metadata.model:
            raise InfoMaxError(
                f"{quoted_path(folder)} is not the model this index was made with: index again into a new folder"
            )
        return model

    def _refuse_unless_free(self) -> None:
        """Raise InfoMaxError where the path is a file, or a folder with anything in it."""
        if self.path.exists() and not self.path.is_dir():
            raise InfoMaxError(f"{quoted_path(self.path)} is a file, and an index is a folder: choose another --index")
        if self.path.is_dir() and any(self.path.iterdir()):
            raise InfoMaxError(f"{quoted_path(self.path)} is not empty and holds no index: choose another --index")

    def _sweep(self) -> None:
        """Remove what killed processes have left of unfinished indexes."""
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            if left.is_dir() and time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)
