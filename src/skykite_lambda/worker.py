"""The file that a worker process runs, by its path: `python -I -X utf8 worker.py`.

The first line on stdin says what to be and how to speak (`fd`, or `port` and `token`); after that, stdin is the
lifeline. Makes `skykite_lambda` importable without putting the folder it lies in on `sys.path`: what else is
installed beside it must not leak into the user's imports. Run without `-I` too, when the function sets PYTHON*
variables.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sys
from typing import Any, Dict


def _make_importable() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        "skykite_lambda", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["skykite_lambda"] = package
    spec.loader.exec_module(package)


def _orders() -> Dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise SystemExit(0)  # whoever started us is gone
        line += byte
    orders: Dict[str, Any] = json.loads(line)
    return orders


def _connect(orders: Dict[str, Any]) -> socket.socket:
    if "fd" in orders:
        os.set_inheritable(orders["fd"], False)
        return socket.socket(fileno=orders["fd"])
    stream = socket.create_connection(("127.0.0.1", orders["port"]))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.sendall(orders["token"].encode())
    return stream


def main() -> int:
    if not sys.flags.isolated:
        del sys.path[0]  # the folder of this file
    _make_importable()
    from skykite_lambda import lifeline
    from skykite_lambda.frames import Channel
    from skykite_lambda.logs import Streams
    from skykite_lambda.serving import serve

    orders = _orders()
    lifeline.hold(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    streams = Streams()
    stream = _connect(orders)
    if orders["role"] == "zygote":
        from skykite_lambda.zygote import run_zygote

        child = run_zygote(stream, streams)
        if child is None:
            return 0
        stream = child
    return serve(Channel(stream), streams)


if __name__ == "__main__":
    sys.exit(main())
