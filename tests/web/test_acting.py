"""What the page does: tags, hidden images, the trash folder, duplicates, decisions, lists, originals. By HTTP."""

import csv
import io
import json
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from infomax import Index
from infomax.cleaning.moving import undo_moves
from infomax.search.originals import combine
from infomax.search.tags import HIDDEN, TRASHED
from tests.web.conftest import Acting, Served, computed, serving


def post(client: httpx.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def listed(client: httpx.Client, **params: Any) -> list[str]:
    images = client.get("/api/images", params={"limit": 500, **params}).json()["images"]
    return [Path(each["path"]).name for each in images]


WRITING = [
    ("POST", "/api/tags", {"ids": ["0" * 32], "tag": "sea"}),
    ("POST", "/api/hidden", {"ids": ["0" * 32]}),
    ("POST", "/api/decisions", {"ids": ["0" * 32, "1" * 32]}),
    ("DELETE", "/api/decisions/01234567", None),
    ("POST", "/api/trash", {"ids": ["0" * 32]}),
    ("POST", "/api/trash/restore", {"moves": None}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITING)
def test_without_permission_every_writing_route_is_forbidden(
    served: Served, method: str, path: str, body: object
) -> None:
    with served.client() as client:
        answer = client.request(method, path, json=body)
        assert answer.status_code == 403
        assert "--allow-changes" in answer.json()["error"]


def test_the_list_of_writing_routes_is_complete(served: Served) -> None:
    with served.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    reading = {("POST", "/api/matches"), ("POST", "/api/export")}
    writing = {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "get"}
    assert writing - reading == {(method, path.replace("01234567", "{id}")) for method, path, _ in WRITING}


def test_bad_bodies_are_one_line(acting: Acting) -> None:
    with acting.client() as client:
        for body in (b"", b"{", b"[]", b'{"ids": []}', b'{"ids": ["x"], "tag": "a"}', b'{"ids": 3, "tag": "a"}'):
            answer = client.post("/api/tags", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 422, body
            assert "\n" not in answer.json()["error"]
        assert client.post("/api/tags", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
        connection = HTTPConnection(acting.address.removeprefix("http://"), timeout=60)
        connection.request(
            "POST", "/api/tags", b"", {"content-type": "application/json", "content-length": str(17 << 20)}
        )
        assert connection.getresponse().status == 413
        connection.close()
        one = acting.ids()["00.png"]
        assert "1 to 100" in post(client, "/api/tags", 422, ids=[one], tag="x" * 200)["error"]
        assert "1 to 100" in post(client, "/api/tags", 422, ids=[one], tag="\x00hidden")["error"]


def test_tags_are_a_filter_and_are_seen_by_all(acting: Acting) -> None:
    ids = acting.ids()
    some = [ids["00.png"], ids["01.png"], ids["02.png"]]
    with acting.client() as client:
        assert post(client, "/api/tags", ids=some, tag=" my   holiday ") == {
            "tags": [{"name": "my holiday", "images": 3}],
            "changed": 3,
        }
        assert post(client, "/api/tags", ids=some, tag="my holiday")["changed"] == 0
        assert listed(client, tag="my holiday") == ["00.png", "02.png", "01.png"]
        assert listed(client, tag="my holiday", folder=str(acting.folder / "photos" / "sea")) == ["01.png"]
        assert client.get(f"/api/images/{some[0]}").json()["tags"] == ["my holiday"]
        near = client.get("/api/matches", params={"id": ids["05.png"], "tag": "my holiday"}).json()["matches"]
        assert {match["image"]["id"] for match in near} == set(some)
        post(client, "/api/tags", ids=some[:1], tag="my holiday", remove=True)
        assert listed(client, tag="my holiday") == ["02.png", "01.png"]
        assert acting.index.tagged().counts() == {"my holiday": 2}


def test_two_browsers_at_once_keep_all_tags(acting: Acting) -> None:
    ids = list(acting.ids().values())

    def tag(number: int) -> None:
        with acting.client() as client:
            post(client, "/api/tags", ids=[ids[number]], tag=f"tag {number % 3}")
            post(client, "/api/decisions", ids=[ids[number], ids[number - 1]])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tag, range(12)))
    assert acting.index.tagged().counts() == {"tag 0": 4, "tag 1": 4, "tag 2": 4}
    assert len(acting.index.decisions) == 12


def test_a_renamed_file_keeps_its_tags(acting: Acting) -> None:
    one = acting.folder / "photos" / "city" / "04.png"
    with acting.client() as client:
        post(client, "/api/tags", ids=[acting.ids()["04.png"]], tag="old town")
        one.rename(one.with_name("renamed.png"))
        acting.index.synchronize(acting.folder / "photos", prune=True)
        assert listed(client, tag="old town") == ["renamed.png"]
        post(client, "/api/tags", ids=[acting.ids()["renamed.png"]], tag="old town", remove=True)
        assert listed(client, tag="old town") == []


def test_hidden_images_leave_the_page_and_come_back(acting: Acting) -> None:
    ids = acting.ids()
    with acting.client() as client:
        assert post(client, "/api/hidden", ids=[ids["07.png"]]) == {"changed": 1}
        assert "07.png" not in listed(client)
        assert "07.png" not in listed(client, order="random")
        assert listed(client, hidden=True) == ["07.png"]
        near = client.get("/api/matches", params={"id": ids["05.png"], "k": 100}).json()["matches"]
        assert ids["07.png"] not in {match["image"]["id"] for match in near}
        assert client.get("/api/overview").json()["hidden"] == 1
        assert post(client, "/api/hidden", ids=[ids["07.png"]], hidden=False) == {"changed": 1}
        assert "07.png" in listed(client)
    assert acting.index.tagged().ids(HIDDEN) == frozenset()


def test_trash_and_undo(acting: Acting) -> None:
    ids = acting.ids()
    file, sidecar = (acting.folder / "photos" / "sea" / f"03.{ending}" for ending in ("png", "xmp"))
    sidecar.write_text("rating=5")
    content = file.read_bytes()
    with acting.client() as client:
        moved = post(client, "/api/trash", ids=[ids["03.png"], ids["05.png"]])
        assert (len(moved["moves"]), moved["left"]) == (2, [])
        assert not file.exists()
        assert not sidecar.exists()
        assert not {"03.png", "05.png"} & set(listed(client))
        trash = client.get("/api/trash").json()
        assert [Path(each["path"]).name for each in trash["images"]] == ["05.png", "03.png"]
        assert Path(trash["folder"]) == acting.folder / "photos.index.trash"
        assert trash["images"][1]["image"]["id"] == ids["03.png"]
        back = post(client, "/api/trash/restore", moves=[trash["images"][1]["move"]])
        assert back["ids"] == [ids["03.png"]]
        assert (file.read_bytes(), sidecar.read_text()) == (content, "rating=5")
        assert "03.png" in listed(client)
        post(client, "/api/trash/restore", moves=None)
        assert client.get("/api/trash").json()["images"] == []
        assert "05.png" in listed(client)
        file.write_bytes(content + b"changed")
        left = post(client, "/api/trash", ids=[ids["03.png"]])
        assert left["moves"] == []
        assert "has changed since it was indexed" in left["left"][0]["reason"]


def test_a_server_killed_while_it_moves_loses_nothing(acting_template: Path, tmp_path: Path) -> None:
    shutil.copytree(acting_template / "photos", tmp_path / "photos")
    model = Index.open(acting_template / "photos.index", device="cpu").model
    index = Index.create(tmp_path / "photos.index", model, device="cpu").add(tmp_path / "photos")
    before = {path.name: path.read_bytes() for path in (tmp_path / "photos").rglob("*.png")}
    ids = [image.id for image in index.page(0, 100)]
    with suppress(AssertionError), serving(index.path, "--allow-changes") as (process, address):
        asking = threading.Thread(target=lambda: _post_quietly(f"{address}/api/trash", {"ids": ids}))
        asking.start()
        trash = tmp_path / "photos.index.trash"
        deadline = time.monotonic() + 60
        while sum(1 for _ in trash.rglob("*.png")) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        asking.join()
    places = [*(tmp_path / "photos").rglob("*.png"), *trash.rglob("*.png")]
    assert {path.name for path in places} == before.keys()
    with serving(index.path, "--allow-changes") as (_, address), httpx.Client(base_url=address, timeout=60) as client:
        assert post(client, "/api/trash/restore", moves=None)["left"] == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "photos").rglob("*.png")} == before
    assert undo_moves(trash).moves == []


