"""Compares the project's environment with what would be deployed, while a session runs.

In: functions, what their workers have read and loaded. Out: `Notice`s, each once until it is no longer so; hints for
modules that are not found. I/O: reads lock files, folders of installed packages and the user's modules, in a thread,
and only what has changed since.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from skykite.bundle.reasons import shown
from skykite.dev.differences import Difference, compare, differences_notice, remedy_for
from skykite.dev.environments import FoundPython, find_python, is_virtual, places
from skykite.dev.imports import Import, imports_of
from skykite.dev.installed import Installed
from skykite.dev.interpreter import Interpreter, ask_interpreter
from skykite.dev.locked import Locked, read_locked
from skykite.dev.undeployed import adding, explain_missing, find_undeployed, missing_module
from skykite.errors import SkykiteError
from skykite.model.dependencies import dependency_files, read_dependencies
from skykite.model.events import Notice
from skykite.model.invocation import FunctionConfig
from skykite.model.manifest import FunctionEntry, Manifest, PackageOptions
from skykite.model.names import FunctionId
from skykite.model.packages import Dependencies
from skykite.ports import EventSink
from skykite.runtime import Observed, WorkerError
from skykite_lambda.tracking import Stat, stat_of

QUIET: Final = 0.5  # seconds without news before anything is compared: installing takes many steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """An import root, and what its functions take of what it lists."""

    folder: Path
    options: PackageOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a root's files say; `marks` tell when to read them again."""

    marks: Mapping[str, Stat | None]
    dependencies: Dependencies | None = None
    locked: Locked | None = None
    error: SkykiteError | None = None


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the workers of one function have read and loaded."""

    root: Root
    files: set[str] = field(default_factory=set)
    tops: set[str] = field(default_factory=set)
    layered: bool = False  # a layer of the user's may bring packages


class PackageCheck:
    """Use `run` once, beside the session; the rest on the same loop."""

    def __init__(
        self,
        *,
        project_root: Path,
        found: FoundPython,
        given: str | None,
        environment: Mapping[str, str],
        events: EventSink,
        on_interpreter: Callable[[Interpreter], None] = lambda _: None,
    ) -> None:
        """`on_interpreter` is told of another Python in the same environment, which was made anew."""
        self._project_root = project_root
        self._found = found
        self._given = given
        self._environment = environment
        self._events = events
        self._on_interpreter = on_interpreter
        self._interpreter: Interpreter | None = None
        self._interpreter_marks: Sequence[Stat | None] = ()
        self._functions: dict[FunctionId, _Seen] = {}
        self._listed: dict[Root, Listed] = {}
        self._installed: Installed | None = None
        self._installed_marks: Mapping[str, Stat | None] = {}
        self._imports: dict[str, tuple[Stat | None, tuple[Import, ...]]] = {}
        self._noticed: frozenset[Notice] = frozenset()
        self._news = asyncio.Event()

    # What there is to know

    def learn(self, interpreter: Interpreter | None) -> None:
        """What the project's interpreter says of itself; nothing is compared before, or without."""
        self._interpreter, self._interpreter_marks = interpreter, self._marks_of_python()

    def expect(self, manifest: Manifest) -> None:
        """Exactly the functions of this manifest run here; they have just been deployed."""
        before, self._functions = self._functions, {}
        for entry in manifest.functions:
            if entry.live and entry.kind == "python" and entry.handler is not None:
                seen = _Seen(root=self._root_of(entry), layered=bool(entry.layers))
                if entry.id in before:
                    seen.files, seen.tops = before[entry.id].files, before[entry.id].tops
                self._functions[entry.id] = seen
        self._news.set()

    def observed(self, config: FunctionConfig, observed: Observed) -> None:
        """A worker of the function has read and loaded this."""
        seen = self._functions.get(config.id)
        if seen is None:
            return
        files = {path for path, _, _ in observed.files if path.endswith(".py")} - seen.files
        tops = {name.partition(".")[0] for name in observed.modules} - seen.tops
        if files or tops:
            seen.files |= files
            seen.tops |= tops
            self._news.set()

    def changed(self) -> None:
        """Something in one of the watched places has."""
        self._news.set()

    @property
    def files(self) -> frozenset[Path]:
        """What lists packages, and what may become the project's environment."""
        roots = {seen.root for seen in self._functions.values()}
        found = {file for root in roots for file in dependency_files(root.folder)}
        for root in roots:
            listed = self._listed.get(root)
            found.update(listed.dependencies.files if listed and listed.dependencies else ())
        return frozenset(found) | places(self._project_root, self._environment)

    @property
    def folders(self) -> frozenset[Path]:
        """Where packages are installed."""
        return frozenset(map(Path, self._interpreter.folders)) if self._interpreter else frozenset()

    # Comparing

    async def run(self) -> None:
        """Compare after whatever is new, when it has been quiet for a moment."""
        while True:
            await self._news.wait()
            while self._news.is_set():
                self._news.clear()
                await asyncio.sleep(QUIET)
            if self._interpreter is None or not self._functions:
                continue
            await self._ask_again()
            seen = [
                _Seen(root=one.root, files=set(one.files), tops=set(one.tops), layered=one.layered)
                for one in self._functions.values()
            ]
            self._tell(await asyncio.to_thread(self._compare, seen))

    async def _ask_again(self) -> None:
        """If it may be another Python now. One that is being put there says nothing yet, and is asked when it is."""
        if self._marks_of_python() == self._interpreter_marks:
            return
        before, now = self._interpreter, await ask_interpreter(self._found.python)
        if now is None:
            return
        self.learn(now)
        if now != before:
            self._listed.clear()  # by its markers
            self._on_interpreter(now)

    def _marks_of_python(self) -> Sequence[Stat | None]:
        return tuple(stat_of(str(path)) for path in (self._found.python, self._found.folder / "pyvenv.cfg"))

    def _tell(self, notices: frozenset[Notice]) -> None:
        before, self._noticed = self._noticed, notices
        for notice in sorted(notices - before, key=lambda one: (one.notice, one.message)):
            self._events.emit(notice)
        differed = {one.notice for one in before} - {one.notice for one in notices}
        if "packages-differ" in differed:
            self._events.emit(Notice(notice="packages-agree", message=f"{self._environment_name} is up to date again"))

    def _compare(self, functions: Sequence[_Seen]) -> frozenset[Notice]:
        installed = self._read_installed()
        return frozenset(
            [
                *self._other_environment(),
                *self._differing(functions, installed),
                *self._undeployed(functions, installed),
            ]
        )

    def _differing(self, functions: Sequence[_Seen], installed: Installed) -> Iterator[Notice]:
        by_lock: dict[Path, list[tuple[Root, Listed]]] = {}
        for root in dict.fromkeys(one.root for one in functions):
            listed = self._read_listed(root)
            if listed.error is not None:
                yield Notice(notice=listed.error.code, message=listed.error.message, hint=listed.error.hint)
            elif listed.dependencies is not None and listed.locked is not None:
                by_lock.setdefault(listed.dependencies.files[0], []).append((root, listed))
        for lock, members in by_lock.items():
            found: dict[str, Difference] = {}
            for _, listed in members:
                assert listed.locked is not None
                found |= {one.name: one for one in compare(installed.versions, listed.locked.versions)}
            differences = sorted(found.values(), key=lambda one: (one.here is None, one.name))
            notice = differences_notice(
                differences,
                lock=shown(lock, self._project_root),
                environment=self._environment_name,
                remedy=self._remedy(*members[0], shared=len(members) > 1),
            )
            if notice is not None:
                yield notice

    def _other_environment(self) -> Iterator[Notice]:
        """One that was made, or chosen, since the session began."""
        if self._given is None and (now := find_python(self._project_root, self._environment)) != self._found:
            yield Notice(
                notice="environment-changed",
                message=f"functions still run on `{self._found.python}`; the project now has another: {now.why}",
                hint="stop `kite dev` with Ctrl-C and start it again to use it",
            )

    def _undeployed(self, functions: Sequence[_Seen], installed: Installed) -> Iterator[Notice]:
        assert self._interpreter is not None
        for seen in functions:
            listed = self._read_listed(seen.root)
            if seen.layered or listed.error is not None:
                continue
            locked = listed.locked
            deployed = locked.with_required(installed, self._interpreter.variables) if locked else frozenset[str]()
            inside = str(seen.root.folder) + os.sep
            outside = {part for path in seen.files if not path.startswith(inside) for part in Path(path).parts}
            found = find_undeployed(
                {path: self._imports_of(path) for path in seen.files},
                seen.tops | {part.removesuffix(".py") for part in outside},
                import_root=seen.root.folder,
                installed=installed,
                deployed=deployed,
            )
            for one in found:
                file = shown(Path(one.file), self._project_root)
                lock, add = self._listing(listed.dependencies)
                where = f"`{lock}` does not deploy it" if lock else "nothing lists it for functions"
                yield Notice(
                    notice="package-undeployed",
                    message=f"`{one.package}` works here and would be missing on AWS: `{file}:{one.line}` imports "
                    f"`{one.imported}`, and {where}",
                    hint=add.format(one.package),
                )

    # Hints

    def explain(self, config: FunctionConfig, error: WorkerError) -> str | None:
        """A better hint for a module that is not found: whether only here, or on AWS as well."""
        module, seen = missing_module(error.type, error.message), self._functions.get(config.id)
        if module is None or seen is None or self._interpreter is None:
            return None
        listed = self._read_listed(seen.root)
        if listed.error is not None:
            return None
        lock, add = self._listing(listed.dependencies)
        return explain_missing(
            module,
            import_root=config.import_root,
            handler=str(config.handler),
            installed=self._read_installed(),
            locked=None if listed.locked is None else listed.locked.versions.keys(),
            lock=lock,
            environment=self._environment_name,
            sync=self._remedy(seen.root, listed),
            add=add,
        )

    # What is on disk

    def _root_of(self, entry: FunctionEntry) -> Root:
        return Root(folder=self._project_root / (entry.import_root or "."), options=entry.packages)

    def _read_listed(self, root: Root) -> Listed:
        known = self._listed.get(root)
        if known is not None and all(stat_of(path) == mark for path, mark in known.marks.items()):
            found = {str(path) for path in dependency_files(root.folder)}
            if found <= known.marks.keys():
                return known
        self._listed[root] = listed = self._list(root)
        return listed

    def _list(self, root: Root) -> Listed:
        assert self._interpreter is not None
        files = dependency_files(root.folder)
        marks = {str(file): stat_of(str(file)) for file in files}
        try:
            dependencies = read_dependencies(root.folder, root.options)
            if dependencies is None:
                return Listed(marks=marks)
            marks |= {str(file): stat_of(str(file)) for file in dependencies.files if str(file) not in marks}
            locked = read_locked(dependencies, root.options, self._interpreter.variables, self._project_root)
        except SkykiteError as error:
            return Listed(marks=marks, error=error)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return Listed(marks=marks, error=_unlike(files[0], error))
        except OSError:  # it is being replaced; the next look finds it
            return Listed(marks=marks)
        return Listed(marks=marks, dependencies=dependencies, locked=locked)

    def _read_installed(self) -> Installed:
        assert self._interpreter is not None
        marks = {folder: stat_of(folder) for folder in self._interpreter.folders}
        if self._installed is None or marks != self._installed_marks:
            self._installed, self._installed_marks = Installed(list(map(Path, marks))), marks
        return self._installed

    def _imports_of(self, path: str) -> tuple[Import, ...]:
        mark, known = stat_of(path), self._imports.get(path)
        if known is None or known[0] != mark:
            try:
                known = (mark, imports_of(Path(path).read_bytes()))
            except OSError:
                known = (mark, ())
            self._imports[path] = known
        return known[1]

    # Words

    @property
    def _environment_name(self) -> str:
        folder = self._found.folder
        if folder.is_relative_to(self._project_root):
            return f"`{shown(folder, self._project_root)}`"
        match self._found.keeper:
            case "own":
                return "the Python of `kite`"
            case "poetry":
                return "Poetry's environment"
            case "pdm":
                return "PDM's environment"
            case "pyenv":
                return f"pyenv's `{folder.name}`"
            case "conda":
                return f"the conda environment `{folder.name}`"
            case _:
                return f"`{shown(folder, self._project_root)}`"

    def _listing(self, dependencies: Dependencies | None) -> tuple[str | None, str]:
        """What lists packages, as people call it, and how one more is listed."""
        if dependencies is None:
            return None, adding(None, "")
        lock = shown(dependencies.files[0], self._project_root)
        beside = _below(dependencies.main.parent, self._project_root)
        return lock, adding(dependencies.kind, shown(dependencies.main, self._project_root), beside)

    def _remedy(self, root: Root, listed: Listed, *, shared: bool = False) -> str:
        if listed.dependencies is None:
            return ""
        by_uv = _made_by_uv(self._found.folder)
        return remedy_for(
            listed.dependencies.kind,
            file=shown(listed.dependencies.main, self._project_root),
            keeper=self._found.keeper,
            pip="uv pip" if by_uv else "pip",
            extras=root.options.extras,
            groups=root.options.groups,
            shared=shared,
            beside=_below(root.folder, self._project_root),
            given=shlex.quote(str(self._given)) if self._given and is_virtual(self._found.folder) else "",
        )


def _unlike(file: Path, error: Exception) -> SkykiteError:
    return SkykiteError(
        "lock-invalid",
        f"`{file}` is not as its tool writes it: {type(error).__name__}: {error}",
        hint="write it again with the tool that it is from",
    )


def _made_by_uv(environment: Path) -> bool:
    """An environment of uv's has no pip."""
    try:
        return "\nuv = " in (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False


def _below(folder: Path, project_root: Path) -> str:
    """Where a command of the tool's own is to be run; empty for the project's folder."""
    return "" if folder.resolve() == project_root.resolve() else shown(folder, project_root)
