"""Whether a version is outside of a range, for certain. Pure.

In: ranges as requirements have them, or as Poetry does. Out: True only where every tool agrees. Pre-releases, epochs
and local versions are judged by nobody's rules here: such a version fits.

https://packaging.python.org/en/latest/specifications/version-specifiers/,
https://python-poetry.org/docs/dependency-specification/
"""

from __future__ import annotations

import re
from typing import Final

_CLAUSE: Final = re.compile(r"(?P<operator>~=|==|!=|<=|>=|<|>)\s*(?P<version>\d+(?:\.\d+)*)(?P<any>\.\*)?")
_RELEASE: Final = re.compile(r"\d+(?:\.\d+)*")
_POETRY: Final = re.compile(
    r"\s*(?P<operator>\^|~=|~|==|!=|<=|>=|<|>|=)?\s*(?P<version>\d+(?:\.\d+)*)(?P<any>\.\*)?(?![\w.*+!-])\s*(?:,\s*)?"
)

Release = tuple[int, ...]


def is_outside(version: str, specifier: str) -> bool:
    """Of a specifier such as `>=1.2,<2`."""
    release = _release(version)
    if release is None:
        return False
    clauses = (_CLAUSE.fullmatch(clause.strip()) for clause in specifier.strip("() ").split(","))
    return any(_excludes(release, found) for found in clauses if found)


def is_outside_poetrys(version: str, constraint: str) -> bool:
    """Of a constraint such as `^1.2`, `~1.2 || >=3`."""
    alternatives = [_specifier(one) for one in re.split(r"\|\|?", constraint)]
    return all(one is not None and is_outside(version, one) for one in alternatives)


def _release(version: str) -> Release | None:
    return tuple(map(int, version.split("."))) if _RELEASE.fullmatch(version) else None


def _excludes(release: Release, clause: re.Match[str]) -> bool:
    given = tuple(map(int, clause["version"].split(".")))
    if clause["any"]:
        starts = _padded(release, len(given))[: len(given)] == given
        return {"==": not starts, "!=": starts}.get(clause["operator"], False)
    length = max(len(release), len(given))
    left, right = _padded(release, length), _padded(given, length)
    match clause["operator"]:
        case "==":
            return left != right
        case "!=":
            return left == right
        case "<":
            return left >= right
        case "<=":
            return left > right
        case ">":
            return left <= right
        case ">=":
            return left < right
        case "~=":
            return len(given) > 1 and (left < right or left[: len(given) - 1] != given[:-1])
    return False


def _padded(release: Release, length: int) -> Release:
    return release + (0,) * (length - len(release))


def _specifier(constraint: str) -> str | None:
    """Poetry's words in those of requirements; None if not all of them are known."""
    if constraint.strip() == "*":
        return ""
    clauses, place = [], 0
    while place < len(constraint):
        found = _POETRY.match(constraint, place)
        if found is None:
            return None
        clauses += _clauses(found)
        place = found.end()
    return ",".join(clauses) if clauses else None


def _clauses(found: re.Match[str]) -> list[str]:
    version = found["version"]
    match found["operator"]:
        case "^":
            return [f">={version}", f"<{_next(version, _caret_place(version))}"]
        case "~":
            return [f">={version}", f"<{_next(version, min(1, version.count('.')))}"]
        case None | "=":
            return [f"=={version}{found['any'] or ''}"]
        case operator:
            return [f"{operator}{version}{found['any'] or ''}"]


def _caret_place(version: str) -> int:
    """Of the first number that is not 0, or else of the last."""
    numbers = version.split(".")
    return next((place for place, number in enumerate(numbers) if int(number)), len(numbers) - 1)


def _next(version: str, place: int) -> str:
    numbers = [int(number) for number in version.split(".")[: place + 1]]
    numbers[-1] += 1
    return ".".join(map(str, numbers))
