"""What a signed request asks for, as IAM sees it: actions on resources, with what conditions may ask about.

In: a request, as it is going to reach MiniStack. Out: checks, or why the request is not one that can be judged.

The danger is a request that means one thing here and another to MiniStack, which is lenient: a query string with one
`Action` and a body with another, a second `X-Amz-Target`, a path that is decoded twice. So a request has to have the
one shape that AWS's SDKs give to requests of its service. Whatever has another is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from skykite_cloud.authorization.conditions import Values

Lookup = Callable[[str], "Values | None"]
Data = dict[str, Any]

_ENDPOINT = re.compile(
    r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|[a-z0-9-]+\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com)(?::\d+)?",
    re.IGNORECASE,
)
_TARGET = re.compile(r"([A-Za-z0-9_]+)\.([A-Za-z0-9]+)")
_WORD = re.compile(r"[A-Za-z0-9]+")
_ONCE = (
    "host",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "authorization",
    "x-amz-target",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-decoded-content-length",
    "x-amz-bypass-governance-retention",
    "smithy-protocol",
)
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`service` is MiniStack's name of the one it will lead the request to; `path` is decoded, `raw_path` as sent.
    `region` and `account` are those the request is for."""

    service: str
    method: str
    path: str
    raw_path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: bytes
    region: str
    account: str

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"


def _nothing(key: str) -> Values | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One action on one resource. `resource` is `None` where it is not worked out which one is meant: then the action
    is all that counts. `spellings` are other ways in which policies name the same resource. `lookup` answers for the
    service's condition keys, in lower case."""

    action: str
    resource: str | None = None
    spellings: tuple[str, ...] = ()
    lookup: Lookup = field(default=_nothing, repr=False)


class UnclearCallError(Exception):
    """It cannot be said what the request asks for, in words for whoever sent it."""


def refuse_shape(request: Request, names: list[str]) -> None:
    """What no request may look like. `names` are those of all header lines. Raises `UnclearCallError`."""
    if len(set(names)) != len(names):
        for name in _ONCE:
            if names.count(name) > 1:
                raise UnclearCallError(f"the header `{name}` comes twice")
    encoding = request.headers.get("content-encoding", "").lower()
    chunked = "aws-chunked" in encoding or "x-amz-decoded-content-length" in request.headers
    if request.service != "s3" and (chunked or request.headers.get("x-amz-content-sha256", "").startswith("STREAM")):
        raise UnclearCallError("the body comes in signed chunks, which only S3 takes")
    if request.service != "s3" and not _ENDPOINT.fullmatch(request.headers.get("host", "")):
        raise UnclearCallError("the Host header is not the endpoint's")


def json_operation(request: Request, prefix: str) -> tuple[str, Data]:
    """The operation and its input, in AWS's JSON protocols. Raises `UnclearCallError`."""
    found = _TARGET.fullmatch(request.headers.get("x-amz-target", ""))
    if found is None or found.group(1) != prefix:
        raise UnclearCallError("the header `X-Amz-Target` names no operation of the service")
    content_type = request.headers.get("content-type", "")
    if request.method != "POST" or request.path != "/" or request.query or "json" not in content_type:
        raise UnclearCallError("an operation named by `X-Amz-Target` is a POST of JSON to `/`")
    return found.group(2), json_object(request.body)


def json_object(body: bytes) -> Data:
    """Raises `UnclearCallError`."""
    if not body:
        return {}
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnclearCallError("the body is not JSON") from error
    if not isinstance(data, dict):
        raise UnclearCallError("the body is not a JSON object")
    return data


def query_operation(request: Request) -> tuple[str, dict[str, str]]:
    """The operation and its parameters, in AWS's query protocol. Raises `UnclearCallError`."""
    if "x-amz-target" in request.headers:
        raise UnclearCallError("the service names no operation by `X-Amz-Target`")
    if request.method == "POST":
        if request.query or not request.headers.get("content-type", "").startswith(_FORM):
            raise UnclearCallError("an operation is posted as a form, with nothing in the query string")
        given: Mapping[str, list[str]] = _form(request.body)
    elif request.method == "GET" and not request.body:
        given = request.query
    else:
        raise UnclearCallError("an operation is posted, or asked for by GET")
    if any(len(values) != 1 for values in given.values()):
        raise UnclearCallError("a parameter comes twice")
    parameters = {name: values[0] for name, values in given.items()}
    operation = parameters.get("Action", "")
    if not _WORD.fullmatch(operation):
        raise UnclearCallError("the parameter `Action` names no operation")
    return operation, parameters


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
    except (UnicodeDecodeError, ValueError) as error:
        raise UnclearCallError("the form in the body is damaged") from error


def text(data: Mapping[str, Any], name: str) -> str:
    """A parameter that is a string, or nothing. Raises `UnclearCallError`."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnclearCallError(f"`{name}` is not text")
    return value


def items(data: Mapping[str, Any], name: str) -> list[Data]:
    """A parameter that is a list of objects. Raises `UnclearCallError`."""
    value = data.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise UnclearCallError(f"`{name}` is not a list of objects")
    return value


def one_of(data: Mapping[str, Any], *names: str) -> str:
    """The one that is given of parameters that say the same. Raises `UnclearCallError`."""
    given = [value for name in names if (value := text(data, name))]
    if len(given) > 1:
        raise UnclearCallError(f"more than one of `{'`, `'.join(names)}` is given")
    return given[0] if given else ""


def named(request: Request, value: str, service: str, kind: str, pattern: str) -> str:
    """The ARN of what a parameter names by its name or its ARN. Raises `UnclearCallError`."""
    prefix = request.arn(service, kind)
    name = value.removeprefix(prefix) if value.startswith("arn:") else value
    if not re.fullmatch(pattern, name):
        raise UnclearCallError(f"`{value[:200]}` is not a name")
    return prefix + name


def pass_role(role: object, service: str) -> list[Check]:
    """Whoever gives a role to something has to be allowed to. `service` is the one that will use it."""
    if not isinstance(role, str) or not role:
        return []
    return [
        Check(
            action="iam:PassRole",
            resource=role,
            lookup=lambda key: (f"{service}.amazonaws.com",) if key == "iam:passedtoservice" else None,
        )
    ]
