"""From a handler's name to the file it is in.

In: `functions/notes.get` and the project root. Out: its import root and the handler as Lambda will call it, or a
PropProblem that names what the file does define. I/O: reads the handler's file.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from skykite.constructs.props import PropProblem, listed, shown
from skykite.errors import SkykiteError
from skykite.model.code_frame import code_frame
from skykite.model.executable import ExecutableBuild
from skykite.model.handlers import Definitions, read_definitions
from skykite.model.invocation import FunctionKind, Handler, parse_handler
from skykite.model.node_exports import read_exports
from skykite.model.runtimes import NODE_SUFFIXES
from skykite.model.source import NODE_MARKERS, excluded, find_import_root


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedHandler:
    """`import_root` and `file` are relative to the project root, `deployed_handler` to the import root."""

    import_root: str
    deployed_handler: str
    file: str
    kind: FunctionKind
    executable: ExecutableBuild | None = None


def locate(text: object, root: Path, *, change: str = "set handler=") -> LocatedHandler:
    """`change` is how a hint begins that goes on with a better handler in quotes. Raises PropProblem."""
    if not isinstance(text, str):
        raise PropProblem("prop-type", f"was given handler={shown(text)}, which is not a string")
    try:
        handler = parse_handler(text)
    except SkykiteError as error:
        raise PropProblem(error.code, f"has a bad handler: {error.message}", hint=error.hint) from None
    if handler.function == "py" and (root / text).is_file():
        functions = _read(Handler(path=handler.path, function=""), root / text).functions
        raise PropProblem(
            "handler-invalid",
            f"points to the file `{text}` and to no function in it",
            hint=f'{change}"{handler.path}.{functions[0]}"' if functions else "add a function to it and name it",
        )
    others = [suffix for suffix in NODE_SUFFIXES if (root / f"{handler.path}{suffix}").is_file()]
    file = root / handler.file
    if others:
        named = [*([handler.file] if file.is_file() else []), *(f"{handler.path}{suffix}" for suffix in others)]
        if len(named) > 1:
            raise PropProblem(
                "handler-ambiguous",
                f"points to `{handler}`, and there are {_and(tuple(named))}",
                hint="give one of them another name",
            )
        return _locate_node(handler, root / named[0], root, change)
    if not file.is_file():
        raise _file_missing(handler, root, change)
    definitions = _read(handler, file)
    if not definitions.may_define(handler.function):
        defined, meant = definitions.functions, f"{handler.path.rpartition('/')[2]}.{handler.function}"
        hint = _function_hint(handler, defined, change)
        if handler.function in definitions.values:
            raise PropProblem(
                "handler-not-found",
                f"points to `{meant}`, which is a value and no function in `{handler.file}`",
                hint=hint,
            )
        raise PropProblem(
            "handler-not-found",
            f"points to `{meant}`, but `{handler.file}` "
            + (f"defines {_and(defined)}" if defined else "defines no function"),
            hint=hint,
        )
    return _located(handler, file, find_import_root(file, root), root, "python")


def _locate_node(handler: Handler, file: Path, root: Path, change: str) -> LocatedHandler:
    """A file in TypeScript or JavaScript. What it exports shows in its text, or only when it is bundled."""
    exports = read_exports(file.read_text(encoding="utf-8", errors="replace"))
    if not exports.may_export(handler.function):
        shown_file = file.relative_to(root).as_posix()
        near = difflib.get_close_matches(handler.function, exports.names, n=1) or exports.names[:1]
        raise PropProblem(
            "handler-not-found",
            f"points to `{handler.path.rpartition('/')[2]}.{handler.function}`, but `{shown_file}` "
            + (f"exports {_and(exports.names)}" if exports.names else "exports nothing"),
            hint=f"export a function `{handler.function}` from it"
            + (f', or {change}"{handler.path}.{near[0]}"' if near else ""),
        )
    return _located(handler, file, find_import_root(file, root, markers=NODE_MARKERS), root, "node")


def _located(handler: Handler, file: Path, import_root: Path, root: Path, kind: FunctionKind) -> LocatedHandler:
    inside = file.relative_to(import_root)
    for depth, part in enumerate(inside.parts):
        if excluded(part, at_root=depth == 0):
            raise PropProblem(
                "handler-excluded",
                f"points to `{handler.file}`, and `{part}` is left out of what is deployed",
                hint="move the file out of it",
            )
    return LocatedHandler(
        import_root=import_root.relative_to(root).as_posix(),
        deployed_handler=f"{inside.with_suffix('').as_posix()}.{handler.function}",
        file=file.relative_to(root).as_posix(),
        kind=kind,
    )


def _read(handler: Handler, file: Path) -> Definitions:
    source = file.read_bytes()
    try:
        return read_definitions(source)
    except SyntaxError as error:
        frame = code_frame(
            source.decode("utf-8", "replace"), file=handler.file, line=error.lineno or 1, column=error.offset
        )
        raise PropProblem(
            "handler-syntax", f"points to `{handler.file}`, which Python cannot read: {error.msg}\n\n{frame}"
        ) from None


def _function_hint(handler: Handler, defined: tuple[str, ...], change: str) -> str:
    """A name that is close was meant; otherwise the function is probably still to be written."""
    near = difflib.get_close_matches(handler.function, defined, n=1)
    if near:
        return f'{change}"{handler.path}.{near[0]}"'
    add = f"add `def {handler.function}(event, context)` to `{handler.file}`"
    return f'{add}, or {change}"{handler.path}.{defined[0]}"' if len(defined) == 1 else add


def _file_missing(handler: Handler, root: Path, change: str) -> PropProblem:
    message = f"points to `{handler}`, but there is no file `{handler.file}`"
    slashed = Handler(path=handler.path.replace(".", "/"), function=handler.function)
    if slashed != handler and (root / slashed.file).is_file():
        return PropProblem("handler-not-found", message, hint=f'{change}"{slashed}"')
    folder = (root / handler.file).parent
    shown_folder = folder.relative_to(root).as_posix()
    if folder.is_dir():
        suffixes = (".py", *NODE_SUFFIXES)
        files = sorted(path.name for path in folder.iterdir() if path.suffix in suffixes and path.stem != "__init__")
        name = handler.path.rpartition("/")[2]
        near = difflib.get_close_matches(name, [Path(file).stem for file in files], n=1)
        if near:
            better = (Path(handler.path).parent / near[0]).as_posix()
            hint = f'did you mean "{better}.{handler.function}"?'
        elif files:
            hint = f"`{shown_folder}` holds {listed(files[:8])}"
        else:
            hint = f"`{shown_folder}` holds no file in Python, TypeScript or JavaScript"
    else:
        hint = f"there is no folder `{shown_folder}`; handlers are relative to the folder of kite.toml"
    return PropProblem("handler-not-found", message, hint=hint)


def _and(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names[:8]]
    if len(names) > 8:
        quoted.append(f"{len(names) - 8} more")
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
