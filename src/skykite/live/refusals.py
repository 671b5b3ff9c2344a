"""What AppSync Events says when it does not do what it was asked for. Pure."""

from __future__ import annotations

import json

from skykite.live.transport import Reason
from skykite_lambda.live import messages


def problem_in(body: bytes) -> messages.Problem | None:
    """The error that the body of an HTTP response is about."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "errors" not in document:
        return None
    problem = messages.parse(json.dumps({"type": "error", "errors": document["errors"]}))
    return problem if isinstance(problem, messages.Problem) else None


def reason_of(status: int, problem: messages.Problem | None) -> Reason:
    """`status` is HTTP's, 0 if there is none."""
    if status in (401, 403) or (problem is not None and problem.denied):
        return "denied"
    if status == 429 or (problem is not None and problem.throttled):
        return "throttled"
    return "refused"
