"""Makes executables: runs what builds them, and keeps what comes out.

In: the import root of an executable and its `ExecutableBuild`. Out: a folder with `bootstrap`: for this machine as a
`BuiltSource`, or for Lambda as files of a zip. I/O: runs the user's toolchain in the user's folder; reads the sources;
keeps what was made in the cache, so that what runs stays while the next is being made.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.bundle import reasons
from skykite.bundle.toolchains import Machine, Recipe, executables_in, recipe_of, rust_hint, this_machine
from skykite.errors import SkykiteError
from skykite.model.built import BuildError, BuildFolder, BuildInput, BuildInputs, BuiltSource
from skykite.model.events import StepProgress
from skykite.model.executable import BOOTSTRAP, ExecutableBuild
from skykite.model.invocation import FunctionConfig
from skykite.model.source import executable_sources
from skykite.ports import EventSink
from skykite_lambda.tracking import digest_of, is_racy, listing_of, stat_of

_KEPT: Final = 4  # versions of one executable, for workers that still run an old one
_SHOWN: Final = 60  # lines of what a build said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The last build of an executable: what it was made of, and what came of it."""

    inputs: BuildInputs
    outcome: BuiltSource | BuildError


class ExecutableBuilds:
    """`SourceBuilds` of the kind `executable`, for this machine. `environment` is the user's: toolchains keep their
    state in the home directory."""

    def __init__(self, *, cache: Path, environment: Mapping[str, str], events: EventSink) -> None:
        self._cache = cache / "executables"
        self._environment = environment
        self._events = events
        self._made: dict[tuple[Path, ExecutableBuild], _Made] = {}
        self._locks: dict[tuple[Path, ExecutableBuild], asyncio.Lock] = {}

    async def build(self, config: FunctionConfig) -> BuiltSource:
        build = config.executable or ExecutableBuild()
        key = (config.import_root, build)
        async with self._locks.setdefault(key, asyncio.Lock()):
            before = await asyncio.to_thread(_inputs_of, config.import_root, config.project_root, build)
            made = self._made.get(key)
            if made is None or not _same(made.inputs, before):
                outcome = await self._make(config, build, before)
                made = self._made[key] = _Made(inputs=before, outcome=outcome)
            after = await asyncio.to_thread(_inputs_of, config.import_root, config.project_root, build)
            inputs = _merged(before, after)
        if isinstance(made.outcome, BuildError):
            failed = made.outcome
            raise BuildError(failed.code, failed.message, inputs=inputs, context=failed.context, hint=failed.hint)
        return BuiltSource(folder=made.outcome.folder, file=made.outcome.file, inputs=inputs)

    async def _make(
        self, config: FunctionConfig, build: ExecutableBuild, inputs: BuildInputs
    ) -> BuiltSource | BuildError:
        shown = reasons.shown(config.import_root, config.project_root)
        if not build.is_built:
            return _ready_made(config.import_root, shown, inputs)
        name = hashlib.sha256(repr((str(config.import_root), build)).encode()).hexdigest()[:16]
        try:
            folder = await run_build(
                build,
                this_machine(),
                import_root=config.import_root,
                keep=self._cache / name,
                environment=self._environment,
                events=self._events,
                shown=shown,
            )
        except SkykiteError as error:
            if error.code == "toolchain-missing":  # no build can be tried, and installing it changes no source
                raise
            return BuildError(error.code, error.message, inputs=inputs, context=error.context, hint=error.hint)
        file = next(path.name for path in (folder / f"{BOOTSTRAP}.exe", folder / BOOTSTRAP) if path.is_file())
        return BuiltSource(folder=folder, file=file, inputs=inputs)


async def run_build(
    build: ExecutableBuild,
    machine: Machine,
    *,
    import_root: Path,
    keep: Path,
    environment: Mapping[str, str],
    events: EventSink,
    shown: str,
) -> Path:
    """A folder below `keep` with what was made, `bootstrap` among it, under a name that says what is in it. Raises
    `build-failed`, `build-output`, `toolchain-missing`."""
    work = await asyncio.to_thread(_new_folder, keep)
    try:
        recipe = recipe_of(build, machine, folder=import_root, work=work, environment=environment, shown=shown)
        events.emit(StepProgress(step="bundle", message=f"building {shown} for {machine.shown}"))
        said = await _run(recipe, import_root, {**environment, **recipe.environment}, shown)
        return await asyncio.to_thread(_collect, recipe, said, import_root, keep, shown, machine)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


def _new_folder(keep: Path) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".making-", dir=keep))


