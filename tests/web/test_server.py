"""The command `infomax serve` as a user runs it."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from shutil import copytree, rmtree

import httpx
import pytest

from infomax import InfoMax
from infomax.web.security import CrossOriginProtection, _host_name, is_loopback
from tests.conftest import SMALL, Infomax, colored, environment
from tests.web.conftest import run_as_user, serving


def test_a_failure_to_serve_is_one_line(infomax: Infomax, tmp_path: Path, template: Path) -> None:
    assert "does not exist: make one" in infomax("serve", "--index", tmp_path / "nowhere").failure
    assert "holds no index" in infomax("serve", "--index", template / "photos").failure
    copytree(template / "photos.index", tmp_path / "other")
    InfoMax(SMALL, seed=1).fit(colored(40)).save(tmp_path / "other" / "model")
    assert "not the model this index was made with" in infomax("serve", "--index", tmp_path / "other").failure
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failure = infomax("serve", "--index", template / "photos.index", "--port", port).failure
    assert "cannot listen at 127.0.0.1" in failure
    assert "choose another --port" in failure
    failure = infomax("serve", "--index", template / "photos.index", "--host", "no.such.host.invalid").failure
    assert "choose another --port or --host" in failure
    assert infomax("serve", "--index", template / "photos.index", "--port", 99999).code == 2


def test_other_machines_have_access_only_with_host_and_a_warning(template: Path, tmp_path: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    with serving(tmp_path / "i", "--host", "0.0.0.0", "--no-token") as (process, address):
        port = address.rpartition(":")[2]
        assert process.stderr is not None
        assert "there is no password" in process.stderr.readline()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert client.get("/api/statistics", headers={"host": "10.0.0.7"}).status_code == 200
            assert client.get("/api/statistics", headers={"host": socket.gethostname()}).status_code == 200
            assert client.get("/api/statistics", headers={"host": "evil.example"}).status_code == 400


def test_a_deleted_index_is_reported(template: Path, tmp_path: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    with serving(tmp_path / "i") as (_, address), httpx.Client(base_url=address, trust_env=False) as client:
        rmtree(tmp_path / "i" / "images.lance")
        answer = client.get("/api/images")
        assert answer.status_code == 503
        assert "cannot read the index" in answer.json()["error"]


def test_a_read_only_index_is_served(template: Path, tmp_path: Path, image: bytes) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    files = sorted((tmp_path / "i").rglob("*"))
    for each in (tmp_path / "i", *files):
        each.chmod(0o555 if each.is_dir() else 0o444)
    with (
        serving(tmp_path / "i") as (_, address),
        httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
    ):
        while (answer := client.get("/api/map")).status_code == 202:
            pass
        assert len(answer.json()["ids"]) == 45
        found = client.post("/api/matches?k=45&approximate=true&include_gone=true", content=image)
        assert len(found.json()["matches"]) == 45
    assert sorted((tmp_path / "i").rglob("*")) == files
    for each in (tmp_path / "i", *files):
        each.chmod(0o755)


def test_ctrl_c_stops_the_server_while_a_map_is_computed(template: Path, tmp_path: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    program = (
        "import time, infomax.search.map as m; m.project = lambda vectors: time.sleep(600);"
        "import sys; from infomax.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--index", str(tmp_path / "i"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path / "cache"),
        preexec_fn=run_as_user,
    )
    assert process.stdout is not None
    address = process.stdout.readline().split(" at ")[1].split()[0]
    with httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/api/map").status_code == 202
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize(
    ("host", "name"),
    [("LocalHost:80", "localhost"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("1.2.3.4", "1.2.3.4"), ("a.b.:1", "a.b")],
)
def test_host_headers_are_parsed(host: str, name: str) -> None:
    assert _host_name(host) == name


def test_names_and_addresses_of_this_machine() -> None:
    assert [is_loopback(each) for each in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "a.example")] == [
        *[True] * 4,
        *[False] * 2,
    ]
    protection = CrossOriginProtection(lambda *_: None, "photos.example")  # type: ignore[arg-type]
    assert protection.accepts(["photos.example:8000"])
    assert not protection.accepts(["evil.example"])
    assert not protection.accepts(["localhost", "evil.example"])
    assert not protection.accepts([])
