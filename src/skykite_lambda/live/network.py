"""How the stub reaches a host: straight over TLS, through a company's proxy, or at the embedded cloud.

In: host and port, the environment's word on proxies. Out: a connected socket. I/O: DNS, TCP, TLS, the proxy's CONNECT.
`ssl` is imported on first use: the embedded cloud needs none.
"""

from __future__ import annotations

import base64
import os
import socket
import threading
from typing import TYPE_CHECKING, Dict, Mapping, NamedTuple, Optional, Tuple

from .clock import Clock

if TYPE_CHECKING:
    import ssl

HEAD_LIMIT = 32 * 1024  # bytes of a response's status line and headers
_AUTHORITIES = (
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
)  # of the systems Lambda has had
_LOOPBACK = ("localhost", "::1", "[::1]")


class Unreachable(Exception):  # noqa: N818
    """No connection came about; the message says to what, and why, and holds no secret."""


class Garbled(Exception):  # noqa: N818
    """What the other side sent is no HTTP."""


class Proxy(NamedTuple):
    host: str
    port: int
    authorization: Optional[str]


class Head(NamedTuple):
    """The beginning of a response."""

    status: int
    reason: str
    headers: Dict[str, str]  # names in lower case; what is there twice is joined by commas


class Network:
    """One per container. Safe to use from several threads."""

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self._tls: Optional[ssl.SSLContext] = None
        self._making_tls = threading.Lock()
        self.embedded = embedded_cloud(environment)

    def connect(self, host: str, port: int, deadline: float, *, tls: bool = True) -> socket.socket:
        """A socket to `host`, with TLS that has been verified. Raises Unreachable.

        `deadline` is of the clock's `elapsed`. With an embedded cloud everything is there, in the clear.
        """
        if self.embedded is not None:
            return self._tcp(*self.embedded, deadline)
        proxy = proxy_for(host, port, self._environment) if tls else None
        plain = self._tcp(host, port, deadline) if proxy is None else self._through(proxy, host, port, deadline)
        if not tls:
            return plain
        try:
            plain.settimeout(self.remaining(deadline))
            return self._tls_context().wrap_socket(plain, server_hostname=host)
        except (OSError, ValueError) as error:  # `ssl.SSLError` is an OSError
            plain.close()
            raise Unreachable(f"no TLS with `{host}`: {_said(error)}") from error

    def receive_head(self, stream: socket.socket, deadline: float, already: bytes = b"") -> Tuple[Head, bytes]:
        """A response's head, and what came behind it. Raises Garbled, Unreachable, OSError."""
        received = bytearray(already)
        while True:
            end = received.find(b"\r\n\r\n")
            if end >= 0:
                return parse_head(bytes(received[:end])), bytes(received[end + 4 :])
            if len(received) > HEAD_LIMIT:
                raise Garbled(f"more than {HEAD_LIMIT} bytes of headers")
            stream.settimeout(self.remaining(deadline))
            data = stream.recv(65536)
            if not data:
                raise Garbled("the connection ended within the headers" if received else "the connection ended")
            received += data

    def _tcp(self, host: str, port: int, deadline: float) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"`{host}` has no address: {_said(error)}") from error
        problem: Optional[OSError] = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            stream = socket.socket(family, kind, protocol)
            try:
                # What time there is is shared among the addresses: one that leads nowhere must not take it all.
                stream.settimeout(self.remaining(deadline) / (len(addresses) - index))
                stream.connect(address)
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                stream.close()
                problem = error
            else:
                return stream
        reason = "it has no address" if problem is None else _said(problem)
        raise Unreachable(f"no connection to `{host}:{port}`: {reason}") from problem

    def _through(self, proxy: Proxy, host: str, port: int, deadline: float) -> socket.socket:
        stream = self._tcp(proxy.host, proxy.port, deadline)
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        try:
            stream.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
            head, behind = self.receive_head(stream, deadline)
        except (OSError, Garbled) as error:
            stream.close()
            raise Unreachable(f"the proxy `{proxy.host}:{proxy.port}` fails: {_said(error)}") from error
        if head.status // 100 == 2 and not behind:
            return stream
        stream.close()
        said = f"{head.status} {head.reason}".strip()
        hint = "; user and password belong into HTTPS_PROXY" if head.status == 407 else ""
        raise Unreachable(f"the proxy `{proxy.host}:{proxy.port}` does not connect to `{host}:{port}`: {said}{hint}")

    def _tls_context(self) -> ssl.SSLContext:
        with self._making_tls:
            if self._tls is None:
                import ssl

                self._tls = ssl.create_default_context()
                # Files that these variables name may be of the function's own zip, which a stub has not.
                own = self._environment.get("AWS_CA_BUNDLE")
                if own and os.path.exists(own):
                    self._tls.load_verify_locations(own)
                systems = self._environment.get("SSL_CERT_FILE")
                if systems and not os.path.exists(systems):
                    for path in filter(os.path.exists, (ssl.get_default_verify_paths().openssl_cafile, *_AUTHORITIES)):
                        self._tls.load_verify_locations(path)
            return self._tls

    def remaining(self, deadline: float) -> float:
        """Seconds until then. Raises TimeoutError if there are none."""
        remaining = deadline - self._clock.elapsed()
        if remaining <= 0:
            raise TimeoutError("timed out")
        return remaining


def parse_head(text: bytes) -> Head:
    """Raises Garbled."""
    first, *lines = text.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise Garbled("no HTTP status line")
    headers: Dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Garbled("no HTTP header")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(int(code), reason.strip(), headers)


def embedded_cloud(environment: Mapping[str, str]) -> Optional[Tuple[str, int]]:
    """Where the embedded cloud listens. Only on this machine: nobody else gets signed requests in the clear."""
    url = environment.get("AWS_ENDPOINT_URL", "")
    if not url.startswith("http://"):
        return None
    try:
        host, port = _host_and_port(url[7:].partition("/")[0], 80)
    except ValueError:
        return None
    is_here = host in _LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdigit())
    return (host.strip("[]"), port) if is_here else None


def proxy_for(host: str, port: int, environment: Mapping[str, str]) -> Optional[Proxy]:
    """The proxy to use for HTTPS to `host`, by the variables that curl and Python know. Raises Unreachable."""
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    name, url = next(((name, environment[name]) for name in names if environment.get(name)), ("", ""))
    if not url or _is_excepted(host, port, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", url
    if scheme.lower() != "http":
        raise Unreachable(f"`{name}` names a proxy of kind `{scheme}`: only `http://` is understood")
    user, at, place = rest.rpartition("@")
    try:
        proxy_host, proxy_port = _host_and_port(place.partition("/")[0], 80)
    except ValueError as error:
        raise Unreachable(f"`{name}` holds no address of a proxy") from error
    return Proxy(proxy_host.strip("[]"), proxy_port, _basic(user) if at else None)


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    for entry in exceptions.replace(",", " ").split():
        if entry == "*":
            return True
        name, _, wanted_port = entry.lower().lstrip("*").lstrip(".").partition(":")
        matches = host == name or host.endswith("." + name)
        if name and matches and wanted_port in ("", str(port)):
            return True
    return False


def _basic(user_and_password: str) -> str:
    from urllib.parse import unquote_to_bytes

    user, _, password = user_and_password.partition(":")
    plain = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return "Basic " + base64.b64encode(plain).decode()


def _host_and_port(place: str, default: int) -> Tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, str(default)
    if not host:
        raise ValueError("no host")
    return host.lower(), int(port)


def _said(error: Exception) -> str:
    """What an error says, without the decoration of Python and OpenSSL."""
    return str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error or type(error).__name__)