async def _run(recipe: Recipe, folder: Path, environment: Mapping[str, str], shown: str) -> str:
    """What it wrote to its output, if all went well. Raises `build-failed`."""
    with tempfile.TemporaryFile() as complaints:
        options = {
            "cwd": folder,
            "env": {**environment, "KITE_BUILD": "1"},
            "stdin": asyncio.subprocess.DEVNULL,
            "stdout": asyncio.subprocess.PIPE,
            "stderr": complaints,
            "start_new_session": sys.platform != "win32",
        }
        if isinstance(recipe.command, str):
            process = await asyncio.create_subprocess_shell(recipe.command, **options)  # type: ignore[arg-type]
        else:
            process = await asyncio.create_subprocess_exec(*recipe.command, **options)  # type: ignore[arg-type]
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            _kill(process)
            await process.wait()
            raise
        complaints.seek(0)
        complained = complaints.read().decode(errors="replace")
    said = output.decode(errors="replace")
    if process.returncode == 0:
        return said
    told = "\n".join(line for line in said.splitlines() if not line.startswith('{"reason"'))
    lines = f"{told}\n{complained}".strip().splitlines()
    hint = rust_hint(complained) or f"run it in `{shown}` to see more"
    raise SkykiteError(
        "build-failed",
        f"`{shown}` does not build: `{recipe.shown}` ended with status {process.returncode}",
        context="\n".join(lines[-_SHOWN:]) or None,
        hint=hint if len(lines) > _SHOWN or rust_hint(complained) or not lines else None,
    )


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _collect(recipe: Recipe, said: str, import_root: Path, keep: Path, shown: str, machine: Machine) -> Path:
    """Copy what was made to where it stays as it is."""
    output = recipe.output
    if output is None:
        output = _one_of(executables_in(said), shown)
    elif output.is_dir() and not (output / BOOTSTRAP).is_file():  # cargo-lambda has a folder for each
        output = _one_of(tuple(sorted(output.glob(f"*/{BOOTSTRAP}"))), shown)
    copy = Path(tempfile.mkdtemp(prefix=".copying-", dir=keep))
    try:
        if output.is_dir():
            shutil.copytree(output, copy, dirs_exist_ok=True)
        elif output.is_file():
            suffix = ".exe" if machine.system == "windows" else ""
            place = copy / f"{BOOTSTRAP}{suffix}"
            shutil.copyfile(output, place)
            place.chmod(output.stat().st_mode | (stat.S_IXUSR if recipe.output is None else 0))
        else:
            raise SkykiteError(
                "build-output",
                f"`{shown}` was built by `{recipe.shown}`, which left no `{reasons.shown(output, import_root)}`",
                hint='name what it makes in `build={"output": …}`: a file, or a folder that holds `bootstrap`',
            )
        copy.chmod(0o755)
        folder = keep / _content_name(copy)
        if not folder.is_dir():
            copy.replace(folder)
        os.utime(folder)
        _forget_old(keep)
        return folder
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _one_of(found: tuple[Path, ...], shown: str) -> Path:
    """The executable of a Rust package: the only one, or the one that is called like its folder, or `bootstrap`."""
    names = {path.parent.name if path.name == BOOTSTRAP and len(found) > 1 else path.stem: path for path in found}
    wanted = next((names[name] for name in (BOOTSTRAP, Path(shown).name) if name in names), None)
    if len(found) == 1 or wanted is not None:
        return found[0] if len(found) == 1 or wanted is None else wanted
    listed = ", ".join(f"`{name}`" for name in sorted(names)) or "none"
    raise SkykiteError(
        "build-output",
        f"`{shown}` has to make one executable, and makes {listed}",
        hint='call one like the folder, or say how to build one: `build={"command": …, "output": …}`',
    )


def _content_name(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            mode = "x" if path.stat().st_mode & stat.S_IXUSR else "-"
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{mode}{content}\n".encode())
    return digest.hexdigest()[:32]


def _forget_old(keep: Path) -> None:
    """Of each executable, keep what may still run, and what may be wanted again."""
    kept = [path for path in keep.iterdir() if not path.name.startswith(".")]
    by_age = sorted(kept, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in by_age[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _ready_made(import_root: Path, shown: str, inputs: BuildInputs) -> BuiltSource | BuildError:
    for name in (BOOTSTRAP, f"{BOOTSTRAP}.exe") if sys.platform == "win32" else (BOOTSTRAP,):
        if (import_root / name).is_file():
            return BuiltSource(folder=import_root, file=name, inputs=inputs)
    return BuildError(
        "bootstrap-missing",
        f"`{shown}` holds no `{BOOTSTRAP}`, which is what Lambda would start",
        inputs=inputs,
        context=None,
        hint='put an executable of that name there, or say how it is made: `build={"command": …}`',
    )


def _inputs_of(import_root: Path, project_root: Path, build: ExecutableBuild) -> BuildInputs:
    """The sources as they are now, and for what is built the folders that they are in."""
    sources = executable_sources(import_root, project_root, build)
    now = time.time_ns()
    files = []
    for source in sources:
        path = str(source.location)
        found = stat_of(path)
        digest = digest_of(path) if found is not None and is_racy(found, now) else None
        files.append(BuildInput(path=path, stat=found, digest=digest))
    place = str(import_root / BOOTSTRAP)
    if not build.is_built and not any(one.path == place for one in files):
        files.append(BuildInput(path=place, stat=None))
    folders = {str(source.location.parent) for source in sources} | {str(import_root)} if build.is_built else set()
    return BuildInputs(
        files=tuple(files),
        folders=tuple(
            BuildFolder(
                path=path, stat=stat_of(path), names=None if (names := listing_of(path)) is None else tuple(names)
            )
            for path in sorted(folders)
        ),
    )


def _same(known: BuildInputs, now: BuildInputs) -> bool:
    """Whether the sources are the same; a listing may differ by what is no source."""
    before = {one.path: one for one in known.files}
    if before.keys() != {one.path for one in now.files}:
        return False
    for one in now.files:
        old = before[one.path]
        if old.stat != one.stat or (old.digest is not None and digest_of(one.path) != old.digest):
            return False
    return True


def _merged(before: BuildInputs, after: BuildInputs) -> BuildInputs:
    """Files as they were before the build. Folders as they are after it, unless a source has come or gone meanwhile:
    what a build leaves beside its sources makes it no staler."""
    if {one.path for one in before.files} != {one.path for one in after.files}:
        return before
    return BuildInputs(files=before.files, folders=after.folders)
