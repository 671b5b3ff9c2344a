"""Whether a request was signed by the owner of the access key it names: in its headers, or in its URL.

MiniStack can tell, and would if it enforced permissions too; here its means are used without that. A URL that was
altered or has expired, a body that is not the one that was signed, a token that is not the session's: all refused in
AWS's words. No I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import re
from collections.abc import Mapping
from typing import Any

import ministack.app
from ministack.core import sigv4
from ministack.core.responses import get_account_id

Scope = dict[str, Any]
Query = Mapping[str, list[str]]
Problem = tuple[str, str]
"""AWS's code for it, and what it says."""

_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_HASH = re.compile(r"[0-9a-f]{64}")
_WEEK_S = 7 * 24 * 60 * 60
_EARLY_S = 15 * 60
_EXPIRED = ("AccessDenied", "Request has expired")


def signs_body(headers: Mapping[str, str]) -> bool:
    """Whether the body is needed to verify."""
    if not headers.get("authorization"):
        return False
    given = headers.get("x-amz-content-sha256")
    return given is None or given.startswith(_SIGNED_CHUNKS) or _HASH.fullmatch(given) is not None


def find_problem(scope: Scope, query: Query, body: bytes, *, service: str) -> Problem | None:
    """`body` is empty where `signs_body` said no. `service` is the one the request is for."""
    headers = _headers(scope)
    key_in_header = headers.get("authorization", "")
    if key_in_header.startswith("AWS4-HMAC-SHA256"):
        return _problem_of_header(scope, headers, query, body)
    if key_in_header.startswith("AWS ") or ("AWSAccessKeyId" in query and "X-Amz-Credential" not in query):
        return _problem_of_version_2(scope, headers, query) if service == "s3" else _not_supported()
    return _problem_of_url(scope, headers, query, service)


def _problem_of_header(scope: Scope, headers: dict[str, str], query: Query, body: bytes) -> Problem | None:
    signature = sigv4.parse_header_signature(headers)
    if isinstance(signature, tuple):
        return signature
    late = sigv4.request_time_failure(signature)
    if late:
        return _typed(late)
    given = headers.get("x-amz-content-sha256", "")
    if _HASH.fullmatch(given) and not hmac.compare_digest(hashlib.sha256(body).hexdigest(), given):
        return (
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    return _check(scope, headers, query, body, signature, headers.get("x-amz-security-token", ""), presigned=False)


def _problem_of_url(scope: Scope, headers: dict[str, str], query: Query, service: str) -> Problem | None:
    if _value(query, "X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
        return "AuthorizationQueryParametersError", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"'
    signature = sigv4.parse_query_signature(query)
    if isinstance(signature, tuple):
        return signature
    if signature.service == "s3" and service != "s3":
        return "SignatureDoesNotMatch", f"Credential should be scoped to correct service: '{service}'. "
    wrong = _problem_of_expiry(signature, _value(query, "X-Amz-Expires"))
    if wrong:
        return wrong
    return _check(scope, headers, query, b"", signature, _value(query, "X-Amz-Security-Token"), presigned=True)


def _problem_of_expiry(signature: Any, expires: str) -> Problem | None:
    signed_at = sigv4._amz_datetime(signature.amz_date)
    if signed_at is None:
        return (
            "AuthorizationQueryParametersError",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        )
    if not expires and signature.service != "s3":
        late = sigv4.request_time_failure(signature)
        return _typed(late) if late else None
    if not expires.isdecimal() or int(expires) > _WEEK_S:
        return (
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires must be a number of seconds less than a week, {_WEEK_S}",
        )
    if sigv4.presigned_request_is_expired(signature.amz_date, int(expires)):
        return _EXPIRED
    if sigv4.presigned_request_is_expired(signature.amz_date, -_EARLY_S):
        return None
    return "AccessDenied", "Request is not yet valid"


def _check(
    scope: Scope, headers: dict[str, str], query: Query, body: bytes, signature: Any, token: str, *, presigned: bool
) -> Problem | None:
    credential = _credential(signature.access_key_id, token)
    if isinstance(credential, tuple):
        return credential
    failure = sigv4.header_signature_failure(
        signature, credential.secret_access_key, scope["method"], _raw_path(scope), query, headers, body,
        presigned=presigned,
    )  # fmt: skip
    return _typed(failure) if failure else None


def _problem_of_version_2(scope: Scope, headers: dict[str, str], query: Query) -> Problem | None:
    """What boto3 makes by default when it is asked for a URL."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    bucket = ministack.app._extract_s3_vhost_bucket(headers.get("host", ""))
    path = _raw_path(scope)
    authorization = headers.get("authorization", "")
    key = authorization[4:].partition(":")[0] if authorization else _value(query, "AWSAccessKeyId")
    request = evaluator.SignedRequest(
        key, scope["method"], path, query, headers, sigv2=True, auth_path=f"/{bucket}{path}" if bucket else path
    )
    checked = evaluator._sigv2_check(request, get_account_id())
    if not isinstance(checked, evaluator.AuthError):
        return None
    return _EXPIRED if checked.message == "Request has expired" else (checked.code, checked.message)


def _credential(key: str, token: str) -> Any:
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    try:
        account = evaluator.find_iam_access_key_account(key)
    except evaluator.AmbiguousAccessKeyError:
        account = None
    found = evaluator.resolve_credential(key, account, token)
    if isinstance(found, evaluator.CredentialResolutionError):
        return found.code, found.message
    return found


def _headers(scope: Scope) -> dict[str, str]:
    """As they were signed: what comes on several lines is one value."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), sigv4.decode_header_value(value)
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


def _raw_path(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    return path.decode("latin-1")


def _value(query: Query, name: str) -> str:
    return (query.get(name) or [""])[0]


def _not_supported() -> Problem:
    return "IncompleteSignature", "The request signature does not conform to AWS standards."


def _typed(failure: Any) -> Problem:
    code, message = failure
    return str(code), str(message)
