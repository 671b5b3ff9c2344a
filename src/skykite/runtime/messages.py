"""What workers say, parsed at the edge, and what they are told. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from skykite.model.invocation import FunctionConfig, Invocation
from skykite.runtime.freshness import Observed
from skykite_lambda import frames


class WorkerError(msgspec.Struct):
    """An error as a worker sends it. `document` is the JSON text that callers get, if it is not as Python's runtime
    words it; then `log` is what is logged of it."""

    type: str
    message: str
    trace: tuple[str, ...] = ()
    hint: str | None = None
    document: str | None = None
    log: str = ""

    def __post_init__(self) -> None:
        # Python's text may hold halves of characters; what is shown and sent on may not.
        self.type, self.message = _whole(self.type), _whole(self.message)
        self.trace = tuple(map(_whole, self.trace))
        self.document = None if self.document is None else _whole(self.document)
        self.log = _whole(self.log)


class Hello(msgspec.Struct):
    protocol: int
    inspector: str | None = None  # where a Node process takes debuggers


class Ready(msgspec.Struct):
    observed: Observed
    debugged: bool = False


class InitFailed(msgspec.Struct):
    error: WorkerError
    observed: Observed


class Late(msgspec.Struct):
    """The worker has read something since its last answer, and has not begun with what it was sent."""

    observed: Observed


class Leaving(msgspec.Struct):
    """The user's code is ending the process; which line of it."""

    hint: str

    def __post_init__(self) -> None:
        self.hint = _whole(self.hint)


class Answer(msgspec.Struct):
    """The end of an invocation. `payload` is the result, or the error as JSON."""

    memory_kb: int
    observed: Observed | None
    payload: bytes


_HELLO: Final = msgspec.json.Decoder(Hello)
_READY: Final = msgspec.json.Decoder(Ready)
_INIT_FAILED: Final = msgspec.json.Decoder(InitFailed)
_LEAVING: Final = msgspec.json.Decoder(Leaving)
_ERROR: Final = msgspec.json.Decoder(WorkerError)
_OBSERVED: Final = msgspec.json.Decoder(Observed)
_Body = TypeVar("_Body")


class Unintelligible(Exception):  # noqa: N818
    """A frame whose body is not what its kind says: not our worker wrote it."""


def parse_message(kind: int, body: bytes) -> Hello | Ready | InitFailed | Late | Leaving | Answer | None:
    """A frame from a worker; None for those without a body. Raises Unintelligible."""
    try:
        match kind:
            case frames.RESULT | frames.ERROR | frames.FATAL:
                memory_kb, length = frames.RESULT_HEAD.unpack_from(body)
                start = frames.RESULT_HEAD.size
                observed = _decode(_OBSERVED, body[start : start + length]) if length else None
                return Answer(memory_kb=memory_kb, observed=observed, payload=body[start + length :])
            case frames.READY:
                return _decode(_READY, body)
            case frames.INIT_FAILED:
                return _decode(_INIT_FAILED, body)
            case frames.LATE:
                return Late(observed=_decode(_OBSERVED, body))
            case frames.LEAVING:
                return _decode(_LEAVING, body)
            case frames.HELLO:
                return _decode(_HELLO, body)
            case frames.SUSPENDED | frames.RESUMED:
                return None
            case _:
                raise Unintelligible
    except struct.error as error:
        raise Unintelligible from error


def parse_error(payload: bytes) -> WorkerError:
    """Raises Unintelligible."""
    return _decode(_ERROR, payload)


def _decode(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # File names that are no text, and halves of characters, are more than msgspec reads.
        try:
            return msgspec.convert(json.loads(body), decoder.type)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Unintelligible from error


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def configure_frame(
    config: FunctionConfig,
    environment: Mapping[str, str],
    *,
    nonce: str,
    end_mark: bool,
    debugger: str | None,
    more: Mapping[str, object],
) -> bytes:
    return frames.frame(
        frames.CONFIGURE,
        json.dumps(
            {
                "handler": str(config.handler),
                "import_root": str(config.import_root),
                "project_root": str(config.project_root),
                "environment": dict(environment),
                "arn": config.arn,
                "frozen": config.frozen,
                "task_root": str(config.task_root or config.import_root),
                "copied": [str(path) for path in config.copied],
                "nonce": nonce,
                "end_mark": end_mark,
                "debugger": debugger,
                **more,
            }
        ).encode(),
    )


def invoke_frame(invocation: Invocation, timeout_s: float, trace_id: str) -> bytes:
    request_id, trace = invocation.request_id.encode(), trace_id.encode()
    client_context = invocation.client_context or b""
    head = frames.INVOKE_HEAD.pack(timeout_s, len(request_id), len(trace), len(client_context))
    return frames.frame(frames.INVOKE, head, request_id, trace, client_context, invocation.payload)


def trace_id_of(invocation: Invocation, epoch_s: float) -> str:
    """The caller's, or one made of the request id, which is as random."""
    if invocation.trace_id is not None:
        return invocation.trace_id
    digits = invocation.request_id.replace("-", "")
    return f"Root=1-{int(epoch_s):08x}-{digits[:24]:0<24};Parent={digits[-16:]:0<16};Sampled=0"
