"""Attach a worker to the debugger that `kite` runs under.

In: the endpoint as JSON (`skykite.runtime.debugger.DebuggerEndpoint.encode`) and what to call when user code stops and
goes on. Out: nothing, or the reason why this process runs undebugged. I/O: imports debugpy, by path, from where the
editor's debugger has it: the user's environment need not hold it; connects to the adapter on loopback.

The worker becomes a debug session of its own, below the one the editor started. Nothing here runs, and debugpy is not
imported, unless a debugger is there.
"""

import importlib.util
import io
import json
import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

READY_LIMIT_S = 15.0
"""How long a client may take from our connecting to having sent its breakpoints. Editors take 0.2 to 2 s."""

_OWN_CODE = f"{Path(__file__).resolve().parent}{os.sep}"
_SETTINGS = {
    # Our interpreter starts without -Xfrozen_modules=off: only the standard library's own start-up modules are not
    # seen by the debugger then, and it would say so on the function's stderr.
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


class DebuggerError(Exception):
    """The debugger cannot be loaded or reached. The message is for people: lower-case start, no final period."""


def preload(spec: str) -> Optional[str]:
    """Import the debugger without starting it, so that workers forked from this process need not (about 0.3 s).

    Returns None, or a sentence saying why it cannot be used.
    """
    try:
        _load(json.loads(spec))
    except DebuggerError as error:
        return str(error)
    return None


def attach(
    spec: str,
    on_suspended: Callable[[], None],
    on_resumed: Callable[[], None],
    limit_s: float = READY_LIMIT_S,
) -> Optional[str]:
    """Connect this process to the debugger and wait until the client has set its breakpoints.

    Call it in the worker, before user code is imported. `on_suspended` is called when the first thread stops,
    `on_resumed` when the last one goes on; each in the thread that does, so both must be quick.

    Returns None, or a sentence saying why breakpoints may be missed; then the worker simply goes on.
    """
    endpoint = json.loads(spec)
    try:
        with _environment(endpoint):
            pydevd = _load(endpoint)
            ready = _observe(pydevd, on_suspended, on_resumed)
            _connect(pydevd, endpoint)
        _wait(pydevd, ready, limit_s)
    except DebuggerError as error:
        return str(error)
    return None


def _load(endpoint: Dict[str, Any]) -> Any:
    """Import debugpy from the adapter's own copy, unless the user's code environment has loaded one. Gives pydevd."""
    with _environment(endpoint):
        try:
            if "debugpy" not in sys.modules:
                _import_from("debugpy", endpoint["debugpy_path"])
            # Makes the copy of pydevd inside debugpy the one that is imported, and has it speak the protocol.
            import debugpy.server  # noqa: F401
            import pydevd
        except Exception as error:
            version = ".".join(str(part) for part in sys.version_info[:3])
            raise DebuggerError(
                f"the debugger in `{endpoint['debugpy_path']}` does not run on Python {version}: {error}"
            ) from error
    return pydevd


def _import_from(name: str, folder: str) -> None:
    """Import a package by its folder. Its site-packages stays off `sys.path`: user code must not find what is there."""
    specification = importlib.util.spec_from_file_location(
        name, Path(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if specification is None or specification.loader is None:
        raise ImportError(f"`{folder}` is not a package")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


@contextmanager
def _environment(endpoint: Dict[str, Any]) -> Iterator[None]:
    """pydevd takes its settings from environment variables, and sets some; user code shall see none of them."""
    before = {name: value for name, value in os.environ.items() if name.startswith("PYDEVD_")}
    os.environ.update(_SETTINGS)
    os.environ.update(endpoint["options"])
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("PYDEVD_")]:
            del os.environ[name]
        os.environ.update(before)


def _observe(pydevd: Any, on_suspended: Callable[[], None], on_resumed: Callable[[], None]) -> threading.Event:
    """Have the debugger tell us of its stops, and set the returned event when the client is done configuring.

    pydevd announces stops from a thread of its own, after the fact and not when a session just ends; wrapping the one
    method in which every stopped thread waits is exact.
    """
    ready = threading.Event()
    process = os.getpid()  # what user code forks inherits the wrappers, and must not speak for us
    lock = threading.Lock()
    suspended = 0
    wait_suspended = pydevd.PyDB.do_wait_suspend
    configured = pydevd.PyDB.on_configuration_done

    def do_wait_suspend(*arguments: Any, **options: Any) -> Any:
        nonlocal suspended
        if os.getpid() != process:
            return wait_suspended(*arguments, **options)
        with lock:
            suspended += 1
            if suspended == 1:
                on_suspended()
        try:
            return wait_suspended(*arguments, **options)
        finally:
            with lock:
                suspended -= 1
                if suspended == 0:
                    on_resumed()

    def on_configuration_done(*arguments: Any, **options: Any) -> Any:
        result = configured(*arguments, **options)
        ready.set()
        return result

    pydevd.PyDB.do_wait_suspend = do_wait_suspend
    pydevd.PyDB.on_configuration_done = on_configuration_done
    return ready


def _connect(pydevd: Any, endpoint: Dict[str, Any]) -> None:
    from _pydev_bundle import pydev_log  # type: ignore[import-not-found,unused-ignore]

    try:
        # A refused connection is logged with a traceback, which has no place on the function's stderr.
        with pydev_log.log_context(0, io.StringIO()):
            pydevd.settrace(
                host=endpoint["host"],
                port=endpoint["port"],
                suspend=False,
                wait_for_ready_to_run=False,  # would wait without end; `_wait` does it with one
                patch_multiprocessing=endpoint["follow_children"],
                access_token=endpoint["server_token"],
                client_access_token=endpoint["access_token"],
                ppid=endpoint["parent_pid"],
                notify_stdin=False,
                # Never stop in these, never show them.
                dont_trace_start_patterns=(endpoint["debugpy_path"] + os.sep, _OWN_CODE),
            )
    except OSError as error:
        raise DebuggerError(
            f"the debugger does not answer at {endpoint['host']}:{endpoint['port']} ({error.strerror or error})"
        ) from error


def _wait(pydevd: Any, ready: threading.Event, limit_s: float) -> None:
    debugger = pydevd.get_global_debugger()
    deadline = time.monotonic() + limit_s
    while not ready.wait(0.05):
        if debugger.pydb_disposed:
            raise DebuggerError("the debugger hung up before it had set its breakpoints")
        if time.monotonic() > deadline:
            raise DebuggerError(f"the debugger had not set its breakpoints after {limit_s:.0f} s")
