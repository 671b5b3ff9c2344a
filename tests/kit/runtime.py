"""A runtime over a project of the test's own, and everything it said."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skykite.model.events import Event, InvocationFinished, InvocationLog
from skykite.model.invocation import Failed, FunctionConfig, Invocation, Outcome, Succeeded, Trigger, parse_handler
from skykite.model.names import FunctionId, RequestId
from skykite.runtime import DebuggerEndpoint, Runtime
from skykite.runtime.starter import Starter, StartMode


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class RecordedEvents:
    """An EventSink that keeps everything."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def output(self, request_id: str, stream: str | None = None) -> str:
        return "".join(
            event.text
            for event in self.events
            if isinstance(event, InvocationLog) and event.request_id == request_id and stream in (None, event.stream)
        )

    def finished(self, request_id: str) -> InvocationFinished:
        (found,) = (e for e in self.events if isinstance(e, InvocationFinished) and e.request_id == request_id)
        return found


@dataclass
class FunctionProject:
    """Files of a project, and a runtime that has its functions."""

    root: Path
    runtime: Runtime
    events: RecordedEvents
    starter: Starter
    configs: dict[str, FunctionConfig] = field(default_factory=dict)

    def write(self, path: str, text: str) -> Path:
        return write_file(self.root, path, text)

    async def define(self, handler: str, **changes: Any) -> FunctionId:
        """Add or change the function whose id is its handler."""
        self.configs[handler] = function_config(self.root, handler, **changes)
        await self.runtime.configure(list(self.configs.values()))
        return FunctionId(handler)

    async def invoke(self, function: str, event: Any = None, **more: Any) -> Outcome:
        return await self.runtime.invoke(invocation_of(function, event, **more))

    async def result(self, function: str, event: Any = None) -> Any:
        """What the function returned; an assertion if it failed."""
        outcome = await self.invoke(function, event)
        assert isinstance(outcome, Succeeded), outcome
        return json.loads(outcome.payload)

    async def failure(self, function: str, event: Any = None) -> Failed:
        outcome = await self.invoke(function, event)
        assert isinstance(outcome, Failed), outcome
        return outcome

    def output(self, outcome: Outcome | None = None, stream: str | None = None) -> str:
        """What the last finished invocation printed."""
        last = [e for e in self.events.events if isinstance(e, InvocationFinished)][-1]
        return self.events.output(last.request_id, stream)

    def output_so_far(self) -> str:
        """What was printed since the last invocation finished."""
        texts: list[str] = []
        for event in self.events.events:
            if isinstance(event, InvocationFinished):
                texts = []
            elif isinstance(event, InvocationLog):
                texts.append(event.text)
        return "".join(texts)


def write_file(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"))
    return file


def function_config(root: Path, handler: str, **changes: Any) -> FunctionConfig:
    config = FunctionConfig(
        id=FunctionId(handler),
        name=f"alice-notes-{handler.rpartition('.')[2]}",
        arn=f"arn:aws:lambda:eu-west-1:123456789012:function:alice-notes-{handler.rpartition('.')[2]}",
        handler=parse_handler(handler),
        import_root=root,
        project_root=root,
        runtime=f"python3.{sys.version_info.minor}",
        memory_mb=256,
        timeout_s=10,
        environment={},
        region="eu-west-1",
    )
    return replace(config, **changes)


def invocation_of(function: str, event: Any = None, **more: Any) -> Invocation:
    fields: dict[str, Any] = {
        "request_id": RequestId(str(uuid.uuid4())),
        "function": FunctionId(function),
        "payload": json.dumps(event).encode(),
        "trigger": Trigger(kind="invoke"),
        **more,
    }
    return Invocation(**fields)


@asynccontextmanager
async def running_project(
    root: Path,
    *,
    mode: StartMode | None = None,
    channel: Any = None,
    interpreter: str = sys.executable,
    max_workers: int = 8,
    modules_cache: Path | None = None,
    debugger: DebuggerEndpoint | None = None,
) -> AsyncIterator[FunctionProject]:
    """A started runtime for the project in `root`; stopped in the end."""
    events = RecordedEvents()
    starter = Starter(Path(interpreter), mode=mode, channel=channel, cache=modules_cache)
    runtime = Runtime(
        interpreter=Path(interpreter),
        events=events,
        clock=RealClock(),
        max_workers=max_workers,
        debugger=debugger,
        starter=starter,
    )
    await runtime.start()
    try:
        yield FunctionProject(root=root, runtime=runtime, events=events, starter=starter)
    finally:
        await runtime.stop()


async def eventually(condition: Callable[[], Any], *, within: float = 10.0) -> Any:
    """Poll until `condition()` is true and return it."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
