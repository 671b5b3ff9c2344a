"""Which of the user's files a function depends on, seen as it runs.

Every file below the user's folders that is opened for reading, and every folder that is searched for a module or
listed, is noted with the stat it had *before* it was read, so whoever compares later sees any change since. A file
changed so recently that its timestamp could hide another change also gets a digest. What the function writes itself
does not count. The user's modules are compiled from source each time: Python's own cache trusts timestamps of one
second.

I/O: `os.stat`, `os.listdir`, and reading files with a fresh timestamp. Installs an audit hook, which cannot be removed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import time
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple, cast

from skykite_lambda.faults import remember_source

RACY_NS = 50_000_000  # a change within this time of the last one may leave the same timestamp
EVERY_NAME = "*"
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
_NOT_MODULES = ("debugpy", "pydevd", "_pydev", "skykite_lambda", "__main__")

Stat = Tuple[int, int, int, int]


def stat_of(path: str) -> Optional[Stat]:
    """What tells two versions of a file apart; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def digest_of(path: str) -> Optional[str]:
    """Of the content; None if it cannot be read."""
    import hashlib  # heavy, and rarely needed

    try:
        with open(path, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except OSError:
        return None


def listing_of(path: str) -> Optional[List[str]]:
    """The names in a folder, without those that are never the user's."""
    try:
        return sorted(name for name in os.listdir(path) if name not in _EXCLUDED)
    except OSError:
        return None


class Tracker:
    """Collects observations; `take` hands out what is new."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots: List[str] = []
        self._system: List[str] = []
        self._quiet = False
        self._files: Dict[str, Tuple[Optional[Stat], Optional[str]]] = {}
        self._folders: Dict[str, Set[str]] = {}
        self._written: Set[str] = set()
        self._new_files: Dict[str, Tuple[Optional[Stat], Optional[str]]] = {}
        self._new_folders: Dict[str, Tuple[Optional[Stat], Optional[List[str]]]] = {}
        self._new_names: Dict[str, Set[str]] = {}
        self._new_written: Set[str] = set()
        self._sources: Set[str] = set()  # the user's modules: code counts, whoever writes it
        self._modules: Set[str] = set()
        self._module_count = 0
        self._add_roots(roots)

    def _add_roots(self, roots: Sequence[str]) -> None:
        for root in roots:
            for form in (os.path.abspath(root), os.path.realpath(root)):
                if form + os.sep not in self._roots:
                    self._roots.append(form + os.sep)

    def install(self) -> None:
        """Start to watch. The path and environment of the function must be in place."""
        standard = os.path.dirname(os.path.abspath(os.__file__))
        system = {standard, os.path.realpath(standard)}
        for prefix in (sys.prefix, sys.base_prefix):
            if not any(root.startswith(prefix + os.sep) for root in self._roots):
                system.add(prefix)
        self._system = [path + os.sep for path in system]
        self._add_roots([path for path in sys.path if path and os.path.isdir(path) and not self._is_system(path)])
        sys.addaudithook(self._audit)
        self._install_loader()
        self._install_finder()

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
            or path.endswith(".zip")
        )

    # What Python does

    def _audit(self, event: str, arguments: Tuple[Any, ...]) -> None:
        if event == "open":
            if not self._quiet:
                self._opened(arguments[0], arguments[2])
        elif event in ("os.listdir", "os.scandir"):
            if not self._quiet:
                path = self._resolve(arguments[0] if arguments[0] is not None else ".")
                if path is not None and self.is_users(path):
                    self._searched(path, EVERY_NAME)
        elif event in _WRITES and not self._quiet:
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
        elif path not in self._files and path not in self._written:
            self._files[path] = self._new_files[path] = self._before_reading(path)

    def _wrote(self, path: str) -> None:
        if path not in self._written and path not in self._sources:
            self._written.add(path)
            self._new_written.add(path)
            self._files.pop(path, None)
            self._new_files.pop(path, None)

    def _before_reading(self, path: str) -> Tuple[Optional[Stat], Optional[str]]:
        found = stat_of(path)
        if found is None or abs(time.time_ns() - found[0]) > RACY_NS or os.path.isdir(path):
            return found, None
        self._quiet = True
        try:
            return found, digest_of(path)
        finally:
            self._quiet = False

    def _searched(self, folder: str, name: str) -> None:
        names = self._folders.get(folder)
        if names is None:
            found = stat_of(folder)
            self._quiet = True
            try:
                listing = listing_of(folder)
            finally:
                self._quiet = False
            names = self._folders[folder] = set()
            self._new_folders[folder] = (found, listing)
        if name not in names:
            names.add(name)
            self._new_names.setdefault(folder, set()).add(name)

    def _install_loader(self) -> None:
        loader = importlib.machinery.SourceFileLoader
        stock = loader.get_code
        tracker = self

        def get_code(self: Any, fullname: str) -> Any:
            path = self.get_filename(fullname)
            if not tracker.is_users(os.path.abspath(path)):
                return stock(self, fullname)
            tracker._sources.add(os.path.abspath(path))
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
            if not tracker.is_users(folder):
                return stock(self, fullname, target)
            tracker._searched(folder, fullname.rpartition(".")[2])
            self.invalidate_caches()  # Python's own check of the folder's timestamp can miss a new file
            was_quiet, tracker._quiet = tracker._quiet, True  # it lists the folder itself
            try:
                return stock(self, fullname, target)
            finally:
                tracker._quiet = was_quiet

        finder.find_spec = find_spec  # type: ignore[method-assign]

    # What there is to tell

    def take(self) -> Optional[Dict[str, Any]]:
        """What was observed since the last time, as JSON-able data; None if nothing."""
        observed: Dict[str, Any] = {}
        if self._new_files:
            files, self._new_files = self._new_files, {}
            observed["files"] = [[path, found, digest] for path, (found, digest) in files.items()]
        if self._new_folders:
            folders, self._new_folders = self._new_folders, {}
            observed["folders"] = [[path, found, listing] for path, (found, listing) in folders.items()]
        if self._new_names:
            names, self._new_names = self._new_names, {}
            observed["names"] = {path: sorted(found) for path, found in names.items()}
        if self._new_written:
            written, self._new_written = self._new_written, set()
            observed["written"] = sorted(written)
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
            if origin is None or not (spec.has_location and self.is_users(os.path.abspath(origin))):
                if origin is None and any(map(self.is_users, map(os.path.abspath, module.__path__ or ()))):
                    continue
                found.append(name)
        self._module_count = len(sys.modules)
        return found


def package_folders() -> List[List[Any]]:
    """The folders that installed packages are imported from, each with its stat."""
    return [
        [path, stat_of(path)]
        for path in sys.path
        if os.path.basename(path) in ("site-packages", "dist-packages") and os.path.isdir(path)
    ]
