"""Which access keys this cloud knows, and the ones it gives to functions it runs itself."""

from __future__ import annotations

import hashlib
import hmac
import importlib
from typing import Any

from ministack.core.responses import get_account_id

from skykite_cloud.seams import imported, when_imported


def install(access_key_id: str, secret_access_key: str) -> None:
    """Make the owner's key the account's root to MiniStack too, and nobody else's. Before any service is imported.

    MiniStack takes `test` and any account's number for root; the guard lets neither in.
    """

    def know_owner(evaluator: Any) -> None:
        resolve, unchecked = evaluator.resolve_credential, evaluator._SESSION_TOKEN_NOT_CHECKED

        def resolve_credential(key: str, account: str | None = None, session_token: Any = unchecked) -> Any:
            if key != access_key_id:
                return resolve(key, account, session_token)
            account = account or get_account_id()
            return evaluator._validate_session_token(None, session_token) or evaluator.ResolvedCredential(
                access_key_id=key,
                secret_access_key=secret_access_key,
                account_id=account,
                principal_arn=f"arn:aws:iam::{account}:root",
                principal_id=account,
                principal_type="Root",
                source_access_key_id=key,
            )

        evaluator.resolve_credential = resolve_credential
        evaluator.is_root_access_key = lambda key: not key or key == access_key_id

    when_imported("ministack.core.iam_evaluator", know_owner)


def is_known_key(key: str, owner: str) -> bool:
    """Whether an access key is the owner's, or one that this cloud's STS or IAM has given out."""
    if hmac.compare_digest(key.encode(), owner.encode()):
        return True
    sts, iam = imported("ministack.services.sts"), imported("ministack.services.iam")
    if sts is not None and key in sts._sessions:
        return True
    return iam is not None and any(stored == key for _, stored in iam._access_keys.to_dict())


def account_of(key: str) -> str:
    """The account that an access key belongs to."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    session = importlib.import_module("ministack.services.sts")._sessions.get(key)
    of_session = evaluator._account_from_arn(str((session or {}).get("Arn", "")))
    try:
        found = of_session or evaluator.find_iam_access_key_account(key)
    except evaluator.AmbiguousAccessKeyError:
        found = None
    return str(found or get_account_id())


class RoleCredentials:
    """Temporary credentials of a function's role, as AWS puts them into the function's environment.

    MiniStack gives functions the account's number as access key, which anybody can guess. Here each function and role
    gets a session of its own at STS, unguessable for whoever does not know the owner's secret: the same one after a
    restart, so that what a function was given before is still good.
    """

    def __init__(self, secret_access_key: str) -> None:
        self._salt = hashlib.sha256(f"functions:{secret_access_key}".encode()).hexdigest()

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
                "SourceFunctionArn": arn,
            },
        )
        return {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
