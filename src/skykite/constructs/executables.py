"""Functions that are executables: from the folder that is their `handler` to how they are built.

In: the folder's name, the checked props, the project root. Out: the folder and an `ExecutableBuild`, or a PropProblem.
I/O: asks which files there are.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.constructs.function_props import FunctionSettings
from skykite.constructs.props import PropProblem, listed, shown
from skykite.model.executable import BOOTSTRAP, ExecutableBuild, is_workspace

_GO_ROOTS: Final = ("go.work", "go.mod")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedExecutable:
    """`import_root` is relative to the project root."""

    import_root: str
    build: ExecutableBuild


def locate_executable(text: object, settings: FunctionSettings, root: Path) -> LocatedExecutable:
    """Raises PropProblem."""
    if not isinstance(text, str):
        raise PropProblem("prop-type", f"was given handler={shown(text)}, which is not a string")
    folder = root / text
    ready = (folder / BOOTSTRAP).is_file()  # asked first: what is looked for is also what mends its absence
    if not folder.is_dir() or not folder.resolve().is_relative_to(root.resolve()) or folder.resolve() == root.resolve():
        raise _no_folder(text, root)
    relative = folder.resolve().relative_to(root.resolve()).as_posix()
    given = settings.build
    if given is not None:
        inputs = tuple(_input(one, root) for one in given.get("inputs", ()))
        build = ExecutableBuild(
            command=given["command"],
            output=_inside("output", given.get("output", BOOTSTRAP)),
            local_command=given.get("local_command"),
            local_output=_inside("local_output", given["local_output"]) if given.get("local_output") else None,
            inputs=inputs,
            exclude=settings.exclude,
        )
        return LocatedExecutable(import_root=relative, build=build)
    if ready:
        return LocatedExecutable(import_root=relative, build=ExecutableBuild(exclude=settings.exclude))
    module = _above(folder, root, _GO_ROOTS)
    if module is not None and any(folder.glob("*.go")):
        return LocatedExecutable(
            import_root=relative,
            build=ExecutableBuild(preset="go", inputs=_outside(module, folder, root), exclude=settings.exclude),
        )
    if (folder / "Cargo.toml").is_file():
        return LocatedExecutable(
            import_root=relative,
            build=ExecutableBuild(
                preset="rust", inputs=_outside(_workspace(folder, root), folder, root), exclude=settings.exclude
            ),
        )
    raise PropProblem(
        "handler-not-found",
        f"points to `{relative}`, which holds no `{BOOTSTRAP}`, no `Cargo.toml`, and no Go below a `go.mod`",
        hint=f'add an executable called `{BOOTSTRAP}`, or say how it is made: build={{"command": "make"}}',
    )


def _above(folder: Path, root: Path, names: tuple[str, ...]) -> Path | None:
    """The highest folder, within the project, with the first of these that is found."""
    for name in names:
        found = [one for one in (folder, *folder.parents) if one.is_relative_to(root) and (one / name).is_file()]
        if found:
            return found[0]
    return None


def _workspace(folder: Path, root: Path) -> Path:
    """The workspace that a Rust package is a member of, or its own folder."""
    for one in folder.parents:
        if not one.is_relative_to(root):
            break
        if is_workspace(one / "Cargo.toml"):
            return one
    return folder


def _outside(source: Path, folder: Path, root: Path) -> tuple[str, ...]:
    """What is read besides the folder: all of the module or workspace it is a part of."""
    return () if source == folder else (source.relative_to(root).as_posix(),)


def _input(given: str, root: Path) -> str:
    path = (root / given).resolve()
    if not path.exists() or not path.is_relative_to(root.resolve()):
        raise PropProblem(
            "build-input",
            f'has `{given}` in build["inputs"], which is not in the project',
            hint="name files and folders relative to the folder of kite.toml",
        )
    return path.relative_to(root.resolve()).as_posix()


def _inside(prop: str, given: str) -> str:
    path = Path(given)
    if path.is_absolute() or ".." in path.parts or path == Path():
        raise PropProblem(
            "build-output",
            f'was given build["{prop}"]={shown(given)}, which is not below its handler',
            hint=f"name what the command leaves, relative to the folder it runs in, for instance `{BOOTSTRAP}`",
        )
    return path.as_posix()


def _no_folder(text: str, root: Path) -> PropProblem:
    above = (root / text).parent
    message = (
        f"points to `{text}`, which is not a folder of the project; `provided` runtimes run a folder's `bootstrap`"
    )
    if (root / text).is_file():
        name = Path(text).parent.as_posix()
        return PropProblem("handler-not-found", message, hint=f'set handler="{name}"' if name != "." else None)
    folders = sorted(one.name for one in above.iterdir() if one.is_dir()) if above.is_dir() else []
    near = difflib.get_close_matches(Path(text).name, folders, n=1)
    if near:
        return PropProblem(
            "handler-not-found", message, hint=f'did you mean "{(Path(text).parent / near[0]).as_posix()}"?'
        )
    shown_above = Path(text).parent.as_posix()
    some = [one for one in folders if not one.startswith(".")][:8]
    return PropProblem("handler-not-found", message, hint=f"`{shown_above}` holds {listed(some)}" if some else None)


def check_is_no_executable(settings: FunctionSettings) -> None:
    """Raises PropProblem for what only an executable takes."""
    if settings.build is not None:
        raise PropProblem(
            "prop-contradiction",
            "has a `build`, which is for executables, "
            + (f"and the runtime `{settings.runtime}`" if settings.runtime else "and no runtime of theirs"),
            hint='add runtime="provided.al2023", or take `build` out',
        )