def _post_quietly(address: str, body: object) -> None:
    with suppress(httpx.HTTPError):
        httpx.post(address, json=body, timeout=60, trust_env=False)


def test_duplicates_are_listed_until_they_are_reviewed(acting: Acting) -> None:
    with acting.client() as client:
        found = computed(client, "/api/duplicates")
        groups = [[Path(each["image"]["path"]).name for each in group["images"]] for group in found["groups"]]
        assert (found["total"], found["images"]) == (2, 4)
        assert sorted(map(sorted, groups)) == [["00.png", "copy of 00.jpg"], ["01.png", "copy of 01.png"]]
        best = {
            Path(each["image"]["path"]).name for group in found["groups"] for each in group["images"] if each["best"]
        }
        assert "00.png" in best
        assert len(best) == 2
        ids = acting.ids()
        decision = post(client, "/api/decisions", ids=[ids["00.png"], ids["copy of 00.jpg"]])["id"]
        assert computed(client, "/api/duplicates")["total"] == 1  # never the groups from before
        assert client.delete(f"/api/decisions/{decision}").json() == {"changed": 1}
        assert client.delete(f"/api/decisions/{decision}").status_code == 404
        assert computed(client, "/api/duplicates")["total"] == 2
        moves = post(client, "/api/trash", ids=[ids["copy of 01.png"]])["moves"]
        assert [len(group["images"]) for group in computed(client, "/api/duplicates")["groups"]] == [2]
        post(client, "/api/trash/restore", moves=moves)
        assert computed(client, "/api/duplicates")["total"] == 2


