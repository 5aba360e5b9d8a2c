"""Conditions in SQL, as LanceDB takes them."""

from collections.abc import Sequence

from infomax.search.stores.store import Filter


def condition(where: Filter) -> str | None:
    """Write a filter in SQL.

    Args:
        where: Which rows count.

    Returns:
        The condition; None where all rows count.

    """
    parts = []
    if where.folder is not None:  # all paths that begin with "folder/": "0" is the character after "/"
        parts.append(f"path >= {_quoted(where.folder + '/')} AND path < {_quoted(where.folder + '0')}")
    if where.label is not None:
        parts.append(f"label = {_quoted(where.label)}")
    if where.after is not None:
        parts.append(f"taken >= {_quoted(where.after)}")
    if where.before is not None:
        parts.append(f"taken < {_quoted(where.before)}")
    if where.ids is not None:
        parts.append(among("id", sorted(where.ids) or [""]))  # SQL has no empty list
    if where.without:
        parts.append(f"NOT ({among('id', sorted(where.without))})")
    return " AND ".join(parts) or None


def among(column: str, values: Sequence[str]) -> str:
    """Write the condition that a column has one of some values.

    Args:
        column: Name of the column.
        values: The values, at least one.

    Returns:
        The condition.

    """
    return f"{column} IN ({', '.join(_quoted(value) for value in values)})"


def _quoted(text: str) -> str:
    """Any text as a literal of SQL, where only the quote is special."""
    return "'" + text.replace("'", "''") + "'"
