"""A stock client of AppSync Events: botocore signs, the `websockets` package speaks. Against the embedded cloud, whose
address it is sent to while it names AWS's hosts.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.sync.client import ClientConnection, connect

from skykite.model.bootstrap import EventApi

SIGNED_HEADERS = {
    "accept": "application/json, text/javascript",
    "content-encoding": "amz-1.0",
    "content-type": "application/json; charset=UTF-8",
}
PROTOCOL = "aws-appsync-event-ws"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsClient:
    """`url` is where the cloud listens."""

    url: str
    api: EventApi
    credentials: Credentials
    region: str

    def sign(self, body: str, *, host: str = "", region: str = "", service: str = "appsync") -> dict[str, str]:
        """The headers of `POST /event` with this body, signed."""
        host = host or self.api.http_host
        request = AWSRequest("POST", f"https://{host}/event", {**SIGNED_HEADERS, "host": host}, body.encode())
        SigV4Auth(self.credentials, service, region or self.region).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}

    def post(self, body: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(*self._address(), timeout=20)
        try:
            connection.request("POST", "/event", body.encode(), {"host": self.api.http_host, **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def publish(self, channel: str, *events: str) -> tuple[int, Any]:
        """Over HTTP."""
        body = compact({"channel": channel, "events": list(events)})
        return self.post(body, self.sign(body))

    @contextmanager
    def connect(self, *protocols: str, host: str = "") -> Iterator[ClientConnection]:
        """A WebSocket: by default properly authorized, else with these subprotocols."""
        given = list(protocols) or [PROTOCOL, self.authorization(self.sign("{}"))]
        plain = socket.create_connection(self._address(), timeout=20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        uri = f"ws://{host or self.api.realtime_host}/event/realtime"
        with connect(
            uri, sock=plain, subprotocols=given, compression=None, max_size=None, proxy=None, open_timeout=20
        ) as opened:
            yield opened

    @staticmethod
    def authorization(headers: Mapping[str, str]) -> str:
        return "header-" + base64.urlsafe_b64encode(compact(headers).encode()).decode().rstrip("=")

    def subscribe_message(self, channel: str, subscription: str, **more: Any) -> str:
        authorization = self.sign(compact({"channel": channel}))
        return compact(
            {"type": "subscribe", "id": subscription, "channel": channel, "authorization": authorization, **more}
        )

    def publish_message(self, channel: str, *events: str, **more: Any) -> str:
        content = {"channel": channel, "events": list(events)}
        authorization = self.sign(compact(content))
        return compact({"type": "publish", "id": uuid.uuid4().hex, **content, "authorization": authorization, **more})

    def _address(self) -> tuple[str, int]:
        place = urlsplit(self.url)
        assert place.hostname is not None
        assert place.port is not None
        return place.hostname, place.port


def compact(value: Any) -> str:
    """As JavaScript's JSON.stringify writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def ask(connection: ClientConnection, message: str) -> Any:
    """Send, and the next answer."""
    connection.send(message)
    return hear(connection)


def hear(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=20))
