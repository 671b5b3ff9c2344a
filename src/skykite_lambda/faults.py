"""Failures as Lambda words them: the error document of an exception, with frames of the user's only.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
No I/O but what `linecache` reads to show the line of a frame.
"""

from __future__ import annotations

import linecache
import os
import traceback
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Sequence

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_MACHINERY = ("<frozen importlib", f"{os.sep}importlib{os.sep}__init__.py", f"{os.sep}importlib{os.sep}_bootstrap")


class Fault(Exception):  # noqa: N818  (Lambda's word)
    """A failure that the runtime itself found; `kind` is Lambda's `errorType`."""

    def __init__(self, kind: str, message: str, *, trace: Sequence[str] = (), hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = list(trace)
        self.hint = hint


def describe(error: BaseException) -> Dict[str, Any]:
    """The error as a document: type, message, trace, hint."""
    if isinstance(error, Fault):
        return {"type": error.kind, "message": error.message, "trace": error.trace, "hint": error.hint}
    try:
        message = str(error)
    except Exception as second:  # noqa: BLE001  (a user's __str__ may do anything)
        message = f"<{type(second).__name__} in __str__>"
    return {
        "type": type(error).__name__,
        "message": message,
        "trace": user_trace(error.__traceback__),
        "hint": None,
    }


def user_trace(trace: Optional[TracebackType]) -> List[str]:
    """Formatted frames, outermost first, from the first one that is neither ours nor Python's import machinery."""
    frames = traceback.extract_tb(trace)
    plain = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in frames if not _is_ours(frame.filename)
    ]
    return traceback.format_list(plain)


def leaving_hint(error: BaseException, is_users: Callable[[str], bool], project_root: str) -> Optional[str]:
    """Which line of the user's ends the process with an exception that is no `Exception`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    if not frames:
        return None
    file, line = frames[-1].filename, frames[-1].lineno or 0
    if file.startswith(project_root + os.sep):
        file = file[len(project_root) + 1 :].replace(os.sep, "/")
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"`{file}:{line}` ends the process with `sys.exit`: return, or raise an exception, instead"
    return f"`{file}:{line}` ends the process with `{name}`: raise a subclass of `Exception` instead"


def remember_source(path: str, text: Sequence[str]) -> None:
    """Show these lines in traces, though the file may have changed since."""
    linecache.cache[path] = (sum(map(len, text)), None, list(text), path)


def _is_ours(filename: str) -> bool:
    return filename.startswith((_HERE, _MACHINERY[0])) or any(part in filename for part in _MACHINERY[1:])
