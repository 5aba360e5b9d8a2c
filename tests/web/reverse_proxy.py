"""A reverse proxy in a thread, which treats addresses and the Host header as nginx and JupyterHub do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx


@contextmanager
def proxy(path: str, *, keeps_host: bool, keeps_path: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a proxy, without the path, and a list for the address of the server behind it."""
    behind: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            if not self.path.startswith(path):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = [(name, value) for name, value in self.headers.items() if name.lower() != "connection"]
            if not keeps_host:
                headers = [(name, value) for name, value in headers if name.lower() != "host"]
            address = self.path if keeps_path else self.path.removeprefix(path)
            got = httpx.request(
                self.command, behind[0] + address, content=body, headers=headers, timeout=60, trust_env=False
            )
            self.send_response(got.status_code)
            for name, value in got.headers.items():
                if name not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(got.content)))
            self.end_headers()
            self.wfile.write(got.content)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}", behind
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
