"""A dict that a user gave a construct, key by key: each checked, and errors about one show the line it stands on.

In: the program, the name of the prop, the dict. Out: `GivenKeys`, whose `at(key)` sets what errors point to. I/O: reads
the user's source file where the call stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from skykite.constructs.blame import UserLine, find_user_line, read_user_source
from skykite.constructs.key_lines import NOWHERE, read_key_lines
from skykite.constructs.program import Program
from skykite.constructs.props import PropProblem, check_type, shown

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class GivenKeys:
    """Make it while the user's call is on the stack; go through it so:

    ```python
    for name, value in keys.items():
        with keys.at(name), self._checking():
            keys.check(name, taken=self._functions)
    ```

    `words` says what the dict is: “a dict of names to subscribers”. Raises PropProblem if it is none.
    """

    def __init__(self, program: Program, prop: str, given: object, *, words: str) -> None:
        check_type(prop, given, Mapping, words)
        self._given = cast("Mapping[Any, Any]", given)
        self._program = program
        self._prop = prop
        self._call = find_user_line(program.root)
        self._written = NOWHERE
        keys = [key for key in self._given if isinstance(key, str)]
        if self._call is not None and keys:
            self._written = read_key_lines(read_user_source(self._call), line=self._call.line, prop=prop, keys=keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._given)

    def items(self) -> Iterator[tuple[Any, Any]]:
        return iter(self._given.items())

    def twice(self, key: object) -> tuple[int, int] | None:
        """The lines of a key, if it is the first one that is written twice."""
        twice = self._written.twice
        return twice[1:] if twice is not None and twice[0] == key else None

    @contextmanager
    def at(self, key: object) -> Iterator[None]:
        """Errors in here show the line of the key, if it is known."""
        line = self._written.lines.get(key) if isinstance(key, str) else None
        place = UserLine(file=self._call.file, line=line) if self._call is not None and line is not None else None
        with self._program.at(place):
            yield

    def check(self, name: object, *, taken: Collection[str] = ()) -> None:
        """Where the keys are names of the user's own for parts of the construct. Raises PropProblem."""
        check_name(self._prop, name)
        if name in taken:
            raise PropProblem(
                "name-taken", f"has `{name}` in {self._prop}, a name that is taken", hint="choose another name"
            )
        twice = self.twice(name)
        if twice is not None:
            raise PropProblem(
                "name-taken", f"has `{name}` twice in {self._prop}, {in_lines(*twice)}", hint="rename one"
            )


def check_name(prop: str, name: object) -> None:
    """Raises PropProblem."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PropProblem(
            "name-invalid",
            f"has the name {shown(name)} in {prop}",
            hint="use letters, digits, dashes and underscores, starting with a letter; at most 64",
        )


def in_lines(first: int, second: int) -> str:
    return f"in lines {first} and {second}" if first != second else f"in line {first}"
