"""A worker's life: be told which function, load it, then run one invocation after the other until the channel ends.

In: frames of `skykite_lambda.frames`. Out: frames, and what the function prints. I/O: everything the user's code does.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
from functools import partial
from typing import Any, Callable, Dict, Optional

from skykite_lambda import frames
from skykite_lambda.context import FunctionFacts, InvocationClock, LambdaContext
from skykite_lambda.faults import Fault, describe, leaving_hint, user_trace
from skykite_lambda.frames import Channel, ChannelClosed
from skykite_lambda.handlers import Handler, load_handler
from skykite_lambda.logs import LambdaHandler, Streams, install_logging
from skykite_lambda.results import ResultEncoder, unserializable_hint
from skykite_lambda.secret_values import STAMP_VARIABLE, VALUES
from skykite_lambda.tracking import Tracker, package_folders

_DECODE = json.JSONDecoder().decode
RESULT_LIMIT = 6 * 1024 * 1024 + 100  # Lambda's, bytes


def serve(channel: Channel, streams: Streams) -> int:
    """Returns the status to exit with."""
    owner = os.getpid()

    def after_fork() -> None:
        # A child that the user's code forks must never answer in the worker's place.
        if os.getpid() != owner:
            channel.close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after_fork)
    hello = {"protocol": frames.PROTOCOL, "pid": owner, "python": list(sys.version_info[:3])}
    channel.send_json(frames.HELLO, hello)
    try:
        kind, body = channel.receive()
    except ChannelClosed:
        return 0
    if kind != frames.CONFIGURE:
        return 1
    config = json.loads(body)
    streams.mark(config["nonce"])
    worker = _Worker(channel, config, streams)
    try:
        handler = worker.load()
    except Exception as error:  # noqa: BLE001  (whatever the user's module raises is the answer)
        channel.send_json(frames.INIT_FAILED, {"error": describe(error), "observed": worker.tracker.take() or {}})
        return 1
    except BaseException as error:
        worker.leave(error)
        raise
    observed = {**(worker.tracker.take() or {}), "packages": package_folders()}
    channel.send_json(frames.READY, {"observed": observed, "debugged": worker.debugged})
    return worker.run(handler)


class _Worker:
    """One function in one process."""

    def __init__(self, channel: Channel, config: Dict[str, Any], streams: Streams) -> None:
        self._channel = channel
        self._streams = streams
        self._config = config
        self._clock: Optional[InvocationClock] = None
        self._encoder = ResultEncoder(config["environment"].get("AWS_EXECUTION_ENV", ""))
        self._log: Optional[LambdaHandler] = None
        self._most_memory = _memory_meter()
        self.debugged = False
        self.tracker = Tracker([config["project_root"], config["import_root"]])

    def load(self) -> Handler:
        config = self._config
        environment: Dict[str, str] = config["environment"]
        os.environ.clear()
        os.environ.update(environment)
        self._facts = FunctionFacts()
        if hasattr(time, "tzset"):
            time.tzset()
        root = config["import_root"]
        os.chdir(config.get("task_root", root))
        extra = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        sys.path[:0] = [root, *(path for path in extra if path not in sys.path)]
        sys.argv = [""]
        self._log = install_logging(environment.get("AWS_LAMBDA_LOG_FORMAT"), environment.get("AWS_LAMBDA_LOG_LEVEL"))
        if config["debugger"] is not None:
            self._attach_debugger(config["debugger"])
        self.tracker.install(watch=not config.get("frozen", False))
        self.tracker.depend_on(config.get("copied", []))
        stamp = environment.get(STAMP_VARIABLE)
        if stamp:
            VALUES.on_read = partial(self.tracker.depend_on, [stamp])
        importlib.invalidate_caches()
        return load_handler(config["handler"], root, config["project_root"])

    def _attach_debugger(self, spec: str) -> None:
        from skykite_lambda.debugging import attach

        complaint = attach(spec, self._suspended, self._resumed)
        self.debugged = complaint is None
        if complaint is not None:
            sys.stderr.write(f"{complaint}\n")

    def _suspended(self) -> None:
        if self._clock is not None:
            self._clock.suspend()
        self._channel.send(frames.SUSPENDED)

    def _resumed(self) -> None:
        if self._clock is not None:
            self._clock.resume()
        self._channel.send(frames.RESUMED)

    def run(self, handler: Handler) -> int:
        channel = self._channel
        while True:
            try:
                kind, body = channel.receive()
            except ChannelClosed:
                return 0
            if kind != frames.INVOKE:
                return 1
            if self.tracker.has_news():
                # A thread went on after the last answer. Whether what it read is still so is not for us to say.
                channel.send_json(frames.LATE, self.tracker.take() or {})
            else:
                self._invoke(handler, body)

    def _invoke(self, handler: Handler, body: bytes) -> None:
        seconds, id_length, trace_length, client_length = frames.INVOKE_HEAD.unpack_from(body)
        id_at = frames.INVOKE_HEAD.size
        trace_at = id_at + id_length
        client_at = trace_at + trace_length
        event_at = client_at + client_length
        request_id = body[id_at:trace_at].decode()
        os.environ["_X_AMZN_TRACE_ID"] = body[trace_at:client_at].decode()
        assert self._log is not None
        self._log.request_id = request_id
        clock = self._clock = InvocationClock(seconds)
        try:
            context = LambdaContext(
                request_id=request_id,
                function=self._facts,
                arn=self._config["arn"],
                clock=clock,
                client_context=_client_context(body[client_at:event_at]),
            )
            try:
                event = _decode_event(body[event_at:])
            except Exception as error:
                raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
            returned = handler(event, context)
            try:
                result = self._encoder.encode(returned)
            except Exception as error:
                raise Fault(
                    "Runtime.MarshalError",
                    f"Unable to marshal response: {error}",
                    hint=_marshal_hint(returned),
                ) from error
        except Exception as error:  # noqa: BLE001  (whatever the handler raises is the answer)
            self._answer(frames.ERROR, json.dumps(describe(error)).encode())
            return
        except BaseException as error:
            self.leave(error)
            raise
        if len(result) > RESULT_LIMIT:
            fault = Fault(
                "Function.ResponseSizeTooLarge",
                f"Response payload size exceeded maximum allowed payload size ({RESULT_LIMIT} bytes).",
                hint=f"the function returned {len(result)} bytes; put large results into a bucket and return a link",
            )
            self._answer(frames.ERROR, json.dumps(describe(fault)).encode())
            return
        self._answer(frames.RESULT, result)

    def leave(self, error: BaseException) -> None:
        """Tell what in the user's code ends this process, which the error document of Lambda does not."""
        hint = leaving_hint(error, self.tracker.is_users, self._config["project_root"])
        if hint is not None:
            with contextlib.suppress(OSError):  # the user's code may have closed the channel; it ends all the same
                self._channel.send_json(frames.LEAVING, {"hint": hint})
        _show(error)

    def _answer(self, kind: int, payload: bytes) -> None:
        if self._config["end_mark"]:
            self._streams.pass_mark()
        found = self.tracker.take()
        observed = b"" if found is None else json.dumps(found).encode()
        self._channel.send(kind, frames.RESULT_HEAD.pack(self._most_memory(), len(observed)), observed, payload)


