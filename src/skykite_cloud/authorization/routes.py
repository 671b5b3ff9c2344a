"""The REST APIs of AWS other than S3's: which operation a method and a path are, by the SDK's own models.

A path has to be exactly that of an operation, each of its labels one plain segment: what is encoded twice, or could be
taken for another operation by a laxer reader, is refused. I/O: reads a service's model from botocore, once.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from skykite_cloud.authorization.calls import Check, Request, UnclearCallError, json_object, pass_role, text

_LABEL = re.compile(r"\{(\w+)(\+?)\}")
_SEGMENT = re.compile(r"[A-Za-z0-9_.:@$=+,~ *-]+")
_GREEDY = re.compile(r"[A-Za-z0-9_.:@$=+,~ */-]+")
_FUNCTION = re.compile(
    r"(?:arn:aws:lambda:(?P<region>[a-z0-9-]+):(?P<arn_account>\d{12}):function:|(?P<account>\d{12}):function:|"
    r"function:)?(?P<name>[A-Za-z0-9_-]{1,140})(?::(?P<qualifier>[A-Za-z0-9_$-]{1,128}))?"
)
_RENAMED = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
    "lambda:GetLayerVersionByArn": "lambda:GetLayerVersion",
}
_MODELS = {"lambda": ("lambda",), "scheduler": ("scheduler",), "apigateway": ("apigateway", "apigatewayv2")}


@dataclass(frozen=True, slots=True)
class Route:
    """`labels` are the path's, decoded."""

    operation: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Pattern:
    operation: str
    method: str
    path: re.Pattern[str]
    greedy: frozenset[str]
    query: tuple[tuple[str, str | None], ...]
    literals: int


def find_route(request: Request) -> Route:
    """Raises `UnclearCallError`."""
    if "x-amz-target" in request.headers or "Action" in request.query:
        raise UnclearCallError("the service takes no operation by name")
    found = []
    for pattern in _patterns(request.service):
        matched = pattern.path.fullmatch(request.raw_path) if pattern.method == request.method else None
        if matched is None or any(
            name not in request.query or (value is not None and request.query[name] != [value])
            for name, value in pattern.query
        ):
            continue
        labels = {name: unquote(value) for name, value in matched.groupdict().items()}
        if all((_GREEDY if name in pattern.greedy else _SEGMENT).fullmatch(value) for name, value in labels.items()):
            found.append((pattern.literals + len(pattern.query), pattern.operation, labels))
    if not found:
        raise UnclearCallError(f"`{request.method} {request.raw_path[:200]}` is no operation of the service")
    best = max(rank for rank, _, _ in found)
    first, *others = [(operation, labels) for rank, operation, labels in found if rank == best]
    if any(operation != first[0] for operation, _ in others):
        raise UnclearCallError(f"`{request.method} {request.raw_path[:200]}` can be two operations")
    return Route(*first)


def function_checks(request: Request) -> list[Check]:
    """Lambda. Raises `UnclearCallError`."""
    route = find_route(request)
    action = _RENAMED.get(f"lambda:{route.operation}", f"lambda:{route.operation}")
    checks: list[Check] = []
    data = json_object(request.body) if "Invoke" not in route.operation and request.body[:1] == b"{" else {}
    if name := route.labels.get("FunctionName"):
        checks.append(_function(request, action, name))
    elif route.operation in ("CreateFunction", "CreateEventSourceMapping"):
        checks.append(_function(request, action, text(data, "FunctionName")))
    elif layer := route.labels.get("LayerName"):
        version = route.labels.get("VersionNumber")
        checks.append(Check(action=action, resource=request.arn("lambda", f"layer:{layer}") + _after(version)))
    elif mapping := route.labels.get("UUID"):
        checks.append(Check(action=action, resource=request.arn("lambda", f"event-source-mapping:{mapping}")))
    elif arn := route.labels.get("Resource") or route.labels.get("ResourceArn"):
        checks.append(Check(action=action, resource=arn))
    else:
        checks.append(Check(action=action, resource="*" if request.method == "GET" else None))
    return checks + pass_role(data.get("Role"), "lambda")


