"""Reviewed decisions of an index: images that look the same and are all to be kept.

A decision is a line of decisions.jsonl in the folder of the index. Lines are only ever appended, each whole and on the
disk, so that two browsers at once both keep what they decide. Images are known by a hash of their content: a renamed
file keeps its decisions, and a changed one loses them.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, final
from uuid import uuid4

from infomax.errors import InfoMaxError
from infomax.files import AppendLines, append_lines, complete_lines
from infomax.paths import quoted_path
from infomax.search.results import Group, IndexedImage

Hashes = Callable[[Sequence[str]], Mapping[str, str]]
"""Maps ids of images to hashes of their content, as `Index.hashes` does."""


@dataclass(frozen=True)
class Decision:
    """Images that were reviewed together, and all are to be kept.

    Attributes:
        id: 8 hexadecimal digits, by which the decision can be forgotten.
        time: When it was made, as ISO 8601 in UTC.
        paths: Paths that the images had then.
        hashes: Hashes of their contents, in the order of the paths.

    """

    id: str
    time: str
    paths: tuple[str, ...]
    hashes: tuple[str, ...]


@final
class Decisions:
    """The reviewed decisions of an index: iterate over them, oldest first, add and forget.

    Each call reads the file, so decisions of other processes are seen at once.

    Args:
        file: The file decisions.jsonl, which need not exist yet.
        append: Appends lines to it, and to what else readers of the index read.

    """

    def __init__(self, file: Path, append: AppendLines = append_lines) -> None:
        self.file = file
        self._append_lines = append

    def __iter__(self) -> Iterator[Decision]:
        found: dict[str, Decision] = {}
        for number, line in enumerate(complete_lines(self.file), 1):
            try:
                record = json.loads(line)
                if "forget" in record:
                    found.pop(record["forget"], None)
                else:
                    decision = _decision_of(record)
                    found[decision.id] = decision
            except (ValueError, KeyError, TypeError):
                raise InfoMaxError(
                    f"line {number} of {quoted_path(self.file)} is damaged: mend it, or remove the line"
                ) from None
        return iter(found.values())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def keep(self, images: Sequence[tuple[str, str]]) -> Decision:
        """Decide that images are all to be kept: no two of them are reported as duplicates of each other again.

        Args:
            images: Path and hash of content of each image, at least two.

        Returns:
            The decision; the one that exists already if the same contents were decided before.

        Raises:
            InfoMaxError: There are fewer than two images.
            OSError: The file cannot be written.

        """
        if len(images) < 2:
            raise InfoMaxError("a decision to keep both needs two images or more: name each of them")
        ordered = sorted(images)
        paths, hashes = tuple(path for path, _ in ordered), tuple(content for _, content in ordered)
        decision = Decision(uuid4().hex[:8], datetime.now(UTC).isoformat(timespec="seconds"), paths, hashes)
        for earlier in self:
            if Counter(earlier.hashes) == Counter(hashes):
                return earlier
        listed = [{"path": path, "hash": content} for path, content in ordered]
        record = {"decision": "keep both", "id": decision.id, "time": decision.time, "images": listed}
        self._append_lines(self.file, [json.dumps(record)])
        return decision

    def forget(self, id: str | None = None) -> int:  # noqa: A002
        """Forget a decision, so that its images are reported again.

        Args:
            id: Id of the decision; None for all decisions.

        Returns:
            The number of decisions forgotten.

        Raises:
            InfoMaxError: No decision has this id.
            OSError: The file cannot be written.

        """
        known = {each.id: Counter(each.hashes) for each in self}
        if id is not None and id not in known:
            raise InfoMaxError(f"no decision {id!r} in {quoted_path(self.file)}: --decisions lists them")
        # two processes may have made the same decision at once
        gone = [each for each, contents in known.items() if id is None or contents == known[id]]
        if gone:
            self._append_lines(self.file, [json.dumps({"forget": each}) for each in gone])
        return len(gone)

    def separate(self, groups: Sequence[Group], hashes: Hashes) -> list[Group]:
        """Take images apart that were decided to be kept. A further copy of one of them stays in a group with it.

        Args:
            groups: Groups of duplicates.
            hashes: Maps ids of images to hashes of their content.

        Returns:
            The groups, in the same order. One that falls apart into several stands as these, and single images are
            left out.

        """
        decisions = list(self)
        if not decisions or not groups:
            return list(groups)
        contents = hashes([each.id for group in groups for each in group.images])
        by_hash: dict[str, list[Decision]] = defaultdict(list)
        for decision in decisions:
            for content in set(decision.hashes):
                by_hash[content].append(decision)
        return [part for group in groups for part in _parts_of(group, contents, by_hash)]


def _decision_of(record: dict[str, Any]) -> Decision:
    images = record["images"]
    return Decision(
        record["id"],
        record["time"],
        tuple(each["path"] for each in images),
        tuple(each["hash"] for each in images),
    )


def _parts_of(group: Group, contents: Mapping[str, str], by_hash: Mapping[str, Sequence[Decision]]) -> list[Group]:
    """The parts of a group in which no two images were decided to be kept."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, image in enumerate(group.images):
        rows[contents.get(image.id, "")].append(row)
    about = {decision.id: decision for content in rows for decision in by_hash.get(content, ())}
    apart = {pair for decision in about.values() for pair in _kept_pairs(decision, group.images, rows)}
    if not apart:
        return [group]
    conflicts = Counter(row for pair in apart for row in pair)
    parts: list[list[int]] = []
    for row in sorted(range(len(group.images)), key=lambda row: (-conflicts[row], row)):
        free = [part for part in parts if not any((min(row, other), max(row, other)) in apart for other in part)]
        content = contents.get(group.images[row].id)
        free.sort(key=lambda part: all(contents.get(group.images[other].id) != content for other in part))
        if free:
            free[0].append(row)
        else:
            parts.append([row])
    return [_part(group, sorted(part), contents) for part in sorted(parts, key=min) if len(part) > 1]


def _kept_pairs(
    decision: Decision, images: Sequence[IndexedImage], rows: Mapping[str, Sequence[int]]
) -> Iterator[tuple[int, int]]:
    """Pairs of rows, the lower first, that a decision takes apart.

    Of equal contents as many copies as were decided are taken apart, first those that still have their path. Any more
    are new copies.
    """
    slots: list[Sequence[int]] = []
    for content, count in Counter(decision.hashes).items():
        copies = sorted(rows.get(content, ()), key=lambda row: (images[row].path not in decision.paths, row))
        if count > 1:
            yield from ((min(pair), max(pair)) for pair in combinations(copies[:count], 2))
        slots.append(copies)
    for some, others in combinations(slots, 2):
        yield from ((min(a, b), max(a, b)) for a in some for b in others)


def _part(group: Group, rows: Sequence[int], contents: Mapping[str, str]) -> Group:
    """Some images of a group. What was said of all pairs holds for theirs."""
    if len(rows) == len(group.images):
        return group
    images = tuple(group.images[row] for row in rows)
    same_bytes = len({contents.get(image.id, image.id) for image in images}) == 1
    changes = tuple(_change(group.changes[rows[0]], group.changes[row]) for row in rows) if group.changes else ()
    return replace(group, images=images, kind="same bytes" if same_bytes else group.kind, changes=changes)


def _change(first: str, other: str) -> str:
    """How an image differs from another, both being described by how they differ from a third."""
    return "" if first == other else ", ".join(each for each in (first, other) if each)
