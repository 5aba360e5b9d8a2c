"""Frames per second of the map in a real Chromium, while it is moved and zoomed, and how long it takes to open.

    python benchmarks/map.py [--points 50000] [--seconds 5] [--out map.json]

A server of this process answers as `infomax serve` does, with points around 24 centers, so that no index is needed.
Each frame is counted by requestAnimationFrame, and Chromium draws by software. `worst` is the longest time between two
frames. The window has 1440 x 900 pixels, and the map is moved by 7 pixels a frame.
"""

import json
import shutil
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from _common import argument_parser, machine_document, write_report
from infomax.neighbors.clusters import find_clusters
from infomax.neighbors.outlines import inside_clusters, outlines
from infomax.neighbors.spreading import spread
from infomax.search.map import Cluster, CollectionMap
from infomax.web.map_columns import map_answer
from infomax.web.routes.page import page_router

FRAMES = """([seconds, step]) => new Promise((resolve) => {
    const plot = document.getElementById("view").plot, times = [];
    const steps = {
        pan: (viewport, n) => viewport.pan(n % 100 < 50 ? 7 : -7, n % 80 < 40 ? 3 : -3),
        zoom: (viewport, n) => viewport.zoomBy(n % 120 < 60 ? 1.05 : 1 / 1.05),
    };
    const start = performance.now(), before = plot.frames;
    const next = (now) => {
        times.push(now);
        if (now - start > 1000 * seconds) {
            const gaps = times.slice(1).map((time, n) => time - times[n]);
            resolve([(plot.frames - before) / (times.at(-1) - times[0]) * 1000, Math.max(...gaps)]);
            return;
        }
        plot.move((viewport) => steps[step](viewport, times.length));
        requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
})"""


def random_map(count: int, seed: int = 0) -> CollectionMap:
    """A map of points around 24 centers, with clusters as an index finds them."""
    random = np.random.default_rng(seed)
    points = random.uniform(0.1, 0.9, (24, 2))[random.integers(0, 24, count)] + random.normal(0, 0.03, (count, 2))
    raw = np.clip(points, 0, 1).astype(np.float32)
    positions = spread(raw)
    cluster = inside_clusters(positions, find_clusters(raw, raw))
    ids = [f"{row:032x}" for row in range(count)]
    clusters = [
        Cluster(None, int((cluster == each).sum()), ids[each : each + 8], positions[cluster == each].mean(0), curves)
        for each, curves in enumerate(outlines(positions, cluster))
    ]
    paths = [f"/photos/{row % 40}/{row}.jpg" for row in range(count)]
    outlier = random.permutation(count).astype(np.float32) / count
    return CollectionMap(ids, paths, [None] * count, [None] * count, positions, outlier, cluster, clusters)


def make_app(drawn: CollectionMap) -> Any:
    """The page, and as much of the server as its map asks for."""
    from fastapi import FastAPI, Response

    app = FastAPI()
    answer = map_answer(drawn, current=True).model_dump_json()
    random = np.random.default_rng(1)
    thumbnails = []
    for _ in range(50):
        file = BytesIO()
        Image.fromarray(random.integers(0, 256, (192, 256, 3), np.uint8)).save(file, "webp")
        thumbnails.append(file.getvalue())
    statistics = {"name": "photos", "images": len(drawn.ids), "root": "/photos", "labels": [], "folders": []}

    @app.get("/api/statistics")
    def get_statistics() -> dict[str, Any]:
        return statistics

    @app.get("/api/map")
    def get_map() -> Response:
        return Response(answer, media_type="application/json")

    @app.get("/api/map/excluded")
    def get_excluded() -> dict[str, list[str]]:
        return {"ids": []}

    @app.get("/api/tags")
    def get_tags() -> dict[str, list[str]]:
        return {"tags": []}

    @app.get("/api/thumbnails/{name}")
    def get_thumbnail(name: str) -> Response:
        return Response(thumbnails[int(name, 16) % len(thumbnails)], media_type="image/webp")

    app.include_router(page_router())
    return app


def measure(page: Page, address: str, seconds: float) -> dict[str, float]:
    """Open the map, then move and zoom it."""
    before = time.perf_counter()
    page.goto(f"{address}/?view=map")
    page.wait_for_selector(".map canvas", timeout=300_000)
    opened = time.perf_counter() - before
    page.wait_for_timeout(3000)  # until thumbnails have come
    pan, worst_pan = page.evaluate(FRAMES, [seconds, "pan"])
    zoom, worst_zoom = page.evaluate(FRAMES, [seconds, "zoom"])
    return {
        "seconds to open": opened,
        "frames per second, pan": pan,
        "worst ms, pan": worst_pan,
        "frames per second, zoom": zoom,
        "worst ms, zoom": worst_zoom,
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    report: dict[str, Any] = {"machine": machine_document("playwright"), "points": args.points, "runs": []}
    server = uvicorn.Server(uvicorn.Config(make_app(random_map(args.points)), port=0, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(args.repeats):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            run = measure(page, address, args.seconds)
            page.close()
            report["runs"].append(run)
            print(json.dumps({name: round(value, 1) for name, value in run.items()}), flush=True)
        browser.close()
    server.should_exit = True
    write_report(args.out, report)


if __name__ == "__main__":
    main()
