"""Fail a custom resource whose function failed, instead of waiting an hour for an answer that cannot come.

On AWS the stack waits for the resource's timeout, since CloudFormation never hears how the function ended. Here the
executor knows, and a developer has better things to do.
"""

from __future__ import annotations

from skykite_cloud.seams import imported

_PATH = "/_ministack/cfn-response/"


def fail_custom_resource(event: object, error: object) -> None:
    """If `event` asks for a custom resource and nobody has answered it, answer that it failed, with the function's
    error document as the reason. On any thread."""
    url = event.get("ResponseURL") if isinstance(event, dict) else None
    module = imported("ministack.services.cloudformation.custom_resource")
    if module is None or not isinstance(url, str) or _PATH not in url:
        return
    token = url.rpartition(_PATH)[2]
    waiting = module._pending.get(token)
    if waiting is None or waiting["result"] is not None:
        return
    document = error if isinstance(error, dict) else {}
    kind, message = document.get("errorType", "Error"), document.get("errorMessage", str(error))
    module.deliver_response(token, {"Status": "FAILED", "Reason": f"The function failed: {kind}: {message}"})
