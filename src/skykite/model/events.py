"""The one stream of coded events. The terminal, `--output json` and the web console are renderers of it.

Codes and fields are a promise to users and scripts (docs/reference/events.md is generated from here); wording is not.
Secrets never enter an event. Pure.

Structs, where the house uses dataclasses: making that many dataclasses was a tenth of the time every command takes to
start, and these are encoded for every request.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from skykite.errors import Blame, SkykiteError
from skykite.model.invocation import Failed, Outcome, Trigger
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, RequestId, StackName, StageName

Step = Literal[
    "environment", "cloud", "synth", "bundle", "build", "deploy", "runtime", "gateway", "remove", "bootstrap"
]


class StepStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a command began; on a terminal it shows with a spinner."""

    code: ClassVar = "step.started"
    step: Step
    message: str


class StepProgress(msgspec.Struct, frozen=True, kw_only=True):
    """News from inside a running step."""

    code: ClassVar = "step.progress"
    step: Step
    message: str


class StepFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A step ended well. `skipped` means there was nothing to do."""

    code: ClassVar = "step.finished"
    step: Step
    message: str
    elapsed_ms: float
    skipped: bool = False


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A URL served on this machine, under the construct it stands for."""

    path: ConstructPath
    url: str


class DevStarted(msgspec.Struct, frozen=True, kw_only=True):
    """`kite dev` holds its stage and begins."""

    code: ClassVar = "dev.started"
    app: AppName
    stage: StageName
    mode: Literal["local", "live"]
    pid: int


