"""Who we are, as AWS sees it."""

from __future__ import annotations

from dataclasses import dataclass

from skykite.aws.connection import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`partition` is `aws`, `aws-cn` or `aws-us-gov`."""

    account: str
    arn: str
    partition: str


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
