"""The server under many clients: requests a second and how long they take, for all that a page asks for.

    python benchmarks/server.py [--rows 60000] [--clients 50] [--seconds 10] [--out server.json]

An index of random vectors (256 numbers, 100 clusters, each its own thumbnail of noise) is served by `infomax serve` in
a process of its own; the clients are threads of this one, each with one connection and one request at a time. Clients
and server share the machine's cores, so the server alone would do rather better.
"""

import argparse
import itertools
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from PIL import Image

from infomax import InfoMax
from infomax.recipes import DeepInfoMax
from infomax.search.home import Home
from infomax.search.lance import LanceStore
from infomax.search.store import schema, vector_column
from infomax.search.sync import id_of
from infomax.search.thumbnails import thumbnail

DIM, CLUSTERS, COMMIT = 256, 100, 5000


def make_index(folder: Path, rows: int) -> list[str]:
    """An index of random vectors; returns the ids of its pictures."""
    noise = np.random.default_rng(0)
    recipe = DeepInfoMax(name="tiny", size=8, blocks=(4, 8), dim=DIM, batch=8, epochs=1)
    model = InfoMax(recipe, device="cpu").fit(noise.integers(0, 256, (8, 8, 8, 3), np.uint8))
    Home(folder).create(model)
    store = LanceStore(folder)
    centres = noise.standard_normal((CLUSTERS, DIM), np.float32)
    small = [thumbnail(noise.integers(0, 256, (96, 128, 3), np.uint8)) for _ in range(CLUSTERS)]
    for low in range(0, rows, COMMIT):
        which = noise.integers(0, CLUSTERS, min(COMMIT, rows - low))
        names = [f"/photos/{cluster:02d}/{low + place:07d}.jpg" for place, cluster in enumerate(which)]
        constant = {"hash": "", "stamp": "1:1", "size": 1, "mtime": 1.0, "width": 128, "height": 96}
        columns: dict[str, Any] = {name: [value] * len(which) for name, value in constant.items()}
        columns |= {"path": names, "id": [id_of(name) for name in names], "model": [model.fingerprint] * len(which)}
        columns |= {"label": [f"{each:02d}" for each in which], "thumbnail": [small[each].content for each in which]}
        columns["vector"] = vector_column(centres[which] + noise.standard_normal((len(which), DIM), np.float32))
        store.upsert(pa.table({name: columns[name] for name in schema(DIM).names}, schema=schema(DIM)))
    store.compact()
    ids: list[str] = store.page(0, rows, ["id"]).column("id").to_pylist()
    return ids


def requests(ids: list[str], rows: int) -> dict[str, Callable[[httpx.Client], httpx.Response]]:
    """What is asked for, each time for another picture."""
    file = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)).save(file, "jpeg")
    upload = file.getvalue()

    def anyone() -> str:
        return random.choice(ids)

    return {
        "the page itself": lambda client: client.get("/"),
        "a page of 100 pictures": lambda client: client.get(f"/api/pictures?offset={random.randrange(rows)}"),
        "a thumbnail": lambda client: client.get(f"/api/thumbnails/{anyone()}"),
        "20 neighbours by id": lambda client: client.get(f"/api/matches?id={anyone()}"),
        "the same, Euclidean": lambda client: client.get(f"/api/matches?id={anyone()}&metric=euclidean"),
        "the same, of one label": lambda client: client.get(f"/api/matches?id={anyone()}&label=07"),
        "the same, approximate": lambda client: client.get(f"/api/matches?id={anyone()}&approximate=true"),
        "20 neighbours of an upload": lambda client: client.post("/api/matches", content=upload),
    }


def measure(
    address: str, ask: Callable[[httpx.Client], httpx.Response], clients: int, seconds: float
) -> tuple[float, list[float]]:
    """Requests a second, and the milliseconds that each took; after one that warms up."""
    with httpx.Client(base_url=address, trust_env=False, timeout=600) as client:
        ask(client).raise_for_status()
    start = time.perf_counter()

    def run(_: int) -> list[float]:
        times: list[float] = []
        with httpx.Client(base_url=address, trust_env=False, timeout=600) as client:
            while not times or time.perf_counter() < start + seconds:
                before = time.perf_counter()
                ask(client).raise_for_status()
                times.append(1000 * (time.perf_counter() - before))
        return times

    with ThreadPoolExecutor(clients) as pool:
        taken = list(itertools.chain.from_iterable(pool.map(run, range(clients))))
    return len(taken) / (time.perf_counter() - start), taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    report: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "load before": os.getloadavg()[0]},
        "versions": {name: version(name) for name in ("infomax", "fastapi", "uvicorn", "lancedb", "torch")},
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
        address = server.stdout.readline().split(" at ")[1].split()[0]
        print(f"{'':28}{'n':>8}{'a second':>10}{'median':>10}{'99 %':>10} ms")
        try:
            for name, ask in requests(ids, args.rows).items():
                rate, taken = measure(address, ask, args.clients, args.seconds)
                median, most = np.percentile(taken, (50, 99)).tolist()
                report[name] = {"n": len(taken), "a second": rate, "median ms": median, "99 % ms": most}
                print(f"{name:28}{len(taken):8}{rate:10.1f}{median:10.1f}{most:10.1f}", flush=True)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
