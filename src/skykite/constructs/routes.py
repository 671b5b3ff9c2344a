"""The keys of an `Api`'s routes: parsed, checked, compared. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from skykite.constructs.given_keys import in_lines
from skykite.constructs.props import PropProblem, listed, shown

METHODS: Final = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
DEFAULT_ROUTE: Final = "$default"
_VARIABLE: Final = re.compile(r"\{([A-Za-z0-9._-]+)(\+?)\}")
_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()*,;=:@%-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteKey:
    """`GET /notes/{id}`; of `$default`, method and path are empty."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}" if self.path else DEFAULT_ROUTE

    @property
    def shape(self) -> tuple[str, str]:
        """Equal for routes that API Gateway cannot tell apart: variables count, their names do not."""
        return self.method, _VARIABLE.sub(lambda match: "{" + match[2] + "}", self.path)


def parse_route(text: object) -> RouteKey:
    """Raises PropProblem."""
    if not isinstance(text, str):
        raise PropProblem("prop-type", f"has the route {shown(text)}, which is not a string")
    if text == DEFAULT_ROUTE:
        return RouteKey(method="", path="")
    words = text.split()
    if len(words) == 1 and text.startswith("/"):
        raise _invalid(text, f'say which method, for instance "GET {text}"')
    if len(words) != 2:
        raise _invalid(text, 'write a method and a path, for instance "GET /notes/{id}", or "$default"')
    method, path = words
    if method not in METHODS:
        near = difflib.get_close_matches(method.upper(), METHODS, n=1)
        raise PropProblem(
            "route-method",
            f"has the route `{text}`, and `{method}` is not an HTTP method it can have",
            hint=f'write "{near[0]} {path}"' if near else f"the methods are {listed(METHODS)}",
        )
    if not path.startswith("/"):
        raise _invalid(text, f'the path starts with a slash: "{method} /{path}"')
    _check_path(text, path)
    return RouteKey(method=method, path=path)


def check_different(key: RouteKey, others: Iterable[RouteKey]) -> None:
    """Refuse a route that API Gateway cannot tell from one of those before it."""
    for other in others:
        if other.shape == key.shape:
            raise PropProblem(
                "route-twice",
                f"has the route `{key}` twice"
                if other == key
                else f"has the routes `{other}` and `{key}`, which match the same requests",
                hint="keep one of them",
            )


def written_twice(key: RouteKey, first: int, second: int) -> PropProblem:
    """Of one dict; Python has kept the later."""
    return PropProblem(
        "route-twice", f"has the route `{key}` twice, {in_lines(first, second)}", hint="keep one of them"
    )


def _check_path(text: str, path: str) -> None:
    names: list[str] = []
    if path == "/":
        return
    segments = path[1:].split("/")
    for index, segment in enumerate(segments):
        variable = _VARIABLE.fullmatch(segment)
        if variable:
            if variable[2] and index != len(segments) - 1:
                raise _invalid(text, f"`{segment}` takes the rest of the path, so nothing can follow it")
            if variable[1] in names:
                raise _invalid(text, f"`{variable[1]}` names two parts of the path")
            names.append(variable[1])
        elif not segment:
            raise _invalid(text, "leave out the double or trailing slash")
        elif "{" in segment or "}" in segment:
            raise _invalid(text, f"`{segment}`: a variable is a whole part of the path, as in `/notes/{{id}}`")
        elif not _LITERAL.fullmatch(segment):
            raise _invalid(text, f"`{segment}` has characters a URL's path cannot have")


def _invalid(text: str, hint: str) -> PropProblem:
    return PropProblem("route-invalid", f"has the route `{text}`, which is not a route key", hint=hint)
