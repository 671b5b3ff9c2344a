"""MiniStack's state, taken out of its services and put back, whole and of one moment.

`capture` runs on the event loop, where all requests are handled and stacks are deployed, so no request and no step of
a deployment is half done in what it sees; threads that poll queues may still change something while a service is
read, which is then read again. Its cost is what the cloud stands still for, so nothing is copied that need not be:
services are pickled as they are, and large values are taken by reference and written elsewhere.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, Protocol

import ministack.app
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

from skykite_cloud.seams import imported
from skykite_cloud.snapshotfile import Blob, Snapshot, encode

_LARGE = 4096  # bytes and more go into files of their own
_ATTEMPTS = 10
_REAL_COPIES = frozenset(
    # These change what they have copied before they return it.
    {"acm", "documentdb", "dsql", "ec2", "ecs", "eks", "elasticache", "mwaa", "rds"}
)
_WHOLE_STORES = ("s3",)  # MiniStack's own persistence leaves the objects out

logger = logging.getLogger("skykite.state")


class Stateful(Protocol):
    """What is ours and has to survive as well. On the event loop's thread."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class StateOfServices:
    """Everything MiniStack holds, and `also` what is ours."""

    def __init__(self) -> None:
        self._large: dict[int, tuple[bytes, str]] = {}  # by identity: the bytes, kept alive, and their hash
        self._on_disk: set[str] = set()
        self._unsaved: set[str] = set()
        self._ours: dict[str, Stateful] = {}
        _install_live_copies()

    def also(self, name: str, ours: Stateful) -> None:
        """Capture and restore this under a name that no service has."""
        self._ours[name] = ours

    def capture(self) -> Snapshot:
        """The state of every service that has been used. On the event loop's thread."""
        seen: dict[int, tuple[bytes, str]] = {}
        services = {}
        for name, read in self._readers(seen):
            data = self._encode(name, read)
            if data is not None:
                services[name] = data
        self._large = seen
        blobs = {sha256: None if sha256 in self._on_disk else data for data, sha256 in seen.values()}
        return Snapshot(services=services, blobs=blobs)

    def written(self, snapshot: Snapshot) -> None:
        """The snapshot is on disk now, and so are its blobs."""
        self._on_disk = set(snapshot.blobs)

    def restore(self, state: dict[str, Any]) -> list[str]:
        """Put a state into the services. Before the first request. Returns the services that refused theirs."""
        refused = []
        for name, value in state.items():
            try:
                if name in self._ours:
                    self._ours[name].restore(value)
                elif name in _WHOLE_STORES:
                    _restore_stores(ministack.app._get_module(name), value)
                elif name == "sts":
                    ministack.app._get_module("sts")._sessions.update(value)
                else:
                    ministack.app._get_module(ministack.app._state_map[name]).load_persisted_state(value)
            except Exception:
                # One service's surprise must not cost the others their data.
                logger.exception("cannot restore %s", name)
                refused.append(name)
        return refused

    def _readers(self, seen: dict[int, tuple[bytes, str]]) -> Iterator[tuple[str, Callable[[], Any]]]:
        # Hashes are kept from one capture to the next, as long as the bytes they belong to are still there.
        def without_large(value: Any) -> Any:
            return _without_large(value, self._large, seen, {})

        for name, ours in self._ours.items():
            yield name, ours.state
        for key, module_name in ministack.app._state_map.items():
            module = imported(f"ministack.services.{module_name}")
            if module is None:
                continue
            if key in _WHOLE_STORES:
                yield key, partial(_without, without_large, _stores, module)
            elif key == "lambda":
                yield key, partial(_without, without_large, _lambda_state, module)
            elif key == "sts":
                yield key, partial(dict, module._sessions)
            elif hasattr(module, "get_state"):
                yield key, _reader(module, real_copies=key in _REAL_COPIES)

    def _encode(self, name: str, read: Callable[[], Any]) -> bytes | None:
        for attempt in range(_ATTEMPTS):
            try:
                value = read()
                return None if _is_empty(value) else encode(value)
            except RuntimeError:  # changed size during iteration: a thread was faster
                if attempt == _ATTEMPTS - 1:
                    raise
            except (pickle.PicklingError, TypeError):
                if name not in self._unsaved:
                    self._unsaved.add(name)
                    logger.exception("the state of %s is not saved", name)
                return None
        raise AssertionError("the last attempt returns or raises")


