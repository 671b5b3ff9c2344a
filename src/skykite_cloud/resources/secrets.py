"""AWS::SecretsManager::Secret: its Ref is its ARN, and what is generated is generated as asked for.

MiniStack gives the name, by which policies written for the secret would name nothing, and its generator looks at two
of nine settings.
"""

from __future__ import annotations

import json
from typing import Any

from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, TypeRules

SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type's name
Attributes = dict[str, Any]
_SETTINGS = (
    "ExcludeCharacters",
    "ExcludeLowercase",
    "ExcludeNumbers",
    "ExcludePunctuation",
    "ExcludeUppercase",
    "IncludeSpace",
    "PasswordLength",
    "RequireEachIncludedType",
)


def known_by_arn(handlers: Handlers) -> Handlers:
    """MiniStack's handlers, which go by the name, with the ARN as the physical id."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
        _, attributes = handlers["create"](logical_id, properties, stack_name)
        return attributes["Arn"], attributes

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> tuple[str, Attributes]:
        name = _name(physical_id)
        found, attributes = handlers["update"](name, old, new, stack_name, logical_id)
        return (physical_id if found == name else attributes["Arn"]), attributes

    def delete(physical_id: str, properties: Properties) -> None:
        handlers["delete"](_name(physical_id), properties)

    return {**handlers, "create": create, "update": update, "delete": delete, "update_with_logical_id": True}


def check_value(properties: Properties) -> None:
    """What Secrets Manager refuses of the two ways to say a value."""
    generated = properties.get("GenerateSecretString")
    if generated is not None and properties.get("SecretString") is not None:
        raise PropertyError("You can't specify both SecretString and GenerateSecretString.")
    if generated and ("SecretStringTemplate" in generated) != ("GenerateStringKey" in generated):
        raise PropertyError("SecretStringTemplate and GenerateStringKey must be specified together.")


def generate_value(physical_id: str, properties: Properties, old: Properties) -> None:
    """By GetRandomPassword, as on AWS. Drawn again only if what is asked for changes."""
    from ministack.services import secretsmanager

    generated = properties.get("GenerateSecretString")
    if generated is None or generated == old.get("GenerateSecretString"):
        return
    asked = {name: generated[name] for name in _SETTINGS if name in generated}
    status, _, body = secretsmanager._get_random_password(
        {**asked, "PasswordLength": int(asked.get("PasswordLength", 32))}
    )
    answer = json.loads(body)
    if status >= 400:
        raise PropertyError(str(answer.get("message", answer)))
    value = answer["RandomPassword"]
    template = generated.get("SecretStringTemplate")
    if template is not None:
        value = json.dumps({**_object(template), generated["GenerateStringKey"]: value})
    for version in secretsmanager._secrets[_name(physical_id)]["Versions"].values():
        if "AWSCURRENT" in version["Stages"]:
            version["SecretString"] = value


def _object(template: str) -> dict[str, Any]:
    try:
        found = json.loads(template)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PropertyError("Could not parse SecretStringTemplate JSON.")
    return found


def _name(physical_id: str) -> str:
    from ministack.services import secretsmanager

    name = secretsmanager._resolve(physical_id)[0]
    return str(name) if name else physical_id


RULES = {SECRET: TypeRules(consumed=None, before=(check_value,), after=(generate_value,))}
