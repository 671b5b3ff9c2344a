"""AWS::Lambda::Version, Alias, EventInvokeConfig, Url and LayerVersion: of functions and versions that exist."""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources import functions
from skykite_cloud.resources.rules import Properties, PropertyError, TypeRules, expect_success, names


def check_version(properties: Properties) -> None:
    """A version is of the code that its maker means."""
    function = _function(properties["FunctionName"])
    wanted, found = properties.get("CodeSha256"), function["config"].get("CodeSha256")
    if wanted and wanted != found:
        raise PropertyError(
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({found}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )


def apply_dropped_version(arn: str, properties: Properties, old: Properties) -> dict[str, str]:
    """Provisioned concurrency."""
    config = properties.get("ProvisionedConcurrencyConfig")
    name, _, version = arn.rpartition(":")
    if config:
        from ministack.services import lambda_svc

        given = {"ProvisionedConcurrentExecutions": int(config["ProvisionedConcurrentExecutions"])}
        answer = lambda_svc._put_provisioned_concurrency(name.rpartition(":")[2], version, given)
        expect_success("PutProvisionedConcurrencyConfig", answer)
    return {"FunctionArn": arn}


def check_alias(properties: Properties) -> None:
    """An alias is of a version that exists."""
    function = _function(properties["FunctionName"])
    weights = (properties.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or []
    for version in (properties["FunctionVersion"], *(one["FunctionVersion"] for one in weights)):
        if version != "$LATEST" and str(version) not in function["versions"]:
            raise PropertyError(f"Function not found: {function['config']['FunctionArn']}:{version}")


def find_layer_content(properties: Properties) -> None:
    """As a function's code."""
    functions.find_object(properties["Content"])


def _function(reference: Any) -> dict[str, Any]:
    from ministack.services.cloudformation import provisioners

    found: dict[str, Any] | None = provisioners._lambda_function_for_cfn_ref(reference)[0]
    if found is None:
        raise PropertyError(f"Function not found: {reference}")
    return found


RULES = {
    "AWS::Lambda::Version": TypeRules(
        consumed=names("CodeSha256 Description FunctionName ProvisionedConcurrencyConfig"),
        before=(check_version,),
        after=(apply_dropped_version,),
    ),
    "AWS::Lambda::Alias": TypeRules(
        consumed=names("Description FunctionName FunctionVersion Name ProvisionedConcurrencyConfig RoutingConfig"),
        before=(check_alias,),
    ),
    "AWS::Lambda::EventInvokeConfig": TypeRules(
        consumed=names("DestinationConfig FunctionName MaximumEventAgeInSeconds MaximumRetryAttempts Qualifier"),
    ),
    "AWS::Lambda::Url": TypeRules(
        consumed=names("AuthType Cors InvokeMode Qualifier TargetFunctionArn"),
    ),
    "AWS::Lambda::LayerVersion": TypeRules(
        consumed=names("CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"),
        before=(find_layer_content,),
    ),
}
