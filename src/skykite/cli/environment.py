"""The environment a project's program and functions see: the process's own, over what the `.env` files say.

In: the project's root, the stage, the process's environment. Out: `ProjectEnvironment`. I/O: reads the files; changes
nothing, least of all `os.environ`. How files are written and merged: docs/guides/stages-and-env.md.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from skykite.errors import SkykiteError
from skykite.model.names import StageName


class ProjectEnvironment(NamedTuple):
    """`variables` is the merged whole. `files` are all that were looked for, there or not, the later winning."""

    variables: dict[str, str]
    files: tuple[Path, ...]


def environment_files(root: Path, stage: StageName) -> tuple[Path, ...]:
    """Lowest precedence first."""
    return tuple(root / name for name in (".env", ".env.local", f".env.{stage}", f".env.{stage}.local"))


def load_environment(root: Path, stage: StageName, process: Mapping[str, str]) -> ProjectEnvironment:
    """Merge. A variable of the process always wins, also where a file refers to it with `${NAME}`."""
    files = environment_files(root, stage)
    from_files: dict[str, str] = {}
    for file in files:
        if file.is_file():  # some people keep a virtual environment in a folder called `.env`
            _read_into(from_files, file, process)
    return ProjectEnvironment(variables={**from_files, **process}, files=files)


def read_literally(text: str, source: str) -> dict[str, str]:
    """The NAME=value lines of a text as they stand: `$` is a letter like others. `source` is for complaints."""
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise _broken(Path(source), binding.original.string, binding.original.line)
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _read_into(values: dict[str, str], file: Path, process: Mapping[str, str]) -> None:
    # python-dotenv's own resolution reads os.environ; its grammar is all that is used here.
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    for binding in parse_stream(io.StringIO(_read(file))):
        if binding.error or (binding.key is not None and binding.value is None):
            raise _broken(file, binding.original.string, binding.original.line)
        if binding.key is not None and binding.value is not None:
            visible = {**values, **process}
            values[binding.key] = "".join(atom.resolve(visible) for atom in parse_variables(binding.value))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SkykiteError("env-file-invalid", f"`{file.name}` is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise SkykiteError(
            "env-file-unreadable", f"`{file.name}` cannot be read: {error.strerror}", hint="check its permissions"
        ) from error


def _broken(file: Path, original: str, line: int) -> SkykiteError:
    statement = original.lstrip()
    line += original[: len(original) - len(statement)].count("\n")
    name = statement.split("=", 1)[0].split("#", 1)[0].strip().removeprefix("export ").strip()
    if "=" not in statement.split("\n", 1)[0] and name.isidentifier():
        return SkykiteError(
            "env-file-invalid",
            f"`{file.name}:{line}` names `{name}` without giving it a value",
            hint=f"write {name}=value, or {name}= for an empty one",
        )
    quoted = any(quote in statement for quote in "'\"")
    return SkykiteError(
        "env-file-invalid",
        # The value may be a secret: only the name is shown.
        f"`{file.name}:{line}` is not a NAME=value line" + (f" (`{name}`)" if name.isidentifier() else ""),
        hint="quote values that hold quotes or line ends, and close each quote"
        if quoted and "=" in statement
        else "write NAME=value, or start the line with # to make it a comment",
    )
