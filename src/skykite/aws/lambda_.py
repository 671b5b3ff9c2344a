"""Lambda functions as deployed: what they are configured with, and calling them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal

from skykite.aws.connection import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionState:
    """A deployed function. `environment` may hold secrets: never log it, and `repr` leaves it out."""

    name: str
    arn: str
    role: str
    runtime: str  # empty for container images
    handler: str
    memory_mb: int
    timeout_s: int
    environment: dict[str, str] = field(repr=False)
    architecture: str
    version: str
    code_sha256: str
    state: str  # `Active`, `Pending`, `Inactive`, `Failed`; empty where the cloud does not say
    last_update: str  # `Successful`, `InProgress`, `Failed`; empty where the cloud does not say
    log_group: str = ""  # empty where the cloud does not say
    log_format: str = ""  # `Text` or `JSON`; empty where the cloud does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeResult:
    """How an invocation ended. `function_error` is `Handled` or `Unhandled` when the function failed; `log` is the
    last 4 KB it wrote, if asked for."""

    status: int
    payload: bytes
    function_error: str | None
    log: bytes


class Lambda:
    """https://docs.aws.amazon.com/lambda/latest/api/"""

    def __init__(self, caller: Caller, *, invoker: Caller) -> None:
        self._caller = caller
        self._invoker = invoker

    def get_configuration(self, name: str) -> FunctionState:
        """Raises `AwsError` with `aws_code` `ResourceNotFoundException` if there is no such function."""
        return _function_state(self._caller.call("GetFunctionConfiguration", FunctionName=name))

    def names(self) -> tuple[str, ...]:
        """Of every function of the account and region."""
        found: list[str] = []
        marker: str | None = None
        while True:
            page = self._caller.call("ListFunctions", Marker=marker)
            found += [function["FunctionName"] for function in page["Functions"]]
            marker = page.get("NextMarker")
            if not marker:
                return tuple(found)

    def update_code(self, name: str, *, bucket: str, key: str) -> FunctionState:
        """Point a function at another zip."""
        answer = self._caller.call("UpdateFunctionCode", FunctionName=name, S3Bucket=bucket, S3Key=key)
        return _function_state(answer)

    def update_environment(self, name: str, environment: dict[str, str]) -> FunctionState:
        """Replace the whole environment of a function."""
        answer = self._caller.call(
            "UpdateFunctionConfiguration", FunctionName=name, Environment={"Variables": environment}
        )
        return _function_state(answer)

    def invoke(
        self,
        name: str,
        payload: bytes,
        *,
        kind: Literal["RequestResponse", "Event", "DryRun"] = "RequestResponse",
        client_context: bytes | None = None,
        tail: bool = False,
    ) -> InvokeResult:
        """Call a function once: never retried, since a retry would run it twice. `tail` asks for the log's end."""
        answer = self._invoker.call(
            "Invoke",
            FunctionName=name,
            InvocationType=kind,
            Payload=payload,
            ClientContext=None if client_context is None else base64.b64encode(client_context).decode(),
            LogType="Tail" if tail else None,
        )
        return InvokeResult(
            status=answer["StatusCode"],
            payload=answer["Payload"].read(),
            function_error=answer.get("FunctionError") or None,
            log=base64.b64decode(answer.get("LogResult", "")),
        )


def _function_state(answer: dict[str, object]) -> FunctionState:
    def text(key: str) -> str:
        return str(answer.get(key) or "")

    def number(key: str) -> int:
        return int(str(answer.get(key) or 0))

    environment = answer.get("Environment")
    variables = environment.get("Variables", {}) if isinstance(environment, dict) else {}
    architectures = answer.get("Architectures")
    told = answer.get("LoggingConfig")
    logging = told if isinstance(told, dict) else {}
    return FunctionState(
        name=text("FunctionName"),
        arn=text("FunctionArn"),
        role=text("Role"),
        runtime=text("Runtime"),
        handler=text("Handler"),
        memory_mb=number("MemorySize"),
        timeout_s=number("Timeout"),
        environment=dict(variables),
        architecture=architectures[0] if isinstance(architectures, list) and architectures else "x86_64",
        version=text("Version"),
        code_sha256=text("CodeSha256"),
        state=text("State"),
        last_update=text("LastUpdateStatus"),
        log_group=str(logging.get("LogGroup") or ""),
        log_format=str(logging.get("LogFormat") or ""),
    )
