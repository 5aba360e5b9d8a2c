"""Find groups of duplicates, and blank images, in an index. What is said of a group holds for all its pairs.

Rows of equal bytes are one content. Contents that show the same image are linked, those with the most copies in common
first, and then those that are near. Two groups become one when all pairs between them are linked, so no chain forms.
Files that are gone, and further paths of one file, are left out before that.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.kinds.kind import DataKind
from infomax.search.presence import container_of, file_key
from infomax.search.results import Group, GroupKind, IndexedImage, Thumbnails
from infomax.search.row_writer import id_of
from infomax.search.rows import fetch_images, read_columns
from infomax.search.stores.store import Store

if TYPE_CHECKING:  # torch loads when it is first needed
    from infomax.copies.same_image import SamePair

THRESHOLD = 0.8
"""Least cosine of two images that are near."""

DEFAULT_KINDS: tuple[GroupKind, ...] = ("same bytes", "same image")
"""Kinds of groups that are found unless others are asked for."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class DuplicateOptions:
    """Which duplicates to find.

    Attributes:
        threshold: Least cosine of two images that are near, in -1..1.
        kinds: Kinds of groups.
        mirrored: Whether mirrored copies are the same image, too.
        turned: Whether copies turned by 90, 180 or 270 degrees are the same image, too.
        framed: Whether copies with a frame or bars of one color are the same image, too.

    Raises:
        InfoMaxError: The threshold is outside -1..1, or a kind is unknown.

    """

    threshold: float = THRESHOLD
    kinds: Collection[str] = DEFAULT_KINDS
    mirrored: bool = False
    turned: bool = False
    framed: bool = False

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1:
            raise InfoMaxError(f"a threshold of {self.threshold}: a cosine lies in -1..1; try {THRESHOLD}")
        names = {self.kinds} if isinstance(self.kinds, str) else set(self.kinds)
        if unknown := sorted(names - set(get_args(GroupKind)), key=str):
            known = ", ".join(map(repr, get_args(GroupKind)))
            raise InfoMaxError(f"no kind of duplicates {unknown[0]!r}: choose from {known}")
        object.__setattr__(self, "kinds", names)


def find_duplicates(
    store: Store,
    dim: int,
    data: DataKind,
    cards: Thumbnails,
    options: DuplicateOptions,
    counts: Callable[[str], bool] | None = None,
    miniatures_file: Path | None = None,
) -> list[Group]:
    """Find groups of duplicates; see `Index.duplicates`.

    Args:
        store: The rows.
        dim: Dimension of the vectors.
        data: The kind of data, which compares cards.
        cards: Where they come from; of images, their thumbnails.
        options: Which duplicates to find.
        counts: Whether the image of a path counts; only asked for candidates. None where all do.
        miniatures_file: File that keeps miniatures of the thumbnails; None for none.

    Returns:
        The groups, the largest first; of equally large ones the most similar first.

    """
    from infomax.neighbors.groups import complete_linkage, least_cosine  # torch loads when it is first needed

    contents = _Contents.read(store, dim)
    same, near = _compare(contents, data, cards, options, miniatures_file)
    links = [*same, *near]
    candidates = {each for pair in links for each in pair} | contents.repeated
    rows_of = {each: _separate_files(contents, contents.rows[each], counts) for each in candidates}
    links = [(a, b) for a, b in links if rows_of[a] and rows_of[b]]
    linked = complete_linkage(len(contents.rows), links)
    alone = contents.repeated - {each for group in linked for each in group}
    groups = []
    for members in [*linked, *([each] for each in sorted(alone))]:
        owner = {row: each for each in members for row in rows_of[each]}
        kind = _kind(members, same)
        if len(owner) > 1 and kind in options.kinds:
            similarity = least_cosine(contents.vectors[sorted(owner)])
            groups.append((sorted(owner), similarity, kind, _changes_from_first(owner, same)))
    known = fetch_images(store, [contents.ids[row] for rows, *_ in groups for row in rows])
    found = [
        Group(tuple(known[contents.ids[row]] for row in rows), similarity, kind, words)
        for rows, similarity, kind, words in groups
        if all(contents.ids[row] in known for row in rows)  # some may have been removed meanwhile
    ]
    return sorted(found, key=lambda group: (-len(group.images), -group.similarity, group.images[0].path))


def find_blank_images(
    store: Store, dim: int, data: DataKind, cards: Thumbnails, miniatures_file: Path | None = None
) -> list[IndexedImage]:
    """Find images that show next to nothing; see `Index.blank_images`.

    Args:
        store: The rows.
        dim: Dimension of the vectors.
        data: The kind of data, which looks at cards.
        cards: Where they come from; of images, their thumbnails.
        miniatures_file: File that keeps miniatures of the thumbnails; None for none.

    Returns:
        The images, in the order of their paths.

    """
    contents = _Contents.read(store, dim)
    blank = np.flatnonzero(data.copies(contents.keys, contents.reader(cards), miniatures_file).blank).tolist()
    ids = [contents.ids[row] for row in sorted(row for each in blank for row in contents.rows[each])]
    known = fetch_images(store, ids)
    return [known[each] for each in ids if each in known]


