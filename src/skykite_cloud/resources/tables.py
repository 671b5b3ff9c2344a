"""AWS::DynamoDB::Table: time to live, recovery, encryption and the rest that MiniStack's handler drops."""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError, TypeRules, expect_success, names

GLOBAL = "AWS::DynamoDB::GlobalTable"


def check_keys(properties: Properties) -> None:
    """Attributes are defined if, and only if, a key or an index uses them."""
    schemas = [properties["KeySchema"]]
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        schemas += [index.get("KeySchema", []) for index in properties.get(kind) or ()]
    used = {key["AttributeName"] for schema in schemas for key in schema}
    defined = {one["AttributeName"] for one in properties.get("AttributeDefinitions") or ()}
    if used != defined:
        raise PropertyError(
            "One or more parameter values were invalid: Some AttributeDefinitions are not used or missing. "
            f"AttributeDefinitions: {sorted(defined)}, keys used: {sorted(used)}"
        )


def apply_dropped(name: str, properties: Properties, old: Properties) -> None:
    """Each through the call of DynamoDB's API that sets it."""
    from ministack.services import dynamodb

    _apply_ttl(dynamodb, name, properties.get("TimeToLiveSpecification"), old.get("TimeToLiveSpecification"))
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery != old.get("PointInTimeRecoverySpecification"):
        given = recovery or {"PointInTimeRecoveryEnabled": False}
        call = {"TableName": name, "PointInTimeRecoverySpecification": given}
        expect_success("UpdateContinuousBackups", dynamodb._update_continuous_backups(call))
    changes: dict[str, Any] = {}
    if not old and "SSESpecification" in properties:  # MiniStack's update takes it, its create does not
        changes["SSESpecification"] = _sse(properties["SSESpecification"])
    if properties.get("TableClass") != old.get("TableClass"):
        changes["TableClass"] = properties.get("TableClass", "STANDARD")
    if properties.get("OnDemandThroughput") != old.get("OnDemandThroughput"):
        changes["OnDemandThroughput"] = properties.get("OnDemandThroughput")
    if changes:
        expect_success("UpdateTable", dynamodb._update_table({"TableName": name, **changes}))


def check_replicas(properties: Properties) -> None:
    """A global table has one replica here: the region it is made in."""
    from ministack.core.responses import get_region

    regions = [replica["Region"] for replica in properties["Replicas"]]
    if regions != [get_region()]:
        raise PropertyError(
            f"The embedded cloud does not support Replicas of {GLOBAL} in other regions: {', '.join(regions)}"
        )


def apply_dropped_global(name: str, properties: Properties, old: Properties) -> dict[str, Any]:
    """What MiniStack's handler drops, most of which stands with the replica."""
    from ministack.services import dynamodb

    (replica,), (before, *_) = properties["Replicas"], (old.get("Replicas") or [{}])
    replica["Region"]
    _apply_ttl(dynamodb, name, properties.get("TimeToLiveSpecification"), old.get("TimeToLiveSpecification"))
    apply_dropped(name, _of_replica(replica), _of_replica(before))
    protected = replica.get("DeletionProtectionEnabled", False)
    if protected != before.get("DeletionProtectionEnabled", False):
        given = {"TableName": name, "DeletionProtectionEnabled": protected}
        expect_success("UpdateTable", dynamodb._update_table(given))
    table = dynamodb._tables[name]
    tags = replica.get("Tags") or []
    dynamodb._tags[table["TableArn"]] = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]
    return {"Arn": table["TableArn"], "TableId": table["TableId"]}


def _of_replica(replica: Properties) -> Properties:
    return {name: replica[name] for name in ("PointInTimeRecoverySpecification", "TableClass") if name in replica}


def _apply_ttl(dynamodb: Any, name: str, new: Properties | None, old: Properties | None) -> None:
    if new == old:
        return
    wanted = new or {**(old or {}), "Enabled": False}
    if wanted.get("Enabled") or (old or {}).get("Enabled"):
        call = {"TableName": name, "TimeToLiveSpecification": wanted}
        expect_success("UpdateTimeToLive", dynamodb._update_ttl(call))


def _sse(specification: Properties) -> dict[str, Any]:
    """CloudFormation's spelling of it into DynamoDB's."""
    given = {key: value for key, value in specification.items() if key != "SSEEnabled"}
    return {"Enabled": specification.get("SSEEnabled", False), **given}


RULES = {
    GLOBAL: TypeRules(
        consumed=names(
            "AttributeDefinitions BillingMode GlobalSecondaryIndexes KeySchema LocalSecondaryIndexes Replicas "
            "SSESpecification StreamSpecification TableName TimeToLiveSpecification"
        ),
        required=("KeySchema",),
        before=(check_keys, check_replicas),
        after=(apply_dropped_global,),
    )
}
