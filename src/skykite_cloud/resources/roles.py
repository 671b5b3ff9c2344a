"""AWS::IAM::Role and AWS::IAM::Policy."""

from __future__ import annotations

from skykite_cloud.resources.rules import Properties, PropertyError


def apply_boundary(name: str, properties: Properties, old: Properties) -> dict[str, str]:
    """MiniStack's handler drops the permissions boundary."""
    from ministack.services import iam

    role = iam._roles[name]
    boundary = properties.get("PermissionsBoundary")
    if boundary:
        role["PermissionsBoundary"] = boundary
    elif "PermissionsBoundary" in old:
        role.pop("PermissionsBoundary", None)
    return {"Arn": role["Arn"], "RoleId": role["RoleId"]}


def need_principals(properties: Properties) -> None:
    """An inline policy is put on at least one."""
    if not any(properties.get(kind) for kind in ("Groups", "Roles", "Users")):
        raise PropertyError("At least one of [Groups,Roles,Users] must be non-empty.")


def find_principals(properties: Properties) -> None:
    """A policy is put on roles, users and groups that exist."""
    from ministack.services import iam

    stores = {"Roles": ("role", iam._roles), "Users": ("user", iam._users), "Groups": ("group", iam._groups)}
    for kind, (word, store) in stores.items():
        for name in properties.get(kind) or ():
            if name not in store:
                raise PropertyError(f"The {word} with name {name} cannot be found.")


def describe_managed(arn: str, properties: Properties, old: Properties) -> dict[str, str]:
    """Attributes that MiniStack gives as numbers and truth values, of which no output can be made."""
    from ministack.services import iam

    policy = iam._policies[arn]
    return {
        "AttachmentCount": str(policy.get("AttachmentCount", 0)),
        "IsAttachable": "true",
        "PermissionsBoundaryUsageCount": str(policy.get("PermissionsBoundaryUsageCount", 0)),
    }
