"""The real embedded cloud for tests: its process, and the loop that owns it, on a thread of its own.

`RunningCloud.client("sqs")` is boto3 against it; `functions` are plain Python functions that it runs by hand-off.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import signal
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import boto3
from botocore.config import Config

from skykite.cloud import CloudAddress, Denied, EmbeddedCloud, HandoffServer
from skykite.errors import SkykiteError
from skykite.model.events import Event
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded
from skykite.model.names import FunctionId, RequestId

REGION = "eu-west-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
Handler = Callable[[Any, Invocation], Any]
Result = TypeVar("Result")


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


class RealIds:
    def request_id(self) -> RequestId:
        return RequestId(str(uuid.uuid4()))

    def token(self) -> str:
        return secrets.token_urlsafe(24)


class Recorder:
    """An event sink that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


class Functions:
    """An invoker over functions of the test, each invocation on a thread."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.invocations: list[Invocation] = []
        self._threads = ThreadPoolExecutor(max_workers=32)

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.invocations.append(invocation)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, invocation)

    def _run(self, invocation: Invocation) -> Outcome:
        report = Report(duration_ms=1.0, log=b"said something\n")
        try:
            value = self.handlers[invocation.function](json.loads(invocation.payload), invocation)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its outcome
            return Failed(
                kind="handled",
                error_type=type(error).__name__,
                message=str(error),
                report=report,
                request_id=invocation.request_id,
                trace=('  File "functions/a.py", line 1, in handler\n',),
            )
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Succeeded(payload=payload, report=report)


class RunningCloud:
    """Start with `start`, stop with `stop`; `kill` is SIGKILL."""

    def __init__(self, directory: Path, *, iam: bool = True) -> None:
        self.directory = directory
        self.denied: list[Denied] = []
        self.functions = Functions()
        self.recorder = Recorder()
        self.address: CloudAddress | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.handoff = HandoffServer(invoker=self.functions, ids=RealIds())
        self.run(self.handoff.start())
        self.cloud = EmbeddedCloud(
            directory=directory,
            region=REGION,
            handoff=self.handoff,
            events=self.recorder,
            clock=RealClock(),
            ids=RealIds(),
            iam=iam,
            on_denied=self.denied.append,
        )

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def start(self) -> RunningCloud:
        self.address = self.run(self.cloud.start())
        return self

    def stop(self) -> None:
        self.run(self.cloud.stop())

    def close(self) -> None:
        self.stop()
        self.run(self.handoff.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def pid(self) -> int:
        process = self.cloud._process
        assert process is not None
        return process.pid

    def kill(self) -> SkykiteError:
        died = asyncio.run_coroutine_threadsafe(self.cloud.wait_died(), self._loop)
        os.kill(self.pid, signal.SIGKILL)
        return died.result(10)

    def snapshot(self) -> None:
        self.run(self.cloud.snapshot())

    def client(self, service: str, **options: Any) -> Any:
        assert self.address is not None
        given = {
            "endpoint_url": self.address.url,
            "aws_access_key_id": self.address.access_key_id,
            "aws_secret_access_key": self.address.secret_access_key,
            "region_name": REGION,
            "config": Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, read_timeout=30),
        }
        return boto3.client(service, **{**given, **options})

    def serve(self, name: str, handler: Handler) -> None:
        """Run the function of this name from now on."""
        self.functions.handlers[name] = handler
        self.handoff.register({one: FunctionId(one) for one in self.functions.handlers})

    def client_of(self, role: str, service: str, *, function: str = "worker", **options: Any) -> Any:
        """boto3 as a function with this role has it."""
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
        given = self.run(self.cloud.role_credentials(function=function, arn=arn, role=role))
        return self.client(
            service,
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=given["AWS_SESSION_TOKEN"],
            **options,
        )

    def function(self, name: str, handler: Handler | None, **options: Any) -> str:
        """Make a Lambda function that runs `handler` by hand-off (`None`: nobody runs it). Returns its ARN. Without a
        `Role` among the options it may do everything."""
        if handler is not None:
            self.serve(name, handler)
        if "Role" not in options:
            make_mighty(self, ROLE.rpartition("/")[2])
        given = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "skykite_placeholder.handler",
            "Role": ROLE,
            "Code": {"ZipFile": empty_zip()},
        }
        arn: str = self.client("lambda").create_function(**{**given, **options})["FunctionArn"]
        return arn


def make_mighty(cloud: HasClients, role: str) -> None:
    """Have a role of this name that may do everything."""
    iam, everything = cloud.client("iam"), {"Effect": "Allow", "Action": "*", "Resource": "*"}
    try:
        iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    except iam.exceptions.EntityAlreadyExistsException:
        return
    iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=json.dumps({"Statement": [everything]}))


def empty_zip(**files: str) -> bytes:
    """A zip of the given files; `index__py` is `index.py`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in (files or {"nothing": ""}).items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


def eventually(look: Callable[[], Result], *, within: float = 10.0) -> Result:
    """The first true result of `look`."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


class HasClients(Protocol):
    def client(self, service: str, **options: Any) -> Any: ...


def deploy(cloud: HasClients, name: str, resources: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Create or update a stack through a change set, as Skykite's deployer does; the stack when it has settled."""
    cloudformation = cloud.client("cloudformation")
    template = json.dumps({"Resources": resources, **options})
    try:
        cloudformation.describe_stacks(StackName=name)
        kind = "UPDATE"
    except cloudformation.exceptions.ClientError:
        kind = "CREATE"
    change_set = cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=f"c{uuid.uuid4().hex}",
        ChangeSetType=kind,
        TemplateBody=template,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )["Id"]
    described = eventually(lambda: _settled(cloudformation.describe_change_set(ChangeSetName=change_set), "Status"))
    if described["Status"] == "FAILED":
        return {"StackStatus": "NO_CHANGE_SET", "Reason": described["StatusReason"], "Failures": []}
    cloudformation.execute_change_set(ChangeSetName=change_set)
    stack = eventually(
        lambda: _settled(cloudformation.describe_stacks(StackName=name)["Stacks"][0], "StackStatus"), within=30
    )
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    stack["Failures"] = [
        (event["LogicalResourceId"], event["ResourceStatusReason"])
        for event in events
        if event["ResourceStatus"].endswith("_FAILED") and event["ResourceType"] != "AWS::CloudFormation::Stack"
    ]
    stack["OutputValues"] = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    return stack


def _settled(described: dict[str, Any], key: str) -> dict[str, Any] | None:
    waiting = described[key].endswith(("_IN_PROGRESS", "_PENDING"))
    return None if waiting and described[key] != "REVIEW_IN_PROGRESS" else described
