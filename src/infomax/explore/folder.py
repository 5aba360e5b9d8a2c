"""The folder that `infomax explore` keeps for a collection, so that its user has no name to invent.

    model/           the run: config, weights, checkpoint while it is unfinished
    index/           the index
    complete.json    says that the index once held the whole collection, and how many images the model was learned from
    learning.json    how far the process that learns is, for other processes that explore the same collection
    model.new/, index.part/, index.new/    while the model is learned again, until they take the place of the first two

It lies beside the cache of decoded images: <cache>/explore/<name>-<digest of the sources>.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from infomax.errors import InfoMaxError
from infomax.files import locked_folder, written_atomically
from infomax.images.cache_place import default_cache
from infomax.images.named import NAMED
from infomax.paths import expand_home, quoted_path

WAIT = 0.5
"""Seconds between two tries to take the place of another process that learns."""

_LONGEST_NAME = 40  # characters of the name of a collection in that of its folder


@dataclass(frozen=True)
class Completion:
    """The content of complete.json.

    Attributes:
        images: Images in the index when it was last brought up to date.
        learned_from: Images that the model was learned from.

    """

    images: int
    learned_from: int


class ExploreFolder:
    """The files that `infomax explore` keeps for one collection.

    Args:
        path: The folder, which need not exist yet.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = expand_home(path)
        self.model = self.path / "model"
        self.index = self.path / "index"
        self.new_model = self.path / "model.new"
        self.index_part = self.path / "index.part"
        self.new_index = self.path / "index.new"
        self._completion_file = self.path / "complete.json"
        self._learning_file = self.path / "learning.json"

    def make(self) -> None:
        """Make the folder.

        Raises:
            InfoMaxError: It cannot be written to, or something else is in its place.

        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InfoMaxError(
                f"cannot keep model and index in {quoted_path(self.path)} ({reason}): choose another --folder"
            ) from None
        folders = {self.model, self.index, self.new_model, self.index_part, self.new_index}
        known = folders | {self._completion_file, self._learning_file}
        others = [each for each in self.path.iterdir() if each not in known and not each.name.startswith(".")]
        if others and not self._completion_file.exists() and not self.model.exists():
            raise InfoMaxError(f"{quoted_path(self.path)} is not empty and holds no model: choose another --folder")

    def completion(self) -> Completion | None:
        """Read complete.json.

        Returns:
            What it says; None while the collection has never been in the index as a whole.

        """
        with suppress(OSError, ValueError, TypeError):
            return Completion(**json.loads(self._completion_file.read_text("utf-8")))
        return None

    def complete(self, completion: Completion) -> None:
        """Write complete.json.

        Args:
            completion: What it is to say.

        """
        with written_atomically(self._completion_file, "w") as file:
            json.dump(asdict(completion), file)

    def show(self, progress: dict[str, object]) -> None:
        """Let other processes know how far the learning is. A failure to write is none of the learning.

        Args:
            progress: What to let them know.

        """
        unfinished = self._learning_file.with_name(f".{self._learning_file.name}.tmp")
        with suppress(OSError):
            unfinished.write_text(json.dumps(progress), "utf-8")
            unfinished.replace(self._learning_file)

    def shown(self) -> dict[str, object]:
        """Read what the process that learns has let others know; empty where there is nothing."""
        with suppress(OSError, ValueError):
            shown = json.loads(self._learning_file.read_text("utf-8"))
            return shown if isinstance(shown, dict) else {}
        return {}

    @contextmanager
    def locked(self, wait: Callable[[], None]) -> Iterator[None]:
        """Learn alone: wait until no other process learns in this folder.

        Args:
            wait: Called each time that another process still has the folder.

        Yields:
            Nothing.

        """
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locked_folder(self.path, "taken"))
                    break
                except InfoMaxError:
                    wait()
                    time.sleep(WAIT)
            yield

    def start_over(self, *, model: bool = True) -> None:
        """Remove what a former attempt to learn again has left.

        Args:
            model: Whether to remove its model, too, and not the index alone.

        """
        for folder in (self.index_part, *([self.new_model] if model else [])):
            self._discard(folder)

    def replace(self) -> None:
        """Put the model and the index that were learned anew in the place of the former ones, with what people decided.

        A kill in between loses nothing: the next call goes on. Nothing is done where there is nothing new and complete.
        """
        if not self.new_index.exists():
            return
        if self.index.exists():
            for kept in self.index.glob("*.jsonl"):  # decisions and tags are of the images, not of the model
                shutil.copy2(kept, self.new_index / kept.name)
            self._discard(self.index)
        if self.new_model.exists():
            self._discard(self.model)
            self.new_model.rename(self.model)
        self.new_index.rename(self.index)

    def _discard(self, folder: Path) -> None:
        """Remove a folder that may be in use: out of the way first, by one rename."""
        with suppress(FileNotFoundError):
            away = self.path / f".{folder.name}.{os.getpid()}.{time.time_ns()}.tmp"
            folder.rename(away)
            shutil.rmtree(away, ignore_errors=True)


def folder_of(sources: Sequence[str]) -> Path:
    """Choose the folder of a collection, the same whenever the same sources are named.

    Args:
        sources: Each SOURCE as typed.

    Returns:
        The folder, which need not exist.

    Raises:
        InfoMaxError: There is no home folder, and no temporary folder either.

    """
    resolved = sorted({source if source in NAMED else str(expand_home(source).resolve()) for source in sources})
    digest = blake2b("\n".join(resolved).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    plain = "".join(each if each.isalnum() or each in "-_." else "-" for each in collection_name(sources))
    return default_cache() / "explore" / f"{plain.strip('.-')[:_LONGEST_NAME] or 'images'}-{digest}"


def collection_name(sources: Sequence[str]) -> str:
    """Name a collection for people.

    Args:
        sources: Each SOURCE as typed.

    Returns:
        The name of the first, and how many more there are.

    Examples:
        >>> collection_name(["/data/photos/", "scans"])
        'photos and 1 more'

    """
    first = sources[0] if sources[0] in NAMED else expand_home(sources[0]).resolve().name or sources[0]
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"
