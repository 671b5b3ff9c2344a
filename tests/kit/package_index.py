"""A package index on loopback, of wheels made by hand; for everybody, or for whoever knows the password."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

PASSWORD = "open sesame"


@contextmanager
def package_index(folder: Path, *, user: str | None = None) -> Iterator[str]:
    """`folder` holds a folder of wheels per package. The address is that of its simple API."""
    for package in folder.iterdir():
        links = "".join(f'<a href="{file.name}">{file.name}</a>' for file in sorted(package.glob("*.whl")))
        (package / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    wanted = None if user is None else "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if wanted in (None, self.headers.get("authorization")):
                super().do_GET()
                return
            self.send_response(401)
            self.send_header("www-authenticate", "Basic")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
