"""The HTTP API over a real connection."""

import json
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from shutil import copytree

import httpx
import numpy as np
import pytest
from PIL import Image

from infomax import Index
from infomax.neighbors.distances import Metric
from infomax.search.results import Match
from infomax.web.security import SECURITY_HEADERS
from infomax.web.uploads import MAX_UPLOAD_BYTES
from tests.conftest import colored
from tests.web.conftest import EVIL, LABELS, Served, computed, png, serving


def found(answer: httpx.Response) -> list[tuple[str, float]]:
    assert answer.status_code == 200, answer.text
    return [(match["image"]["path"], match["distance"]) for match in answer.json()["matches"]]


def expected(matches: list[Match]) -> list[tuple[str, float]]:
    return [(match.image.path, match.distance) for match in matches]


def error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    line: str = answer.json()["error"]
    assert list(answer.json()) == ["error"]
    assert line
    assert "\n" not in line
    return line


def ids(client: httpx.Client) -> list[str]:
    return [each["id"] for each in client.get("/api/images?limit=500").json()["images"]]


def test_statistics_count_labels_and_folders_with_their_subfolders(client: httpx.Client, served: Served) -> None:
    answer = client.get("/api/statistics").json()
    root = str(served.photos)
    assert (answer["name"], answer["images"], answer["dim"], answer["root"]) == ("photos.index", 45, 8, root)
    assert answer["labels"] == [{"label": label, "images": 15} for label in sorted(LABELS)]
    assert {each["folder"].removeprefix(root): each["images"] for each in answer["folders"]} == {
        f"/{label}{subfolder}": count for label in LABELS for subfolder, count in (("", 15), ("/holiday", 5))
    }


def test_pages_equal_those_of_the_index(client: httpx.Client, served: Served) -> None:
    pages = [client.get("/api/images", params={"offset": offset, "limit": 20}).json() for offset in (0, 20, 40, 60)]
    assert [(page["total"], len(page["images"])) for page in pages] == [(45, 20), (45, 20), (45, 5), (45, 0)]
    paths = [each["path"] for page in pages for each in page["images"]]
    assert paths == [each.path for each in served.index.page(0, 45)]


@pytest.mark.parametrize("order", ["path", "date", "likeness", "random"])
@pytest.mark.parametrize("label", [None, "dog"])
def test_ids_are_those_of_the_pages(client: httpx.Client, order: str, label: str | None) -> None:
    params = {"order": order, "seed": "3"} | ({} if label is None else {"label": label})
    images = computed(client, "/api/images", limit="100", **params)["images"]
    assert computed(client, "/api/ids", **params)["ids"] == [each["id"] for each in images]
    assert len(images) == (45 if label is None else 15)


@pytest.mark.parametrize(
    ("folder", "label", "count"),
    [("dog", None, 15), ("dog/holiday", None, 5), (None, EVIL, 15), ("cat/holiday", "cat", 5), ("cat", "dog", 0)],
)
def test_filters(client: httpx.Client, served: Served, folder: str | None, label: str | None, count: int) -> None:
    given = {"label": label, "folder": None if folder is None else str(served.photos / folder)}
    params = {name: value for name, value in given.items() if value is not None}
    page = client.get("/api/images", params=params).json()
    assert (page["total"], len(page["images"])) == (count, count)
    matches = found(client.get("/api/matches", params={"id": ids(client)[0], "k": 50, "include_gone": True, **params}))
    assert {path for path, _ in matches} == {each["path"] for each in page["images"]} - {served.index.page()[0].path}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbors_equal_those_of_the_index(client: httpx.Client, served: Served, metric: Metric) -> None:
    for one in (ids(client)[0], ids(client)[17]):
        for k in (1, 10, 1000):
            answer = client.get("/api/matches", params={"id": one, "k": k, "metric": metric})
            assert found(answer) == expected(served.index.similar(one, k, metric=metric))
            assert (answer.json()["query"]["id"], answer.json()["exact"]) == (one, True)
    assert client.get("/api/matches", params={"id": one, "approximate": True}).json()["exact"] is False


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_upload_and_its_link_find_the_same_matches(
    client: httpx.Client, served: Served, image: bytes, metric: Metric
) -> None:
    given = {"k": 7, "metric": metric}
    answer = client.post("/api/matches", params=given, content=image, headers={"content-type": "image/png"})
    assert found(answer) == expected(served.index.search(image, 7, metric=metric))
    again = client.get("/api/matches", params={**given, "vector": answer.json()["vector"]})
    assert again.json() == answer.json()


