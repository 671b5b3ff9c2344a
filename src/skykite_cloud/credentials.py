"""Which access keys this cloud knows, and the ones it gives to functions it runs itself."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import secrets
from typing import Any

from skykite_cloud.seams import imported


def is_known_key(key: str, owner: str) -> bool:
    """Whether an access key is the owner's, or one that this cloud's STS or IAM has given out."""
    if hmac.compare_digest(key.encode(), owner.encode()):
        return True
    sts, iam = imported("ministack.services.sts"), imported("ministack.services.iam")
    if sts is not None and key in sts._sessions:
        return True
    return iam is not None and any(stored == key for _, stored in iam._access_keys.to_dict())


class RoleCredentials:
    """Temporary credentials of a function's role, as AWS puts them into the function's environment.

    MiniStack gives functions the account's number as access key, which anybody can guess. Here each function and role
    gets a session of its own at STS, unguessable, made once per run.
    """

    def __init__(self) -> None:
        self._salt = secrets.token_hex(32)

    def of(self, config: dict[str, Any]) -> dict[str, str]:
        arn = config.get("FunctionArn", "")
        role = config.get("Role", "")
        account = (role.split(":") + [""] * 5)[4]
        name = role.rsplit("/", 1)[-1]
        session = config.get("FunctionName", "")[:64]
        digest = hashlib.sha256(f"{self._salt}:{arn}:{role}".encode()).hexdigest()
        access_key_id = "ASIA" + digest[:16].upper()
        secret = hashlib.sha256(f"secret:{self._salt}:{digest}".encode()).hexdigest()[:40]
        token = hashlib.sha256(f"token:{self._salt}:{digest}".encode()).hexdigest()
        sts = importlib.import_module("ministack.services.sts")
        sts.register_session(
            access_key_id,
            {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
                "UserId": f"{name}:{session}",
                "SecretAccessKey": secret,
                "SessionToken": token,
            },
        )
        return {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
