"""Find the project a command works on, and its place for state.

In: where to look. Out: `Project`. I/O: reads `kite.toml`; `prepare_state` makes `.kite/`.
"""

from __future__ import annotations

from pathlib import Path

from skykite.cli.regions import known_regions
from skykite.errors import SkykiteError
from skykite.model.project import CONFIG_FILE, STATE_DIRECTORY, Project, parse_project


def find_project(start: Path, *, explicit: Path | None = None) -> Project:
    """The project at or above `start`, or the one in the folder `explicit`, which is not searched upwards."""
    if explicit is not None:
        root = explicit.resolve()
        if not (root / CONFIG_FILE).is_file():
            raise SkykiteError(
                "project-not-found",
                f"`{explicit}` has no {CONFIG_FILE}",
                hint=f"give --project the folder that holds {CONFIG_FILE}",
            )
        return read_project(root)
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return read_project(folder)
    raise SkykiteError(
        "project-not-found",
        f"neither `{start}` nor a folder above it has a {CONFIG_FILE}",
        hint="make a project with `kite init my-app`, or go to one",
    )


def read_project(root: Path) -> Project:
    """The project whose `kite.toml` is in `root`."""
    file = root / CONFIG_FILE
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SkykiteError("config-invalid", f"`{file}` is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise SkykiteError(
            "config-unreadable", f"`{file}` cannot be read: {error.strerror}", hint="check its permissions"
        ) from error
    return parse_project(text, root, regions=known_regions())


def prepare_state(project: Project) -> Path:
    """Make `.kite/` of a project. Call it before the first write below it."""
    return prepare_folder(project.state)


def prepare_folder(state: Path) -> Path:
    """Make a `.kite/`, which ignores itself in git.

    Only its owner may look inside: templates hold the values of functions' environment variables.
    """
    ignore = state / ".gitignore"
    try:
        state.mkdir(mode=0o700, exist_ok=True)
        if not ignore.exists():
            ignore.write_text("# Skykite's state on this machine; safe to delete.\n*\n", encoding="utf-8")
    except OSError as error:
        raise SkykiteError(
            "project-read-only",
            f"`{state}` cannot be written: {error.strerror}",
            hint=f"Skykite keeps its state in `{STATE_DIRECTORY}/` beside {CONFIG_FILE}; make that folder writable",
        ) from error
    return state
