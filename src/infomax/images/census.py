"""Census of a SOURCE: what it holds besides the images that are read, so that nothing is left out in silence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infomax.decoding.formats import remedy_for
from infomax.images.exclusion import HIDDEN_FILES

_KINDS_NAMED = 8  # kinds of other files that a line names


@dataclass(frozen=True)
class Skipped:
    """An image that was skipped.

    Attributes:
        where: Key or path of the image.
        reason: Why it was skipped, in plain words.

    """

    where: str
    reason: str


@dataclass(frozen=True)
class Census:
    """Files of a SOURCE that were passed over when it was listed.

    Attributes:
        unread: Files that a person would call a photo or a drawing, but which cannot be decoded here.
        others: Number of all other files, by extension.
        excluded: Number of files that each pattern of the user has excluded, 0 where it matches nothing; and of images
            that each default pattern has.

    """

    unread: Sequence[Skipped] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Census") -> "Census":
        """Census of two sources together."""
        return Census(
            [*self.unread, *other.unread],
            _added(self.others, other.others),
            _added(self.excluded, other.excluded),
        )

    def counts(self) -> dict[str, Any]:
        """Give the numbers alone, as config.json has them."""
        unread = Counter(extension_of(each.where) for each in self.unread)
        return {"unread": dict(unread), "others": dict(self.others), "excluded": dict(self.excluded)}

    def lines(self) -> list[str]:
        """Say in a line or two what was passed over, and what to install."""
        return census_lines(self.counts())


def count_left_out(skipped: Sequence[Skipped], census: Census) -> dict[str, Any]:
    """Count all that was left out of a collection, as config.json has it.

    Args:
        skipped: Images that were skipped, those of `census.unread` among them.
        census: What was passed over when the source was listed.

    Returns:
        Numbers of broken and of too large images, and the counts of the census.

    """
    too_large = sum(each.reason.startswith("too large") for each in skipped)
    return {"broken": len(skipped) - len(census.unread) - too_large, "too_large": too_large, **census.counts()}


def census_lines(counts: Mapping[str, Any]) -> list[str]:
    """Say in a line or two what was passed over.

    Args:
        counts: What `Census.counts` or `count_left_out` gave.

    Returns:
        "not looked at: ..." and "excluded: ...", as far as there is anything to say.

    Examples:
        >>> census_lines({"unread": {".svg": 2}, "others": {".mov": 3, "": 1}, "excluded": {"@eaDir": 24, ".*": 8}})
        ['not looked at: 2 .svg (convert to PNG), 3 .mov, 1 without extension', 'excluded: 24 in @eaDir, 8 hidden']

    """
    lines = []
    unread = sorted(counts["unread"].items(), key=lambda item: (-item[1], item[0]))
    others = sorted(counts["others"].items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count} {extension} ({remedy_for(extension)})" for extension, count in unread]
    named += [f"{count} {extension or 'without extension'}" for extension, count in others[:_KINDS_NAMED]]
    if rest := others[_KINDS_NAMED:]:
        named.append(f"{sum(count for _, count in rest)} of {len(rest)} other kinds")
    if named:
        lines.append(f"not looked at: {', '.join(named)}")
    excluded = sorted(counts["excluded"].items(), key=lambda item: (item[0] == HIDDEN_FILES, -item[1], item[0]))
    if excluded:
        lines.append(f"excluded: {', '.join(_described(pattern, count) for pattern, count in excluded)}")
    return lines


def extension_of(name: str) -> str:
    """Extension of a file name in lower case, with its dot; "" if there is none.

    Args:
        name: Name or path of a file.

    Returns:
        The extension.

    """
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    return f".{extension.lower()}" if dot and stem and extension else ""


def _described(pattern: str, count: int) -> str:
    if pattern == HIDDEN_FILES:
        return f"{count} hidden"
    return f"{count} in {pattern}" if count else f"nothing matches {pattern!r}"


def _added(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Sum by key; a key with 0 is kept."""
    return {
        key: first.get(key, 0) + second.get(key, 0) for key in (*first, *(key for key in second if key not in first))
    }
