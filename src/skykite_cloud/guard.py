"""The door: who may talk to this cloud, decided before MiniStack sees a request. Decisions are pure; `Guard` applies
them.

The cloud listens on loopback, where web pages and other users' programs can reach it too. Hence: a Host that is
neither this machine nor an AWS name it serves is refused (a page that rebinds its own name to 127.0.0.1), so is a
browser's request on behalf of another site, and an AWS API call must be signed, by the owner of an access key that
this cloud gave out, who must have the permissions it takes: `authorization` says. Event APIs, which come before
MiniStack, look after themselves.
What AWS serves without credentials stays open: APIs behind API Gateway, function URLs, answers of custom resources,
objects of buckets whose policy lets everybody in, and the operations that SDKs send unsigned (signing in at Cognito,
for instance).
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ministack.app
from ministack.core.iam_actions import access_denied_response, unsigned_operations
from ministack.core.responses import fix_error_content_type
from ministack.core.router import detect_service, extract_access_key_id, extract_region

from skykite_cloud.authorization.authorizer import Authorizer
from skykite_cloud.authorization.calls import Request
from skykite_cloud.credentials import account_of, is_known_key
from skykite_cloud.events.application import Events
from skykite_cloud.seams import imported
from skykite_cloud.verification import find_problem, signs_body

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

IDENTITY_PATH = "/_skykite/identity"
_LOOPBACK = re.compile(r"(?:[a-z0-9-]+\.)*localhost|127\.\d+\.\d+\.\d+|\[::1\]", re.IGNORECASE)
_AWS = re.compile(r"(?:[a-z0-9_-]+\.)+(?:amazonaws\.com(?:\.cn)?|on\.aws|cloudfront\.net|api\.aws)", re.IGNORECASE)
_OPEN_PATHS = (
    "/_aws/execute-api/",
    "/restapis/",  # only as …/_user_request_/…, see below
    "/_ministack/cfn-response/",  # behind it an unguessable token
    "/_ministack/cfn-signal/",
    "/_ministack/lambda-code/",  # stands for a presigned URL
    "/_ministack/lambda-layers/",
)
_HEALTH_PATHS = ("/_ministack/health", "/_ministack/ready", "/_localstack/health", "/health")
_COGNITO_PATHS = ("/oauth2/", "/login", "/logout", "/signup", "/.well-known/")
_OPEN_HOSTS = re.compile(r"\.(?:execute-api|lambda-url|cloudfront|appsync-api|auth)\.", re.IGNORECASE)
_DATED = re.compile(r"/20\d\d-\d\d-\d\d/")  # how the paths of many AWS APIs begin
_FORM = "application/x-www-form-urlencoded"
_FORM_LIMIT = 1024 * 1024
_INTERNAL_PATHS = ("/_ministack", "/_localstack", "/_aws", "/_skykite")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request gets no further."""

    message: str


def refuse_origin(headers: Mapping[str, str], *, known_host: Callable[[str], bool]) -> Refused | None:
    """Whether the request comes by a name or from a page that has no business here."""
    host = _without_port(headers.get("host", ""))
    if not (_LOOPBACK.fullmatch(host) or _AWS.fullmatch(host) or known_host(host)):
        return Refused(f"`{host}` is not a name of this embedded cloud")
    origin = headers.get("origin")
    if origin is not None:
        # A page served from this machine may call; `localhost` and `127.0.0.1` are different sites to a browser.
        if not _LOOPBACK.fullmatch(_without_port(urlsplit(origin).netloc)):
            return Refused(f"pages of `{origin}` may not call this embedded cloud")
    elif headers.get("sec-fetch-site") == "cross-site":
        return Refused("pages of other sites may not call this embedded cloud")
    return None


def is_open(method: str, path: str, host: str) -> bool:
    """Whether AWS serves this to anybody."""
    if path.startswith("/restapis/"):
        return "/_user_request_" in path
    if path.startswith(_OPEN_PATHS) or path in _HEALTH_PATHS or _OPEN_HOSTS.search(f".{host}"):
        return True
    return path.startswith(_COGNITO_PATHS) or path.endswith("/.well-known/jwks.json") or method == "OPTIONS"


