"""Serve the embedded cloud: bind, configure MiniStack, replace its seams, restore its state, answer, save, stop.

In: one line of settings on stdin. Out: JSON lines on stdout (`ready` with the port, or `locked`, `failed`), and an
HTTP server on 127.0.0.1. It stops when told to, on SIGTERM, and when its owner is gone; nothing that MiniStack has
under way can hold it up.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from skykite_cloud.directory import DirectoryLock, DirectoryTakenError
from skykite_cloud.owner import Message, Owner
from skykite_cloud.settings import Settings, ministack_environment, parse_settings

_STOP_LIMIT_S = 5.0
_BACKLOG = 4096  # a thousand functions connect at once; whoever finds it full tries again a second later
_PR_SET_PDEATHSIG = 1

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def main() -> None:
    """Run until stopped; never returns."""
    owner = Owner()
    line = owner.read()
    if line is None:
        sys.exit("skykite_cloud is started by kite, which tells it on stdin what to do")
    settings = parse_settings(line)
    _die_with_parent()
    lock = DirectoryLock(settings.directory)
    try:
        lock.take(settings.owner)
    except DirectoryTakenError as taken:
        owner.say({"event": "locked", "pid": taken.owner})
        sys.exit(1)
    listener = _listen(settings.port)
    port = listener.getsockname()[1]
    os.environ.update(ministack_environment(settings, port))
    asyncio.run(_serve(settings, owner, listener, port))


async def _serve(settings: Settings, owner: Owner, listener: socket.socket, port: int) -> None:
    # Only now: MiniStack reads its settings from the environment when it is imported.
    from hypercorn.config import Config

    from skykite_cloud.cloud import Cloud
    from skykite_cloud.connections import serve

    loop = asyncio.get_running_loop()
    cloud = Cloud(settings, port, say=owner.say)
    stop = asyncio.Event()

    def received(message: Message | None) -> None:
        if message is None or message["do"] == "stop":
            _exit_at_latest_after(_STOP_LIMIT_S)
            loop.call_soon_threadsafe(stop.set)
        elif message["do"] == "snapshot":
            loop.call_soon_threadsafe(cloud.snapshot_soon, message["id"])
        elif message["do"] == "credentials":
            asked = (message["id"], message["function"], message["arn"], message["role"])
            loop.call_soon_threadsafe(cloud.give_credentials, *asked)

    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    owner.listen(received)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await cloud.application(scope, receive, send)
            return

        async def started(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                cloud.start()
                owner.say({"event": "ready", "port": port})  # connections wait at the socket until it is served
                threading.Thread(target=cloud.warm_up, daemon=True, name="skykite-warm-up").start()
            await send(message)

        await cloud.application(scope, receive, started)

    config = Config()
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    config.include_server_header = False
    config.backlog = _BACKLOG
    # The application is never asked to shut down: MiniStack's way of stopping waits for whatever it has under way.
    server = asyncio.ensure_future(serve(application, config, listener))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        server.result()
    cloud.save()
    owner.say({"event": "stopped"})
    _exit()


def _listen(preferred: int) -> socket.socket:
    """A listening socket on 127.0.0.1: on the port of last time if nobody else has taken it."""
    for port in (preferred, 0) if preferred else (0,):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform != "win32":  # there it would let two processes share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            if port == 0:
                raise
            continue
        listener.setblocking(False)
        return listener
    raise AssertionError("port 0 is always there")


def _die_with_parent() -> None:
    """Besides the end of stdin, which a forked copy of the owner could keep open. Linux only; elsewhere stdin does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _exit_at_latest_after(seconds: float) -> None:
    timer = threading.Timer(seconds, _exit)
    timer.daemon = True
    timer.start()


def _exit() -> None:
    """Leave at once, and take the functions that MiniStack started along."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
