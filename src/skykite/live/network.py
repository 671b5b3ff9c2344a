"""How a host is reached: straight, through a company's proxy, or at an embedded cloud instead of itself.

In: a URL, the environment's word on proxies. Out: an open, possibly encrypted connection, or a `Trouble` that says
what is in the way. I/O: DNS, TCP, TLS, the proxy's CONNECT.

Which proxy, and which hosts need none, is read as botocore reads it: HTTPS_PROXY, HTTP_PROXY and NO_PROXY in either
case, and on macOS and Windows the system's settings.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from skykite.aws.errors import NOT_TRUSTED, password_hint
from skykite.errors import SkykiteError
from skykite.live.transport import Disconnection, Reason

CONNECT_LIMIT_S: Final = 10.0
_HEAD_LIMIT: Final = 32 * 1024  # bytes of a proxy's answer
_P = TypeVar("_P", bound=asyncio.Protocol)


class Trouble(Exception):  # noqa: N818
    """Why there is no connection, or none any more. `lasting` if trying again will not help by itself."""

    def __init__(self, reason: Reason, message: str, *, hint: str | None = None, lasting: bool = False) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message
        self.hint = hint
        self.lasting = lasting

    @property
    def disconnection(self) -> Disconnection:
        return Disconnection(reason=self.reason, message=self.message, hint=self.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that is asked to CONNECT. `url` may hold a password: never log it, and `repr` leaves it out."""

    host: str
    port: int
    tls: bool
    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The value of `Proxy-Authorization`."""
        place = urlsplit(self.url)
        if place.username is None:
            return None
        user = f"{unquote(place.username)}:{unquote(place.password or '')}"
        return "Basic " + base64.b64encode(user.encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to a host. `host` is who is meant (`Host`, the certificate); `address` where it is connected to."""

    host: str
    address: tuple[str, int]
    tls: ssl.SSLContext | None
    proxy: Proxy | None = None


def find_route(host: str, *, endpoint_url: str | None, tls: Callable[[], ssl.SSLContext]) -> Route:
    """To one of AWS's hosts, or, in its name, to the cloud at `endpoint_url`. Raises `proxy-unusable`."""
    if endpoint_url is None:
        return Route(host=host, address=(host, 443), tls=tls(), proxy=find_proxy("https", host))
    place = urlsplit(endpoint_url)
    secure, name = place.scheme == "https", place.hostname or ""
    proxy = None if _is_loopback(name) else find_proxy(place.scheme, name)
    return Route(
        host=host, address=(name, place.port or (443 if secure else 80)), tls=tls() if secure else None, proxy=proxy
    )


def find_proxy(scheme: str, host: str) -> Proxy | None:
    """What the environment says. Raises `proxy-unusable`."""
    try:
        if proxy_bypass(host):
            return None
    except (TypeError, socket.gaierror):  # the system's settings name something that does not resolve
        pass
    found = getproxies().get(scheme)
    if not found:
        return None
    url = found if "://" in found else f"http://{found.removeprefix('//')}"
    place = urlsplit(url)
    try:
        port = place.port
    except ValueError:
        port = -1
    if place.scheme not in ("http", "https") or not place.hostname or port == -1:
        raise SkykiteError(
            "proxy-unusable",
            f"the proxy for {scheme.upper()} is `{_without_password(url)}`, which Live cannot use",
            hint="HTTPS_PROXY takes `http://host:port` or `https://host:port`, also with `user:password@`; "
            "NO_PROXY names hosts that need none",
        )
    secure = place.scheme == "https"
    return Proxy(host=place.hostname, port=port or (443 if secure else 80), tls=secure, url=url)


async def open_connection(route: Route, factory: Callable[[], _P]) -> _P:
    """Connect, and give the connection to a protocol. Raises Trouble."""
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            return await _open(route, factory)
    except (OSError, TimeoutError) as error:
        raise trouble_of(error, route) from error


async def _open(route: Route, factory: Callable[[], _P]) -> _P:
    loop = asyncio.get_running_loop()
    host, port = route.address
    if route.proxy is None:
        _, protocol = await loop.create_connection(
            factory, host, port, ssl=route.tls, server_hostname=route.host if route.tls else None
        )
        return protocol
    proxy = route.proxy
    transport, tunnel = await loop.create_connection(
        lambda: _Tunnel(proxy, host, port),
        proxy.host,
        proxy.port,
        ssl=ssl.create_default_context() if proxy.tls else None,
    )
    try:
        await tunnel.opened
        protocol = factory()
        transport.set_protocol(protocol)
        if route.tls is not None:
            secure = await loop.start_tls(transport, protocol, route.tls, server_hostname=route.host)
            transport = cast(asyncio.Transport, secure)
    except BaseException:
        transport.abort()
        raise
    protocol.connection_made(transport)
    return protocol


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a connection; `opened` is done when it has one."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy = proxy
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._head = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}"]
        if self._proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        cast(asyncio.Transport, transport).write("\r\n".join((*lines, "", "")).encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.opened.done():
            return
        if b"\r\n\r\n" not in self._head:
            if len(self._head) > _HEAD_LIMIT:
                self.opened.set_exception(refused_by_proxy(self._proxy, "no HTTP"))
            return
        status = self._head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if len(status) >= 2 and status[1].startswith("2"):
            self.opened.set_result(None)
        else:
            self.opened.set_exception(refused_by_proxy(self._proxy, " ".join(status[1:])))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(refused_by_proxy(self._proxy, "nothing"))


def refused_by_proxy(proxy: Proxy, answer: str) -> Trouble:
    wants_password = answer.startswith("407")
    hint = password_hint(given=proxy.authorization is not None) if wants_password else None
    return Trouble("unreachable", f"the proxy `{proxy.shown}` answers with {answer}", hint=hint, lasting=wants_password)


def trouble_of(error: Exception, route: Route) -> Trouble:
    """What went wrong on the way, for people."""
    where = route.host if route.address[0] == route.host else f"{route.address[0]}:{route.address[1]}"
    through = f" through the proxy `{route.proxy.shown}`" if route.proxy else ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble(
            "unreachable",
            f"the certificate of `{where}`{through} is not trusted: {error.verify_message or error}",
            hint=NOT_TRUSTED,
            lasting=True,
        )
    if isinstance(error, TimeoutError) and not str(error):
        return Trouble("unreachable", f"`{where}` did not answer{through} for {CONNECT_LIMIT_S:.0f} s")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Trouble("unreachable", f"cannot reach `{where}`{through}: {reason}")


def keep_alive(transport: asyncio.BaseTransport | None) -> None:
    """Have a connection's small messages sent at once, and its death noticed within half a minute."""
    raw = None if transport is None else transport.get_extra_info("socket")
    if raw is None:
        return
    options = [(socket.IPPROTO_TCP, "TCP_NODELAY", 1), (socket.SOL_SOCKET, "SO_KEEPALIVE", 1)]
    options += [(socket.IPPROTO_TCP, name, 15) for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE")]  # the latter on macOS
    options += [(socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5), (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3)]
    for level, name, value in options:
        option = getattr(socket, name, None)
        if option is not None:
            try:
                raw.setsockopt(level, option, value)
            except OSError:  # a kind of socket that knows no such thing
                return


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
