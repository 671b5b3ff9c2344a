"""A session of `kite dev --local` as the events it emits: everything a renderer has to show, once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from skykite.model.events import (
    BridgeConnected,
    BridgeDisconnected,
    BridgeTakenOver,
    BuildFinished,
    BundledFile,
    BundledFolder,
    BundledPackage,
    BundleInspected,
    BundlePart,
    CloudApi,
    CloudStarted,
    CloudStatus,
    CloudStopped,
    DebuggerAttached,
    DeployFinished,
    DeployPlanned,
    DeployResource,
    DeployStack,
    DevReady,
    DevStarted,
    DevStopped,
    DoctorChecked,
    Endpoint,
    ErrorRaised,
    Event,
    HttpFinished,
    InvocationDropped,
    InvocationError,
    InvocationFinished,
    InvocationLog,
    InvocationStarted,
    Notice,
    OutputsShown,
    QuestionAnswered,
    QuestionAsked,
    ReloadFailed,
    ReloadFinished,
    ReloadStarted,
    ResourceChange,
    StepFinished,
    StepProgress,
    StepStarted,
    SynthFinished,
)
from skykite.model.invocation import Trigger
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, RequestId, StackName, StageName

APP: Final = AppName("notes")
STAGE: Final = StageName("alice")
STACK: Final = StackName("alice-notes-NotesStack")
GET: Final = FunctionId("NotesStack/Api/GET --notes--{id}")
POST: Final = FunctionId("NotesStack/Api/POST --notes")
WORKER: Final = FunctionId("NotesStack/Worker")
ORDERS: Final = Trigger(kind="event", label="sqs Orders")


def request(number: int) -> RequestId:
    return RequestId(f"{number:08d}-0000-4000-8000-000000000000")


def change(
    action: str,
    name: str,
    type: str,
    *properties: str,
    destructive: bool = False,
    environment: tuple[str, ...] = (),
    consequence: bool = False,
) -> ResourceChange:
    return ResourceChange(
        action=action,  # type: ignore[arg-type]
        stack=STACK,
        path=ConstructPath(f"NotesStack/{name}"),
        logical_id=LogicalId(name),
        type=type,
        properties=properties,
        destructive=destructive,
        environment=environment,
        consequence=consequence,
    )


def resource(name: str, type: str, status: str, reason: str | None = None) -> DeployResource:
    return DeployResource(
        stack=STACK,
        path=ConstructPath(f"NotesStack/{name}"),
        logical_id=LogicalId(name),
        type=type,
        status=status,
        reason=reason,
    )


def log(id: RequestId, function: FunctionId, text: str) -> InvocationLog:
    return InvocationLog(request_id=id, function=function, stream="stdout", text=text)


def started(id: RequestId, function: FunctionId, trigger: Trigger) -> InvocationStarted:
    return InvocationStarted(request_id=id, function=function, trigger=trigger)


def finished(
    id: RequestId,
    function: FunctionId,
    trigger: Trigger,
    *,
    duration_ms: float = 12.3,
    init_ms: float | None = None,
    error: InvocationError | None = None,
    bridge_ms: float | None = None,
    http_status: int | None = None,
) -> InvocationFinished:
    return InvocationFinished(
        request_id=id,
        function=function,
        trigger=trigger,
        duration_ms=duration_ms,
        init_ms=init_ms,
        max_memory_mb=41,
        error=error,
        bridge_ms=bridge_ms,
        http_status=http_status,
    )


def answered(
    id: RequestId, method: str, path: str, status: int, function: FunctionId | None, *, duration_ms: float = 14.0
) -> HttpFinished:
    return HttpFinished(
        request_id=id, method=method, path=path, status=status, duration_ms=duration_ms, function=function
    )


def http(method: str, path: str) -> Trigger:
    return Trigger(kind="http", label=f"{method} {path}")


START: Final[tuple[Event, ...]] = (
    DevStarted(app=APP, stage=STAGE, mode="local", pid=4711),
    StepStarted(step="environment", message="Preparing the embedded cloud, once for all projects"),
    StepProgress(step="environment", message="Installing MiniStack"),
    StepFinished(step="environment", message="The embedded cloud is prepared", elapsed_ms=8_412.0),
    StepStarted(step="synth", message="Running stacks/app.py"),
    StepFinished(step="synth", message="Nothing changed in stacks/app.py", elapsed_ms=3.4, skipped=True),
    StepStarted(step="deploy", message="Deploying 1 stack"),
    BuildFinished(
        path="dist",
        app=APP,
        stage=STAGE,
        region="eu-west-1",
        digest="f970885a82ca6b0a763a9fa8724305e2842bfb08425066d5e9bf2bdf0b4e2a35",
        files=7,
        size=187_185,
        elapsed_ms=1_850.0,
    ),
    BundleInspected(
        function=GET,
        handler="functions/notes.get",
        runtime="python3.13",
        architecture="arm64",
        parts=(
            BundlePart(kind="code", name="code", key="c5.zip", zipped=124_735, unpacked=338_100, files=70),
            BundlePart(
                kind="layer",
                name="NotesStack/Packages",
                key="a1.zip",
                zipped=30_408_704,
                unpacked=94_371_840,
                files=1755,
            ),
            BundlePart(kind="layer", name="arn:aws:lambda:eu-west-1:123456789012:layer:tools:7"),
        ),
        packages=(
            BundledPackage(name="numpy", version="2.3.4", unpacked=62_914_560, files=430, via=("pandas",)),
            BundledPackage(
                name="pandas", version="2.3.3", unpacked=31_457_280, files=414, direct=("requirements.txt",)
            ),
            BundledPackage(
                name="shared",
                version="1.0",
                unpacked=9_000,
                files=4,
                direct=("pyproject.toml",),
                via=("a", "b", "c", "d"),
                local=True,
            ),
        ),
        folders=(
            BundledFolder(kind="support", path="skykite_lambda/", part="code", unpacked=320_000, files=62),
            BundledFolder(kind="code", path=".", part="code", unpacked=9_100, files=4),
        ),
        largest=(
            BundledFile(path="python/numpy.libs/libscipy.so", part="NotesStack/Packages", unpacked=24_117_248),
            BundledFile(path="functions/notes.py", part="code", unpacked=2_048),
        ),
        unpacked=94_709_940,
        limit=262_144_000,
    ),
    DeployPlanned(
        changes=(
            change("add", "Notes", "AWS::DynamoDB::Table"),
            change("modify", "Worker", "AWS::Lambda::Function", "Timeout", "Environment", environment=("GREETING",)),
            change("modify", "Route", "AWS::ApiGatewayV2::Route", "Target", consequence=True),
            change("modify", "Allow", "AWS::Lambda::Permission", "FunctionName", consequence=True),
            change("replace", "Users", "AWS::DynamoDB::Table", "KeySchema", destructive=True),
            change("remove", "Old", "AWS::SQS::Queue"),
        ),
        unchanged=(StackName("alice-notes-Other"),),
    ),
    QuestionAsked(
        question="destructive-changes", message="Replace `NotesStack/Users`? Its data is lost", default=False
    ),
    QuestionAnswered(question="destructive-changes", answer=True, by="yes"),
    resource("Notes", "AWS::DynamoDB::Table", "CREATE_IN_PROGRESS"),
    resource("Notes", "AWS::DynamoDB::Table", "CREATE_IN_PROGRESS"),
    resource("Notes", "AWS::DynamoDB::Table", "CREATE_COMPLETE"),
    resource("Worker", "AWS::Lambda::Function", "UPDATE_FAILED", "the role cannot be assumed"),
    DeployStack(stack=STACK, result="updated", elapsed_ms=1_234.0),
    DeployStack(stack=StackName("alice-notes-Other"), result="unchanged", elapsed_ms=0.0),
    StepFinished(step="deploy", message="Deployed 1 stack", elapsed_ms=1_300.0),
    OutputsShown(outputs={STACK: {"ApiEndpoint": "http://127.0.0.1:4000"}}),
    SynthFinished(assembly="/notes/.kite/alice/assembly", templates={STACK: "NotesStack.template.json"}),
    DeployFinished(outputs={STACK: {"ApiEndpoint": "http://127.0.0.1:4000"}}, elapsed_ms=1_300.0),
    DevReady(
        app=APP,
        stage=STAGE,
        endpoints=(Endpoint(path=ConstructPath("NotesStack/Api"), url="http://127.0.0.1:4000"),),
        outputs={STACK: {"ApiEndpoint": "http://127.0.0.1:4000", "TableName": "alice-notes-Notes"}},
        functions=(GET, POST, WORKER),
        elapsed_ms=2_210.0,
    ),
)

_KEY_ERROR: Final = InvocationError(
    type="KeyError",
    message="'text'",
    trace=('  File "functions/notes.py", line 31, in create\n    text = body["text"]\n',),
    hint="the body has no `text`",
)

REQUESTS: Final[tuple[Event, ...]] = (
    started(request(1), GET, http("GET", "/notes/1")),
    started(request(2), POST, http("POST", "/notes")),
    log(request(1), GET, "loading note 1\n"),
    log(request(2), POST, "creating a no"),
    log(request(2), POST, "te\nwith \x1b[31mred\x1b[0m ink\x1b[2J\rand no tricks"),
    finished(request(1), GET, http("GET", "/notes/1"), init_ms=85.2),
    answered(request(1), "GET", "/notes/1", 200, GET),
    finished(request(2), POST, http("POST", "/notes"), error=_KEY_ERROR),
    answered(request(2), "POST", "/notes", 500, POST, duration_ms=1_250.0),
    answered(request(3), "GET", "/favicon.ico", 404, None, duration_ms=0.42),
    started(request(4), WORKER, ORDERS),
    log(request(4), WORKER, "shipped 2 orders\n"),
    finished(request(4), WORKER, ORDERS),
)

BRIDGE: Final[tuple[Event, ...]] = (
    BridgeConnected(),
    started(request(5), GET, http("GET", "/notes/5")),
    finished(request(5), GET, http("GET", "/notes/5"), bridge_ms=41.8),
    BridgeDisconnected(reason="slept", message="this machine has slept for 8 h"),
    BridgeDisconnected(reason="denied", message="AWS refuses the credentials", hint="run `aws sso login`"),
    BridgeConnected(outage_ms=2_400.0),
    InvocationDropped(
        request_id=request(6), function=WORKER, reason="expired", message="it came when its time was up already"
    ),
    BridgeTakenOver(by="alice@laptop, process 4714", running=2),
)

END: Final[tuple[Event, ...]] = (
    ReloadStarted(kind="code", files=("functions/notes.py",)),
    ReloadFinished(kind="code", files=("functions/notes.py",), elapsed_ms=34.0, functions=(GET, POST)),
    ReloadStarted(kind="infrastructure", files=("stacks/notes.py",)),
    ErrorRaised(
        error="handler-not-found",
        message="function `Api/Orders` points to `orders.main`, but `functions/orders.py` defines `handler`",
        context='stacks/notes.py:12\n\n  11 |     routes={\n> 12 |         "GET /orders": "functions/orders.main",\n',
        hint='set handler="functions/orders.handler"',
        link="https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html",
    ),
    ReloadFailed(kind="infrastructure", files=("stacks/notes.py",), reason="handler-not-found"),
    ReloadFinished(kind="infrastructure", files=("a.py", "b.py", "c.py", "d.py"), elapsed_ms=812.0),
    DebuggerAttached(pid=4712, function=GET),
    DebuggerAttached(pid=4713),
    DoctorChecked(check="node", status="ok", message="Node v24.19.0"),
    DoctorChecked(check="credentials", status="warn", message="no AWS credentials", hint="set AWS_PROFILE"),
    DoctorChecked(check="uv", status="fail", message="uv is missing", hint="pip install uv"),
    Notice(notice="port-taken", message="port 4000 is taken, using 4001", hint="choose another with --port"),
    DevStopped(elapsed_ms=140.0),
)

SINCE: Final = datetime(2026, 11, 23, 21, 41, 46, tzinfo=UTC)
KEPT: Final[tuple[Event, ...]] = (
    CloudStarted(
        app=APP, pid=4711, since=SINCE, url="http://127.0.0.1:5000", log="/notes/.kite/local/keeper.log", elapsed_ms=731
    ),
    CloudStatus(
        app=APP,
        state="kept",
        pid=4711,
        since=SINCE,
        url="http://127.0.0.1:5000",
        functions=3,
        running=1,
        memory_mb=118,
        apis=(CloudApi(id="a1b2c3d4", name="alice-notes-Api", url="http://127.0.0.1:4000"),),
        log="/notes/.kite/local/keeper.log",
    ),
    CloudStopped(app=APP, result="stopped", pid=4711, log="/notes/.kite/local/keeper.log", elapsed_ms=14),
)

STORY: Final = START + REQUESTS + BRIDGE + END + KEPT
