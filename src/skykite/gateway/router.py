"""Which route answers a request: HTTP APIs' rules, compiled once. Pure.

The most specific path wins: a full match, then path variables, then a greedy variable, then `$default`. On one path a
method beats `ANY`; a path without the method falls through to the next best.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from skykite.errors import SkykiteError

DEFAULT_KEY: Final = "$default"
METHODS: Final = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


@dataclass(frozen=True, slots=True)
class _Leaf:
    index: int
    names: tuple[str, ...]  # of the path variables, in order; a greedy one is last


_Leaves = dict[str, _Leaf]  # by method


@dataclass(slots=True)
class _Node:
    """One place between two slashes."""

    literals: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    ends: _Leaves = field(default_factory=dict)
    greedy: _Leaves = field(default_factory=dict)


class Match(NamedTuple):
    """`route` is the route's place in what the router was made of."""

    route: int
    parameters: dict[str, str] | None = None


class Router:
    """Made of route keys: `GET /notes/{id}`, `ANY /{proxy+}`, `$default`."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._static: dict[str, dict[str, Match]] = {}
        self._root = _Node()
        self._default: Match | None = None
        self._variables = False
        self._greedy = False
        for index, key in enumerate(keys):
            self._add(index, key)

    def match(self, method: str, path: str) -> Match | None:
        """`path` is decoded and starts with a slash."""
        static = self._static.get(path)
        if static is not None:
            match = static.get(method) or static.get("ANY")
            if match is not None:
                return match
        if self._variables or self._greedy:
            segments = path[1:].split("/")
            values: list[str] = []
            found = self._exact(self._root, method, segments, 0, values) if self._variables else None
            if found is None and self._greedy:
                values.clear()
                found = self._greediest(self._root, method, segments, 0, values)
            if found is not None:
                return Match(found.index, dict(zip(found.names, values, strict=True)))
        return self._default

    def _exact(self, node: _Node, method: str, segments: list[str], at: int, values: list[str]) -> _Leaf | None:
        if at == len(segments):
            return node.ends.get(method) or node.ends.get("ANY")
        segment = segments[at]
        literal = node.literals.get(segment)
        if literal is not None:
            found = self._exact(literal, method, segments, at + 1, values)
            if found is not None:
                return found
        if node.variable is not None and segment:
            values.append(segment)
            found = self._exact(node.variable, method, segments, at + 1, values)
            if found is not None:
                return found
            values.pop()
        return None

    def _greediest(self, node: _Node, method: str, segments: list[str], at: int, values: list[str]) -> _Leaf | None:
        if at == len(segments):
            return None
        segment = segments[at]
        literal = node.literals.get(segment)
        if literal is not None:
            found = self._greediest(literal, method, segments, at + 1, values)
            if found is not None:
                return found
        if node.variable is not None and segment:
            values.append(segment)
            found = self._greediest(node.variable, method, segments, at + 1, values)
            if found is not None:
                return found
            values.pop()
        leaf = node.greedy.get(method) or node.greedy.get("ANY")
        if leaf is not None:
            values.append("/".join(segments[at:]))
        return leaf

    def _add(self, index: int, key: str) -> None:
        if key == DEFAULT_KEY:
            if self._default is not None:
                raise self._alike(self._default.route, index)
            self._default = Match(index)
            return
        method, _, path = key.partition(" ")
        if method not in METHODS or not path.startswith("/"):
            raise _invalid(key, f"write it as `GET /path`; the methods are {', '.join(METHODS)}")
        segments = path[1:].split("/")
        names: list[str] = []
        node = self._root
        for at, segment in enumerate(segments):
            name = _variable(segment, key)
            if name is None:
                node = node.literals.setdefault(segment, _Node())
                continue
            if name.removesuffix("+") in names:
                raise _invalid(key, f"give each path variable a name of its own, `{name}` comes twice")
            names.append(name.removesuffix("+"))
            if name.endswith("+"):
                if at != len(segments) - 1:
                    raise _invalid(key, f"a greedy variable such as `{segment}` must come last")
                self._put(node.greedy, method, _Leaf(index, tuple(names)))
                self._greedy = True
                return
            if node.variable is None:
                node.variable = _Node()
            node = node.variable
        leaf = _Leaf(index, tuple(names))
        self._put(node.ends, method, leaf)
        if names:
            self._variables = True
        else:
            self._static.setdefault(path, {})[method] = Match(index)

    def _put(self, leaves: _Leaves, method: str, leaf: _Leaf) -> None:
        if method in leaves:
            raise self._alike(leaves[method].index, leaf.index)
        leaves[method] = leaf

    def _alike(self, first: int, second: int) -> SkykiteError:
        return SkykiteError(
            "routes-alike",
            f"the routes `{self._keys[first]}` and `{self._keys[second]}` match the same requests",
            hint="remove one of them; names of path variables make no difference",
        )


def _variable(segment: str, key: str) -> str | None:
    if not segment.startswith("{") and not segment.endswith("}"):
        return None
    name = segment[1:-1]
    if not (segment.startswith("{") and segment.endswith("}") and name.removesuffix("+")) or "{" in name or "}" in name:
        raise _invalid(key, f"`{segment}` is no path variable: those are written `{{name}}` or `{{name+}}`")
    return name


def _invalid(key: str, hint: str) -> SkykiteError:
    return SkykiteError("route-invalid", f"`{key}` is not a route key of an HTTP API", hint=hint)
