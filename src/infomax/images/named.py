"""Collections that go by a name instead of a path: the digits of scikit-learn and CIFAR-10."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from infomax.errors import InfoMaxError
from infomax.images.arrays import ArrayRows, array_rows
from infomax.images.parquet import ParquetRows, parquet_rows
from infomax.paths import expand_home, quoted_path

_DIGITS_TRAIN = 1347  # the first three quarters of scikit-learn's 1797 digits, as in its examples


def _digits(rows: slice = slice(None)) -> ArrayRows:
    """The 8 x 8 gray digits that come with scikit-learn, with their 17 levels spread over 0 to 255."""
    from sklearn.datasets import load_digits

    data = load_digits()
    whole = array_rows(np.rint(data.images * (255 / 16)).astype(np.uint8), "digits")
    return replace(whole, row_labels=[str(label) for label in data.target.tolist()]).part(rows)


def _cifar10(split: str) -> ParquetRows:
    """One split of CIFAR-10, from parquet files that the user has put in place. Nothing is ever downloaded."""
    try:
        folder = expand_home(os.environ.get("INFOMAX_DATA") or "~/.cache/infomax/data") / "cifar10"
    except InfoMaxError as error:
        raise InfoMaxError(
            f"CIFAR-10 is missing ({error}): set INFOMAX_DATA to the folder that holds cifar10/"
        ) from None
    pattern = folder / f"{split}-*.parquet"
    files = sorted(folder.glob(pattern.name))
    if not files:
        raise InfoMaxError(
            f"CIFAR-10 is missing: put the files {pattern.name} of the public dataset uoft-cs/cifar10 into "
            f"{quoted_path(folder)}, or set INFOMAX_DATA to the folder above"
        )
    return parquet_rows(files, str(pattern), f"pattern {pattern.absolute()}")


# name -> function that opens the collection
NAMED: dict[str, Callable[[], ArrayRows | ParquetRows]] = {
    "digits": _digits,
    "digits:train": partial(_digits, slice(None, _DIGITS_TRAIN)),
    "digits:test": partial(_digits, slice(_DIGITS_TRAIN, None)),
    "cifar10": partial(_cifar10, "train"),
    "cifar10:train": partial(_cifar10, "train"),
    "cifar10:test": partial(_cifar10, "test"),
}
