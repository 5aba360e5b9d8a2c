"""Which columns of a parquet file hold images and labels, and what their cells mean."""

import json
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import types

from infomax.decoding.broken import BrokenImage
from infomax.errors import InfoMaxError
from infomax.paths import quoted_path

_IMAGES = ("image", "images", "img", "photo", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes")
_PATHS = (*_IMAGES[:3], "image_path", "image_file", "file_name", "filename", "file_path", "filepath", "path", "file")
_LABELS = (
    *("label", "labels", "fine_label", "coarse_label"),
    *("class", "class_name", "class_label", "category", "target"),
)
"""Names that are looked for, in this order, in upper or lower case."""


class NamedColumns(NamedTuple):
    """NamedColumns that the user has named.

    Attributes:
        image: Column of the images, None to find it.
        label: Column of the labels, None to find it.

    """

    image: str | None = None
    label: str | None = None


TO_BE_FOUND = NamedColumns()
"""No column is named."""


def find_image_column(schema: pa.Schema, file: Path | str, named: str | None) -> str:
    """Find the column of images.

    Stored images come first: the column with a usual name, or the only one. Then come paths, by a usual name.

    Args:
        schema: Schema of the file.
        file: The file, for messages.
        named: Name that the user has given, if any.

    Returns:
        The name of the column.

    Raises:
        InfoMaxError: There is no such column, or more than one.

    """
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    if named is not None:
        kind = schema.field(named).type if named in schema.names else pa.null()
        if not (stores_images(kind) or may_name_files(kind)):
            raise InfoMaxError(
                f"{quoted_path(file)} has no column {named!r} of images or of their paths, only {columns}"
            )
        return named
    stored = [field.name for field in schema if stores_images(field.type)]
    structs = [name for name in stored if types.is_struct(_element(schema.field(name).type))]
    texts = [field.name for field in schema if may_name_files(field.type)]
    found = _by_name(stored, _IMAGES) or _only(structs) or _by_name(texts, _PATHS) or _only(stored)
    if found is None and stored:
        raise InfoMaxError(
            f"{quoted_path(file)} has {len(stored)} columns of images, {', '.join(stored)}: "
            "name one, --image-column NAME or image_column="
        )
    if found is None:
        raise InfoMaxError(
            f"{quoted_path(file)} has no column image: bytes or paths of images, only {columns}: "
            "name the column, --image-column NAME or image_column="
        )
    return found


def find_label_column(schema: pa.Schema, file: Path | str, named: str | None) -> str | None:
    """Find the column of labels.

    Args:
        schema: Schema of the file.
        file: The file, for messages.
        named: Name that the user has given, if any.

    Returns:
        The name of the column, None if there is none.

    Raises:
        InfoMaxError: The column that the user has named does not exist, or holds no labels.

    """
    if named is None:
        return _by_name([field.name for field in schema if _may_label(field)], _LABELS)
    if named not in schema.names:
        raise InfoMaxError(
            f"{quoted_path(file)} has no column {named!r} for labels, only {', '.join(map(repr, schema.names))}"
        )
    kind = _element(schema.field(named).type)
    if types.is_nested(kind) or _is_binary(kind):
        whole = schema.field(named).type
        raise InfoMaxError(f"{quoted_path(file)}: column {named!r} is {whole}: labels are numbers or text, one a row")
    return named


def class_names(metadata: Mapping[bytes, bytes] | None, column: str | None) -> Mapping[int, str] | None:
    """Names of numbered classes, from the metadata that Hugging Face's datasets add to a schema.

    Args:
        metadata: Metadata of the schema.
        column: Column of the labels.

    Returns:
        Name of each number, possibly none at all; None if the column is not said to hold classes.

    """
    try:
        described = json.loads((metadata or {})[b"huggingface"])
        feature = (described.get("info") or described)["features"][column]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if isinstance(feature, list) and len(feature) == 1:  # a list of classes, as older versions write it
        feature = feature[0]
    elif isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    if isinstance(feature, dict) and isinstance(feature.get("dtype"), dict):  # as the README of a data set has it
        feature = feature["dtype"].get("class_label")
    if not isinstance(feature, dict) or not (feature.get("_type") == "ClassLabel" or "names" in feature):
        return None
    names = feature.get("names") or []
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    return {int(number): str(name) for number, name in pairs}


def label_text(value: Any, names: Mapping[int, str] | None) -> str | None:
    """Read a cell of labels.

    Args:
        value: The cell.
        names: Names of the classes; None if numbers mean themselves.

    Returns:
        The label; of a list of one, that one. None if there is none: null, NaN, empty text, a negative number of a
        class, or a list of none or of several.

    Examples:
        >>> [label_text(value, {0: "cat", 1: "dog"}) for value in (1, -1, 2)], label_text(-1, None)
        (['dog', None, '2'], '-1')
        >>> label_text(["cat"], None), label_text(["cat", "dog"], None)
        ('cat', None)

    """
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if isinstance(value, float):  # a data frame turns whole numbers with gaps into floats
        value = None if isnan(value) else int(value) if value.is_integer() else value
    if value is None or value == "":
        return None
    if names is not None and isinstance(value, int):
        return None if value < 0 else names.get(value, str(value))
    return str(value)


def stored_image(cell: Any) -> bytes | str | BrokenImage:
    """Read a cell of images.

    Args:
        cell: The cell: bytes, a path, a struct of both, or a list of one of these.

    Returns:
        The bytes of an image, the path of one, or why there is neither.

    """
    if isinstance(cell, list):
        if len(cell) > 1:
            return BrokenImage(f"the row holds {len(cell)} images, and one is expected")
        cell = cell[0] if cell else None
    if isinstance(cell, dict):
        data, path = cell.get("bytes"), cell.get("path")
        cell = path if path and not data else data
    return BrokenImage("the row holds no image (null)") if cell is None else cell


def stores_images(kind: pa.DataType) -> bool:
    """Tell whether a column may hold the bytes of images.

    Args:
        kind: Type of the column.

    Returns:
        True for binary, a struct with binary `bytes`, and lists of these.

    """
    kind = _element(kind)
    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    return _is_binary(kind)


def may_name_files(kind: pa.DataType) -> bool:
    """Tell whether a column may hold the paths of images.

    Args:
        kind: Type of the column.

    Returns:
        True for text, a struct with the text `path`, and lists of these.

    """
    kind = _element(kind)
    if types.is_struct(kind):
        return kind.get_field_index("path") >= 0 and _is_text(kind.field("path").type)
    return _is_text(kind)


def _element(kind: pa.DataType) -> pa.DataType:
    """The type within a list, or the type itself."""
    is_list: Sequence[Callable[[pa.DataType], bool]] = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return kind.value_type if any(check(kind) for check in is_list) else kind


def _decoded(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary, or the type itself."""
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_binary(kind: pa.DataType) -> bool:
    kind = _decoded(kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_text(kind: pa.DataType) -> bool:
    kind = _decoded(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _may_label(field: pa.Field) -> bool:
    """Whether a column may hold labels. Floats are more often measurements."""
    kind = _decoded(_element(field.type))
    is_class = types.is_integer(kind) or types.is_boolean(kind) or _is_text(kind)
    return bool(is_class or types.is_null(kind) or (types.is_floating(kind) and "label" in field.name.lower()))


def _by_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column whose name comes first among some names."""
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def _only(columns: Sequence[str]) -> str | None:
    return columns[0] if len(columns) == 1 else None