def _decode_event(text: bytes) -> Any:
    if b"NaN" in text or b"Infinity" in text:
        return json.loads(text, parse_constant=_refuse_constant)  # Python would take them, Lambda does not
    if text[:1] == b"{":
        return _DECODE(text.decode())
    return json.loads(text)  # of unknown beginnings it makes the best


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _client_context(text: bytes) -> Optional[Dict[str, Any]]:
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}") from error
    return found if isinstance(found, dict) else None


def _marshal_hint(returned: object) -> Optional[str]:
    if type(returned).__name__ == "coroutine":
        return "the handler is `async`, which Lambda does not run: call `asyncio.run(...)` in a plain function"
    return unserializable_hint(returned)


def _show(error: BaseException) -> None:
    """Say what ends the process, as Python would, but without our frames. `sys.exit` speaks for itself."""
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return
    lines = ["Traceback (most recent call last):\n", *user_trace(error.__traceback__)]
    lines += traceback.format_exception_only(type(error), error)
    sys.stderr.write("".join(lines))
    raise SystemExit(1) from None


def _memory_meter() -> Callable[[], int]:
    """A function that says the most memory this process ever used, in KB; 0 where the system does not tell."""
    if sys.platform == "win32":
        return lambda: 0
    import resource

    unit = 1024 if sys.platform == "darwin" else 1
    if sys.platform != "linux":
        return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    # Linux hands the figure down to children, even through exec: until ours is larger, look at what is used now.
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pages = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    page_kb = resource.getpagesize() // 1024
    most = 0
    again = 0.0

    def meter() -> int:
        nonlocal most, again
        now = time.monotonic()
        if now < again:
            return most
        again = now + 0.05
        most = max(most, int(os.pread(pages, 64, 0).split()[1]) * page_kb)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak > inherited:
            most = max(most, peak)
        return most

    return meter
