"""Run the user's program, and turn whatever it raises into an error about the user's own lines.

In: a `Synthesis`. Out: the assembly on disk, or a SkykiteError. I/O: imports and runs the user's code.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from skykite.errors import SkykiteError
from skykite.model.code_frame import code_frame
from skykite.model.synthesis import Synthesis
from skykite.synth.fresh_imports import import_from_source

_TRACE_LIMIT = 8


def run_program(synthesis: Synthesis) -> None:
    """Import `main`'s file, call `main(app)`, synthesize."""
    root = Path(synthesis.project_root)
    main = _find_main(synthesis, root)
    # As a user's program does, by name: the room `constructs` is no part of this one.
    app = importlib.import_module("skykite").App(stage=synthesis.stage)
    try:
        inspect.signature(main).bind(app)
    except TypeError:
        raise SkykiteError(
            "main-signature",
            f"`main` in `{synthesis.main}` takes {_arguments(main)}, and is called with the app",
            context=_frame_at(root, synthesis.main, main.__code__.co_firstlineno),
            hint="define it as `def main(app: App) -> None`",
        ) from None
    if inspect.iscoroutinefunction(main):
        raise SkykiteError(
            "main-signature",
            f"`main` in `{synthesis.main}` is a coroutine",
            context=_frame_at(root, synthesis.main, main.__code__.co_firstlineno),
            hint="define it as `def main(app: App) -> None`",
        )
    with _explaining(root, synthesis.main):
        main(app)
    with _explaining(root, synthesis.main):
        app.synth()


def _find_main(synthesis: Synthesis, root: Path) -> Any:
    file = root / synthesis.main
    if not file.is_file():
        raise SkykiteError(
            "main-missing",
            f"there is no `{synthesis.main}`, where the app is defined",
            hint='make it with a function `def main(app: App) -> None`, or set main = "…" in kite.toml',
        )
    import_from_source(root)
    with _explaining(root, synthesis.main):
        module = _import(synthesis.main, file)
    main = getattr(module, "main", None)
    if not inspect.isfunction(main):
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        defined = f"it defines {', '.join(f'`{name}`' for name in functions)}" if functions else "it defines none"
        raise SkykiteError(
            "main-missing",
            f"`{synthesis.main}` has no function `main`; {defined}",
            hint="add `def main(app: App) -> None` and make the stacks in it",
        )
    return main


def _import(main: str, file: Path) -> ModuleType:
    parts = PurePosixPath(main).with_suffix("").parts
    if all(part.isidentifier() for part in parts):
        return importlib.import_module(".".join(parts))
    spec = importlib.util.spec_from_file_location("kite_main", file)
    if spec is None or spec.loader is None:
        raise SkykiteError("main-missing", f"`{main}` is not a Python file", hint="`main` of kite.toml names one")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _explaining(root: Path, main: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too, is the program's way to fail
        raise explain(error, root, main) from error


def explain(error: BaseException, root: Path, main: str) -> SkykiteError:
    """What to tell the user about an exception out of their program."""
    frames = _users_frames(error, root)
    if isinstance(error, SkykiteError):
        if error.context is None and frames:
            return SkykiteError(
                error.code,
                error.message,
                context=_show(frames, root),
                hint=error.hint,
                link=error.link,
                blame=error.blame,
            )
        return error
    if isinstance(error, SyntaxError) and error.filename:
        return _explain_syntax(error, root)
    context = _show(frames, root) if frames else None
    where = _relative(Path(frames[-1].filename), root) if frames else main
    if isinstance(error, SystemExit):
        return SkykiteError(
            "main-exited",
            f"`{where}` ended the program with `sys.exit({error.code!r})` before the stacks were complete",
            context=context,
            hint="raise an exception to say what is wrong",
        )
    if _is_jsii(error):
        return SkykiteError("cdk-error", f"the CDK refuses it: {_clean(str(error))}", context=context)
    name = type(error).__name__ if type(error).__module__ == "builtins" else _qualified(error)
    text = f"{name}: {error}" if str(error) else name
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if (root / package).is_dir() or (root / f"{package}.py").is_file():
            hint = f"there is no `{'/'.join(error.name.split('.'))}.py`"
        else:
            hint = f"the stacks run in the environment of `kite` ({sys.prefix}): install `{package}` there"
    elif isinstance(error, PermissionError) and isinstance(error.filename, str):
        hint = f"check the permissions of `{_relative(Path(error.filename), root)}` and of the folders it is in"
    return SkykiteError("main-failed", f"`{where}` raised `{text}`", context=context, hint=hint)


def missing_module(error: BaseException | None, root: Path) -> tuple[Path, ...]:
    """Where in the project Python has looked for a module that was not found."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ()
    *packages, module = error.name.split(".")
    files = (Path(*packages, f"{module}.py"), Path(*packages, module, "__init__.py"))
    real = root.resolve()
    places = {Path(place or ".").resolve() for place in sys.path}
    return tuple(
        root / place.relative_to(real) / file
        for place in places
        if place.is_relative_to(real) and "site-packages" not in place.parts
        for file in files
    )


def _explain_syntax(error: SyntaxError, root: Path) -> SkykiteError:
    file = Path(str(error.filename))
    source = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    shown = _relative(file, root)
    return SkykiteError(
        "main-syntax",
        f"Python cannot read `{shown}`: {error.msg}",
        context=code_frame(source, file=shown, line=error.lineno or 1, column=error.offset) if source else None,
    )


def _users_frames(error: BaseException, root: Path) -> list[traceback.FrameSummary]:
    """From the outermost call to the line that matters; the project's own lines only."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        try:
            parts = Path(frame.filename).relative_to(root).parts
        except ValueError:
            continue
        if "site-packages" not in parts and not any(part.startswith(".") for part in parts):
            found.append(frame)
    return found


def _show(frames: list[traceback.FrameSummary], root: Path) -> str:
    last = frames[-1]
    shown = [_frame_at(root, last.filename, last.lineno or 1)]
    callers = list(reversed(frames[:-1]))
    shown += [f"called by {_relative(Path(f.filename), root)}:{f.lineno}: {f.line}" for f in callers[:_TRACE_LIMIT]]
    if len(callers) > _TRACE_LIMIT:
        shown.append(f"and {len(callers) - _TRACE_LIMIT} more")
    return "\n".join(shown)


def _frame_at(root: Path, file: str, line: int) -> str:
    path = root / file
    return code_frame("".join(linecache.getlines(str(path))), file=_relative(path, root), line=line)


def _relative(file: Path, root: Path) -> str:
    try:
        return file.relative_to(root).as_posix()
    except ValueError:
        return str(file)


def _arguments(main: Any) -> str:
    return f"`{inspect.signature(main)}`"


def _is_jsii(error: BaseException) -> bool:
    return type(error).__module__.startswith("jsii") or type(error.__cause__).__module__.startswith("jsii")


def _qualified(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _clean(text: str) -> str:
    """jsii's message without the JavaScript stack that some of them repeat."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return "\n".join(line for line in lines if not line.lstrip().startswith("at ") and line)