class Guard:
    """MiniStack's application behind the door, and beside it what serves Event APIs. `access_key_id` is the owner's,
    who may do everything. Without an `authorizer`, so may everybody else with a key."""

    def __init__(
        self, application: Application, events: Events, *, access_key_id: str, authorizer: Authorizer | None
    ) -> None:
        self._application = application
        self._authorizer = authorizer
        self._events = events
        self._access_key_id = access_key_id
        self._identity = hashlib.sha256(access_key_id.encode()).hexdigest().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = refuse_origin(headers, known_host=lambda host: _is_custom_domain(host, scope["path"]))
        if refused is None and self._events.serves(scope, headers.get("host", "")):
            await self._events(scope, headers, receive, send)
        elif scope["type"] == "websocket":
            # What is served there checks its callers by itself.
            await (_close(receive, send) if refused else self._application(scope, receive, send))
        elif refused:
            await _respond(send, 403, "application/json", json.dumps({"message": refused.message}).encode())
        elif scope["path"] == IDENTITY_PATH:
            await _respond(send, 200, "text/plain", self._identity)
        else:
            await self._check_credentials(scope, headers, receive, send)

    async def _check_credentials(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        key = extract_access_key_id(headers, query)
        if key:
            if not is_known_key(key, self._access_key_id):
                await _refuse_key(send, method, path, headers, query)
                return
            body = b""
            if signs_body(headers) or headers.get("content-type", "").startswith(_FORM):
                body, receive = await _peek(receive)
            service = _service(method, path, headers, query, body)
            problem = find_problem(scope, query, body, service=service)
            if problem is not None:
                await _respond_as(send, service, *problem, headers)
            elif self._authorizer is None or key == self._access_key_id:
                await self._application(scope, receive, send)
            else:
                await self._check_permissions(
                    self._authorizer, key, scope, headers, query, receive, send, service=service, body=body
                )
            return
        host = headers.get("host", "")
        served = is_open(method, path, host) or _is_custom_domain(_without_port(host), path)
        if served and not _is_disguised(path, headers, query) and not _is_form(method, headers):
            await self._application(scope, receive, send)
            return
        service = detect_service(method, path, headers, query)
        body, receive = await _peek(receive)
        if served and not _is_disguised(path, headers, query | _form(body)):
            await self._application(scope, receive, send)
            return
        if _is_served_unsigned(service, method, path, headers, query, body):
            await self._application(scope, receive, send)
        else:
            await _refuse_unsigned(send, service, headers)

    async def _check_permissions(
        self,
        authorizer: Authorizer,
        key: str,
        scope: Scope,
        headers: dict[str, str],
        query: dict[str, list[str]],
        receive: Receive,
        send: Send,
        *,
        service: str,
        body: bytes,
    ) -> None:
        """Of somebody else than the owner, with a good signature. `body` is empty if it has not been read yet; then it
        is no form, and has no say in which service it is for."""
        method, path = scope["method"], scope["path"]
        if not body and (method == "POST" or service != "s3"):
            body, receive = await _peek(receive)
        host = headers.get("host", "")
        served = is_open(method, path, host) or _is_custom_domain(_without_port(host), path)
        if served and not _is_disguised(path, headers, query | _form(body)):
            # What anybody may call, a function may too: as the anybody it would be without its signature.
            await self._application(scope, receive, send)
            return
        if path.startswith(_INTERNAL_PATHS):
            await _respond_as(send, service, "AccessDenied", "Access Denied", headers)
            return
        account = account_of(key)
        request = Request(
            service=service,
            method=method,
            path=path,
            raw_path=scope["raw_path"].decode("latin-1"),
            headers=headers,
            query=query,
            body=body,
            region=extract_region(headers, query),
            account=account,
        )
        refusal = authorizer.authorize(request, key, [name.decode("latin-1").lower() for name, _ in scope["headers"]])
        if refusal is None:
            await self._application(scope, receive, send)
            return
        status, content_type, answer = refusal.answer
        await _respond(send, status, content_type, answer, refusal.headers, bodiless=method == "HEAD")


def _service(method: str, path: str, headers: dict[str, str], query: dict[str, list[str]], body: bytes) -> str:
    """MiniStack's name of the service that it will lead the request to: a form counts too, whatever its method."""
    service: str = detect_service(
        method, path, headers, ministack.app._routing_params(method, path, headers, body, query)
    )
    return service


def _is_disguised(path: str, headers: Mapping[str, str], query: Mapping[str, list[str]]) -> bool:
    """Whether this is for the AWS API or for MiniStack itself, whatever its Host or path pretend. A name of an API or
    a distribution that does not exist leads to the services behind it."""
    internal = path.startswith(("/_ministack/", "/_localstack/")) and not path.startswith(
        (*_OPEN_PATHS, *_HEALTH_PATHS)
    )
    api = "x-amz-target" in headers or "Action" in query or _DATED.match(path) is not None
    return internal or api or ".." in path.split("/")


def _is_form(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the body may name an operation, as the AWS query protocol does."""
    return method == "POST" and headers.get("content-type", "").startswith(_FORM)


def _form(body: bytes) -> dict[str, list[str]]:
    return parse_qs(body[:_FORM_LIMIT].decode("latin-1"), keep_blank_values=True)


def _is_served_unsigned(
    service: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, list[str]],
    body: bytes,
) -> bool:
    if service == "s3":
        return method in ("GET", "HEAD") and _is_public_bucket(path)
    if path.endswith("/graphql"):
        return "x-api-key" in headers  # which AppSync looks up
    target = headers.get("x-amz-target")
    if target:
        return target.rpartition(".")[2] in unsigned_operations(service)
    form = query if "Action" in query else _form(body)
    return form.get("Action", [""])[0] in unsigned_operations(service)


def _is_public_bucket(path: str) -> bool:
    """Whether a statement of the bucket's policy allows everybody something. Path-style addresses only."""
    s3 = imported("ministack.services.s3")
    policy = s3._bucket_policies.get(path.strip("/").partition("/")[0]) if s3 else None
    try:
        statements = json.loads(policy)["Statement"] if policy else []
    except (ValueError, KeyError, TypeError):
        return False
    everybody = ("*", {"AWS": "*"}, {"AWS": ["*"]})
    listed = statements if isinstance(statements, list) else [statements]
    return any(one.get("Effect") == "Allow" and one.get("Principal") in everybody for one in listed)


def _is_custom_domain(host: str, path: str) -> bool:
    return ministack.app._resolve_custom_domain_request(host, path) is not None


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)


async def _peek(receive: Receive) -> tuple[bytes, Receive]:
    """The body, and a `receive` that gives it once more."""
    messages: deque[dict[str, Any]] = deque()
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> dict[str, Any]:
        return messages.popleft() if messages else await receive()

    return body, again


async def _refuse_key(send: Send, method: str, path: str, headers: dict[str, str], query: dict[str, list[str]]) -> None:
    service = detect_service(method, path, headers, query)
    if service == "s3":
        code, message = "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    else:
        json_protocol = "x-amz-target" in headers or service in ("lambda", "apigateway", "apigatewayv2")
        code = "UnrecognizedClientException" if json_protocol else "InvalidClientTokenId"
        message = "The security token included in the request is invalid."
    await _respond_as(send, service, code, message, headers)


async def _refuse_unsigned(send: Send, service: str, headers: dict[str, str]) -> None:
    if service == "s3":
        await _respond_as(send, service, "AccessDenied", "Access Denied", headers)
        return
    message = "Request is missing Authentication Token"
    await _respond_as(send, service, "MissingAuthenticationToken", message, headers)


async def _respond_as(send: Send, service: str, code: str, message: str, headers: dict[str, str]) -> None:
    request_id = str(uuid.uuid4())
    status, answer_headers, body = access_denied_response(
        service, "", "", request_id, error_code=code, message=message, headers=headers
    )
    fix_error_content_type(service, status, answer_headers)
    await _respond(send, status, answer_headers.get("Content-Type", "application/json"), body)


async def _respond(
    send: Send,
    status: int,
    content_type: str,
    body: bytes,
    more: Mapping[str, str] | None = None,
    *,
    bodiless: bool = False,
) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in (more or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bodiless else body})


async def _close(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})
