"""Who calls an Event API, and whether they may: signature first, then the policies of IAM.

The policies are MiniStack's to evaluate. Who somebody is and what they may holds for a second, as on AWS for a while.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from ministack.core.responses import request_scope

from skykite_cloud.events.management import Api, Namespace, Operation
from skykite_cloud.events.refusals import Refusal, unauthorized
from skykite_cloud.events.signatures import ALGORITHM, check_signature, parse_signature

_ACTIONS = {"connect": "EventConnect", "publish": "EventPublish", "subscribe": "EventSubscribe"}
_PERMISSION_HOLDS_S = 1.0
_MOST_PERMISSIONS = 10_000

logger = logging.getLogger("skykite.events")


class Callers:
    """Authorizes operations. Keeps nothing but credentials and permissions, for a moment."""

    def __init__(self) -> None:
        self._permitted: dict[tuple[str, str, str], float] = {}  # until when
        self._known: dict[tuple[str, str, str], tuple[float, Any]] = {}  # until when, and the credential

    def authorize(
        self, api: Api, operation: Operation, namespace: Namespace | None, headers: Mapping[str, str], body: bytes
    ) -> Refusal | None:
        """`headers` by lower-case name; `body` is what should have been signed."""
        refusal = self._authorize(api, operation, namespace, headers, body)
        if refusal is not None:
            where = namespace.arn if namespace else api.arn
            # The first line: what should have been signed comes after it, with the session's token.
            reason = (refusal.reason or refusal.message).partition("\n")[0]
            logger.warning("%s at %s refused: %s", operation, where, reason)
        return refusal

    def _authorize(
        self, api: Api, operation: Operation, namespace: Namespace | None, headers: Mapping[str, str], body: bytes
    ) -> Refusal | None:
        modes = api.modes(operation, namespace)
        if headers.get("authorization", "").startswith(ALGORITHM):
            if "AWS_IAM" not in modes:
                return unauthorized("it is not open for IAM")
            return self._authorize_signed(api, operation, namespace, headers, body)
        key = headers.get("x-api-key")
        if key is None:
            return unauthorized("neither a signature nor an API key", "Valid authorization header not provided.")
        if "API_KEY" not in modes or not api.has_key(key, time.time()):
            return unauthorized("an API key that does not open it")
        return None

    def _authorize_signed(
        self, api: Api, operation: Operation, namespace: Namespace | None, headers: Mapping[str, str], body: bytes
    ) -> Refusal | None:
        signature = parse_signature(headers, host=api.http_host, region=api.region, now=time.time())
        if isinstance(signature, Refusal):
            return signature
        credential = self._credential(signature.access_key_id, signature.token, api.account)
        if isinstance(credential, Refusal):
            return credential
        forged = check_signature(signature, credential.secret_access_key, headers, body)
        if forged is not None:
            return forged
        resource = namespace.arn if namespace else api.arn
        return self._decide(api, credential, f"appsync:{_ACTIONS[operation]}", resource)

    def _credential(self, access_key_id: str, token: str, account: str) -> Any:
        """What STS or IAM gave out under this key, or why it does not count."""
        asked, now = (access_key_id, token, account), time.monotonic()
        until, credential = self._known.get(asked, (0.0, None))
        if until > now:
            return credential
        credential = _resolve(*asked)
        if not isinstance(credential, Refusal):
            if len(self._known) >= _MOST_PERMISSIONS:
                self._known.clear()
            self._known[asked] = (now + _PERMISSION_HOLDS_S, credential)
        return credential

    def _decide(self, api: Api, credential: Any, action: str, resource: str) -> Refusal | None:
        asked = (credential.access_key_id, action, resource)
        now = time.monotonic()
        if self._permitted.get(asked, 0.0) > now:
            return None
        refusal = _evaluate(api, credential, action, resource)
        if refusal is None:
            if len(self._permitted) >= _MOST_PERMISSIONS:
                self._permitted.clear()
            self._permitted[asked] = now + _PERMISSION_HOLDS_S
        return refusal


@cache
def _evaluator() -> Any:
    return importlib.import_module("ministack.core.iam_evaluator")


def _resolve(access_key_id: str, token: str, account: str) -> Any:
    evaluator = _evaluator()
    found = evaluator.resolve_credential(access_key_id, account, token)
    if not isinstance(found, evaluator.CredentialResolutionError):
        return found
    if found.code == "ExpiredTokenException":
        return Refusal(403, "ExpiredTokenException", "The security token included in the request is expired")
    message = "The security token included in the request is invalid."
    return Refusal(403, "UnrecognizedClientException", message, f"`{access_key_id}`: {found.message}")


def _evaluate(api: Api, credential: Any, action: str, resource: str) -> Refusal | None:
    evaluator = _evaluator()
    with request_scope(api.account, api.region):
        principal = evaluator.resolve_principal(credential.access_key_id, api.account, credential)
        if isinstance(principal, evaluator.AuthError):
            return Refusal(403, principal.code, principal.message)
        if principal.policies is None:
            return None
        context = evaluator.EvalContext(
            principal_arn=principal.arn,
            principal_type=principal.type,
            principal_account=principal.account,
            action=action,
            resource_arn=resource,
            region=api.region,
            secure_transport=True,  # as it is where AWS answers
            principal_keys=principal.keys,
        )
        result = evaluator.evaluate(context, principal.policies, *principal.limits)
    if result.decision == "Allow":
        return None
    reason = f"{principal.arn} is not authorized to perform {action} on {resource}: {result.reason}"
    return unauthorized(reason, "Permission denied")