def _function(request: Request, action: str, name: str) -> Check:
    found = _FUNCTION.fullmatch(name)
    if found is None:
        raise UnclearCallError(f"`{name[:200]}` is not the name of a function")
    given = request.query.get("Qualifier") or []
    if len(given) > 1 or (given and found["qualifier"] not in (None, given[0])):
        raise UnclearCallError("two versions of the function are named")
    account = found["arn_account"] or found["account"] or request.account
    region = found["region"] or request.region
    function = f"arn:aws:lambda:{region}:{account}:function:{found['name']}"
    qualifier = found["qualifier"] or (given[0] if given else None)
    return Check(
        action=action,
        resource=function + _after(qualifier),
        lookup=lambda key: (function + _after(qualifier),) if key == "lambda:functionarn" else None,
    )


def schedule_checks(request: Request) -> list[Check]:
    """EventBridge Scheduler. Raises `UnclearCallError`."""
    route = find_route(request)
    action, data = f"scheduler:{route.operation}", json_object(request.body)
    target = data.get("Target")
    roles = pass_role(target.get("RoleArn"), "scheduler") if isinstance(target, dict) else []
    name = route.labels.get("Name")
    if name and request.raw_path.startswith("/schedules/"):
        in_query = request.query.get("groupName") or [""]
        group = text(data, "GroupName") if request.method in ("POST", "PUT") else in_query[0]
        if len(in_query) > 1:
            raise UnclearCallError("two groups are named")
        resource: str | None = request.arn("scheduler", f"schedule/{group or 'default'}/{name}")
    elif name:
        resource = request.arn("scheduler", f"schedule-group/{name}")
    else:
        resource = route.labels.get("ResourceArn") or "*"
    return [Check(action=action, resource=resource), *roles]


def api_checks(request: Request) -> list[Check]:
    """API Gateway's own management: its actions are the methods of HTTP. Raises `UnclearCallError`."""
    find_route(request)
    return [
        Check(action=f"apigateway:{request.method}", resource=f"arn:aws:apigateway:{request.region}::{request.path}")
    ]


def other_checks(request: Request, namespace: str) -> list[Check]:
    """A service whose resources are not known here: only the action is judged. Raises `UnclearCallError`."""
    return [Check(action=f"{namespace}:{find_route(request).operation}")]


@lru_cache(maxsize=64)
def _patterns(service: str) -> tuple[_Pattern, ...]:
    actions = importlib.import_module("ministack.core.iam_actions")
    models = _MODELS.get(service) or tuple(actions._BOTOCORE_SERVICE_MAP.get(service) or (service,))
    found = []
    for model in models:
        for operation, definition in actions._load_botocore_model(model).get("operations", {}).items():
            http = definition.get("http") or {}
            if http.get("requestUri"):
                found.append(_pattern(operation, http["method"], http["requestUri"]))
    return tuple(found)


def _pattern(operation: str, method: str, uri: str) -> _Pattern:
    path, _, query = uri.partition("?")
    parts, greedy, after = [], set(), 0
    for label in _LABEL.finditer(path):
        parts.append(re.escape(path[after : label.start()]))
        name = label[1]
        parts.append(f"(?P<{name}>{'.+' if label[2] else '[^/]+'})")
        if label[2]:
            greedy.add(name)
        after = label.end()
    parts.append(re.escape(path[after:].rstrip("/")))
    required = []
    for one in filter(None, query.split("&")):
        name, equals, value = one.partition("=")
        if not value.startswith("{"):
            required.append((name, value if equals else None))
    literals = sum(1 for segment in path.split("/") if segment and "{" not in segment)
    make: Callable[[str], re.Pattern[str]] = re.compile
    return _Pattern(operation, method, make("".join(parts) + "/?"), frozenset(greedy), tuple(required), literals)


def _after(qualifier: str | None) -> str:
    return f":{qualifier}" if qualifier else ""
