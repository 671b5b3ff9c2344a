"""What workers say, parsed at the edge, and what they are told. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from skykite.model.invocation import FunctionConfig, Invocation
from skykite.runtime.freshness import Observed
from skykite_lambda import frames


class WorkerError(msgspec.Struct):
    """An error document as a worker sends it."""

    type: str
    message: str
    trace: tuple[str, ...] = ()
    hint: str | None = None


class Hello(msgspec.Struct):
    protocol: int


class Ready(msgspec.Struct):
    observed: Observed
    debugged: bool = False


class InitFailed(msgspec.Struct):
    error: WorkerError
    observed: Observed


class Answer(msgspec.Struct):
    """The end of an invocation. `payload` is the result, or the error as JSON."""

    memory_kb: int
    observed: Observed | None
    payload: bytes


_HELLO: Final = msgspec.json.Decoder(Hello)
_READY: Final = msgspec.json.Decoder(Ready)
_INIT_FAILED: Final = msgspec.json.Decoder(InitFailed)
_ERROR: Final = msgspec.json.Decoder(WorkerError)
_OBSERVED: Final = msgspec.json.Decoder(Observed)


class Unintelligible(Exception):  # noqa: N818
    """A frame whose body is not what its kind says: not our worker wrote it."""


def parse_message(kind: int, body: bytes) -> Hello | Ready | InitFailed | Answer | None:
    """A frame from a worker; None for those without a body. Raises Unintelligible."""
    try:
        match kind:
            case frames.RESULT | frames.ERROR:
                memory_kb, length = frames.RESULT_HEAD.unpack_from(body)
                start = frames.RESULT_HEAD.size
                observed = _OBSERVED.decode(body[start : start + length]) if length else None
                return Answer(memory_kb=memory_kb, observed=observed, payload=body[start + length :])
            case frames.READY:
                return _READY.decode(body)
            case frames.INIT_FAILED:
                return _INIT_FAILED.decode(body)
            case frames.HELLO:
                return _HELLO.decode(body)
            case frames.SUSPENDED | frames.RESUMED:
                return None
            case _:
                raise Unintelligible
    except (msgspec.MsgspecError, struct.error) as error:
        raise Unintelligible from error


def parse_error(payload: bytes) -> WorkerError:
    """Raises Unintelligible."""
    try:
        return _ERROR.decode(payload)
    except msgspec.MsgspecError as error:
        raise Unintelligible from error


def configure_frame(
    config: FunctionConfig,
    environment: Mapping[str, str],
    *,
    nonce: str,
    end_mark: bool,
    debugger: str | None,
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
                "nonce": nonce,
                "end_mark": end_mark,
                "debugger": debugger,
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