def test_checks_find_dark_and_blurred_images(acting: Acting) -> None:
    with acting.client() as client:
        found = computed(client, "/api/checks")
    assert [Path(each["path"]).name for each in found["dark"]] == ["dark.png"]
    assert [Path(each["path"]).name for each in found["blurred"]] == ["blurred.png"]
    assert found["counts"] == {"blank": 0, "dark": 1, "blurred": 1, "tiny": 0}


def test_overview_counts(acting: Acting) -> None:
    with acting.client() as client:
        facts = client.get("/api/overview").json()
    assert (facts["images"], facts["skipped"]) == (28, 1)
    assert facts["first_skipped"][0]["path"].endswith("broken.jpg")
    assert facts["formats"] == [{"name": "PNG", "images": 27}, {"name": "JPEG", "images": 1}]
    assert facts["bytes"] == sum(path.stat().st_size for path in (acting.folder / "photos").rglob("*.[pj][np]g")) - 8


def test_selections(acting: Acting) -> None:
    with acting.client() as client:
        for by in ("diverse", "typical", "odd"):
            found = [each["id"] for each in client.get("/api/selection", params={"n": 5, "by": by}).json()["images"]]
            assert len(set(found)) == 5
            assert found == [image.id for image in acting.index.select(5, by)]
        odd = [each["id"] for each in client.get("/api/outliers", params={"n": 5}).json()["images"]]
        assert odd == [each.image.id for each in acting.index.outliers(5)]


