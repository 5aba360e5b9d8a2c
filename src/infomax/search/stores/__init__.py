"""Stores: where the rows of an index lie. `Store` says what an index asks of one; this file says which one is used."""

from pathlib import Path

from infomax.search.stores.store import Store


def create_store(place: Path | str, dim: int, model: str = "") -> Store:
    """Make an empty store.

    Args:
        place: Folder or URL of the index; it has no store yet.
        dim: Dimension of the vectors.
        model: Fingerprint of the model.

    Returns:
        The store.

    """
    from infomax.search.stores.lance import LanceStore  # loads LanceDB

    return LanceStore.create(place, dim, model)


def open_store(place: Path | str) -> Store:
    """Open the store of an index.

    Args:
        place: Folder or URL of the index.

    Returns:
        The store.

    Raises:
        InfoMaxError: There is no store, or it is damaged.

    """
    from infomax.search.stores.lance import LanceStore  # loads LanceDB

    return LanceStore(place)
