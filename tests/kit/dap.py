"""An editor's side of the Debug Adapter Protocol, as VS Code with the Python Debugger extension does it.

`Editor` reads `.vscode/launch.json`, starts debugpy's real adapter, runs what it asks for in a terminal, opens a
session below the first for each process that joins, and sends every session the breakpoints.
https://microsoft.github.io/debug-adapter-protocol/specification
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Message = dict[str, Any]


class RequestFailedError(Exception):
    """The adapter answered a request with `success: false`."""


@dataclass(kw_only=True)
class Breakpoint:
    """A red dot. `line` counts from 1."""

    line: int
    condition: str | None = None
    log_message: str | None = None

    def argument(self) -> Message:
        argument: Message = {"line": self.line}
        if self.condition is not None:
            argument["condition"] = self.condition
        if self.log_message is not None:
            argument["logMessage"] = self.log_message
        return argument


@dataclass(kw_only=True)
class Frame:
    """One line of the Call Stack view."""

    id: int
    name: str
    path: str
    line: int


@dataclass(kw_only=True)
class Stop:
    """A thread that stands still."""

    session: Session
    thread: int
    reason: str
    text: str | None
    frames: list[Frame]

    @property
    def top(self) -> Frame:
        return self.frames[0]

    async def evaluate(self, expression: str) -> str:
        body = await self.session.request("evaluate", expression=expression, frameId=self.top.id, context="watch")
        return str(body["result"])

    async def locals(self) -> dict[str, str]:
        """The Variables view: names and shown values."""
        scopes = (await self.session.request("scopes", frameId=self.top.id))["scopes"]
        body = await self.session.request("variables", variablesReference=scopes[0]["variablesReference"])
        return {variable["name"]: variable["value"] for variable in body["variables"]}

    async def resume(self) -> None:
        await self.session.request("continue", threadId=self.thread)

    async def step_over(self) -> None:
        await self.session.request("next", threadId=self.thread)

    async def step_in(self) -> None:
        await self.session.request("stepIn", threadId=self.thread)


class Session:
    """One debug session: a stream of messages to the adapter. `pid` is that of a subprocess; the first has none."""

    def __init__(self, editor: Editor, configuration: Message) -> None:
        self.editor = editor
        self.configuration = configuration
        self.pid: int | None = configuration.get("subProcessId")
        self.ended = asyncio.Event()
        self.ready = asyncio.Event()  # breakpoints are set, user code may run
        self.exit_code: int | None = None
        self.bound: dict[str, list[Message]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._sequence = 0
        self._pending: dict[int, asyncio.Future[Message]] = {}
        self._initialized = asyncio.Event()
        self._disconnecting = False

    async def open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Go through the opening moves; return when the session runs."""
        self._writer = writer
        self.editor.tasks.create_task(self._read(reader))
        await self.request(
            "initialize",
            clientID="vscode",
            clientName="Visual Studio Code",
            adapterID="debugpy",
            pathFormat="path",
            linesStartAt1=True,
            columnsStartAt1=True,
            locale="en",
            supportsVariableType=True,
            supportsVariablePaging=True,
            supportsRunInTerminalRequest=True,
            supportsStartDebuggingRequest=self.editor.subprocesses != "by event",
            supportsArgsCanBeInterpretedByShell=True,
            supportsMemoryReferences=True,
            supportsProgressReporting=True,
            supportsInvalidatedEvent=True,
        )
        started = asyncio.ensure_future(self.request(self.configuration["request"], **self.configuration))
        initialized = asyncio.ensure_future(self._initialized.wait())
        await asyncio.wait({started, initialized}, return_when=asyncio.FIRST_COMPLETED)
        if self._initialized.is_set():
            for path in self.editor.breakpoints:
                await self.send_breakpoints(path)
            await self.request("setFunctionBreakpoints", breakpoints=[])
            await self.request("setExceptionBreakpoints", filters=self.editor.exception_filters)
            await self.request("configurationDone")
        initialized.cancel()
        await started
        self.ready.set()

    async def send_breakpoints(self, path: Path) -> None:
        breakpoints = [dot.argument() for dot in self.editor.breakpoints[path]]
        body = await self.request(
            "setBreakpoints",
            source={"name": path.name, "path": str(path)},
            breakpoints=breakpoints,
            lines=[dot["line"] for dot in breakpoints],
            sourceModified=False,
        )
        self.bound[str(path)] = body["breakpoints"]

    async def request(self, command: str, /, **arguments: Any) -> Message:
        assert self._writer is not None
        if self.ended.is_set():
            raise ConnectionError(f"{command}: the session has ended")
        self._sequence += 1
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[self._sequence] = answer
        self._send({"seq": self._sequence, "type": "request", "command": command, "arguments": arguments})
        async with asyncio.timeout(60):
            response = await answer
        if not response["success"]:
            raise RequestFailedError(f"{command}: {response.get('message')}")
        body: Message = response.get("body") or {}
        return body

    async def disconnect(self) -> None:
        """What a client does once, on Stop or when it hears that all is over."""
        if not self._disconnecting:
            self._disconnecting = True
            with suppress(ConnectionError):  # it may hang up before it answers
                await self.request("disconnect")
            self.ended.set()

    def _send(self, message: Message) -> None:
        assert self._writer is not None
        data = json.dumps(message).encode()
        self._writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while header := await reader.readline():
                length = int(header.split(b":")[1])
                while (await reader.readline()).strip():
                    pass
                self._take(json.loads(await reader.readexactly(length)))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the adapter is gone; what waits is told below
        self._end()

    def _take(self, message: Message) -> None:
        self.editor.messages.append((self.pid, message))
        match message["type"], message.get("command") or message.get("event"):
            case "response", _:
                future = self._pending.pop(message["request_seq"], None)
                if future is not None and not future.done():
                    future.set_result(message)
            case "request", command:
                self.editor.tasks.create_task(self._answer(str(command), message))
            case "event", "initialized":
                self._initialized.set()
            case "event", "stopped":
                self.editor.tasks.create_task(self._stopped(message["body"]))
            case "event", "exited":
                self.exit_code = message["body"]["exitCode"]
            case "event", "debugpyAttach":
                self.editor.tasks.create_task(self.editor.attach(message["body"]))
            case "event", "terminated":
                self.editor.tasks.create_task(self.disconnect())

    async def _answer(self, command: str, message: Message) -> None:
        body: Message = {}
        match command:
            case "runInTerminal":
                body = {"processId": await self.editor.run_in_terminal(message["arguments"])}
            case "startDebugging":
                arguments = message["arguments"]
                session = self.editor.attach({**arguments["configuration"], "request": arguments["request"]})
                self.editor.tasks.create_task(session)
            case _:
                raise AssertionError(f"the adapter asked for {command}")
        self._sequence += 1
        self._send(
            {
                "seq": self._sequence,
                "type": "response",
                "request_seq": message["seq"],
                "command": command,
                "success": True,
                "body": body,
            }
        )

    async def _stopped(self, body: Message) -> None:
        await self.ready.wait()
        trace = await self.request("stackTrace", threadId=body["threadId"], startFrame=0, levels=20)
        frames = [
            Frame(id=frame["id"], name=frame["name"], path=frame["source"]["path"], line=frame["line"])
            for frame in trace["stackFrames"]
        ]
        stop = Stop(session=self, thread=body["threadId"], reason=body["reason"], text=body.get("text"), frames=frames)
        self.editor.stops.put_nowait(stop)

    def _end(self) -> None:
        self.ended.set()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the session has ended"))
        if self._writer is not None:
            self._writer.close()


