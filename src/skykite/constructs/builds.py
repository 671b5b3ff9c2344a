"""What goes into a function's zip beside the files of its import root, and commands that make some of those.

In: checked `copy_files` and `hooks`. Out: where copied files go, or a PropProblem. I/O: asks which files there are;
runs the commands of `before_build`, once each in a run of the program.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from skykite.constructs.function_props import LAYERS_LIMIT, FunctionSettings
from skykite.constructs.program import Program
from skykite.constructs.props import PropProblem
from skykite.model.dependencies import read_dependencies
from skykite.model.manifest import CopiedFile
from skykite.model.naming import bundle_hash
from skykite.model.source import copied_sources, select


def copied_files(given: Sequence[CopiedFile], root: Path, import_root: str) -> tuple[CopiedFile, ...]:
    """Each with its own name where `to` is the top of the zip. Raises PropProblem for what is not there, and for what
    would take the place of a file of the import root."""
    found = []
    for one in given:
        source = root / one.source
        if not source.exists():
            raise PropProblem(
                "copy-missing",
                f"copies `{one.source}`, which does not exist",
                hint="`copy_files` names files and folders relative to the folder of kite.toml",
            )
        placed = replace(one, to=source.name) if source.is_file() and not one.to else one
        for file in copied_sources((placed,), root):
            if (root / import_root / file.path).is_file() and not (root / import_root / file.path).samefile(
                file.location
            ):
                raise PropProblem(
                    "copy-conflict",
                    f"copies `{one.source}` to `{file.path}`, where its import root `{import_root}` has a file already",
                    hint="give it another place with `to`",
                )
        found.append(placed)
    return tuple(found)


def packages_of(settings: FunctionSettings, program: Program, import_root: str) -> dict[str, Any]:
    """What a bundle says of packages: as a layer where Lambda has room for one more, and where no command is to have a
    word on them. Raises SkykiteError for lock files that are of no use."""
    place = (import_root, settings.packages)
    if place not in program.dependencies:
        program.dependencies[place] = read_dependencies(program.root / import_root, settings.packages)
    found = program.dependencies[place]
    room = settings.layered and not settings.after_build and len(settings.layers) < LAYERS_LIMIT
    return {
        "exclude": settings.exclude,
        "packages": settings.packages,
        "layered": room and found is not None and found.installs,
        "local": tuple(_relative(one.folder, program.root) for one in found.local) if found else (),
    }


def _relative(folder: Path, root: Path) -> str:
    return Path(os.path.relpath(folder, root.resolve())).as_posix()


def run_before_build(commands: Sequence[str], program: Program) -> None:
    """Raises PropProblem with what a command said that failed."""
    for command in commands:
        if command in program.ran:
            continue
        program.ran.add(command)
        before = _marks(program.root)
        done = subprocess.run(  # noqa: S602  (a line of the shell, as in a Makefile, and the user's own)
            command,
            shell=True,
            cwd=program.root,
            env={**os.environ, "KITE_APP": program.synthesis.app, "KITE_STAGE": program.synthesis.stage},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").strip()
            raise PropProblem(
                "hook-failed",
                f"has the hook `{command}`, which ended with status {done.returncode}" + (f":\n{said}" if said else ""),
                hint="run it in the folder of kite.toml to see why",
            )
        after = _marks(program.root)
        program.made.update(path for path in after if after[path] != before.get(path))
        known = program.hashes.items()
        if any(bundle_hash(program.root, bundle, disk=program.disk) != name for bundle, name in known):
            raise PropProblem(
                "hook-too-late",
                f"has the hook `{command}`, which changed files that functions made before have in their code",
                hint='have it run before the first of them: app.set_default_function_props(hooks={"before_build": …})',
            )


def _marks(root: Path) -> dict[str, tuple[int, int, int]]:
    """What tells versions of the project's files apart, and of the folders they are in."""
    found: dict[str, tuple[int, int, int]] = {}
    for file in select(root, root):
        for path in (file.location, file.location.parent):
            name = path.relative_to(root).as_posix()
            if name not in found:
                status = path.stat()
                found[name] = status.st_mtime_ns, status.st_ctime_ns, status.st_size
    return found
