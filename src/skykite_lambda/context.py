"""The `context` a handler gets: Lambda's own attributes, and a clock that stands still while a debugger holds it.

https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
Reads the environment and the monotonic clock.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any, Dict, Optional, Tuple

_TRACE_CONTEXT_FIELDS = ("traceparent", "tracestate", "baggage")


class InvocationClock:
    """How long the function may still run. `suspend` and `resume` are called from a debugger's thread."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._suspended_at: Optional[float] = None

    def suspend(self) -> None:
        if self._suspended_at is None:
            self._suspended_at = time.monotonic()

    def resume(self) -> None:
        if self._suspended_at is not None:
            self._deadline += time.monotonic() - self._suspended_at
            self._suspended_at = None

    def remaining(self) -> float:
        now = self._suspended_at
        return self._deadline - (time.monotonic() if now is None else now)


class FunctionFacts:
    """What is the same for all invocations, read from the environment once."""

    def __init__(self) -> None:
        environment = os.environ
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")


class _Fields:
    """Attributes read from a JSON object; those it does not have are None."""

    __slots__: Tuple[str, ...] = ()

    def __init__(self, fields: Dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        fields = ",".join(f"{name}={getattr(self, name)}" for name in self.__slots__)
        return f"{type(self).__name__}([{fields}])"


class CognitoIdentity(_Fields):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Fields):
    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")


class ClientContext(_Fields):
    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: Dict[str, Any]) -> None:
        super().__init__(fields)
        client = fields.get("client")
        self.client = None if client is None else Client(client)


class LambdaContext:
    """One per invocation."""

    def __init__(
        self,
        *,
        request_id: str,
        function: FunctionFacts,
        arn: str,
        clock: InvocationClock,
        client_context: Optional[Dict[str, Any]] = None,
        tenant_id: Optional[str] = None,
    ) -> None:
        self.aws_request_id = request_id
        self.log_group_name = function.log_group_name
        self.log_stream_name = function.log_stream_name
        self.function_name = function.name
        self.memory_limit_in_mb = function.memory_mb
        self.function_version = function.version
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id
        self._trace_context: Dict[str, str] = {}
        self.client_context: Optional[ClientContext] = None
        if client_context is not None:
            fields = dict(client_context)
            trace_context = fields.pop("w3c", None)
            if isinstance(trace_context, dict):
                self._trace_context = {
                    name: trace_context[name]
                    for name in _TRACE_CONTEXT_FIELDS
                    if isinstance(trace_context.get(name), str)
                }
            self.client_context = ClientContext(fields)
        self.identity = CognitoIdentity({})
        self._clock = clock

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._clock.remaining() * 1000))

    def w3c(self) -> Dict[str, str]:
        """The W3C trace context the caller sent along."""
        return dict(self._trace_context)

    def log(self, message: object) -> None:
        for handler in logging.getLogger().handlers:
            write = getattr(handler, "write_line", None)
            if write is not None:
                write(str(message))
                return
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return "LambdaContext([" + ",".join(f"{name}={getattr(self, name)}" for name in names) + "])"