# The shell of the editor's terminal: it leads the session, runs the program as a job of its own, and outlives it. Were
# the program the leader, its death would hang up the terminal on whatever else still writes there. It keeps no end of
# the terminal open, so that the other side sees when the last program is gone.
_SHELL = """
import fcntl, os, signal, subprocess, sys, termios
tell = int(sys.argv[1])
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
def job():
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
program = subprocess.Popen(sys.argv[2:], preexec_fn=job)
nothing = os.open(os.devnull, os.O_RDWR)
for end in (0, 1, 2):
    os.dup2(nothing, end)
os.write(tell, b"%d\\n" % program.pid)
program.wait()
os.write(tell, b"ended\\n")
signal.pause()
"""


async def _reader_of(pipe: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb")
    )
    return reader


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the terminal's shell runs."""

    pid: int
    shell: asyncio.subprocess.Process
    reader: asyncio.StreamReader

    async def wait(self) -> None:
        """Until the program, though perhaps not what it started, has ended."""
        await self.reader.readline()


@dataclass
class Editor:
    """A window with a folder open.

    `subprocesses`: `by request` is how VS Code takes them; `by event` is debugpy's own way, for clients without that
    request; `ignored` is an editor that never comes to it.
    """

    folder: Path
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    subprocesses: Literal["by request", "by event", "ignored"] = "by request"
    exception_filters: list[str] = field(default_factory=lambda: ["uncaught"])
    breakpoints: dict[Path, list[Breakpoint]] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    messages: list[tuple[int | None, Message]] = field(default_factory=list)
    stops: asyncio.Queue[Stop] = field(default_factory=asyncio.Queue)
    terminal: bytearray = field(default_factory=bytearray)

    tasks: asyncio.TaskGroup = field(init=False)
    adapter: asyncio.subprocess.Process | None = None
    terminal_process: Program | None = None
    _terminal_news: asyncio.Event = field(default_factory=asyncio.Event)
    _keyboard: int | None = None

    # What the user does

    async def run(self, name: str, changes: Mapping[str, Any] | None = None) -> Session:
        """Choose `name` in Run and Debug and press F5. Returns when the program runs. `changes` is for tests that
        run something else than the configuration says; None takes a key out."""
        changed = self.configuration(name) | dict(changes or {})
        return await self.start({key: value for key, value in changed.items() if value is not None})

    async def start(self, configuration: Message) -> Session:
        """A configuration from elsewhere than `launch.json`."""
        session = Session(self, configuration)
        self.sessions.append(session)
        if configuration["request"] == "attach" and "connect" in configuration:
            await session.open(*await asyncio.open_connection(**configuration["connect"]))
        else:
            await session.open(*await self._start_adapter())
        return session

    def configuration(self, name: str) -> Message:
        """From `launch.json`, with VS Code's variables filled in and the interpreter that the extension adds."""
        text = (self.folder / ".vscode/launch.json").read_text()
        folder = json.dumps(str(self.folder))[1:-1]
        launch = json.loads(text.replace("${workspaceFolder}", folder))
        found = next(one for one in launch["configurations"] if one["name"] == name)
        return {**found, "python": [self.python], "workspaceFolder": str(self.folder)}

    async def set_breakpoints(self, path: Path, *breakpoints: Breakpoint | int) -> None:
        """All breakpoints of a file, also in what runs already."""
        self.breakpoints[path] = [Breakpoint(line=dot) if isinstance(dot, int) else dot for dot in breakpoints]
        for session in self.sessions:
            if session.ready.is_set() and not session.ended.is_set():
                try:
                    await session.send_breakpoints(path)
                except (RequestFailedError, ConnectionError):
                    # Its worker may end this very moment, which the adapter calls a failure. Nothing else is excused.
                    async with asyncio.timeout(10):
                        await session.ended.wait()

    async def stopped(self, timeout: float = 30) -> Stop:
        """The next thread that stops."""
        async with asyncio.timeout(timeout):
            return await self.stops.get()

    async def press_stop(self) -> None:
        """The red square, on the first session."""
        await self.sessions[0].request("terminate")

    def type(self, text: str) -> None:
        """Keys in the terminal; `\\x03` is Ctrl-C."""
        assert self._keyboard is not None
        os.write(self._keyboard, text.encode())

    async def sees(self, text: str, timeout: float = 60) -> None:
        """Wait until the terminal shows `text`."""
        await self.until(lambda: text.encode() in self.terminal, f"{text!r} in the terminal", timeout)

    async def until(self, holds: Callable[[], bool], what: str, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not holds():
            if self.terminal_closed:  # what the adapter says of that may still be on its way
                deadline = min(deadline, time.monotonic() + 5)
            if time.monotonic() > deadline:
                shown = self.terminal.decode(errors="replace")
                raise AssertionError(f"no {what}; the terminal shows:\n{shown}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._terminal_news.wait(), 0.05)
            self._terminal_news.clear()

    @property
    def workers(self) -> list[Session]:
        """Sessions of processes that still run, below the first."""
        return [session for session in self.sessions[1:] if not session.ended.is_set()]

    @property
    def output(self) -> list[str]:
        """The Debug Console."""
        return [message["body"]["output"] for _, message in self.messages if message.get("event") == "output"]

    # What the adapter asks for

    async def attach(self, configuration: Message) -> None:
        if self.subprocesses == "ignored":
            return
        session = Session(self, configuration)
        self.sessions.append(session)
        address = configuration["connect"]
        try:
            reader, writer = await asyncio.open_connection(address["host"], address["port"])
            await session.open(reader, writer)
        except ConnectionError:
            session.ended.set()  # a process, or the adapter, that was gone before we came

    async def _start_adapter(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.adapter = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "debugpy.adapter",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=dict(self.environment),
            limit=1 << 26,
        )
        assert self.adapter.stdout is not None
        assert self.adapter.stdin is not None
        return self.adapter.stdout, self.adapter.stdin

    async def run_in_terminal(self, arguments: Message) -> int:
        ours, theirs = os.openpty()
        told, tell = os.pipe()
        environment = {**self.environment, **{k: v for k, v in arguments.get("env", {}).items() if v is not None}}
        shell = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _SHELL, str(tell), *arguments["args"],
            cwd=arguments.get("cwd") or None,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            pass_fds=(tell,),
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        os.close(tell)
        self._keyboard = ours
        asyncio.get_running_loop().add_reader(ours, self._read_terminal, ours)
        reader = await _reader_of(told)
        self.terminal_process = Program(pid=int(await reader.readline()), shell=shell, reader=reader)
        return self.terminal_process.pid

    def _read_terminal(self, terminal: int) -> None:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # EIO: nobody has it open any more
            data = b""
        if data:
            self.terminal += data
        else:
            self._close_terminal()
        self._terminal_news.set()

    def _close_terminal(self) -> None:
        if self._keyboard is not None:
            asyncio.get_running_loop().remove_reader(self._keyboard)
            os.close(self._keyboard)
            self._keyboard = None

    @property
    def terminal_closed(self) -> bool:
        """Everything that was started in the terminal is gone."""
        return self.terminal_process is not None and self._keyboard is None


@asynccontextmanager
async def editor(folder: Path, **options: Any) -> AsyncIterator[Editor]:
    """An editor; at the end everything it started is gone."""
    window = Editor(folder, **options)
    try:
        async with asyncio.TaskGroup() as tasks:
            window.tasks = tasks
            yield window
            await _close(window)
    finally:
        if window.adapter is not None and window.adapter.returncode is None:
            window.adapter.kill()
            await window.adapter.wait()


async def _close(window: Editor) -> None:
    """Close the window: end the session, then hang up the terminal."""
    if window.sessions and not window.sessions[0].ended.is_set():
        await window.sessions[0].disconnect()
    process = window.terminal_process
    if process is not None:
        async with asyncio.timeout(20):
            await process.wait()
            await window.until(lambda: window.terminal_closed, "end of what runs in the terminal", 15)
        await process.shell.wait()  # its terminal is hung up
    if window.adapter is not None and window.adapter.returncode is None:
        window.adapter.send_signal(signal.SIGTERM)
        await window.adapter.wait()
