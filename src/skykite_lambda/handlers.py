"""Find the user's handler as Lambda does, and say what is there if it is not. I/O: imports the user's module."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any, Callable, List, Optional, cast

from skykite_lambda.faults import Fault

Handler = Callable[[Any, Any], Any]


def load_handler(handler: str, import_root: str) -> Handler:
    """Import what `path/to/file.function` names. Raises Fault, or what the module raised."""
    path, dot, function = handler.rpartition(".")
    if not dot:
        # Lambda words it with the message of the exception it stumbles over.
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
            hint="write path/to/file.function without `.py`, for instance `functions/notes.get`",
        )
    if path.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {path} as a handler module")
    try:
        module = importlib.import_module(path.replace("/", "."))
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError",
            f"Unable to import module '{path}': {error}",
            hint=_import_hint(error, path, import_root),
        ) from error
    except SyntaxError as error:
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{path}': {error}",
            trace=[f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
        ) from error
    try:
        return cast("Handler", getattr(module, function))
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound",
            f"Handler '{function}' missing on module '{path}'",
            hint=_functions_hint(module, path),
        ) from None


def _functions_hint(module: ModuleType, path: str) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    if not names:
        return f"`{path}.py` defines no function"
    return f"`{path}.py` defines {_listed(names)}"


def _import_hint(error: ImportError, path: str, import_root: str) -> Optional[str]:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    file = os.path.join(import_root, *path.split("/")) + ".py"
    if error.name == path.replace("/", ".") or path.replace("/", ".").startswith(error.name + "."):
        if os.path.exists(file):
            return None
        folder = os.path.dirname(file)
        try:
            found = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
        except OSError:
            return f"there is no folder `{os.path.dirname(path)}` in `{import_root}`"
        shown = os.path.dirname(path) or os.path.basename(import_root)
        return f"there is no `{path}.py`; `{shown}` holds " + (_listed(found) if found else "no Python file")
    package = error.name.partition(".")[0]
    return f"install `{package}` into the environment of `{sys.executable}`, and add it to the project's dependencies"


def _listed(names: List[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + f" and {quoted[-1]}"
