"""Find the user's handler as Lambda does, and say what is there if it is not. I/O: imports the user's module."""

from __future__ import annotations

import importlib
import os
import re
import sys
from types import ModuleType
from typing import Any, Callable, List, Optional, cast

from skykite_lambda.faults import Fault

Handler = Callable[[Any, Any], Any]


def load_handler(handler: str, import_root: str, project_root: str) -> Handler:
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
            hint=_import_hint(error, path, import_root, project_root),
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


def _import_hint(error: ImportError, path: str, import_root: str, project_root: str) -> Optional[str]:
    if not error.name:
        return None
    if not isinstance(error, ModuleNotFoundError):
        return _no_name_hint(error, import_root)
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
    own = _own_module_hint(error.name, os.path.dirname(path), import_root, project_root)
    if own is not None:
        return own
    package = error.name.partition(".")[0]
    return f"install `{package}` into the environment of `{sys.executable}`, and add it to the project's dependencies"


def _no_name_hint(error: ImportError, import_root: str) -> Optional[str]:
    """For `from folder import module` without that module, where the folder can hold nothing else."""
    found = re.match(r"cannot import name '([^']+)' from", str(error))  # `name_from` is there from Python 3.12 on
    folder = "/".join((error.name or "").split("."))
    place = os.path.join(import_root, folder)
    if found is None or not os.path.isdir(place) or os.path.exists(os.path.join(place, "__init__.py")):
        return None
    file = f"{folder}/{found.group(1)}"
    return None if _holds(import_root, file) else f"there is no `{file}.py`"


def _own_module_hint(name: str, folder: str, import_root: str, project_root: str) -> Optional[str]:
    """For a module that is, or should be, a file of the project's."""
    package = name.partition(".")[0]
    file = "/".join(name.split(".")) + ".py"
    if _holds(import_root, package):
        if _holds(import_root, file[:-3]):  # found by us, yet not by Python
            return f"another `{package}` is installed and comes first: add an empty `{package}/__init__.py`"
        return f"there is no `{file}`"
    if folder and _holds(os.path.join(import_root, folder), package):
        return f"imports start at `{import_root}`: write `{folder.replace('/', '.')}.{name}` for `{folder}/{file}`"
    if _holds(project_root, package):
        return f"imports of this function start at `{import_root}`: what it needs has to be in there, or be installed"
    return None


def _holds(folder: str, module: str) -> bool:
    place = os.path.join(folder, module)
    return os.path.isdir(place) or os.path.isfile(place + ".py")


def _listed(names: List[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + f" and {quoted[-1]}"
