"""Which of the user's files a function depends on, seen as it runs.

Every file below the user's folders that is opened for reading, and every folder that is searched for a module or
listed, is noted with the stat it had *before* it was read, so whoever compares later sees any change since. A file
changed so recently that its timestamp could hide another change also gets a digest. What the function writes itself
does not count. The user's modules are compiled from source each time: Python's own cache trusts timestamps of one
second.

User code may do all this from several threads. No lock is taken, since a child forked meanwhile would inherit it held:
observations are appended to lists, which is atomic, and each thread keeps its own note of what is our own doing.

I/O: `os.stat`, `os.listdir`, and reading files with a fresh timestamp. Installs an audit hook, which cannot be removed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import stat
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple, TypeVar, cast

from skykite_lambda.faults import remember_source

RACY_NS = 50_000_000  # a change within this time of the last one may leave the same timestamp
EVERY_NAME = "*"
PACKAGE_INDEX = "__init__"
_PIECE = 1024 * 1024
_EXCLUDED = frozenset({".venv", "site-packages", "dist-packages", ".kite", ".git", "__pycache__", "node_modules"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_WRITES = {
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
}
_OWN_CODE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NOT_MODULES = ("debugpy", "pydevd", "_pydev", "skykite_lambda", "__main__")

Stat = Tuple[int, int, int, int]
_Item = TypeVar("_Item")


def stat_of(path: str) -> Optional[Stat]:
    """What tells two versions of a file apart; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def is_racy(found: Stat, now: int) -> bool:
    """Whether a change after `now` might leave the same stat. Either time may be set back or ahead by hand; setting one
    moves the other."""
    return abs(now - found[0]) <= RACY_NS or abs(now - found[1]) <= RACY_NS


def digest_of(path: str) -> Optional[str]:
    """Of the content; None if it cannot be read, or is not that of a file: a FIFO would never end."""
    import hashlib  # heavy, and rarely needed

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        digest = hashlib.blake2b(digest_size=16)
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(_PIECE), b""):
                digest.update(piece)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


def listing_of(path: str) -> Optional[List[str]]:
    """The names in a folder, without those that are never the user's. Bytes that are no text are shown as `\\udc..`."""
    try:
        return sorted(_as_text(name) for name in os.listdir(path) if name not in _EXCLUDED)
    except (OSError, ValueError):
        return None


def _as_text(name: str) -> str:
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


