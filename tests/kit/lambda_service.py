"""The Lambda Runtime API, as little of it as AWS's own runtime interface client needs: the oracle's other half."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class LambdaService:
    """Hands events to awslambdaric, one after the other, and collects its answers."""

    events: queue.Queue[tuple[str, bytes] | None] = field(default_factory=queue.Queue)
    answers: queue.Queue[tuple[str, bytes]] = field(default_factory=queue.Queue)

    def invoke(self, payload: bytes, request_id: str = "8f507cfc-1234-4697-b07a-ac58fc914c95") -> tuple[str, bytes]:
        """(`response` or `error`, body)"""
        self.events.put((request_id, payload))
        return self.answers.get(timeout=20)

    def init_error(self) -> Any:
        kind, body = self.answers.get(timeout=20)
        assert kind == "init"
        return json.loads(body)


@contextmanager
def aws_runtime(root: Path, handler: str, environment: Mapping[str, str]) -> Iterator[LambdaService]:
    """awslambdaric with `handler`, at our service."""
    service = LambdaService()

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if (event := service.events.get()) is None:
                self.close_connection = True
                return
            request_id, payload = event
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 900) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def do_POST(self) -> None:
            body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._plain()
            path = self.path.rstrip("/").split("/")
            service.answers.put(("init" if path[-2] == "init" else path[-1], body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _plain(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    process = subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", handler],
        cwd=root,
        env={
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
            "TZ": ":UTC",
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield service
    finally:
        process.kill()
        process.wait()
        for _ in range(4):  # requests that may still be waiting for an event
            service.events.put(None)
        server.shutdown()
        serving.join()
        server.server_close()
