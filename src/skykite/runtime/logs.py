"""One function's output, taken apart: bytes of the one pipe in, text under stream names out. Pure.

Streams are told apart by the marks of `skykite_lambda.logs`. Text ends at a line's end; the rest waits for more, or
for `flush`.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final, Literal

from skykite_lambda.logs import MARK_BEGIN, MARK_END

Stream = Literal["stdout", "stderr"]
TAIL: Final = 4096  # bytes, as LogType=Tail gives them
LONGEST_LINE: Final = 65_536  # characters; a longer line is handed out in parts


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """A piece of output."""

    stream: Stream
    text: str


class LogParser:
    """The output of one worker."""

    def __init__(self, nonce: str) -> None:
        self._begin = b"\0" + nonce.encode() + MARK_BEGIN
        self._end = b"\0" + nonce.encode() + MARK_END
        self._stream: Stream = "stdout"
        self._rest = b""  # what may be the start of a mark
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        self._partial: dict[Stream, str] = {"stdout": "", "stderr": ""}

    def feed(self, data: bytes) -> list[LogText]:
        """What is complete now."""
        data = self._rest + data
        self._rest = b""
        pieces: list[LogText] = []
        while data:
            mark = self._begin if self._stream == "stdout" else self._end
            text, found, data = data.partition(mark)
            if not found:
                kept = start_of(mark, text)
                self._rest = text[len(text) - kept :] if kept else b""
                text = text[: len(text) - kept] if kept else text
            if text:
                self._add(text, pieces)
            if found:
                self._stream = "stderr" if self._stream == "stdout" else "stdout"
        return pieces

    def flush(self) -> list[LogText]:
        """Everything that is left, line's end or not."""
        pieces: list[LogText] = []
        if self._rest:
            self._add(self._rest, pieces)
            self._rest = b""
        for stream in ("stdout", "stderr"):
            text = self._partial[stream] + self._decoders[stream].decode(b"", final=True)
            self._decoders[stream].reset()
            self._partial[stream] = ""
            if text:
                pieces.append(LogText(stream=stream, text=text))
        return pieces

    def _add(self, data: bytes, pieces: list[LogText]) -> None:
        stream = self._stream
        other: Stream = "stderr" if stream == "stdout" else "stdout"
        text = self._partial[stream] + self._decoders[stream].decode(data)
        lines, newline, partial = text.rpartition("\n")
        if len(partial) > LONGEST_LINE:
            lines, newline, partial = text, "", ""
        self._partial[stream] = partial
        if lines or newline:
            if self._partial[other]:  # it was written first
                pieces.append(LogText(stream=other, text=self._partial[other]))
                self._partial[other] = ""
            if pieces and pieces[-1].stream == stream:
                pieces[-1] = LogText(stream=stream, text=pieces[-1].text + lines + newline)
            else:
                pieces.append(LogText(stream=stream, text=lines + newline))


def start_of(mark: bytes, text: bytes) -> int:
    """How many bytes at the end of `text` may be the start of `mark`."""
    at = text.rfind(mark[:1], max(0, len(text) - len(mark) + 1))
    while at != -1:
        if mark.startswith(text[at:]):
            return len(text) - at
        at = text.rfind(mark[:1], max(0, len(text) - len(mark) + 1), at)
    return 0
