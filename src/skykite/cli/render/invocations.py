"""Turns the events of many invocations at once into one block each: a line, and what the function wrote under it.

In: invocation and HTTP events with their monotonic time, and ticks. Out: lines. Pure. Blocks never interleave: what a
request writes is kept until it is answered, or, once it has run for a second, shown as it comes behind the start of
its request id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from skykite.cli.render.lines import Line, Span, Symbols, Tone, clean, duration, line, shortened
from skykite.model.events import HttpFinished, InvocationError, InvocationFinished, InvocationLog, InvocationStarted
from skykite.model.invocation import Trigger
from skykite.model.names import FunctionId, RequestId

PATIENCE_S: Final = 1.0
"""After this, what a running function writes is shown as it comes; an answer nobody reports is no longer awaited."""
_LONGEST_MESSAGE: Final = 4000  # characters of an error's
_INDENT: Final = "    "
_METHOD_WIDTH: Final = 6
_LABEL_WIDTH: Final = 24
_FUNCTION_WIDTH: Final = 28
_WIDEST_FUNCTION: Final = 48
_SHORTEST: Final = 12
_STATUS_WIDTH: Final = 3
_ENDING_WIDTH: Final = len("  failed  59.9 s  ")


@dataclass(slots=True)
class _Request:
    """One invocation that has not been shown to its end."""

    function: FunctionId
    trigger: Trigger
    started: float
    text: list[str] = field(default_factory=list)  # written, not shown
    streaming: bool = False
    answered: bool = False  # its HTTP response went out before the function was done
    finished: InvocationFinished | None = None
    finished_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The parts of an invocation's line."""

    method: str
    label: str
    function: str
    status: str
    tone: Tone
    took: str = ""
    bridge: str = ""
    init: str = ""
    request: str = ""  # of what came over the bridge: its logs are in the cloud as well, under this id


