"""The server under many clients: requests per second and their duration, for each request of a page.

    python benchmarks/server.py [--rows 60000] [--clients 50] [--seconds 10] [--out server.json]

`infomax serve` runs in its own process and serves an index of random vectors (256 numbers, 100 clusters, one thumbnail
of noise for each cluster). The clients are threads of this process, each with one connection and one request at a time.
They share the cores of the machine, so the server alone would be faster. `cpu` is the server's CPU time for a request
in milliseconds, which does not depend on other work (Linux only).
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from _common import argument_parser, index_rows, machine_document, tiny_model, write_report
from infomax.images.thumbnails import thumbnail
from infomax.search.index_folder import IndexFolder
from infomax.search.stores.lance import LanceStore

DIM, CLUSTERS, COMMIT = 256, 100, 5000


def make_index(folder: Path, rows: int) -> list[str]:
    """Make an index of random vectors and return the ids of its images."""
    noise = np.random.default_rng(0)
    model = tiny_model(DIM)
    IndexFolder(folder).create(model)
    store = LanceStore(folder)
    centers = noise.standard_normal((CLUSTERS, DIM), np.float32)
    small = [thumbnail(noise.integers(0, 256, (96, 128, 3), np.uint8)) for _ in range(CLUSTERS)]
    for low in range(0, rows, COMMIT):
        which = noise.integers(0, CLUSTERS, min(COMMIT, rows - low))
        names = [f"/photos/{cluster:02d}/{low + place:07d}.jpg" for place, cluster in enumerate(which)]
        vectors = centers[which] + noise.standard_normal((len(which), DIM), np.float32)
        size = {"width": [128] * len(which), "height": [96] * len(which)}
        labels, thumbnails = [f"{each:02d}" for each in which], [small[each].content for each in which]
        rows_of = index_rows(names, vectors, model.fingerprint, label=labels, thumbnail=thumbnails, **size)
        store.upsert(rows_of)
    store.compact()
    ids: list[str] = store.page(0, rows, ["id"]).column("id").to_pylist()
    return ids


Ask = tuple[str, str, bytes | None]
"""A method, an address and a body."""


def requests(ids: list[str], rows: int) -> dict[str, Callable[[], Ask]]:
    """Requests by name; each call asks for another image."""
    file = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)).save(file, "jpeg")
    upload = file.getvalue()

    def matches(options: str = "") -> Callable[[], Ask]:
        return lambda: ("GET", f"/api/matches?id={random.choice(ids)}{options}", None)

    return {
        "the page itself": lambda: ("GET", "/", None),
        "a page of 100 images": lambda: ("GET", f"/api/images?offset={random.randrange(rows)}", None),
        "a thumbnail": lambda: ("GET", f"/api/thumbnails/{random.choice(ids)}", None),
        "20 neighbors by id": matches(),
        "the same, Euclidean": matches("&metric=euclidean"),
        "the same, of one label": matches("&label=07"),
        "the same, approximate": matches("&approximate=true"),
        "20 neighbors of an upload": lambda: ("POST", "/api/matches", upload),
    }


def asked(connection: HTTPConnection, ask: Ask) -> float:
    """Milliseconds until an answer has arrived completely. Raises RuntimeError when it is an error."""
    before = time.perf_counter()
    method, address, body = ask
    connection.request(method, address, body, {"content-type": "image/jpeg"} if body else {})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{method} {address}: {answer.status} {content[:200]!r}")
    return 1000 * (time.perf_counter() - before)


def measure(place: str, ask: Callable[[], Ask], clients: int, seconds: float) -> tuple[float, list[float]]:
    """Requests per second, and the milliseconds of each."""
    start = time.perf_counter()

    def run(_: int) -> list[float]:
        connection = HTTPConnection(place, timeout=600)
        taken = [asked(connection, ask())]
        while time.perf_counter() < start + seconds:
            taken.append(asked(connection, ask()))
        connection.close()
        return taken

    with ThreadPoolExecutor(clients) as pool:
        taken = list(itertools.chain.from_iterable(pool.map(run, range(clients))))
    return len(taken) / (time.perf_counter() - start), taken


def cpu_of(process: int) -> float:
    """CPU time of a process so far, in milliseconds."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return 1000 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    report: dict[str, Any] = {
        "machine": machine_document("infomax", "fastapi", "uvicorn", "lancedb", "torch"),
        "rows": args.rows,
        "clients": args.clients,
    }
    print(json.dumps(report))
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        ids = make_index(index, args.rows)
        command = [sys.executable, "-m", "infomax", "serve", "--index", str(index), "--port", "0", "--device", "cpu"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = urlsplit(server.stdout.readline().split(" at ")[1].split()[0]).netloc
        print(f"{'':28}{'n':>8}{'per second':>12}{'median':>10}{'99 %':>10}{'cpu':>10} ms")
        try:
            for name, ask in requests(ids, args.rows).items():
                for _ in range(2):  # the second request fills the cache in memory
                    asked(HTTPConnection(address, timeout=600), ask())
                before = cpu_of(server.pid)
                rate, taken = measure(address, ask, args.clients, args.seconds)
                cpu = (cpu_of(server.pid) - before) / len(taken)
                median, most = np.percentile(taken, (50, 99)).tolist()
                report[name] = {"n": len(taken), "per_second": rate, "median_ms": median, "p99_ms": most, "cpu_ms": cpu}
                print(f"{name:28}{len(taken):8}{rate:12.1f}{median:10.1f}{most:10.1f}{cpu:10.2f}", flush=True)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
    write_report(args.out, report)


if __name__ == "__main__":
    main()
