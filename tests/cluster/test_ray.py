"""Embedding and indexing on a Ray cluster of two machines, one of which is killed."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from infomax import Index, InfoMax, InfoMaxError
from infomax.cluster.embedding import embed_on
from infomax.cluster.indexing import index_on
from infomax.cluster.session import Session, connected
from infomax.images.opening import open_source
from tests.conftest import colored
from tests.images.conftest import put
from tests.search.conftest import assert_same


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InfoMaxError, match=r"^--ray needs Ray: pip install 'infomax\[ray\]'$"), connected("local"):
        pass


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images, and one that is broken."""
    folder = tmp_path_factory.mktemp("photos")
    for number, pixels in enumerate(colored(60, 12)):
        put(folder / f"{number % 3}" / f"{number:02d}.png", pixels)
    put(folder / "1" / "broken.png", b"no image")
    return folder


class Machines:
    """A cluster of two machines, each a set of processes here with a core of its own."""

    def __init__(self, module: Any) -> None:
        self._cluster = module.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        self._cluster.add_node(num_cpus=1)
        self.address = self._cluster.address
        self.killed = 0

    def kill_one_soon(self) -> None:
        """Kill a machine while its processes start or work."""

        def kill() -> None:
            time.sleep(2)
            self._cluster.remove_node(self._cluster.list_all_nodes()[-1], allow_graceful=False)
            self.killed += 1

        Thread(target=kill).start()

    def add_one(self) -> None:
        if len(self._cluster.list_all_nodes()) < 2:
            self._cluster.add_node(num_cpus=1)

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    module = pytest.importorskip("ray.cluster_utils", reason="needs Ray: pip install 'infomax[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started = Machines(module)
        yield started
        started.stop()


@pytest.fixture
def session(machines: Machines) -> Iterator[Session]:
    machines.add_one()
    with connected(machines.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def fitted() -> InfoMax:
    from tests.conftest import SMALL

    return InfoMax(SMALL, device="cpu").fit(colored(40))


@pytest.mark.parametrize("killed", [False, True])
def test_vectors_are_those_of_one_process(
    killed: bool, session: Session, machines: Machines, fitted: InfoMax, photos: Path
) -> None:
    alone = fitted.load_examples(open_source(photos))
    before = machines.killed
    if killed:
        machines.kill_one_soon()
    found = embed_on(session, fitted, open_source(photos), share=2 if killed else 25)
    assert machines.killed == before + killed
    assert (found.keys, found.rows, found.labels) == (alone.keys, alone.rows, alone.labels)
    assert [each.where for each in found.skipped] == [each.where for each in alone.skipped]
    np.testing.assert_allclose(found.vectors, fitted.encode(alone.examples), rtol=0, atol=1e-6)


def test_an_index_is_that_of_one_process_though_a_machine_is_killed(
    session: Session, machines: Machines, fitted: InfoMax, photos: Path, tmp_path: Path
) -> None:
    expected = Index.create(tmp_path / "alone", fitted, device="cpu")
    alone = expected.synchronize(photos)
    index = Index.create(tmp_path / "index", fitted, device="cpu")
    before = machines.killed
    machines.kill_one_soon()
    changes = index_on(session, index, str(photos), share=5)
    assert machines.killed == before + 1
    assert (alone.added, alone.unchanged, len(alone.skipped)) == (60, 0, 1)
    assert (changes.added, changes.unchanged, len(changes.skipped)) == (60, 0, 1)
    assert_same(index, expected)
    again = index_on(session, index, str(photos), share=40)
    assert (again.added, again.updated, again.unchanged, again.moved) == (0, 0, 60, 0)


def test_what_is_wrong_is_said_once(session: Session, fitted: InfoMax, photos: Path) -> None:
    def refuse(common: object, number: int) -> int:
        raise InfoMaxError(f"task {number} cannot be done: do another")

    with pytest.raises(InfoMaxError, match=r"^task 7 cannot be done: do another$"):
        session.run(refuse, None, [(7,)], [1], gpu=False, bar=("working", False))
