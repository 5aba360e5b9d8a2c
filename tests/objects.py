"""An S3 server on this machine, whose connections can be cut as if it were killed."""

import asyncio
import logging
from collections.abc import Iterator
from threading import Thread
from uuid import uuid4

import pytest

from infomax.object_store import write_object


class Gate:
    """A port that leads to a server. Closing it cuts all connections in the middle and refuses new ones.

    To a client that is what a killed server is. The server itself keeps its objects, as one with a disk does.
    `pieces` counts what clients have sent, and at `close_at` of them it closes by itself.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listening: asyncio.Server | None = None
        self.port = 0
        self.pieces = 0
        self.close_at: int | None = None
        Thread(target=self._loop.run_forever, daemon=True).start()
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    async def _open(self) -> None:
        self._listening = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, back}
        await asyncio.gather(self._copy(reader, back, count=True), self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool = False) -> None:
        try:
            while piece := await reader.read(1 << 16):
                self.pieces += count
                if self.pieces == self.close_at:
                    await self._close()
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Gate]:
    pytest.importorskip("flask_cors", reason="needs the S3 server of moto: pip install 'infomax[test]'")
    server = pytest.importorskip("moto.server", reason="needs the S3 server of moto: pip install 'infomax[test]'")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    started = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    gate = Gate(started.get_host_and_port()[1])
    yield gate
    gate.close()
    started.stop()


@pytest.fixture
def s3(s3_server: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The server, open, with the variables of the environment that lead to it."""
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SKIP_SIGNATURE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    for name, value in {**settings, "AWS_ENDPOINT_URL": s3_server.url, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def bucket(s3: Gate) -> str:
    """A new bucket."""
    from pyarrow.fs import S3FileSystem

    name = f"test-{uuid4().hex[:12]}"
    S3FileSystem(endpoint_override=s3.url, allow_bucket_creation=True).create_dir(name)
    return f"s3://{name}"


def put_object(url: str, content: bytes) -> str:
    write_object(url, content)
    return url
