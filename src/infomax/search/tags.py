"""Tags of the images of an index: words that people give them, and two marks of the page, hidden and trashed.

A change is a line of tags.jsonl in the folder of the index. Lines are only ever appended, each whole and on the disk,
so that two browsers at once both keep what they tag. A tag belongs to the path of an image, and also knows a hash of
its content: an edited file keeps its tags, and so does a renamed one.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import final

from infomax.errors import InfoMaxError
from infomax.files import AppendLines, append_lines, complete_lines
from infomax.paths import quoted_path
from infomax.search.rows import fetch_hashes
from infomax.search.stores.store import Store

HIDDEN, TRASHED = "\x00hidden", "\x00trashed"
"""Marks of images that the page leaves out. No tag of a user can have these names."""

LONGEST_TAG = 100
"""Characters of a tag at most."""

Hash = str
Id = str


def valid_tag(name: str) -> str:
    """Check the name of a tag.

    Args:
        name: The name as a user has typed it.

    Returns:
        The name without spaces around it.

    Raises:
        InfoMaxError: It is empty or too long, or holds control characters.

    """
    tag = " ".join(name.split())
    if not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable():
        raise InfoMaxError(f"a tag of {len(tag)} characters: give 1 to {LONGEST_TAG}, such as 'holiday', on one line")
    return tag


@dataclass(frozen=True)
class TaggedRows:
    """The tags of the rows of an index at one moment.

    Attributes:
        rows: For each tag the ids of its rows; each leads to the id under which the row was tagged.

    """

    rows: Mapping[str, Mapping[Id, Id]]

    def ids(self, *tags: str) -> frozenset[Id]:
        """Collect the rows that have any of some tags.

        Args:
            *tags: Tags.

        Returns:
            Ids of the rows.

        """
        return frozenset(each for tag in tags for each in self.rows.get(tag, ()))

    def counts(self) -> dict[str, int]:
        """Count the rows of each tag of the user.

        Returns:
            Numbers by tag, in order of the names.

        """
        return {tag: len(self.rows[tag]) for tag in sorted(self.rows) if tag.isprintable() and self.rows[tag]}

    def of(self, id: Id) -> list[str]:  # noqa: A002
        """List the tags of the user that a row has.

        Args:
            id: Id of the row.

        Returns:
            The tags, in order.

        """
        return self._tags_of.get(id, [])

    @cached_property
    def _tags_of(self) -> dict[Id, list[str]]:
        found: dict[Id, list[str]] = defaultdict(list)
        for tag in self.counts():
            for id_ in self.rows[tag]:
                found[id_].append(tag)
        return dict(found)


@final
class Tags:
    """The tags of an index. Each call sees what other processes have written.

    Args:
        file: The file tags.jsonl, which need not exist yet.
        append: Appends lines to it, and to what else readers of the index read.

    """

    def __init__(self, file: Path, append: AppendLines = append_lines) -> None:
        self.file = file
        self._append_lines = append
        self._read: tuple[tuple[int, int] | None, dict[str, dict[Id, Hash]]] = None, {}

    @property
    def version(self) -> tuple[int, int] | None:
        """Changes whenever tags change: length and time of the file; None where there is none."""
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return None
        return status.st_size, status.st_mtime_ns

    def entries(self) -> dict[str, dict[Id, Hash]]:
        """Read the tags: for each the images, by id, with the hash of the content that was tagged.

        Returns:
            Hashes by id, by tag.

        Raises:
            InfoMaxError: A line is damaged.

        """
        version = self.version
        if version is None or version != self._read[0]:
            self._read = version, self._parsed()
        return self._read[1]

    def add(self, tag: str, images: Mapping[Id, Hash]) -> None:
        """Give images a tag.

        Args:
            tag: The tag, as `valid_tag` leaves it.
            images: Hash of the content of each image, by its id.

        Raises:
            OSError: The file cannot be written.

        """
        self._append({"add": tag, "images": dict(images)}, images)

    def remove(self, tag: str, ids: Sequence[Id]) -> None:
        """Take a tag from images.

        Args:
            tag: The tag.
            ids: Ids under which they were tagged.

        Raises:
            OSError: The file cannot be written.

        """
        self._append({"remove": tag, "images": list(ids)}, ids)

    def resolve(self, store: Store) -> TaggedRows:
        """Find the rows that have tags now.

        Args:
            store: The rows of the index.

        Returns:
            The tagged rows. A row of a new path has the tags that its content had under a path that is no more.

        """
        entries = self.entries()
        tagged = {id_ for images in entries.values() for id_ in images}
        there = set(fetch_hashes(store, sorted(tagged)))
        lost = {content for images in entries.values() for id_, content in images.items() if id_ not in there}
        renamed = _rows_of_contents(store, lost, there) if lost else {}
        rows: dict[str, dict[Id, Id]] = {}
        for tag, images in entries.items():
            found = {id_: id_ for id_ in images if id_ in there}
            for id_, content in images.items():
                if id_ not in there:
                    found |= {row: id_ for row in renamed.get(content, ()) if row not in found}
            rows[tag] = found
        return TaggedRows(rows)

    def _append(self, change: Mapping[str, object], images: Mapping[Id, Hash] | Sequence[Id]) -> None:
        if images:
            time = datetime.now(UTC).isoformat(timespec="seconds")
            self._append_lines(self.file, [json.dumps({**change, "time": time})])

    def _parsed(self) -> dict[str, dict[Id, Hash]]:
        found: dict[str, dict[Id, Hash]] = {}
        for number, line in enumerate(complete_lines(self.file), 1):
            try:
                record = json.loads(line)
                if "add" in record:
                    found.setdefault(record["add"], {}).update(record["images"])
                else:
                    images = found.get(record["remove"], {})
                    for id_ in record["images"]:
                        images.pop(id_, None)
            except (ValueError, KeyError, TypeError, AttributeError):
                where = f"line {number} of {quoted_path(self.file)}"
                raise InfoMaxError(f"{where} is damaged: mend it, or remove the line") from None
        return found


def _rows_of_contents(store: Store, contents: set[Hash], known: set[Id]) -> dict[Hash, list[Id]]:
    """Rows with some contents, apart from those that are known."""
    found: dict[Hash, list[Id]] = defaultdict(list)
    for part in store.scan(["id", "hash"]):
        for id_, content in zip(part.column("id").to_pylist(), part.column("hash").to_pylist(), strict=True):
            if content in contents and id_ not in known:
                found[content].append(id_)
    return found