# ----------------------------------------------------------------------
# Reading services


_capturing = threading.local()


def _install_live_copies() -> None:
    """Let the services' `get_state` return their live data while we capture: it is pickled at once, and copying it
    first would be most of the cost. Only on the capturing thread; copies made elsewhere stay copies."""
    real = copy.deepcopy

    def deepcopy(value: Any, memo: dict[int, Any] | None = None) -> Any:
        if getattr(_capturing, "live", False):
            return value
        return real(value, memo)

    copy.deepcopy = deepcopy  # type: ignore[assignment]


@contextlib.contextmanager
def _live_data() -> Iterator[None]:
    _capturing.live = True
    try:
        yield
    finally:
        _capturing.live = False


def _reader(module: ModuleType, *, real_copies: bool) -> Callable[[], Any]:
    def read() -> Any:
        if real_copies:
            return module.get_state()
        with _live_data():
            return module.get_state()

    return read


def _is_empty(value: Any) -> bool:
    """Whether a service holds nothing. What is saved is imported on the next start, so nothing is not saved."""
    if value is None:
        return True
    return isinstance(value, dict) and not any(getattr(store, "_data", store) for store in value.values())


def _without(
    without_large: Callable[[Any], Any], read: Callable[[ModuleType], dict[str, Any]], module: ModuleType
) -> Any:
    return without_large(read(module))


def _lambda_state(module: ModuleType) -> dict[str, Any]:
    """As MiniStack's `get_state`, which would also write the code into files of its own."""
    return {
        "functions": module._functions,
        "layers": module._layers,
        "esms": module._esms,
        "function_urls": module._function_urls,
        "kinesis_positions": module._kinesis_positions,
        "dynamodb_stream_positions": module._dynamodb_stream_positions,
    }


def _stores(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, AccountScopedDict | AccountRegionScopedDict)
    }


def _restore_stores(module: ModuleType, saved: dict[str, Any]) -> None:
    stores = _stores(module)
    for name, store in saved.items():
        if name in stores:
            stores[name]._data.update(store._data)


# ----------------------------------------------------------------------
# Large values


def _without_large(
    value: Any, known: dict[int, tuple[bytes, str]], seen: dict[int, tuple[bytes, str]], memo: dict[int, Any]
) -> Any:
    """`value` with long byte strings replaced. What is shared inside stays shared; the original is not touched."""
    kind = type(value)
    if kind is bytes:
        return _blob(value, known, seen) if len(value) >= _LARGE else value
    if kind not in (dict, list, AccountScopedDict, AccountRegionScopedDict):
        return value
    if id(value) in memo:
        return memo[id(value)]
    made: Any
    if kind is dict:
        made = memo[id(value)] = {}
        for key, item in list(value.items()):
            made[key] = _without_large(item, known, seen, memo)
    elif kind is list:
        made = memo[id(value)] = []
        made.extend(_without_large(item, known, seen, memo) for item in list(value))
    else:
        made = memo[id(value)] = kind()
        for key, item in list(value._data.items()):
            made._data[key] = _without_large(item, known, seen, memo)
    return made


def _blob(data: bytes, known: dict[int, tuple[bytes, str]], seen: dict[int, tuple[bytes, str]]) -> Blob:
    found = known.get(id(data)) or seen.get(id(data)) or (data, hashlib.sha256(data).hexdigest())
    seen[id(data)] = found
    return Blob(found[1])
