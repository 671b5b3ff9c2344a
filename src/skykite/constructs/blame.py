"""Errors that name the construct and the user's own line.

In: a construct path and what is wrong. Out: a SkykiteError whose `context` shows where the user wrote it. I/O: walks
the Python stack of this thread, and reads the one source file it shows (through `linecache`).
"""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.code_frame import code_frame
from skykite.model.manifest import SourceLocation

_PLUMBING: Final = frozenset({"skykite", "aws_cdk", "constructs", "jsii", "importlib"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLine:
    """A line of the user's program, absolute."""

    file: Path
    line: int

    def relative_to(self, root: Path) -> SourceLocation:
        """As people write it: relative to the project where it is inside it."""
        try:
            shown = self.file.relative_to(root).as_posix()
        except ValueError:
            shown = str(self.file)
        return SourceLocation(file=shown, line=self.line)


def find_user_line(project_root: Path | None) -> UserLine | None:
    """The innermost line on the stack that is the project's; for constructs used from a library of the user's own,
    the line of the project that led there. Without a project, the first line that is not ours."""
    fallback: UserLine | None = None
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (the documented way to look at one's callers)
    while frame is not None:
        name = frame.f_code.co_filename
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module not in _PLUMBING and not name.startswith("<"):
            here = UserLine(file=Path(name), line=frame.f_lineno)
            if project_root is None or _is_projects_own(here.file, project_root):
                return here
            fallback = fallback or here
        frame = frame.f_back
    return fallback


def read_user_source(place: UserLine) -> str:
    """The file as it is now; empty if there is none."""
    linecache.checkcache(str(place.file))
    return "".join(linecache.getlines(str(place.file)))


def refuse(
    code: str,
    message: str,
    *,
    hint: str | None = None,
    link: str | None = None,
    root: Path | None = None,
    place: UserLine | None = None,
) -> SkykiteError:
    """A SkykiteError that shows the user's line, or `place` where that is known better. Raise what it returns."""
    place = place or find_user_line(root)
    context = None
    if place is not None:
        source = read_user_source(place)
        shown = place.relative_to(root) if root is not None else SourceLocation(file=str(place.file), line=place.line)
        context = code_frame(source, file=shown.file, line=shown.line) if source else str(shown)
    return SkykiteError(code, message, context=context, hint=hint, link=link)


def _is_projects_own(file: Path, root: Path) -> bool:
    try:
        parts = file.relative_to(root).parts
    except ValueError:
        return False
    return "site-packages" not in parts and not any(part.startswith(".") for part in parts)
