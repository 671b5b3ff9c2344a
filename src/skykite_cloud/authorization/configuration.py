"""SSM's parameters, Secrets Manager's secrets and the keys of KMS, as requests name them."""

from __future__ import annotations

import importlib
import re
from typing import Any

from skykite_cloud.authorization.calls import Check, Data, Request, UnclearCallError, named, text
from skykite_cloud.authorization.conditions import Values

_PARAMETER = re.compile(r"[A-Za-z0-9_./-]{0,2048}")
_LABEL = re.compile(r":[A-Za-z0-9_.-]+$")


def parameter_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Raises `UnclearCallError`."""
    action = f"ssm:{operation}"
    if operation == "DescribeParameters":
        return [Check(action=action, resource="*")]
    names = data.get("Names") if operation in ("GetParameters", "DeleteParameters") else [text(data, "Name")]
    if operation == "GetParametersByPath":
        recursive = str(bool(data.get("Recursive"))).lower()
        path = _parameter(request, text(data, "Path"))
        return [
            Check(action=action, resource=path, lookup=lambda key: (recursive,) if key == "ssm:recursive" else None)
        ]
    if operation.endswith("Resource") and "ResourceId" in data:
        names = [text(data, "ResourceId")] if data.get("ResourceType") == "Parameter" else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnclearCallError("`Names` is not a list of names")
    overwrite = str(bool(data.get("Overwrite"))).lower()

    def lookup(key: str) -> Values | None:
        return (overwrite,) if key == "ssm:overwrite" and operation == "PutParameter" else None

    resources = [_parameter(request, name) for name in names if name]
    return [Check(action=action, resource=one, lookup=lookup) for one in resources] or [Check(action=action)]


def _parameter(request: Request, name: str) -> str:
    prefix = request.arn("ssm", "parameter")
    path = name.removeprefix(prefix) if name.startswith("arn:") else _LABEL.sub("", name)
    if not _PARAMETER.fullmatch(path):
        raise UnclearCallError(f"`{name[:200]}` is not the name of a parameter")
    return f"{prefix}/{path.removeprefix('/')}"


def secret_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Secrets are judged by their full ARN, which only Secrets Manager knows. Raises `UnclearCallError`."""
    action = f"secretsmanager:{operation}"
    if operation in ("ListSecrets", "GetRandomPassword"):
        return [Check(action=action, resource="*")]
    wanted = data.get("SecretIdList") if operation == "BatchGetSecretValue" else None
    names = wanted if isinstance(wanted, list) else [text(data, "SecretId") or text(data, "Name")]
    stage = text(data, "VersionStage") or "AWSCURRENT"
    found = [] if wanted is None else [Check(action=action, resource="*")]
    for name in names:
        if not isinstance(name, str) or not name:
            raise UnclearCallError("no secret is named")
        _, secret = importlib.import_module("ministack.services.secretsmanager")._resolve(name)
        arn = secret["ARN"] if secret else _named_secret(request, name)

        def lookup(key: str, arn: str = arn, name: str = name) -> Values | None:
            known = {"secretsmanager:secretid": arn, "secretsmanager:versionstage": stage, "secretsmanager:name": name}
            return (known[key],) if key in known else None

        single = "secretsmanager:GetSecretValue" if wanted is not None else action
        found.append(Check(action=single, resource=arn, lookup=lookup))
    return found


def _named_secret(request: Request, name: str) -> str:
    return name if name.startswith("arn:") else request.arn("secretsmanager", f"secret:{name}")


def key_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """A key is judged by its own ARN, whatever alias it is called by. Raises `UnclearCallError`."""
    if operation in ("CreateKey", "ListKeys", "ListAliases", "GenerateRandom"):
        return [Check(action=f"kms:{operation}", resource="*")]
    keys = [_key(request, text(data, name)) for name in ("KeyId", "TargetKeyId") if text(data, name)]
    encrypted = text(data, "CiphertextBlob")
    source = importlib.import_module("ministack.core.iam_actions")._kms_key_id_from_ciphertext(encrypted)
    context = data.get("EncryptionContext") or {}

    def lookup(key: str) -> Values | None:
        if key.startswith("kms:encryptioncontext:") and isinstance(context, dict):
            values = [str(value) for name, value in context.items() if name.lower() == key[22:]]
            return tuple(values) or None
        if key == "kms:encryptioncontextkeys" and isinstance(context, dict):
            return tuple(context) or None
        return None

    if operation == "ReEncrypt":
        given = _key(request, text(data, "SourceKeyId") or source)
        destination = _key(request, text(data, "DestinationKeyId"))
        return [
            Check(action="kms:ReEncryptFrom", resource=given, lookup=lookup),
            Check(action="kms:ReEncryptTo", resource=destination, lookup=lookup),
        ]
    if source:
        keys.append(_key(request, source))
    action = f"kms:{operation}"
    checks = [Check(action=action, resource=one, lookup=lookup) for one in dict.fromkeys(keys)]
    alias = text(data, "AliasName")
    if alias:
        checks.append(Check(action=action, resource=request.arn("kms", alias)))
    return checks or [Check(action=action)]


def _key(request: Request, name: str) -> str:
    record: Any = importlib.import_module("ministack.services.kms")._resolve_key(name)
    if record:
        return str(record["Arn"])
    if name.startswith("alias/"):
        return request.arn("kms", name)
    return name if name.startswith("arn:") else named(request, name, "kms", "key/", r"[A-Za-z0-9-]+")
