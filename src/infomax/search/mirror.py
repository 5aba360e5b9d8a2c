"""The small files of an index that is on an object store, as local files: read from the store, and written to it.

    index.json, roots.json, excluded.json, skipped.csv     objects of the same names, replaced as wholes
    tags.jsonl, decisions.jsonl                            one object for each change, which never changes again
    model/                                                 read once, as it never changes
    map.safetensors, miniatures.safetensors                stay here: each machine computes its own

The rows are LanceDB's, which commits to the store itself. So nothing is locked: two people who tag at once write two
objects, and both count.
"""

import json
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

from infomax.errors import InfoMaxError
from infomax.files import append_lines, written_atomically
from infomax.images.cache_place import default_cache
from infomax.object_store import StoredObject, list_objects, read_object, write_object
from infomax.paths import quoted_path

REPLACED = ("index.json", "roots.json", "excluded.json", "skipped.csv")
LOGS = ("tags.jsonl", "decisions.jsonl")
SEEN_AFTER = 2.0
"""Seconds after which a server looks for what others have tagged or decided."""


class Mirror:
    """Local copies of the small files of an index on an object store.

    Args:
        url: URL of the index.

    Attributes:
        url: URL of the index.
        path: The local folder, which is made.

    Raises:
        InfoMaxError: The store cannot be reached.

    """

    def __init__(self, url: str) -> None:
        self.url = url
        digest = blake2b(url.encode(), digest_size=8).hexdigest()
        self.path = default_cache() / "indexes" / digest / url.rpartition("/")[2]
        self.path.mkdir(parents=True, exist_ok=True)
        self._seen: dict[str, StoredObject] = {}
        self._pulled = -SEEN_AFTER
        self.pull()

    def pull(self) -> None:
        """Read what is new on the store, unless that was done a moment ago."""
        if time.monotonic() - self._pulled < SEEN_AFTER:
            return
        there = {each.url.removeprefix(f"{self.url}/"): each for each in self._small_objects()}
        for name in REPLACED:
            if name not in there:
                (self.path / name).unlink(missing_ok=True)
            elif there[name] != self._seen.get(name):
                self._write(name, read_object(there[name].url))
        for name in LOGS:
            parts = sorted(key for key in there if key == name or key.startswith(f"{name}.d/"))
            if any(there[part] != self._seen.get(part) for part in parts) or not parts:
                self._join(name, parts)
        self._seen = there
        self._pulled = time.monotonic()

    def publish(self, file: Path) -> None:
        """Write a local file to the store. Roots that another machine has added meanwhile stay.

        Args:
            file: The file, one of REPLACED. Nothing is done where it does not exist.

        Raises:
            InfoMaxError: The store cannot be reached, or refuses.

        """
        if not file.is_file():
            return
        content = file.read_bytes()
        if file.name == "roots.json":
            content = self._with_stored_roots(content)
            self._write(file.name, content)
        write_object(f"{self.url}/{file.name}", content)

    def append(self, file: Path, lines: Sequence[str]) -> None:
        """Append lines to a local file, after they are on the store as an object of their own.

        Args:
            file: The file, one of LOGS.
            lines: Lines without line ends.

        Raises:
            InfoMaxError: The store cannot be reached, or refuses.

        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        write_object(f"{self.url}/{file.name}.d/{stamp}-{uuid4().hex[:8]}.jsonl", _text(lines))
        append_lines(file, lines, flush=False)

    def fetch_model(self, fingerprint: str) -> Path:
        """Read the model, unless it is here already.

        Args:
            fingerprint: Its fingerprint.

        Returns:
            The folder of the model.

        Raises:
            InfoMaxError: The model is missing, or the store cannot be reached.

        """
        folder = self.path / f"model-{fingerprint}"
        if not folder.is_dir():
            objects = list_objects(f"{self.url}/model")
            if not objects:
                raise InfoMaxError(f"{quoted_path(self.url)} lacks its model: index again into a new place")
            unfinished = self.path / f".{uuid4().hex}.tmp"
            try:
                for each in objects:
                    file = unfinished / each.url.removeprefix(f"{self.url}/model/")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(read_object(each.url))
                if not folder.is_dir():
                    unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return folder

    def publish_model(self, folder: Path) -> None:
        """Write a model to the store.

        Args:
            folder: Its local folder.

        Raises:
            InfoMaxError: The store cannot be reached, or refuses.

        """
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            write_object(f"{self.url}/model/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def is_free(self) -> bool:
        """Whether nothing but the beginnings of an index are at the URL."""
        ours = ("images.lance/", "model/")
        return all(each.url.removeprefix(f"{self.url}/").startswith(ours) for each in list_objects(self.url))

    def _small_objects(self) -> list[StoredObject]:
        """The objects beside the rows and the model: listing these would take long."""
        return [
            *list_objects(self.url, recursive=False),
            *(each for name in LOGS for each in list_objects(f"{self.url}/{name}.d")),
        ]

    def _join(self, name: str, parts: Sequence[str]) -> None:
        """Make one local log of all parts, of which each is read once."""
        if not parts:
            (self.path / name).unlink(missing_ok=True)
            return
        known = self.path / f"{name}.d"
        known.mkdir(exist_ok=True)
        lines = b""
        for part in parts:
            file = known / Path(part).name
            if part == name or not file.is_file():
                with written_atomically(file) as out:
                    out.write(read_object(f"{self.url}/{part}"))
            lines += file.read_bytes()
        self._write(name, lines)

    def _with_stored_roots(self, content: bytes) -> bytes:
        try:
            stored = _mapping(read_object(f"{self.url}/roots.json"))
        except FileNotFoundError:
            return content
        return json.dumps(stored | _mapping(content), indent=2, sort_keys=True).encode() + b"\n"

    def _write(self, name: str, content: bytes) -> None:
        with written_atomically(self.path / name) as out:
            out.write(content)


def _mapping(content: bytes) -> dict[str, Any]:
    """The content of a JSON object; empty where it is damaged."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