class Tracker:
    """Collects observations; `take` hands out what is new."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots: List[str] = []
        self._system: List[str] = []
        self._own = threading.local()  # `quiet` is set in it while the reading is ours
        self._files: Set[str] = set()
        self._folders: Dict[str, Set[str]] = {}
        self._written: Set[str] = set()
        self._new_files: List[Tuple[str, Optional[Stat], Optional[str]]] = []
        self._new_folders: List[Tuple[str, Optional[Stat], Optional[List[str]]]] = []
        self._new_names: List[Tuple[str, str]] = []
        self._new_written: List[str] = []
        self._sources: Set[str] = set()  # the user's modules: code counts, whoever writes it
        self._modules: Set[str] = set()
        self._module_count = 0
        self._add_roots(roots)

    def _add_roots(self, roots: Sequence[str]) -> None:
        for root in roots:
            for form in (os.path.abspath(root), os.path.realpath(root)):
                if form + os.sep not in self._roots:
                    self._roots.append(form + os.sep)

    def install(self, *, watch: bool = True) -> None:
        """Start to watch. The path and environment of the function must be in place. Without `watch` only installed
        modules are told of: the user's files are known not to change, and Python's cache of them is as good as any."""
        standard = os.path.dirname(os.path.abspath(os.__file__))
        system = {standard, os.path.realpath(standard)}
        for prefix in (sys.prefix, sys.base_prefix):
            if not any(root.startswith(prefix + os.sep) for root in self._roots):
                system.add(prefix)
        self._system = [path + os.sep for path in system]
        self._add_roots([path for path in sys.path if path and os.path.isdir(path) and not self._is_system(path)])
        if not watch:
            return
        sys.addaudithook(self._audit)
        self._install_loader()
        self._install_finder()

    def depend_on(self, paths: Sequence[str]) -> None:
        """Files, and folders with all that is in them, which the function may know by other names."""
        for path in paths:
            if not os.path.isdir(path):
                self._reads(path)
                continue
            with self._quietly():
                found = [(folder, names) for folder, _, names in os.walk(path)]
            for folder, names in found:
                self._searched(folder, EVERY_NAME)
                for name in names:
                    self._reads(os.path.join(folder, name))

    def is_users(self, path: str) -> bool:
        """Whether this absolute path is the user's: source that can change, not an installed package."""
        for root in self._roots:
            if path.startswith(root):
                inside = path[len(root) :]
                return _EXCLUDED.isdisjoint(inside.split(os.sep)) and not self._is_system(path)
            if path == root[:-1]:
                return True
        return False

    def _is_system(self, path: str) -> bool:
        return (
            any((path + os.sep).startswith(prefix) for prefix in self._system)
            or f"{os.sep}site-packages" in path
            or f"{os.sep}dist-packages" in path
        )

    def _is_users_source(self, path: str) -> bool:
        """Whether a module, or a folder searched for one, is the user's: all that is not installed, wherever it is.
        A function may add folders to the path, and editable packages come from where they are worked on."""
        return self.is_users(path) or not (
            self._is_system(path) or path.startswith(_OWN_CODE) or not _EXCLUDED.isdisjoint(path.split(os.sep))
        )

    def _is_quiet(self) -> bool:
        return getattr(self._own, "quiet", False)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        before = self._is_quiet()
        self._own.quiet = True
        try:
            yield
        finally:
            self._own.quiet = before

    # What Python does

    def _audit(self, event: str, arguments: Tuple[Any, ...]) -> None:
        if event == "open":
            if not self._is_quiet():
                self._opened(arguments[0], arguments[2])
        elif event == "import":
            if arguments[1] is not None:  # an extension module, which the system loads without opening it here
                self._opened(arguments[1], 0)
        elif event in ("os.listdir", "os.scandir"):
            if not self._is_quiet():
                path = self._resolve(arguments[0] if arguments[0] is not None else ".")
                if path is not None and self.is_users(path):
                    self._searched(path, EVERY_NAME)
        elif event in _WRITES and not self._is_quiet():
            for argument in _WRITES[event]:
                path = self._resolve(arguments[argument])
                if path is not None and self.is_users(path):
                    self._wrote(path)

    def _resolve(self, path: Any) -> Optional[str]:
        if isinstance(path, int):
            return None
        try:
            return os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError, OSError):
            return None

    def _opened(self, name: Any, flags: Any) -> None:
        path = self._resolve(name)
        if path is None or not self.is_users(path):
            return
        if isinstance(flags, int) and flags & _WRITING:
            self._wrote(path)
        else:
            self._reads(path)

    def _reads(self, path: str) -> None:
        if path not in self._files and path not in self._written:
            before = self._before_reading(path)
            self._files.add(path)
            self._new_files.append((path, *before))

    def _wrote(self, path: str) -> None:
        if path not in self._written and path not in self._sources:
            self._written.add(path)
            self._new_written.append(path)

    def _before_reading(self, path: str) -> Tuple[Optional[Stat], Optional[str]]:
        found = stat_of(path)
        if found is None or not is_racy(found, time.time_ns()):
            return found, None
        with self._quietly():
            return found, digest_of(path)

    def _searched(self, folder: str, name: str) -> None:
        names = self._folders.get(folder)
        if names is None:
            found = stat_of(folder)
            with self._quietly():
                listing = listing_of(folder)
            self._new_folders.append((folder, found, listing))
            names = self._folders.setdefault(folder, set())
        if name not in names:
            self._new_names.append((folder, name))
            names.add(name)

    def _install_loader(self) -> None:
        loader = importlib.machinery.SourceFileLoader
        stock = loader.get_code
        tracker = self

        def get_code(self: Any, fullname: str) -> Any:
            path = self.get_filename(fullname)
            absolute = os.path.abspath(path)
            if not tracker._is_users_source(absolute):
                return stock(self, fullname)
            tracker._sources.add(absolute)
            tracker._reads(absolute)
            source = self.get_data(path)
            code = self.source_to_code(source, path)
            remember_source(path, importlib.util.decode_source(source).splitlines(keepends=True))
            return code

        loader.get_code = get_code  # type: ignore[method-assign]

    def _install_finder(self) -> None:
        finder = importlib.machinery.FileFinder
        stock = finder.find_spec
        tracker = self

        def find_spec(self: Any, fullname: str, target: Any = None) -> Any:
            folder = os.path.abspath(self.path)
            if not tracker._is_users_source(folder):
                return stock(self, fullname, target)
            name = fullname.rpartition(".")[2]
            tracker._searched(folder, name)
            below = os.path.join(folder, name)
            if os.path.isdir(below):  # a package, once it holds an `__init__`
                tracker._searched(below, PACKAGE_INDEX)
            self.invalidate_caches()  # Python's own check of the folder's timestamp can miss a new file
            with tracker._quietly():  # it lists the folder itself
                return stock(self, fullname, target)

        finder.find_spec = find_spec  # type: ignore[method-assign]

    # What there is to tell

    def has_news(self) -> bool:
        """Whether anything that can go stale was read since the last `take`."""
        return bool(self._new_files or self._new_folders or self._new_names)

    def take(self) -> Optional[Dict[str, Any]]:
        """What was observed since the last time, as JSON-able data; None if nothing."""
        observed: Dict[str, Any] = {}
        # Names first: the folder of a name was noted before it.
        if self._new_names:
            names: Dict[str, List[str]] = {}
            for folder, name in _drain(self._new_names):
                names.setdefault(folder, []).append(name)
            observed["names"] = names
        if self._new_folders:
            observed["folders"] = _drain(self._new_folders)
        if self._new_files:
            observed["files"] = [entry for entry in _drain(self._new_files) if entry[0] not in self._written]
        if self._new_written:
            observed["written"] = _drain(self._new_written)
        if len(sys.modules) != self._module_count:
            modules = self._take_modules()
            if modules:
                observed["modules"] = modules
        return observed or None

    def _take_modules(self) -> List[str]:
        """Installed modules that came in, in the order in which they did."""
        found = []
        for name, module in list(sys.modules.items()):
            if name in self._modules:
                continue
            self._modules.add(name)
            spec = getattr(module, "__spec__", None)
            if spec is None or name.startswith(_NOT_MODULES) or spec.name != name:
                continue
            origin = cast("Optional[str]", spec.origin)
            if origin is None or not (spec.has_location and self._is_users_source(os.path.abspath(origin))):
                if origin is None and any(map(self._is_users_source, map(os.path.abspath, module.__path__ or ()))):
                    continue
                found.append(name)
        self._module_count = len(sys.modules)
        return found


def _drain(items: List[_Item]) -> List[_Item]:
    """Take out what is in a list now, while other threads may append."""
    taken = items[:]
    del items[: len(taken)]
    return taken


def package_folders() -> List[List[Any]]:
    """The folders that installed packages are imported from, each with its stat."""
    return [
        [path, stat_of(path)]
        for path in sys.path
        if os.path.basename(path) in ("site-packages", "dist-packages") and os.path.isdir(path)
    ]