class DevReady(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is up: requests will be answered. Sent again after each applied infrastructure change."""

    code: ClassVar = "dev.ready"
    app: AppName
    stage: StageName
    endpoints: tuple[Endpoint, ...]
    outputs: dict[StackName, dict[str, str]]
    functions: tuple[FunctionId, ...]
    elapsed_ms: float


class DevStopped(msgspec.Struct, frozen=True, kw_only=True):
    """`kite dev` has stopped everything it started."""

    code: ClassVar = "dev.stopped"
    elapsed_ms: float


class InvocationStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A function was given an event."""

    code: ClassVar = "invocation.started"
    request_id: RequestId
    function: FunctionId
    trigger: Trigger


class InvocationLog(msgspec.Struct, frozen=True, kw_only=True):
    """A function wrote to stdout or stderr. `text` may hold several lines and ends at a line's end if it can."""

    code: ClassVar = "invocation.log"
    request_id: RequestId
    function: FunctionId
    stream: Literal["stdout", "stderr"]
    text: str


class InvocationError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an invocation failed: Lambda's error document, plus a hint for people."""

    type: str
    message: str
    trace: tuple[str, ...] = ()
    hint: str | None = None

    @classmethod
    def of(cls, outcome: Outcome) -> InvocationError | None:
        """None if it succeeded."""
        if not isinstance(outcome, Failed):
            return None
        return cls(type=outcome.error_type, message=outcome.message, trace=outcome.trace or (), hint=outcome.hint)


class InvocationFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A function is done with an event. All its `invocation.log` events came before. `bridge_ms` is what the way from
    the cloud to here and back costs on top of `duration_ms`; null for what did not come over the bridge. `http_status`
    is what an API in the cloud answers with; null for what is no request to one or did not come over the bridge."""

    code: ClassVar = "invocation.finished"
    request_id: RequestId
    function: FunctionId
    trigger: Trigger
    duration_ms: float
    init_ms: float | None
    max_memory_mb: int | None
    error: InvocationError | None = None
    bridge_ms: float | None = None
    http_status: int | None = None


class HttpFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a local endpoint was answered. `function` is null where none was asked (404, CORS preflight)."""

    code: ClassVar = "http.finished"
    request_id: RequestId
    method: str
    path: str
    status: int
    duration_ms: float
    function: FunctionId | None = None


class InvocationDropped(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation from the cloud came to nothing here. `expired` and `cancelled` were not run, because nobody waited
    for them any more; `undelivered` ran, and its outcome did not reach the cloud; `rejected` could not be run."""

    code: ClassVar = "invocation.dropped"
    request_id: RequestId
    function: str
    reason: Literal["expired", "cancelled", "undelivered", "rejected"]
    message: str


class BridgeConnected(msgspec.Struct, frozen=True, kw_only=True):
    """Invocations reach this machine. `outage_ms` is how long they did not; null for the first time."""

    code: ClassVar = "bridge.connected"
    outage_ms: float | None = None


class BridgeDisconnected(msgspec.Struct, frozen=True, kw_only=True):
    """Invocations do not reach this machine for now; it is tried again by itself until `bridge.connected` comes."""

    code: ClassVar = "bridge.disconnected"
    reason: Literal["closed", "silent", "slept", "unreachable", "denied", "throttled", "refused"]
    message: str
    hint: str | None = None


class BridgeTakenOver(msgspec.Struct, frozen=True, kw_only=True):
    """Another `kite dev` serves the stage now. What runs here is finished; nothing new comes."""

    code: ClassVar = "bridge.taken-over"
    by: str
    running: int


class ReloadStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Files were saved; `code` restarts functions, `infrastructure` runs the stacks again."""

    code: ClassVar = "reload.started"
    kind: Literal["code", "infrastructure"]
    files: tuple[str, ...]


class ReloadFinished(msgspec.Struct, frozen=True, kw_only=True):
    """What was saved is what runs. `functions` are those that restarted."""

    code: ClassVar = "reload.finished"
    kind: Literal["code", "infrastructure"]
    files: tuple[str, ...]
    elapsed_ms: float
    functions: tuple[FunctionId, ...] = ()


class ReloadFailed(msgspec.Struct, frozen=True, kw_only=True):
    """What was saved does not work; for infrastructure the running system is untouched. An `error` event says why."""

    code: ClassVar = "reload.failed"
    kind: Literal["code", "infrastructure"]
    files: tuple[str, ...]
    reason: str


class ResourceChange(msgspec.Struct, frozen=True, kw_only=True):
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


class DeployPlanned(msgspec.Struct, frozen=True, kw_only=True):
    """What a deploy is about to change."""

    code: ClassVar = "deploy.planned"
    changes: tuple[ResourceChange, ...]
    unchanged: tuple[StackName, ...] = ()


class DeployResource(msgspec.Struct, frozen=True, kw_only=True):
    """CloudFormation's word on one resource."""

    code: ClassVar = "deploy.resource"
    stack: StackName
    path: ConstructPath
    logical_id: LogicalId
    type: str
    status: str
    reason: str | None = None


class DeployStack(msgspec.Struct, frozen=True, kw_only=True):
    """One stack is done."""

    code: ClassVar = "deploy.stack"
    stack: StackName
    result: Literal["created", "updated", "unchanged", "removed", "failed", "skipped"]
    elapsed_ms: float


class BuildFinished(msgspec.Struct, frozen=True, kw_only=True):
    """`kite build` has made `path`, a folder to deploy from. `digest` is the SHA-256 of its `build.json`, which holds
    those of all `files`; the same project gives the same one. `size` is in bytes."""

    code: ClassVar = "build.finished"
    path: str
    app: AppName
    stage: StageName
    region: str
    digest: str
    files: int
    size: int
    elapsed_ms: float


class BundlePart(msgspec.Struct, frozen=True, kw_only=True):
    """The code of a function, or one of its layers. `name` is `code`, or the layer's construct path or ARN. Sizes are
    in bytes; `key` and they are null for what is not of the app, and `zipped` for what is zipped only when it is sent.
    """

    kind: Literal["code", "layer"]
    name: str
    key: str | None = None
    zipped: int | None = None
    unpacked: int | None = None
    files: int | None = None


class BundledPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package of Python's or Node's. `direct` are files of the project that ask for it, `via` packages in the bundle
    that do; `local` is a package of the project's own."""

    name: str
    version: str
    unpacked: int
    files: int
    direct: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    local: bool = False


class BundledFolder(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are of no package, by the folder they are in at the top of their part, `.` for the top itself. `kind`
    is `code` for the import root's, `copied` for `copy_files`, `hook` for what `after_build` made, `built` for what was
    compiled or holds a bundle together, `map` for its source map, `support` for `skykite_lambda`; `layer` and `asset`
    for what else a layer or plain CDK has."""

    kind: Literal["code", "copied", "hook", "built", "map", "support", "layer", "asset"]
    path: str
    part: str
    unpacked: int
    files: int


class BundledFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a part."""

    path: str
    part: str
    unpacked: int


class BundleInspected(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a function's bundle, the largest first. `unpacked` is all of it that is known, in bytes, `limit` what
    Lambda takes."""

    code: ClassVar = "bundle.inspected"
    function: FunctionId
    handler: str | None
    runtime: str
    architecture: str
    parts: tuple[BundlePart, ...]
    packages: tuple[BundledPackage, ...]
    folders: tuple[BundledFolder, ...]
    largest: tuple[BundledFile, ...]
    unpacked: int
    limit: int


class DeployFinished(msgspec.Struct, frozen=True, kw_only=True):
    """Every stack is as the assembly wants it."""

    code: ClassVar = "deploy.finished"
    outputs: dict[StackName, dict[str, str]]
    elapsed_ms: float


class OutputsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What `kite outputs` found of the last deploy: all, or the one that was asked for."""

    code: ClassVar = "outputs.shown"
    outputs: dict[StackName, dict[str, str]]


class SynthFinished(msgspec.Struct, frozen=True, kw_only=True):
    """`kite synth` has written the cloud assembly into the folder `assembly`, with these templates by stack."""

    code: ClassVar = "synth.finished"
    assembly: str
    templates: dict[StackName, str]


class QuestionAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the user. Off a terminal nobody answers and `default` is taken."""

    code: ClassVar = "question.asked"
    question: str
    message: str
    default: bool


class QuestionAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """How a question ended. `by` is who answered: the user, `--yes`, or the default."""

    code: ClassVar = "question.answered"
    question: str
    answer: bool
    by: Literal["user", "yes", "default"]


class CloudApi(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP API that is deployed in a kept cloud, and where it is served. `id` is API Gateway's."""

    id: str
    name: str
    url: str


class CloudStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The embedded cloud of a project is kept running, by the process `pid`. `already` means that it was before."""

    code: ClassVar = "cloud.started"
    app: AppName
    pid: int
    since: datetime
    url: str
    log: str | None
    elapsed_ms: float
    already: bool = False


class CloudStopped(msgspec.Struct, frozen=True, kw_only=True):
    """No embedded cloud of the project is kept any more. `pid` is the process that kept it, if one did; `killed` means
    that it did not answer, `died` that it had ended by itself before."""

    code: ClassVar = "cloud.stopped"
    app: AppName
    result: Literal["stopped", "killed", "died", "not-running"]
    elapsed_ms: float
    pid: int | None = None
    log: str | None = None


class CloudStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the embedded cloud of a project is.

    `state` is `kept` after `kite cloud start`, `starting` or `unresponsive` where that does not answer yet or any more,
    `died` if it ended by itself, `dev` if another `kite` runs the cloud for as long as it runs itself, else `stopped`.
    `functions` are deployed, `running` is how many invocations are under way. `memory_mb` is that of all processes.
    """

    code: ClassVar = "cloud.status"
    app: AppName
    state: Literal["kept", "starting", "unresponsive", "died", "dev", "stopped"]
    pid: int | None = None
    since: datetime | None = None
    url: str | None = None
    functions: int | None = None
    running: int | None = None
    memory_mb: int | None = None
    apis: tuple[CloudApi, ...] = ()
    log: str | None = None


class DebuggerAttached(msgspec.Struct, frozen=True, kw_only=True):
    """A worker connected to the editor's debugger."""

    code: ClassVar = "debugger.attached"
    pid: int
    function: FunctionId | None = None


class DoctorChecked(msgspec.Struct, frozen=True, kw_only=True):
    """`kite doctor` looked at one thing. `fail` keeps Skykite from working, `warn` limits it."""

    code: ClassVar = "doctor.checked"
    check: str
    status: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth a line that is no error. `notice` is a stable kebab-case name for it."""

    code: ClassVar = "notice"
    notice: str
    message: str
    hint: str | None = None


class ErrorRaised(msgspec.Struct, frozen=True, kw_only=True):
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
    | InvocationDropped
    | BridgeConnected
    | BridgeDisconnected
    | BridgeTakenOver
    | ReloadStarted
    | ReloadFinished
    | ReloadFailed
    | BuildFinished
    | BundleInspected
    | DeployPlanned
    | DeployResource
    | DeployStack
    | DeployFinished
    | OutputsShown
    | SynthFinished
    | QuestionAsked
    | QuestionAnswered
    | CloudStarted
    | CloudStopped
    | CloudStatus
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