@dataclass(frozen=True)
class _Contents:
    """The rows of a store in the order of their paths, and the different contents among them."""

    paths: list[str]
    ids: list[str]
    keys: list[str]
    vectors: Float[np.ndarray, "n d"]
    rows: list[list[int]]

    @classmethod
    def read(cls, store: Store, dim: int) -> "_Contents":
        (paths, hashes), vectors = read_columns(store, dim, ["path", "hash"])
        by_content: dict[str, list[int]] = {}
        for row, content in enumerate(hashes):
            by_content.setdefault(content or f"row {row}", []).append(row)
        keys = [key if not key.startswith("row ") else "" for key in by_content]
        ids = [id_of(path) for path in paths]
        return cls(paths, ids, keys, vectors, list(by_content.values()))

    @property
    def repeated(self) -> set[int]:
        """Contents of several rows."""
        return {each for each, rows in enumerate(self.rows) if len(rows) > 1}

    def reader(self, cards: Thumbnails) -> Callable[[Sequence[int]], list[bytes | None]]:
        """Maps contents to their cards."""

        def read(wanted: Sequence[int]) -> list[bytes | None]:
            ids = [self.ids[self.rows[each][0]] for each in wanted]
            found = cards(ids)
            return [found.get(each) for each in ids]

        return read


def _compare(
    contents: _Contents, data: DataKind, cards: Thumbnails, options: DuplicateOptions, file: Path | None
) -> tuple[dict[Pair, "SamePair"], list[Pair]]:
    """Pairs of contents that are the same image, and pairs that are only near. Both are in the order of linkage."""
    if not {"same image", "near"} & set(options.kinds):
        return {}, []
    from infomax.neighbors.groups import pairs_above

    copies = data.copies(contents.keys, contents.reader(cards), file)
    found = copies.same(mirrored=options.mirrored, turned=options.turned, framed=options.framed)
    same = {(pair.a, pair.b): pair for pair in _densest_first(found, contents.keys)}
    near: list[tuple[float, int, int]] = []
    if "near" in options.kinds:
        vectors = contents.vectors[[rows[0] for rows in contents.rows]]
        for a, b, cosines in pairs_above(vectors, options.threshold, copies.near):
            near += zip((-cosines).tolist(), a.tolist(), b.tolist(), strict=True)
    near.sort(key=lambda link: (link[0], *sorted((contents.keys[link[1]], contents.keys[link[2]]))))
    return same, [(a, b) for _, a, b in near if (a, b) not in same]


def _densest_first(found: "Sequence[SamePair]", keys: Sequence[str]) -> "list[SamePair]":
    """Pairs with many copies in common first, and then those that agree best, so that large groups stay whole.

    Pairs that are equal in both are in the order of their contents, so that names do not matter.
    """
    copies: dict[int, set[int]] = defaultdict(set)
    for pair in found:
        copies[pair.a].add(pair.b)
        copies[pair.b].add(pair.a)

    def rank(pair: "SamePair") -> tuple[object, ...]:
        common = len(copies[pair.a] & copies[pair.b])
        return -common, -pair.agreement, *sorted((keys[pair.a], keys[pair.b])), pair.a, pair.b

    return sorted(found, key=rank)


def _separate_files(contents: _Contents, rows: list[int], counts: Callable[[str], bool] | None) -> list[int]:
    """Rows that count, and of several paths of one file the first."""
    seen: set[object] = set()
    kept = []
    for row in rows:
        path = contents.paths[row]
        if counts is not None and not counts(path):
            continue
        container = container_of(path)
        key = file_key(path)
        part = (key, path[len(container) :]) if key is not None else row
        if part not in seen:
            seen.add(part)
            kept.append(row)
    return kept


def _kind(members: list[int], same: Collection[Pair]) -> GroupKind:
    if len(members) == 1:
        return "same bytes"
    return "same image" if all(pair in same for pair in combinations(members, 2)) else "near"


def _changes_from_first(owner: dict[int, int], same: "dict[Pair, SamePair]") -> tuple[str, ...]:
    """How each image differs from the first, whose content may be a later one when other files of it are gone."""
    first = owner[min(owner)]
    words = []
    for row in sorted(owner):
        pair = same.get((min(first, owner[row]), max(first, owner[row])))
        words.append(pair.change(to_first=owner[row] < first) if pair is not None else "")
    return tuple(words)
