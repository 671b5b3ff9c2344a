"""One invocation of one function: what goes in, what comes out. Pure.

Shapes are the Lambda API's: payloads are JSON text as bytes, errors are `errorType`, `errorMessage`, `stackTrace`.
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from skykite.errors import SkykiteError
from skykite.model.executable import ExecutableBuild
from skykite.model.names import FunctionId, RequestId
from skykite.model.node_build import NodeBuild

PAYLOAD_LIMIT: Final = 6 * 1024 * 1024  # bytes, each way, synchronous invocations
ASYNC_PAYLOAD_LIMIT: Final = 1024 * 1024  # bytes, `InvocationType=Event`


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """`functions/notes.get`: the file `functions/notes.py` and its attribute `get`."""

    path: str  # without suffix, POSIX, relative to the import root
    function: str

    def __str__(self) -> str:
        return f"{self.path}.{self.function}"

    @property
    def file(self) -> str:
        return f"{self.path}.py"

    @property
    def module(self) -> str:
        return self.path.replace("/", ".")


def parse_handler(text: str) -> Handler:
    """Split at the last dot, as Lambda does. Raises `handler-invalid`."""
    path, dot, function = text.rpartition(".")
    parts = path.split("/")
    if not dot or not function.isidentifier() or not all(parts) or ".." in parts or path.endswith(".py"):
        raise SkykiteError(
            "handler-invalid",
            f"`{text}` is not a handler",
            hint="write path/to/file.function without `.py`, for instance `functions/notes.get`",
        )
    return Handler(path=path, function=function)


FunctionKind = Literal["python", "node", "executable", "image"]
"""How a function is built and run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """Everything a worker needs to run a function as its cloud would: resolved values, no tokens."""

    id: FunctionId
    name: str  # physical name
    arn: str
    handler: Handler  # relative to `import_root`
    import_root: Path  # absolute
    project_root: Path  # absolute
    runtime: str
    memory_mb: int
    timeout_s: float
    environment: dict[str, str] = field(repr=False)  # as deployed, and for the role: region, credentials, endpoint
    region: str
    source: str | None = None  # where the user defined it: `stacks/notes.py:12`
    task_root: Path | None = None  # where it finds its files, if that is not the import root
    copied: tuple[Path, ...] = ()  # files and folders that are in its zip too
    frozen: bool = False  # the files below `import_root` never change: nothing is checked, and Python may cache them
    kind: FunctionKind = "python"
    executable: ExecutableBuild | None = None
    node: NodeBuild | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What caused an invocation, for people: `http` and `GET /notes/1`, `sqs` and `Orders`, `invoke`."""

    kind: Literal["http", "invoke", "event"]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """`payload` is the event as JSON text. `client_context` is the decoded X-Amz-Client-Context JSON. `bridge_ms` is
    what the way from the cloud and back costs, if it came over the bridge."""

    request_id: RequestId
    function: FunctionId
    payload: bytes
    trigger: Trigger
    client_context: bytes | None = None
    trace_id: str | None = None
    bridge_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The numbers of Lambda's REPORT line. `log` is the last 4 KB of output, as `LogType=Tail` gives it."""

    duration_ms: float
    init_ms: float | None = None  # None for a warm invocation
    max_memory_mb: int | None = None
    log: bytes = b""


FailureKind = Literal["handled", "import", "timeout", "exit", "too-large", "unserializable", "unavailable", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The handler returned; `payload` is its return value as JSON text."""

    payload: bytes
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The invocation failed, in the words Lambda would use. `trace` holds formatted frames of the user's code only;
    `document` is what a runtime other than Python's tells the caller."""

    kind: FailureKind
    error_type: str
    message: str
    report: Report
    request_id: RequestId
    trace: tuple[str, ...] | None = None
    hint: str | None = None  # for people only; never part of the payload
    document: bytes | None = None

    @property
    def payload(self) -> bytes:
        """The error document of the Lambda API, with the keys in AWS's order."""
        if self.document is not None:
            return self.document
        document: dict[str, object] = {"errorMessage": self.message, "errorType": self.error_type}
        if self.kind in ("handled", "import", "unserializable"):
            document["requestId"] = self.request_id
            document["stackTrace"] = list(self.trace or ())
        return msgspec.json.encode(document)


Outcome = Succeeded | Failed


class _HttpAnswer(msgspec.Struct):
    """The part of a proxy integration's answer that names its status."""

    statusCode: int | str | None = None  # noqa: N815  (AWS's name)


def http_status(outcome: Outcome) -> int:
    """What API Gateway answers a caller with who waits for this outcome.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if isinstance(outcome, Failed):
        return 503 if outcome.kind == "lost" else 500  # the stub's own answer
    try:
        status = msgspec.json.decode(outcome.payload, type=_HttpAnswer).statusCode
    except (msgspec.MsgspecError, RecursionError):  # a bare value
        return 200
    return status if isinstance(status, int) else 200
