"""What Lambda is told: a result as it is, an error as it was raised, and an HTTP caller something readable. Pure.

The shapes of events: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html,
.../lambda-urls.html#urls-payloads, https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, List, Optional

_RETRY_AFTER_S = 5
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode_event(event: Any) -> bytes:
    """The event as JSON again, as short as it was: text is not escaped if it need not be."""
    try:
        text = _ENCODE(event)
    except ValueError:
        # A number beyond all floats has become infinite; JSON has no word for that, but larger numbers.
        mark = os.urandom(16).hex()
        text = json.dumps(_without_infinity(event, mark), ensure_ascii=False, separators=(",", ":"))
        text = text.replace(f'"-{mark}"', "-1e999").replace(f'"{mark}"', "1e999")
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be escaped
        return "".join(f"\\u{ord(c):04x}" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text).encode()


def _without_infinity(value: Any, mark: str) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return mark if value > 0 else f"-{mark}"
    if isinstance(value, dict):
        return {name: _without_infinity(item, mark) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_infinity(item, mark) for item in value]
    return value


def unavailable(event: Any, error_type: str, message: str) -> Optional[Dict[str, Any]]:
    """A 503 that says what to do, if `event` is an HTTP request whose caller would see it; else None."""
    if not _is_http(event):
        return None
    headers = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "retry-after": str(_RETRY_AFTER_S),
    }
    answer: Dict[str, Any] = {
        "statusCode": 503,
        "headers": headers,
        "body": json.dumps({"error": error_type, "message": message}),
        "isBase64Encoded": False,
    }
    if "elb" in event["requestContext"]:
        answer["statusDescription"] = "503 Service Unavailable"
        if "multiValueHeaders" in event:  # a target group is set to one of the two forms and ignores the other
            answer["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
            del answer["headers"]
    return answer


def _is_http(event: Any) -> bool:
    """REST API, HTTP API in both formats, function URL or load balancer; not an authorizer's or a WebSocket's event."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(context, dict) or "methodArn" in event or "routeArn" in event:
        return False
    return isinstance(context.get("http"), dict) or isinstance(event.get("httpMethod"), str)


def exception_for(error_type: str, message: str, trace: List[str]) -> Exception:
    """What to raise so that the runtime at hand reports exactly this."""
    for name in ("awslambdaric.lambda_runtime_exception", "lambda_runtime_exception"):
        theirs = getattr(sys.modules.get(name), "FaultException", None)
        if theirs is not None:
            raised: Exception = theirs(error_type, message, trace)
            return raised
    ours = getattr(sys.modules.get("skykite_lambda.faults"), "Fault", None)
    if ours is not None:
        fault: Exception = ours(error_type, message, trace=trace)
        return fault
    kind = type(error_type.rpartition(".")[2] or "Error", (Exception,), {})
    plain: Exception = kind(message)
    return plain