class Invocations:
    """`width` is the terminal's, or None where lines may be as long as they are."""

    def __init__(self, *, width: int | None, symbols: Symbols, colour: bool) -> None:
        self.width = width
        self._symbols = symbols
        self._colour = colour
        self._open: dict[RequestId, _Request] = {}
        self._function_width = _FUNCTION_WIDTH

    def expect(self, functions: Iterable[FunctionId]) -> None:
        """Make the column of functions as wide as these need."""
        longest = max(map(len, functions), default=0)
        self._function_width = max(_FUNCTION_WIDTH, min(longest, _WIDEST_FUNCTION))

    @property
    def waiting(self) -> bool:
        """Whether a tick could show something."""
        return any(
            request.text or request.finished or (request.trigger.kind == "http") for request in self._open.values()
        )

    def started(self, event: InvocationStarted, at: float) -> list[Line]:
        self._open[event.request_id] = _Request(event.function, event.trigger, at)
        return []

    def log(self, event: InvocationLog, at: float) -> list[Line]:
        request = self._open.get(event.request_id)
        if request is None:  # a thread the function left behind, heard after its invocation was shown
            return self._tagged(event.request_id, self._split(event.text))
        request.text.append(event.text)
        return self._stream(event.request_id, request) if request.streaming else []

    def finished(self, event: InvocationFinished, at: float) -> list[Line]:
        request = self._open.get(event.request_id)
        if request is None:
            request = self._open[event.request_id] = _Request(event.function, event.trigger, at)
        request.finished, request.finished_at = event, at
        if event.trigger.kind == "http" and event.bridge_ms is None and not request.answered:
            return []
        return self._close(event.request_id, request, self._function_head(request, event))

    def http(self, event: HttpFinished, at: float) -> list[Line]:
        request = self._open.get(event.request_id)
        head = _Head(
            method=event.method,
            label=event.path or "not an HTTP request",
            function=event.function or "",
            status=str(event.status),
            tone=_tone(event.status),
            took=duration(event.duration_ms),
            init=_init(request.finished if request else None, total_ms=event.duration_ms),
        )
        if request is None:
            return self._head(head)
        if request.finished is None and event.function is not None:
            # Answered for the function (a timeout of the gateway, a client that hung up); it still runs.
            request.answered = True
            request.streaming = True
            return [*self._head(head, event.request_id), *self._stream(event.request_id, request)]
        return self._close(event.request_id, request, head)

    def tick(self, at: float) -> list[Line]:
        lines: list[Line] = []
        for key, request in list(self._open.items()):
            if request.finished is not None:
                if at - request.finished_at >= PATIENCE_S:
                    lines.extend(self._close(key, request, self._function_head(request, request.finished)))
            elif request.text and at - request.started >= PATIENCE_S:
                if not request.streaming:
                    request.streaming = True
                    lines.extend(self._head(self._running_head(request), key))
                lines.extend(self._stream(key, request))
        return lines

    def _close(self, id: RequestId, request: _Request, head: _Head) -> list[Line]:
        del self._open[id]
        text = "".join(request.text)
        if request.streaming:
            lines = [*self._tagged(id, self._split(text)), *self._head(head, id)]
        else:
            lines = [*self._head(head), *(line(_INDENT, self._log(part)) for part in self._split(text))]
        if request.finished is not None and request.finished.error is not None:
            lines.extend(self._error(request.finished.error))
        return lines

    def _stream(self, id: RequestId, request: _Request) -> list[Line]:
        """Whole lines only; the rest waits for its end."""
        text, end, rest = "".join(request.text).rpartition("\n")
        request.text = [rest] if rest else []
        return self._tagged(id, self._split(text)) if end else []

    def _tagged(self, id: RequestId, parts: list[str]) -> list[Line]:
        return [line(Span(f"{_short(id)} {self._symbols.bar} ", "dim"), self._log(part)) for part in parts]

    def _split(self, text: str) -> list[str]:
        return clean(text, colour=self._colour).removesuffix("\n").split("\n") if text else []

    def _log(self, text: str) -> Span:
        return Span(text + "\x1b[0m" if "\x1b" in text else text)

    def _error(self, error: InvocationError) -> list[Line]:
        text = clean(error.message, colour=False)
        left_out = len(text) - _LONGEST_MESSAGE
        if left_out > 0:  # a response or a page that somebody put into it; the caller has it whole
            text = f"{text[:_LONGEST_MESSAGE]}{self._symbols.cut} {left_out:,} more characters"
        message = text.split("\n")
        lines = [line(_INDENT, Span(f"{clean(error.type, colour=False)}: {message[0]}".replace("\n", " "), "bad"))]
        lines.extend(line(_INDENT, Span(part, "bad")) for part in message[1:])
        for frame in error.trace:
            lines.extend(self._trace(part) for part in self._split(frame))
        if error.hint is not None:
            lines.append(line(_INDENT, Span("hint: ", "accent"), error.hint))
        return lines

    def _trace(self, text: str) -> Line:
        """Where it was stays whole, to be copied; the source there may be cut."""
        whole = line(_INDENT, Span(text, "dim"))
        return (
            whole if text.startswith(("  File ", "    at ")) else shortened(whole, self.width, mark=self._symbols.cut)
        )

    def _running_head(self, request: _Request) -> _Head:
        method, label = _caption(request.trigger)
        return _Head(method=method, label=label, function=request.function, status="running", tone="accent")

    def _function_head(self, request: _Request, event: InvocationFinished) -> _Head:
        method, label = _caption(request.trigger)
        failed, status = event.error is not None, event.http_status
        return _Head(
            method=method,
            label=label,
            function=event.function,
            status=str(status) if status is not None else "failed" if failed else "ok",
            tone=_tone(status) if status is not None else "bad" if failed else "good",
            took=duration(event.duration_ms),
            bridge="" if event.bridge_ms is None else f"+{duration(event.bridge_ms)} bridge",
            init=_init(event, total_ms=None),
            request="" if event.bridge_ms is None else f"request {event.request_id}",
        )

    def _head(self, head: _Head, id: RequestId | None = None) -> list[Line]:
        tag = f"{_short(id)} " if id is not None else ""
        start = tag + head.method.ljust(_METHOD_WIDTH) + " "
        label, function, status = head.label, head.function, head.status
        if self.width is not None:
            self._function_width = max(self._function_width, min(len(function), _WIDEST_FUNCTION))
            label, function = self._fitted(label, function, self.width - len(start) - _ENDING_WIDTH - len("  "))
            status = status.ljust(_STATUS_WIDTH)
        spans = [Span(tag, "dim")] if tag else []
        spans += [Span(head.method.ljust(_METHOD_WIDTH), "bold"), Span(" " + label)]
        if function:
            spans.append(Span("  " + function, "dim"))
        spans.append(Span("  " + status, head.tone))
        if head.took:
            spans.append(Span("  " + head.took, "dim"))
        if head.bridge:
            spans.append(Span("  " + head.bridge, "dim"))
        whole = Line(tuple(spans))
        rest = "  ".join(part for part in (head.init, head.request) if part)
        if not rest:
            return [whole]
        if self.width is None or len(whole.text) + len("  ") + len(rest) <= self.width:
            return [Line((*spans, Span("  " + rest, "dim")))]
        return [whole, line(_INDENT, Span(rest, "dim"))]

    def _fitted(self, label: str, function: str, room: int) -> tuple[str, str]:
        """In columns that depend on nothing but the terminal's width, so that what follows lines up. A path that is
        too long takes from the function. Without room for columns, shorten the function, then the path."""
        if room < 2 * _SHORTEST:
            if len(label) + len(function) > room:
                function = self._cut(function, max(room - len(label), _SHORTEST), keep="end")
            if len(label) + len(function) > room:
                label = self._cut(label, max(room - len(function), _SHORTEST), keep="start")
            return label, function
        function_width = min(self._function_width, max(room - _LABEL_WIDTH, _SHORTEST))
        label_width = min(_LABEL_WIDTH, room - function_width)
        both = label_width + function_width
        if len(label) > label_width:
            function = self._cut(function, max(both - len(label), _SHORTEST), keep="end")
            label_width = both - max(len(function), _SHORTEST)
            label = self._cut(label, label_width, keep="start")
            label_width = len(label)
            function_width = both - label_width
        return label.ljust(label_width), self._cut(function, function_width, keep="end").ljust(function_width)

    def _cut(self, text: str, length: int, *, keep: str) -> str:
        if len(text) <= length:
            return text
        kept = length - len(self._symbols.cut)
        return text[:kept] + self._symbols.cut if keep == "start" else self._symbols.cut + text[-kept:]


def _tone(status: int) -> Tone:
    return "bad" if status >= 500 else "warn" if status >= 400 else "good"


def _short(id: RequestId) -> str:
    return id[:8]


def _caption(trigger: Trigger) -> tuple[str, str]:
    method, space, path = trigger.label.partition(" ")
    if trigger.kind == "http" and space:
        return method, path
    return trigger.kind, trigger.label


def _init(event: InvocationFinished | None, *, total_ms: float | None) -> str:
    """How long a cold start took. The duration of an invocation comes after it, that of an HTTP request holds it,
    unless the worker was started before the request came."""
    if event is None or event.init_ms is None:
        return ""
    within = total_ms is not None and event.init_ms <= total_ms
    return f"{'including' if within else 'after'} {duration(event.init_ms)} init"
