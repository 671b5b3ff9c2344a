"""The `after_build` commands of a function: they have the last word on what is in its zip.

In: the files of the zip, and commands. Out: the files as the commands left them. I/O: writes the files into a folder,
runs the commands in it.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from skykite.errors import SkykiteError
from skykite.model.source import SourceFile


def have_run(
    commands: Sequence[str],
    files: Mapping[str, SourceFile],
    folder: Path,
    project_root: Path,
    environment: Mapping[str, str],
) -> None:
    """`KITE_PROJECT` tells a command where the project is. Raises `hook-failed` with what it said."""
    for path, file in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.content is None:
            shutil.copyfile(file.location, place)
        else:
            place.write_bytes(file.content)
        if file.executable:
            place.chmod(place.stat().st_mode | stat.S_IXUSR)
    for command in commands:
        done = subprocess.run(  # noqa: S602  (a line of the shell, as in a Makefile, and the user's own)
            command,
            shell=True,
            cwd=folder,
            env={**environment, "KITE_PROJECT": str(project_root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            raise SkykiteError(
                "hook-failed",
                f"the hook `{command}`, run after the build, ended with status {done.returncode}",
                context=done.stdout.decode(errors="replace").strip() or None,
                hint="it runs in a folder with the files of the function's zip; `KITE_PROJECT` says where the project "
                "is",
            )


def files_in(folder: Path) -> Iterator[SourceFile]:
    """What is there now."""
    for path, _, names in os.walk(folder):
        for name in names:
            file = Path(path, name)
            executable = bool(file.stat().st_mode & stat.S_IXUSR)
            yield SourceFile(path=file.relative_to(folder).as_posix(), location=file, executable=executable)
