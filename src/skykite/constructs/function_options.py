"""From a function's settings to what CDK's `lambda.Function` is told, and the constructs that stand beside it.

In: `FunctionSettings` that were checked. Out: keyword arguments, a log group, a dead-letter queue, an alias. I/O: none
but questions to the CDK kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aws_cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs

from skykite.constructs.code import ARCHITECTURES
from skykite.constructs.destinations import dead_letters_of, destination_of
from skykite.constructs.function_props import FunctionSettings
from skykite.constructs.removal import kept_when_removed, removal_policy
from skykite.model.synthesis import Synthesis

STUB_MEMORY: Final = 512  # MB; with it comes the computing power that connects fast and passes 6 MB on
ALIAS: Final = "live"
_TRACINGS: Final = {"active": lambda_.Tracing.ACTIVE, "pass_through": lambda_.Tracing.PASS_THROUGH}


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """`arguments` are CDK's; the others are the constructs that were made for them."""

    arguments: Mapping[str, Any]
    log_group: logs.LogGroup
    dead_letter_queue: Any = None


def function_options(scope: Any, settings: FunctionSettings, synthesis: Synthesis, *, stub: bool) -> FunctionOptions:
    """Everything but code, handler, runtime and environment. Raises PropProblem."""
    log_group = log_group_of(scope, settings.log_retention, synthesis)
    found: dict[str, Any] = {
        "memory_size": max(settings.memory_size, STUB_MEMORY) if stub else settings.memory_size,
        "timeout": aws_cdk.Duration.seconds(settings.timeout),
        "architecture": ARCHITECTURES[settings.architecture],
        "description": settings.description,
        "reserved_concurrent_executions": settings.reserved_concurrency,
        "log_group": log_group,
        **_vpc(settings),
    }
    if settings.layers:
        found["layers"] = [_layer(scope, number, layer) for number, layer in enumerate(settings.layers)]
    if settings.ephemeral_storage is not None:
        found["ephemeral_storage_size"] = aws_cdk.Size.mebibytes(settings.ephemeral_storage)
    if settings.tracing != "disabled":
        found["tracing"] = _TRACINGS[settings.tracing]
    if settings.log_format == "json":
        found["logging_format"] = lambda_.LoggingFormat.JSON
    queue = None
    if settings.dead_letter_queue is True:
        queue = sqs.Queue(
            scope,
            "DeadLetterQueue",
            retention_period=aws_cdk.Duration.days(14),
            enforce_ssl=True,
            removal_policy=removal_policy(None, synthesis),
        )
        found["dead_letter_queue"] = queue
    elif settings.dead_letter_queue:
        found |= dead_letters_of(settings.dead_letter_queue)
    return FunctionOptions(arguments=found, log_group=log_group, dead_letter_queue=queue)


def async_options(settings: FunctionSettings) -> dict[str, Any]:
    """How asynchronous invocations are retried and where they end; of the alias if there is one. Raises PropProblem."""
    found: dict[str, Any] = {}
    for prop in ("on_success", "on_failure"):
        given = getattr(settings, prop)
        if given is not None:
            found[prop] = destination_of(prop, given)
    if settings.retry_attempts is not None:
        found["retry_attempts"] = settings.retry_attempts
    if settings.max_event_age is not None:
        found["max_event_age"] = aws_cdk.Duration.seconds(settings.max_event_age)
    return found


def alias_of(scope: Any, function: lambda_.Function, settings: FunctionSettings) -> lambda_.Alias:
    """What keeps instances ready: a version, published whenever code or settings change, under a name that stays."""
    return lambda_.Alias(
        scope,
        "Alias",
        alias_name=ALIAS,
        version=function.current_version,
        provisioned_concurrent_executions=settings.provisioned_concurrency,
        **async_options(settings),
    )


def log_group_of(scope: Any, retention: Any, synthesis: Synthesis) -> logs.LogGroup:
    """Of the function alone, so that it goes when the function goes; the one Lambda makes by itself stays for ever."""
    if retention is None:
        retention = "one_year" if kept_when_removed(synthesis) else "one_month"
    if isinstance(retention, str):
        retention = logs.RetentionDays[retention.upper()]
    return logs.LogGroup(scope, "Logs", retention=retention, removal_policy=removal_policy(None, synthesis))


def _vpc(settings: FunctionSettings) -> dict[str, Any]:
    if settings.vpc is None:
        return {}
    subnets = settings.vpc_subnets
    return {
        "vpc": settings.vpc,
        "vpc_subnets": ec2.SubnetSelection(**subnets) if isinstance(subnets, Mapping) else subnets,
        "security_groups": list(settings.security_groups) or None,
    }


def _layer(scope: Any, number: int, layer: Any) -> Any:
    if isinstance(layer, str):
        return lambda_.LayerVersion.from_layer_version_arn(scope, f"Layer{number + 1}", layer)
    return layer
