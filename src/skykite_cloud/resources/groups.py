"""AWS::IAM::Group and AWS::IAM::UserToGroupAddition, which MiniStack's CloudFormation lacks and its IAM has."""

from __future__ import annotations

import json
from typing import Any

from skykite_cloud.resources.rules import Handlers, Properties, TypeRules, expect_success, names

Attributes = dict[str, Any]

GROUP, ADDITION = "AWS::IAM::Group", "AWS::IAM::UserToGroupAddition"


def _create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import iam
    from ministack.services.cloudformation import provisioners

    name = properties.get("GroupName") or provisioners._physical_name(stack_name, logical_id, max_len=128)
    given = {"GroupName": [name], "Path": [properties.get("Path", "/")]}
    expect_success("CreateGroup", iam._create_group(given))
    _put(name, properties, {})
    return name, {"Arn": iam._groups[name]["Arn"]}


def _update(name: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import iam

    _put(name, new, old)
    return name, {"Arn": iam._groups[name]["Arn"]}


def _delete(name: str, properties: Properties) -> None:
    from ministack.services import iam

    for arn in properties.get("ManagedPolicyArns") or ():
        iam._detach_group_policy({"GroupName": [name], "PolicyArn": [arn]})
    iam._delete_group({"GroupName": [name]})


def _put(name: str, new: Properties, old: Properties) -> None:
    from ministack.services import iam

    attached, before = (set(given.get("ManagedPolicyArns") or ()) for given in (new, old))
    for arn in sorted(before - attached):
        iam._detach_group_policy({"GroupName": [name], "PolicyArn": [arn]})
    for arn in sorted(attached - before):
        expect_success("AttachGroupPolicy", iam._attach_group_policy({"GroupName": [name], "PolicyArn": [arn]}))
    policies, had = (
        {one["PolicyName"]: one["PolicyDocument"] for one in given.get("Policies") or ()} for given in (new, old)
    )
    for policy in sorted(had.keys() - policies.keys()):
        iam._delete_group_policy({"GroupName": [name], "PolicyName": [policy]})
    for policy, document in policies.items():
        given = {"GroupName": [name], "PolicyName": [policy], "PolicyDocument": [json.dumps(document)]}
        expect_success("PutGroupPolicy", iam._put_group_policy(given))


def _add(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import iam

    for user in properties["Users"]:
        given = {"GroupName": [properties["GroupName"]], "UserName": [user]}
        expect_success("AddUserToGroup", iam._add_user_to_group(given))
    addition = f"{stack_name}-{logical_id}"
    return addition, {"Id": addition}


def _add_others(physical_id: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    gone = [user for user in old["Users"] if user not in new["Users"] or old["GroupName"] != new["GroupName"]]
    _remove(physical_id, {**old, "Users": gone})
    _add(physical_id, new, stack_name)
    return physical_id, {"Id": physical_id}


def _remove(physical_id: str, properties: Properties) -> None:
    from ministack.services import iam

    for user in properties["Users"]:
        iam._remove_user_from_group({"GroupName": [properties["GroupName"]], "UserName": [user]})


HANDLERS: dict[str, Handlers] = {
    GROUP: {"create": _create, "update": _update, "delete": _delete},
    ADDITION: {"create": _add, "update": _add_others, "delete": _remove},
}
REPLACING: dict[str, tuple[str, ...]] = {GROUP: ("GroupName",), ADDITION: ()}
RULES = {
    GROUP: TypeRules(consumed=names("GroupName ManagedPolicyArns Path Policies")),
    ADDITION: TypeRules(consumed=names("GroupName Users")),
}