def test_thumbnails_come_from_the_index(client: httpx.Client, served: Served) -> None:
    for one in client.get("/api/images").json()["images"]:
        answer = client.get(one["thumbnail"])
        assert answer.headers["content-type"] == "image/webp"
        assert answer.content == served.index.thumbnail(one["id"])
        assert "immutable" in answer.headers["cache-control"]


def test_the_state_of_an_image_file_is_reported(tmp_path: Path, template: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    photos = tmp_path / "photos"
    for number, pixels in enumerate(colored(4, 16)):
        photos.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    index = Index.open(tmp_path / "i", device="cpu").add(photos)
    (photos / "1.png").unlink()
    (photos / "2.png").write_bytes(b"secret")
    (photos / "3.png").unlink()
    (tmp_path / "secret").write_text("secret")
    (photos / "3.png").symlink_to(tmp_path / "secret")
    with serving(tmp_path / "i") as (_, address), httpx.Client(base_url=address, trust_env=False) as client:
        images = client.get("/api/images", params={"folder": str(photos)}).json()["images"]
        assert [each["state"] for each in images] == ["there", "gone", "changed", "changed"]
        assert client.get("/api/statistics").json()["gone"] == index.statistics().gone >= 1
        for each in images:
            assert client.get(f"/api/images/{each['id']}").json() == each
            assert client.get(each["thumbnail"]).content[8:12] == b"WEBP"


def test_deleted_images_are_no_neighbors_unless_asked_for(tmp_path: Path, template: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    photos = tmp_path / "photos"
    photos.mkdir()
    exif = Image.Exif()
    exif.update({0x9003: "2024:05:01 12:30:05", 0x0110: "Model"})
    for number, pixels in enumerate(colored(4, 16, seed=9)):
        Image.fromarray(pixels).save(photos / f"{number}.png", exif=exif)
    index = Index.open(tmp_path / "i", device="cpu").add(photos)
    (photos / "1.png").unlink()
    query = next(image.id for image in index.page(0, 99) if image.path.endswith("/photos/0.png"))
    with serving(tmp_path / "i") as (_, address), httpx.Client(base_url=address, trust_env=False) as client:
        asked: dict[str, str | int] = {"id": query, "k": 99, "folder": str(photos)}
        answer = client.get("/api/matches", params=asked).json()
        assert sorted(each["image"]["path"] for each in answer["matches"]) == [f"{photos}/2.png", f"{photos}/3.png"]
        assert answer["left_out"] == 1
        assert (answer["query"]["taken"], answer["query"]["camera"]) == ("2024-05-01T12:30:05", "Model")
        every = client.get("/api/matches", params={**asked, "include_gone": True}).json()
        assert (len(every["matches"]), every["left_out"]) == (3, 0)
        for time, count in (("2024-05", 2), ("2025", 0)):
            assert len(client.get("/api/matches", params={**asked, "after": time}).json()["matches"]) == count
        for none in ("May", "2024-13", "2024-02-30"):
            assert client.get("/api/matches", params={**asked, "before": none}).status_code == 422


def test_the_map_has_every_image_once(client: httpx.Client, served: Served) -> None:
    while (answer := client.get("/api/map")).status_code == 202:
        assert answer.json() == {"computing": 45}
    drawn = answer.json()
    assert drawn["ids"] == [each.id for each in served.index.page(0, 45)]
    assert [drawn["labels"][place] for place in drawn["label"]] == [each.label for each in served.index.page(0, 45)]
    assert [drawn["folders"][place] for place in drawn["folder"]] == [
        str(Path(each.path).parent) for each in served.index.page(0, 45)
    ]
    np.testing.assert_allclose(np.array([drawn["x"], drawn["y"]]).T, served.index.map().positions, atol=1e-5)
    assert drawn["current"] is True


def test_images_added_by_another_process_appear_at_once(tmp_path: Path, template: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    with serving(tmp_path / "i") as (_, address), httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/api/statistics").json()["images"] == 45
        while client.get("/api/map").status_code == 202:
            pass
        Index.open(tmp_path / "i", device="cpu").add(colored(5, seed=3))
        assert client.get("/api/statistics").json()["images"] == 50
        assert client.get("/api/images").json()["total"] == 50
        asked: dict[str, str | int] = {"id": ids(client)[0], "k": 99, "include_gone": True}
        assert len(found(client.get("/api/matches", params=asked))) == 49
        deadline = time.monotonic() + 60
        while len((drawn := client.get("/api/map").json())["ids"]) != 50 or not drawn["current"]:
            assert time.monotonic() < deadline


def test_fifty_concurrent_clients_get_their_own_answers(served: Served, image: bytes) -> None:
    with served.client() as client:
        every = ids(client)
        right = {one: expected(served.index.similar(one, 5)) for one in every}
        uploaded = expected(served.index.search(image, 5))

        def ask(number: int) -> bool:
            one = every[number % len(every)]
            if number % 5 == 4:
                return found(client.post("/api/matches?k=5", content=image)) == uploaded
            if number % 5 == 3:
                return client.get(f"/api/thumbnails/{one}").content == served.index.thumbnail(one)
            return found(client.get("/api/matches", params={"id": one, "k": 5})) == right[one]

        with ThreadPoolExecutor(50) as pool:
            assert all(pool.map(ask, range(200)))


UNKNOWN_ID = "0" * 32


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/images?limit=0", 422, "limit: input should be greater"),
        ("/api/images?offset=-1", 422, "offset"),
        ("/api/images?offset=x", 422, "valid integer"),
        (f"/api/images/{UNKNOWN_ID}", 404, "no such image"),
        (f"/api/thumbnails/{UNKNOWN_ID}", 404, "no such image"),
        (f"/api/matches?id={UNKNOWN_ID}", 404, "no such image"),
        (f"/api/matches?id={UNKNOWN_ID}&k=0", 422, "k: input should be greater"),
        (f"/api/matches?id={UNKNOWN_ID}&k=1001", 422, "k: input should be less"),
        (f"/api/matches?id={UNKNOWN_ID}&metric=taxicab", 422, "'cosine' or 'euclidean'"),
        ("/api/matches", 422, "either id or vector"),
        (f"/api/matches?id={UNKNOWN_ID}&vector=AAAA", 422, "either id or vector"),
        ("/api/matches?vector=AAAA", 422, "no features of this index"),
        ("/api/matches?vector=%00%f0%9f%a6%8a", 422, "no features of this index"),
        ("/api/matches?vector=" + "AADAf" * 8 + "A-_", 422, "no features of this index"),
        ("/api/nothing", 404, "not found"),
        ("/docs", 404, "not found"),
    ],
)
def test_every_failure_is_one_line(client: httpx.Client, path: str, status: int, words: str) -> None:
    assert words in error(client.get(path), status).lower()


def test_other_methods_are_refused(client: httpx.Client) -> None:
    assert error(client.delete("/api/statistics"), 405) == "Method Not Allowed"


def test_uploads_other_than_images_are_refused(client: httpx.Client, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'loaded')!r}, 'w')",))

    def post(content: bytes, kind: str = "application/octet-stream") -> httpx.Response:
        return client.post("/api/matches", content=content, headers={"content-type": kind})

    assert "no image was sent" in error(post(b""), 400)
    assert "text/plain is not an image type" in error(post(b"hello", "text/plain"), 415)
    assert "multipart/form-data is not an image type" in error(post(b"--x", "multipart/form-data; boundary=x"), 415)
    assert "not an image" in error(post(b"hello", "image/png"), 422)
    assert "not an image" in error(post(pickle.dumps(Hostile())), 422)
    assert not (tmp_path / "loaded").exists()
    complete = png(Image.fromarray(colored(1, 64)[0]))
    assert "truncated" in error(post(complete[: len(complete) // 2]), 422)


def test_uploads_are_limited_in_bytes_and_pixels(client: httpx.Client) -> None:
    bomb = png(Image.new("1", (10_000, 10_000)))
    assert len(bomb) < 100_000
    assert "10000 x 10000 pixels, above the limit" in error(client.post("/api/matches", content=bomb), 413)
    announced = HTTPConnection(client.base_url.host, client.base_url.port)
    announced.putrequest("POST", "/api/matches")
    announced.putheader("content-length", str(MAX_UPLOAD_BYTES + 1))
    announced.endheaders()
    with announced.getresponse() as refused:  # before the body was sent
        assert refused.status == 413
        assert b"more than 32 MB" in refused.read()
    announced.close()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/matches", {}),
        ("POST", "/api/matches", {"content-type": "text/plain"}),
        ("GET", "/api/statistics", {}),
        ("POST", "/api/matches", {"origin": "http://evil.example"}),
    ],
)
def test_an_endless_body_is_cut_off(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 8 * MAX_UPLOAD_BYTES:
            sent += 1 << 20
            yield bytes(1 << 20)

    with suppress(httpx.TransportError):  # the server closed the connection before the body ended
        answer = client.request(method, path, content=endless(), headers=headers)
        assert answer.headers["connection"] == "close"
    assert sent < 2 * MAX_UPLOAD_BYTES
    assert client.get("/api/statistics").status_code == 200


def test_uploads_are_never_written_to_disk(client: httpx.Client, served: Served, image: bytes) -> None:
    def files() -> list[str]:
        return sorted(str(path) for path in served.index.path.parent.rglob("*"))

    before = files()
    assert client.post("/api/matches", content=image).status_code == 200
    assert files() == before


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/static/..\\app.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/static/%00",
        "/api/thumbnails/..%2f..%2findex.json",
        "/api/thumbnails/../../index.json",
        "/api/thumbnails/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/api/images/%252e%252e%252fetc%252fpasswd",
        "/index.json",
        "/model/config.json",
    ],
)
def test_no_address_leads_to_another_file(served: Served, path: str) -> None:
    """The address is sent as it is: httpx would normalize it."""
    host, port = served.address.removeprefix("http://").split(":")
    with httpx.Client(trust_env=False) as client:
        request = client.build_request("GET", served.address)
        request.url = httpx.URL(scheme="http", host=host, port=int(port), raw_path=path.encode())
        answer = client.send(request)
    assert answer.status_code in (404, 422), answer.text
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.7:8000", "", "127.0.0.1.nip.io"])
def test_other_host_names_are_refused(client: httpx.Client, host: str) -> None:
    assert "open it at localhost or 127.0.0.1" in error(client.get("/api/images", headers={"host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "localhost."])
def test_own_host_names_are_accepted(client: httpx.Client, host: str) -> None:
    assert client.get("/api/statistics", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/statistics"])
def test_pages_of_other_sites_are_refused(client: httpx.Client, headers: dict[str, str], path: str) -> None:
    assert "of another site" in error(client.get(path, headers=headers), 403)
    assert "of another site" in error(client.post("/api/matches", content=b"x", headers=headers), 403)


def test_a_refusal_arrives_even_if_the_body_is_not_read(client: httpx.Client) -> None:
    foreign = {"origin": "http://evil.example"}
    for _ in range(60):  # on a reused connection, where a client does not retry after a lost answer
        assert "of another site" in error(client.get("/", headers=foreign), 403)
        assert "of another site" in error(client.post("/api/matches", content=b"x", headers=foreign), 403)


def test_links_from_other_sites_lead_to_the_page_only(client: httpx.Client, served: Served) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/?view=map", headers=link).status_code == 200
    assert client.get("/api/statistics", headers=link).status_code == 403
    own = {"origin": served.address, "sec-fetch-site": "same-origin"}
    assert client.get("/api/statistics", headers=own).status_code == 200


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/statistics", "/api/nothing", "/openapi.json"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


def test_the_page_loads_nothing_from_other_hosts_and_is_cached(client: httpx.Client) -> None:
    page = client.get("/")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert client.get("/", headers={"if-none-match": page.headers["etag"]}).status_code == 304


def test_the_api_is_documented(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    bodies = {path: json.dumps(methods["post"]) for path, methods in document["paths"].items() if "post" in methods}
    assert "application/octet-stream" in bodies.pop("/api/matches")
    assert all("application/json" in body and "properties" in body for body in bodies.values())


def test_every_parameter_and_field_is_described(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["description"] for operation in operations)
    parameters = [each for operation in operations for each in operation.get("parameters", ())]
    schemas = {name: each for name, each in document["components"]["schemas"].items() if "Validation" not in name}
    fields = [field for schema in schemas.values() for field in schema["properties"].values()]
    assert len(parameters) > 10
    assert len(fields) > 30
    assert [each for each in (*parameters, *fields, *schemas.values()) if not each.get("description")] == []
