"""The one stream of coded events. The terminal, `--output json` and the web console are renderers of it.

Codes and fields are a promise to users and scripts (docs/reference/events.md is generated from here); wording is not.
Secrets never enter an event. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from skykite.errors import Blame, SkykiteError
from skykite.model.invocation import Trigger
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, RequestId, StackName, StageName

Step = Literal["environment", "cloud", "synth", "bundle", "deploy", "runtime", "gateway", "remove", "bootstrap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step of a command began; on a terminal it shows with a spinner."""

    code: ClassVar = "step.started"
    step: Step
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """News from inside a running step."""

    code: ClassVar = "step.progress"
    step: Step
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step ended well. `skipped` means there was nothing to do."""

    code: ClassVar = "step.finished"
    step: Step
    message: str
    elapsed_ms: float
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL served on this machine, under the construct it stands for."""

    path: ConstructPath
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DevStarted:
    """`kite dev` holds its stage and begins."""

    code: ClassVar = "dev.started"
    app: AppName
    stage: StageName
    mode: Literal["local", "live"]
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DevReady:
    """Everything is up: requests will be answered. Sent again after each applied infrastructure change."""

    code: ClassVar = "dev.ready"
    app: AppName
    stage: StageName
    endpoints: tuple[Endpoint, ...]
    outputs: dict[StackName, dict[str, str]]
    functions: tuple[FunctionId, ...]
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DevStopped:
    """`kite dev` has stopped everything it started."""

    code: ClassVar = "dev.stopped"
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationStarted:
    """A function was given an event."""

    code: ClassVar = "invocation.started"
    request_id: RequestId
    function: FunctionId
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationLog:
    """A function wrote to stdout or stderr. `text` may hold several lines and ends at a line's end if it can."""

    code: ClassVar = "invocation.log"
    request_id: RequestId
    function: FunctionId
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationError:
    """Why an invocation failed: Lambda's error document, plus a hint for people."""

    type: str
    message: str
    trace: tuple[str, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationFinished:
    """A function is done with an event. All its `invocation.log` events came before."""

    code: ClassVar = "invocation.finished"
    request_id: RequestId
    function: FunctionId
    trigger: Trigger
    duration_ms: float
    init_ms: float | None
    max_memory_mb: int | None
    error: InvocationError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFinished:
    """A request to a local endpoint was answered. `function` is null where none was asked (404, CORS preflight)."""

    code: ClassVar = "http.finished"
    request_id: RequestId
    method: str
    path: str
    status: int
    duration_ms: float
    function: FunctionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadStarted:
    """Files were saved; `code` restarts functions, `infrastructure` runs the stacks again."""

    code: ClassVar = "reload.started"
    kind: Literal["code", "infrastructure"]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFinished:
    """What was saved is what runs. `functions` are those that restarted."""

    code: ClassVar = "reload.finished"
    kind: Literal["code", "infrastructure"]
    files: tuple[str, ...]
    elapsed_ms: float
    functions: tuple[FunctionId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFailed:
    """What was saved does not work; for infrastructure the running system is untouched. An `error` event says why."""

    code: ClassVar = "reload.failed"
    kind: Literal["code", "infrastructure"]
    files: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """One line of a diff. `replace` means a new physical resource; `destructive` means data would be lost.

    `environment` names a function's environment variables that change. `consequence` means that the resource is only
    looked at because it refers to one that changes.
    """

    action: Literal["add", "modify", "replace", "remove"]
    stack: StackName
    path: ConstructPath
    logical_id: LogicalId
    type: str
    properties: tuple[str, ...] = ()
    destructive: bool = False
    environment: tuple[str, ...] = ()
    consequence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlanned:
    """What a deploy is about to change."""

    code: ClassVar = "deploy.planned"
    changes: tuple[ResourceChange, ...]
    unchanged: tuple[StackName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployResource:
    """CloudFormation's word on one resource."""

    code: ClassVar = "deploy.resource"
    stack: StackName
    path: ConstructPath
    logical_id: LogicalId
    type: str
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStack:
    """One stack is done."""

    code: ClassVar = "deploy.stack"
    stack: StackName
    result: Literal["created", "updated", "unchanged", "removed", "failed", "skipped"]
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployFinished:
    """Every stack is as the assembly wants it."""

    code: ClassVar = "deploy.finished"
    outputs: dict[StackName, dict[str, str]]
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsked:
    """A question to the user. Off a terminal nobody answers and `default` is taken."""

    code: ClassVar = "question.asked"
    question: str
    message: str
    default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAnswered:
    """How a question ended. `by` is who answered: the user, `--yes`, or the default."""

    code: ClassVar = "question.answered"
    question: str
    answer: bool
    by: Literal["user", "yes", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DebuggerAttached:
    """A worker connected to the editor's debugger."""

    code: ClassVar = "debugger.attached"
    pid: int
    function: FunctionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorChecked:
    """`kite doctor` looked at one thing. `fail` keeps Skykite from working, `warn` limits it."""

    code: ClassVar = "doctor.checked"
    check: str
    status: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something worth a line that is no error. `notice` is a stable kebab-case name for it."""

    code: ClassVar = "notice"
    notice: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRaised:
    """A SkykiteError, field for field."""

    code: ClassVar = "error"
    error: str
    message: str
    context: str | None = None
    hint: str | None = None
    link: str | None = None
    blame: Blame = "user"

    @classmethod
    def of(cls, error: SkykiteError) -> ErrorRaised:
        return cls(
            error=error.code,
            message=error.message,
            context=error.context,
            hint=error.hint,
            link=error.link,
            blame=error.blame,
        )


Event = (
    StepStarted
    | StepProgress
    | StepFinished
    | DevStarted
    | DevReady
    | DevStopped
    | InvocationStarted
    | InvocationLog
    | InvocationFinished
    | HttpFinished
    | ReloadStarted
    | ReloadFinished
    | ReloadFailed
    | DeployPlanned
    | DeployResource
    | DeployStack
    | DeployFinished
    | QuestionAsked
    | QuestionAnswered
    | DebuggerAttached
    | DoctorChecked
    | Notice
    | ErrorRaised
)


def encode_event(event: Event, at: datetime) -> bytes:
    """One line of `--output json`, without the line's end. Milliseconds have three decimals at most."""
    fields = {
        name: round(value, 3) if name.endswith("_ms") and isinstance(value, float) else value
        for name, value in msgspec.to_builtins(event).items()
    }
    return msgspec.json.encode({"code": event.code, "time": at.isoformat(timespec="milliseconds"), **fields})
