"""Who we are, as AWS sees it, and being somebody else for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from skykite.aws.connection import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`partition` is `aws`, `aws-cn` or `aws-us-gov`."""

    account: str
    arn: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredentials:
    """Credentials that end at `expires`, by AWS's clock; those without a session token may last for ever."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires: datetime | None = None


class Sts:
    """https://docs.aws.amazon.com/STS/latest/APIReference/"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def identity(self) -> Identity:
        """The account, user or role that the credentials belong to."""
        answer = self._caller.call("GetCallerIdentity")
        return Identity(account=answer["Account"], arn=answer["Arn"], partition=answer["Arn"].split(":")[1])

    def account(self) -> str:
        """The 12 digits of the account."""
        return self.identity().account

    def assume_role(
        self, role: str, *, session_name: str, seconds: int, policy: str | None = None
    ) -> IssuedCredentials:
        """Credentials of a role, by its ARN. They allow what the role may do and `policy`, a session policy as JSON of
        at most 2,048 characters, allows too.

        Raises `AwsError`: `aws_code` is `AccessDenied` also for a role that does not exist, and `ValidationError` if
        the role does not allow sessions that long.
        """
        given = self._caller.call(
            "AssumeRole", RoleArn=role, RoleSessionName=session_name, DurationSeconds=seconds, Policy=policy
        )["Credentials"]
        return IssuedCredentials(
            access_key_id=given["AccessKeyId"],
            secret_access_key=given["SecretAccessKey"],
            session_token=given["SessionToken"],
            expires=given["Expiration"],
        )