def test_export(acting: Acting) -> None:
    ids = acting.ids()
    chosen = [ids["02.png"], ids["01.png"]]
    with acting.client() as client:
        post(client, "/api/tags", ids=chosen[:1], tag="a")
        post(client, "/api/tags", ids=chosen[:1], tag="b")
        text = client.post("/api/export", json={"ids": chosen, "format": "csv"}).text
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [Path(row["path"]).name for row in rows] == ["02.png", "01.png"]
        assert (rows[0]["tags"], rows[0]["width"], rows[0]["format"]) == ("a;b", "128", "PNG")
        listed_too = json.loads(client.post("/api/export", json={"ids": chosen, "format": "json"}).text)
        assert listed_too[0]["tags"] == ["a", "b"]


def test_originals(acting: Acting) -> None:
    ids = acting.ids()
    with acting.client() as client:
        answer = client.get(f"/api/originals/{ids['00.png']}")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == (acting.folder / "photos" / "city" / "00.png").read_bytes()
        assert client.get(f"/api/originals/{'0' * 32}").status_code == 404
        (acting.folder / "photos" / "city" / "00.png").unlink()
        assert client.get(f"/api/originals/{ids['00.png']}").status_code == 410
        seen = client.get(f"/api/seen/{ids['02.png']}")
        with Image.open(io.BytesIO(seen.content)) as image:
            assert image.size == (acting.index.model.recipe_.size,) * 2


def test_shaped_queries(acting: Acting) -> None:
    ids, index = acting.ids(), acting.index
    like, more, unlike = ids["02.png"], ids["04.png"], ids["06.png"]
    with acting.client() as client:
        answer = client.get("/api/matches", params={"id": like, "like": more, "unlike": unlike, "k": 5}).json()
        found = [match["image"]["id"] for match in answer["matches"]]
        vectors = index.vectors_of([like, more, unlike])
        query = combine([vectors[like], vectors[more]], [vectors[unlike]])
        expected = [match.image.id for match in index.search(query, 28)]
        assert found == [each for each in expected if each not in (like, more, unlike)][:5]
        assert [each["id"] for each in answer["like"]] == [more]
        part = client.get("/api/matches", params={"id": like, "crop": "0,0,0.5,0.5", "k": 3}).json()["matches"]
        with Image.open(acting.folder / "photos" / "city" / "02.png") as image:
            vector = index.embed(image.crop((0, 0, 64, 48)))
        assert [match["image"]["id"] for match in part] == [
            match.image.id for match in index.search(vector, 4) if match.image.id != like
        ][:3]
        wrong = client.get("/api/matches", params={"id": like, "crop": "0.8,0,0.5,1"})
        assert (wrong.status_code, "no part of an image" in wrong.json()["error"]) == (422, True)


def test_orders_hold_all_images(acting: Acting) -> None:
    with acting.client() as client:
        by_path = listed(client)
        assert sorted(listed(client, order="date")) == sorted(by_path)
        first, second = (listed(client, order="random", seed=seed) for seed in (1, 2))
        assert first != second
        assert sorted(first) == sorted(second) == sorted(by_path)
        computed(client, "/api/map")
        assert sorted(listed(client, order="likeness")) == sorted(by_path)


def test_thumbnails_only(acting_template: Path) -> None:
    with (
        serving(acting_template / "photos.index", "--no-originals") as (_, address),
        httpx.Client(base_url=address) as client,
    ):
        one = client.get("/api/images").json()["images"][0]["id"]
        assert client.get(f"/api/originals/{one}").status_code == 403
        assert client.get("/api/statistics").json()["originals"] is False
        assert client.get(f"/api/thumbnails/{one}").status_code == 200


def test_images_marked_as_trashed_are_known(acting: Acting) -> None:
    with acting.client() as client:
        post(client, "/api/trash", ids=[acting.ids()["09.png"]])
    assert acting.index.tagged().ids(TRASHED) == {acting.ids()["09.png"]}
