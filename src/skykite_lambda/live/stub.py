"""The handler that every live function is deployed with, whatever it was written in.

In: Lambda's event and context. Out: what the function returned on the developer's machine, or the error it raised.
Importing it in a function connects: whatever can be done while the container starts is done then.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Mapping, MutableMapping, Optional

from ..wire.outcomes import InvocationHead, Outcome, Raised
from .answers import encode_event, exception_for, unavailable
from .clock import Clock
from .driver import OWN_ERRORS, TELLS_OF_AWS, Driver
from .settings import VARIABLE, Misconfigured, settings_from

_WARM_UP_S = 5.0  # Lambda gives the start of a container ten
_LONGEST_MS = 86_400_000  # more than Lambda ever gives, and no more than the protocol can say
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class Stub:
    """What lasts from one invocation to the next."""

    def __init__(self, environment: Mapping[str, str], clock: Clock, random: Callable[[int], bytes]) -> None:
        self._environment = environment
        self._driver: Optional[Driver] = None
        self._misconfigured = ""
        self._function = ""
        try:
            settings = settings_from(environment)
        except Misconfigured as error:
            self._misconfigured = f"{error}; deploy the stage again"
        else:
            self._function = settings.function
            self._driver = Driver(environment, settings, clock, random)

    def warm_up(self) -> None:
        """Never fails, and never takes long."""
        if self._driver is not None:
            self._driver.warm_up(_WARM_UP_S)

    def handle(self, event: Any, context: Any) -> Any:
        outcome = self._outcome(event, context)
        if self._driver is not None:
            self._driver.give_back(event, outcome)
        if not isinstance(outcome, Raised):
            return outcome.payload  # as it is: runtimes pass bytes on
        if outcome.error_type in OWN_ERRORS and not outcome.trace:
            answer = unavailable(event, outcome.error_type, self._public(outcome))
            if answer is not None:
                print(f"{outcome.error_type}: {outcome.message}")
                return answer
        raise exception_for(outcome.error_type, outcome.message, list(outcome.trace)) from None

    def _public(self, outcome: Raised) -> str:
        """What an HTTP caller may read: anybody at all can be one, and AWS's words name roles and accounts."""
        if outcome.error_type not in TELLS_OF_AWS:
            return outcome.message
        return f"function `{self._function}` cannot be run on the developer's machine; its log says why"

    def _outcome(self, event: Any, context: Any) -> Outcome:
        if self._driver is None:
            return Raised("LiveMisconfigured", self._misconfigured)
        head = InvocationHead(
            function=self._function,
            request_id=context.aws_request_id,
            invoked_function_arn=context.invoked_function_arn or "",
            trace_id=self._environment.get("_X_AMZN_TRACE_ID"),
            client_context=_client_context(context),
            identity=_identity(context),
            remaining_ms=min(context.get_remaining_time_in_millis(), _LONGEST_MS),
        )
        return self._driver.run(head, encode_event(event))


def _client_context(context: Any) -> Optional[str]:
    """As the caller sent it, as far as the runtime keeps it."""
    given = getattr(context, "client_context", None)
    w3c = context.w3c() if hasattr(context, "w3c") else {}
    if given is None and not w3c:
        return None
    found: Dict[str, Any] = {"w3c": w3c} if w3c else {}
    for name in ("custom", "env"):
        if getattr(given, name, None) is not None:
            found[name] = getattr(given, name)
    client = getattr(given, "client", None)
    if client is not None:
        found["client"] = {name: getattr(client, name, None) for name in _CLIENT}
    return json.dumps(found, separators=(",", ":"))


def _identity(context: Any) -> Optional[str]:
    given = getattr(context, "identity", None)
    identity, pool = (getattr(given, f"cognito_identity_{part}", None) for part in ("id", "pool_id"))
    if identity is None:
        return None
    return json.dumps({"cognitoIdentityId": identity, "cognitoIdentityPoolId": pool}, separators=(",", ":"))


def _make(environment: MutableMapping[str, str]) -> Stub:
    stub = Stub(environment, Clock(), os.urandom)
    if VARIABLE in environment:
        stub.warm_up()
    return stub


_stub = _make(os.environ)
handler = _stub.handle
