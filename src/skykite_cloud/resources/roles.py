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


def find_principals(properties: Properties) -> None:
    """A policy is put on roles, users and groups that exist, and on at least one."""
    from ministack.services import iam

    stores = {"Roles": ("role", iam._roles), "Users": ("user", iam._users), "Groups": ("group", iam._groups)}
    if not any(properties.get(kind) for kind in stores):
        raise PropertyError("At least one of [Groups,Roles,Users] must be non-empty.")
    for kind, (word, store) in stores.items():
        for name in properties.get(kind) or ():
            if name not in store:
                raise PropertyError(f"The {word} with name {name} cannot be found.")
