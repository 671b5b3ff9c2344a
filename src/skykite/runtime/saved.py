"""Which saved files concern which functions, told once each, whoever noticed the save first.

In: the functions there are, what their workers read and wrote. Out: what changed since the last look. A request that
beats the file watcher starts a fresh worker, after which no worker is stale any more; hence what was last told is kept
here, apart from workers. I/O: `os.stat` of every known file at each look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from skykite.errors import SkykiteError
from skykite.model.invocation import FunctionConfig
from skykite.model.names import FunctionId
from skykite.runtime.freshness import Observed
from skykite.runtime.outcomes import Ending, Exited, Raised, TimedOut
from skykite.runtime.reports import exit_reason
from skykite_lambda.tracking import Stat, stat_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What came of saved files. `functions` are all concerned; for those that cannot be loaded, `failures` say why."""

    files: frozenset[Path] = frozenset()
    functions: tuple[FunctionId, ...] = ()
    failures: tuple[SkykiteError, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Known:
    handler: frozenset[str]
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def files(self) -> set[str]:
        return (self.read - self.written) | self.handler


class SavedFiles:
    """Files by function, each with the stat it had when it was last told of."""

    def __init__(self, handler_files: Callable[[FunctionConfig], frozenset[str]]) -> None:
        """`handler_files` says what concerns a function before any worker has told."""
        self._handler_files = handler_files
        self._known: dict[FunctionId, _Known] = {}
        self._marks: dict[str, Stat | None] = {}

    def expect(self, configs: Iterable[FunctionConfig]) -> None:
        """There are exactly these functions."""
        known: dict[FunctionId, _Known] = {}
        for config in configs:
            handler = self._handler_files(config)
            before = self._known.get(config.id)
            known[config.id] = before if before and before.handler == handler else _Known(handler=handler)
            for path in handler:
                if path not in self._marks:
                    self._marks[path] = stat_of(path)
        self._known = known
        wanted = {path for entry in known.values() for path in entry.files()}
        for path in self._marks.keys() - wanted:
            del self._marks[path]

    def add(self, function: FunctionId, observed: Observed) -> bool:
        """A worker of the function has read and written this. Whether any of it is new."""
        known = self._known.get(function)
        if known is None:
            return False
        before = len(known.read)
        known.written.update(observed.written)
        for path, stat, _ in observed.files:
            known.read.add(path)
            self._marks.setdefault(path, stat)
        return len(known.read) > before

    def paths(self) -> frozenset[Path]:
        """Files to watch; some of them need not exist."""
        return frozenset(Path(path) for known in self._known.values() for path in known.files())

    def take_changed(self) -> tuple[frozenset[Path], frozenset[FunctionId]]:
        """What changed since the last time, and the functions that concerns."""
        by_function = {function: known.files() for function, known in self._known.items()}
        changed: set[str] = set()
        for path in set().union(*by_function.values()):
            now = stat_of(path)
            if now != self._marks[path]:
                self._marks[path] = now
                changed.add(path)
        concerned = (function for function, files in by_function.items() if not changed.isdisjoint(files))
        return frozenset(map(Path, changed)), frozenset(concerned)

    def one_per_handler(self, functions: Iterable[FunctionId]) -> tuple[FunctionId, ...]:
        """The first function of each handler file: enough to know whether it can be loaded."""
        first: dict[frozenset[str], FunctionId] = {}
        for function in sorted(functions):
            first.setdefault(self._known[function].handler, function)
        return tuple(first.values())


def load_errors(failed: Mapping[FunctionId, Ending]) -> tuple[SkykiteError, ...]:
    """Why functions cannot be loaded, said once for all that have the same reason."""
    alike: dict[tuple[str, str | None, str | None], list[FunctionId]] = {}
    for function, ending in sorted(failed.items()):
        alike.setdefault(_told(ending), []).append(function)
    return tuple(
        SkykiteError(
            "function-not-loaded",
            f"`{functions[0]}`{_and_others(len(functions) - 1)} cannot be loaded: {what}",
            context=context,
            hint=hint,
        )
        for (what, context, hint), functions in alike.items()
    )


def _told(ending: Ending) -> tuple[str, str | None, str | None]:
    """What, where, hint."""
    match ending:
        case Raised(error=error):
            own = error.type.startswith(("Runtime.", "worker-", "interpreter-"))  # then the message says it all
            what = error.message if own else f"{error.type}: {error.message}"
            return what, "".join(error.trace).rstrip("\n") or None, error.hint
        case Exited(status=status, hint=hint):
            return exit_reason(status), None, hint
        case TimedOut(limit_s=limit, hint=hint):
            return f"it takes longer than the {limit:g} s it has, besides the 10 s for loading", None, hint
        case _:
            raise AssertionError(ending)  # nothing returns while it is loaded


def _and_others(count: int) -> str:
    if not count:
        return ""
    return f" and {count} other {'function' if count == 1 else 'functions'}"
