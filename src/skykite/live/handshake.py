"""How a WebSocket begins, as its client sees it. In: bytes as they come. Out: what to send, and the answer. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from skykite_lambda.live.network import Garbled, parse_head
from skykite_lambda.live.websocket import check_answer, request

_SWITCHING: Final = 101
_HEAD_LIMIT: Final = 32 * 1024  # bytes
_REFUSAL_LIMIT: Final = 64 * 1024  # bytes of what a refusal says


class Handshake:
    """Send `request`, `feed` what comes. The first of `offered` is the subprotocol the server has to choose."""

    def __init__(self, host: str, path: str, offered: Sequence[str]) -> None:
        self.request, self._key = request(host, path, offered)
        self._subprotocol = offered[0]
        self._received = b""
        self._length: int | None = None  # of the body, once the head is here
        self.status = 0
        self.reason = ""
        self.behind = b""  # the head: the first frames, or the body of a refusal
        self.garbled: str | None = None  # why it is no answer to this
        self.is_over = False

    @property
    def is_accepted(self) -> bool:
        return self.is_over and self.garbled is None and self.status == _SWITCHING

    def feed(self, data: bytes) -> None:
        """Nothing comes of it until `is_over`."""
        if self._length is not None:
            self.behind += data
        else:
            self._received += data
            head, end, behind = self._received.partition(b"\r\n\r\n")
            if end:
                self._read(head, behind)
            elif len(head) > _HEAD_LIMIT:
                self._fail(f"more than {_HEAD_LIMIT} bytes of headers")
        if self._length is not None and len(self.behind) >= self._length:
            self.is_over = True

    def end(self) -> None:
        """Nothing more will come."""
        if self._length is None:
            self._fail("the connection ended" + (" within the headers" if self._received else ""))
        self.is_over = True

    def _read(self, head: bytes, behind: bytes) -> None:
        try:
            answer = parse_head(head)
            self.status, self.reason = answer.status, answer.reason
            if answer.status == _SWITCHING:
                check_answer(answer.headers, self._key, self._subprotocol)
        except Garbled as error:
            self._fail(str(error))
            return
        length = answer.headers.get("content-length", "")
        refused = answer.status != _SWITCHING and length.isascii() and length.isdigit()
        self._length = min(int(length), _REFUSAL_LIMIT) if refused else 0
        self.behind = behind

    def _fail(self, why: str) -> None:
        self.garbled = why
        self.is_over = True
