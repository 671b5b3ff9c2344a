"""How a WebSocket begins, as its client sees it. In: bytes as they come. Out: what to send, and the answer. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from skykite_lambda.live.network import Garbled, parse_head
from skykite_lambda.live.websocket import check_answer, request

_SWITCHING: Final = 101
_WITHOUT_BODY: Final = frozenset({*range(100, 200), 204, 304})
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_HEAD_LIMIT: Final = 32 * 1024  # bytes
_REFUSAL_LIMIT: Final = 64 * 1024  # bytes of what a refusal says


class Handshake:
    """Send `request`, `feed` what comes. The first of `offered` is the subprotocol the server has to choose."""

    def __init__(self, host: str, path: str, offered: Sequence[str]) -> None:
        self.request, self._key = request(host, path, offered)
        self._subprotocol = offered[0]
        self._received = b""  # of the head, or of the chunks of a refusal
        self._length: int | None = None  # of the body, once the head is here
        self._is_chunked = False
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
        if self._is_chunked:
            self._received += data
        elif self._length is not None:
            self.behind += data
        else:
            self._received += data
            head, end, behind = self._received.partition(b"\r\n\r\n")
            if end:
                self._read(head, behind)
            elif len(head) > _HEAD_LIMIT:
                self._fail(f"more than {_HEAD_LIMIT} bytes of headers")
        if self._is_chunked:
            self._join_chunks()
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
        self._length = 0 if answer.status in _WITHOUT_BODY else _length_of(answer.headers)
        self._is_chunked = self._length > 0 and "transfer-encoding" in answer.headers
        if self._is_chunked:
            self._received = behind
        else:
            self.behind = behind

    def _join_chunks(self) -> None:
        """What of a refusal's chunks is here; `_length` is what there is of it once the last one has come."""
        while (line_end := self._received.find(b"\r\n")) >= 0:
            size_text = self._received[:line_end].partition(b";")[0].strip()
            size = int(size_text, 16) if _HEXADECIMAL.fullmatch(size_text) else 0
            if size == 0:  # the last one, or none
                self._length = len(self.behind)
                return
            chunk = self._received[line_end + 2 :][:size]
            is_whole = len(self._received) >= line_end + 2 + size + 2
            if not is_whole and len(self._received) <= _REFUSAL_LIMIT:
                return
            self.behind += chunk
            if not is_whole:  # and more than is of interest
                self._length = len(self.behind)
                return
            self._received = self._received[line_end + 2 + size + 2 :]
        if len(self._received) > _HEAD_LIMIT:  # a size without an end
            self._length = len(self.behind)

    def _fail(self, why: str) -> None:
        self.garbled = why
        self.is_over = True


def _length_of(headers: Mapping[str, str]) -> int:
    """Of a refusal's body, as far as it is of interest. One without a length lasts until the connection ends."""
    length = headers.get("content-length", "")
    known = "transfer-encoding" not in headers and length.isascii() and length.isdigit()
    return min(int(length), _REFUSAL_LIMIT) if known else _REFUSAL_LIMIT
