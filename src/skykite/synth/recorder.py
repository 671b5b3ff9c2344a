"""What the user's program reads while it runs, so that a later run can be skipped when none of it changed.

In: the project root. Out: `Reads`. I/O: none of its own; it listens, through Python's audit events
(https://docs.python.org/3/library/audit_events.html), `os.stat` and `os.environ`. Installed once, in the synth process
only, which ends with the run: it cannot be taken out again.

What it cannot see makes a run unrepeatable (a process started, a connection made), or is not the program's to depend
on (the clock, chance). Files outside the project are covered by the versions in the fingerprint.

A file that the program makes anew before it looks at it holds what the program's other inputs say, and is none itself.
One that it looks at first, or adds to, and then writes is an input; what it was is gone, so such a run has no
fingerprint.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

from skykite.model.executable import BOOTSTRAP
from skykite.model.runtimes import NODE_SUFFIXES
from skykite.synth.report import Reads

_NOT_THE_USERS: Final = frozenset({"jsii", "aws_cdk", "constructs", "skykite", "platform"})
_TRANSPARENT: Final = frozenset(
    {"os", "_collections_abc", "collections", "typing", "posixpath", "ntpath", "pathlib", "genericpath", "subprocess"}
)
_HANDLERS: Final = (
    "skykite.constructs.handlers",
    "skykite.constructs.executables",
    "skykite.model.executable",
    "skykite.model.node_source",
    "skykite.model.node_exports",
)
_HANDLER_FILES: Final = (".py", *NODE_SUFFIXES, f"{os.sep}{BOOTSTRAP}")
_COVERED_ELSEWHERE: Final = (  # by the manifest, and by versions
    *("skykite.model.source", "skykite.model.naming", "skykite.model.disk", "skykite.synth.warmth"),
    *_HANDLERS,
)
_NOT_SOURCES: Final = (".pyc", ".pyo", ".pkg")  # the last: `pkgutil` asks for it beside every package
_PATH_LIMIT: Final = 1024
_FOR_WRITING: Final = os.O_WRONLY | os.O_RDWR
_EMPTIED: Final = os.O_TRUNC | os.O_EXCL  # what was there before, if anything, plays no part


class Recorder:
    """Listens from `start` on. `started_by_us` is raised around the one process that is ours to start."""

    def __init__(self, root: Path) -> None:
        self._root = str(root) + os.sep
        self._bare_root = str(root)
        self._files: set[str] = set()
        self._made: set[str] = set()
        self._written: set[str] = set()
        self._handler: str | None = None
        self._listings: set[str] = set()
        self._modules: set[str] = set()
        self._trees: set[str] = set()
        self._variables: dict[str, str | None] = {}
        self._unrepeatable: str | None = None
        self._environ = os.environ

    def start(self) -> None:
        os.environ = _RecordingEnviron(self._environ, self)  # type: ignore[assignment]  # noqa: B003
        stat = os.stat

        def recording_stat(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
            self._note_file(path)
            return stat(path, *args, **kwargs)

        os.stat = recording_stat
        if sys.platform == "win32":  # where these ask the system themselves
            for name in ("exists", "isdir", "isfile", "islink", "lexists"):
                setattr(os.path, name, self._recording(getattr(os.path, name)))
        sys.addaudithook(self._hear)

    @property
    def last_handler(self) -> str | None:
        """The file that a function was looked for in last, whether or not it was there."""
        return self._handler

    def reads(self) -> Reads:
        for module in list(sys.modules.values()):
            # A module that loads from compiled bytecode opens no source, and still is what its source says. Nobody
            # heard whether that was before it was written, if it was.
            file = getattr(module, "__file__", None)
            self._note_file(file)
            self._made.discard(self._absolute(file) or "")
        return Reads(
            files=tuple(sorted(self._files - self._made)),
            written=tuple(sorted(self._written)),
            listings=tuple(sorted(self._listings)),
            modules=tuple(sorted(self._modules - self._listings)),
            trees=tuple(sorted(self._trees)),
            variables=dict(sorted(self._variables.items())),
            unrepeatable=self._unrepeatable,
        )

    def note_variable(self, name: str) -> None:
        if _is_users(sys._getframe(2)):  # noqa: SLF001
            self._variables.setdefault(name, self._environ.get(name))

    def note_all_variables(self) -> None:
        if _is_users(sys._getframe(2)):  # noqa: SLF001
            for name, value in self._environ.items():
                self._variables.setdefault(name, value)

    def note_asset(self, text: str) -> None:
        """A string on its way to the CDK: if it names something in the project, CDK may be about to copy it."""
        if len(text) > _PATH_LIMIT or "\n" in text or not text:
            return
        path = os.path.normpath(os.path.join(self._bare_root, text))  # noqa: PTH118  (on every string: pathlib is slow)
        if self._is_inside(path) and os.path.lexists(path):
            self._trees.add(path)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if flags & _FOR_WRITING:
                self._note_written(path, anew=bool(flags & _EMPTIED))
            else:
                self._note_file(path)
        elif event == "os.rename":  # `os.replace`, too
            self._note_renamed(args[0], args[1])
        elif event in ("os.listdir", "os.scandir"):
            self._note_listing(args[0])
        elif event in ("subprocess.Popen", "os.posix_spawn", "os.system", "os.exec", "os.fork"):
            self._note_unrepeatable("it starts another program")
        elif event in ("socket.connect", "socket.getaddrinfo"):
            self._note_unrepeatable("it uses the network")

    def _note_file(self, path: Any) -> None:
        text = self._absolute(path)
        if text is None or text.endswith(_NOT_SOURCES):
            return
        if not _from(_COVERED_ELSEWHERE):
            self._files.add(text)
        elif text.endswith(_HANDLER_FILES) and _from(_HANDLERS):
            self._handler = text

    def _note_written(self, path: Any, *, anew: bool) -> None:
        text = self._absolute(path)
        if text is None:
            return
        self._written.add(text)
        if not anew:
            self._files.add(text)
        elif text not in self._files:
            self._made.add(text)

    def _note_renamed(self, source: Any, target: Any) -> None:
        """The target is what the source was. A source from outside the project is somebody's temporary file."""
        old = self._absolute(source)
        anew = old is None or old in self._made
        self._note_written(source, anew=anew)
        self._note_written(target, anew=anew)

    def _recording(self, function: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def recording(path: Any) -> bool:
            self._note_file(path)
            return function(path)

        return recording

    def _note_listing(self, path: Any) -> None:
        text = self._absolute("." if path is None else path)
        if text is None or _from(_COVERED_ELSEWHERE):
            return
        caller = sys._getframe(2).f_globals.get("__name__", "")  # noqa: SLF001
        (self._modules if caller.startswith("importlib") else self._listings).add(text)

    def _note_unrepeatable(self, reason: str) -> None:
        if _is_users(sys._getframe(2)):  # noqa: SLF001
            self._unrepeatable = self._unrepeatable or reason

    def _absolute(self, path: Any) -> str | None:
        """The path if it is the project's own: not a tool's state, not an installed package."""
        if path is None or isinstance(path, int):
            return None
        try:
            text = os.path.normpath(os.path.join(self._bare_root, os.fsdecode(path)))  # noqa: PTH118
        except TypeError:
            return None
        return text if self._is_inside(text) else None

    def _is_inside(self, path: str) -> bool:
        if path == self._bare_root:
            return True
        if not path.startswith(self._root):
            return False
        parts = path[len(self._root) :].split(os.sep)  # noqa: PTH206  (on every file opened)
        hidden = any(part.startswith(".") for part in parts[:-1]) or parts[0] in (".kite", ".git", ".venv")
        return not hidden and "site-packages" not in parts and "__pycache__" not in parts


class _RecordingEnviron(MutableMapping[str, str]):
    """`os.environ` as it was, and tells the recorder what is asked of it."""

    def __init__(self, real: os._Environ[str], recorder: Recorder) -> None:
        self._real = real
        self._recorder = recorder

    def __getitem__(self, name: str) -> str:
        self._recorder.note_variable(name)
        return self._real[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._real[name] = value

    def __delitem__(self, name: str) -> None:
        del self._real[name]

    def __iter__(self) -> Iterator[str]:
        self._recorder.note_all_variables()
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)

    def __repr__(self) -> str:
        return repr(self._real)

    def __or__(self, other: Any) -> dict[str, str]:
        return {**dict(self), **other}

    def __ror__(self, other: Any) -> dict[str, str]:
        return {**other, **dict(self)}

    def copy(self) -> dict[str, str]:
        """As `os.environ.copy()`."""
        return dict(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _is_users(frame: FrameType | None) -> bool:
    """Whether the code that asks is the user's or a library of theirs, looking past what merely passes on."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _NOT_THE_USERS:
            return False
        if module not in _TRANSPARENT:
            return True
        frame = frame.f_back
    return False


def _from(modules: tuple[str, ...]) -> bool:
    """Whether one of `modules` is a few calls up: `pathlib` and `io` stand between."""
    frame: FrameType | None = sys._getframe(3)  # noqa: SLF001
    for _ in range(6):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") in modules:
            return True
        frame = frame.f_back
    return False
