"""Stores: where the rows of an index lie. `Store` says what an index asks of one; this file says which one is used."""

from pathlib import Path

from infomax.search.stores.store import Store


def create_store(folder: Path, dim: int) -> Store:
    """Make an empty store.

    Args:
        folder: The folder of the index; it has no store yet.
        dim: Dimension of the vectors.

    Returns:
        The store.

    """
    from infomax.search.stores.lance import LanceStore  # loads LanceDB

    return LanceStore.create(folder, dim)


def open_store(folder: Path) -> Store:
    """Open the store of an index.

    Args:
        folder: The folder of the index.

    Returns:
        The store.

    Raises:
        InfoMaxError: There is no store, or it is damaged.

    """
    from infomax.search.stores.lance import LanceStore  # loads LanceDB

    return LanceStore(folder)
