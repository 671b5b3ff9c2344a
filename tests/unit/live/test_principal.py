"""Who is let into the roles of a live stage: the one who runs `kite dev`, however they are signed in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from skykite.aws import Identity
from skykite.live.principal import trust_statement

ACCOUNT = "123456789012"
SSO = "AWSReservedSSO_AdministratorAccess_0123456789abcdef"


def identity(arn: str) -> Identity:
    return Identity(account=ACCOUNT, arn=arn, partition=arn.split(":")[1])


def patterns(statement: dict[str, Any]) -> list[str]:
    (operator,) = statement["Condition"].items()
    assert operator[0] == "ArnLike"
    found = operator[1]["aws:PrincipalArn"]
    return found if isinstance(found, list) else [found]


def is_let_in(statement: dict[str, Any], principal_arn: str) -> bool:
    """As IAM compares ARNs: part for part, where a star stands for any text."""

    def matches(pattern: str) -> bool:
        mine, theirs = pattern.split(":", 5), principal_arn.split(":", 5)
        return all(re.fullmatch(re.escape(a).replace(r"\*", ".*"), b) for a, b in zip(mine, theirs, strict=True))

    return any(matches(pattern) for pattern in patterns(statement))


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/alice", f"arn:aws:iam::{ACCOUNT}:user/alice"),
        (f"arn:aws:iam::{ACCOUNT}:user/team/blue/alice", f"arn:aws:iam::{ACCOUNT}:user/team/blue/alice"),
        (f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/alice", f"arn:aws:sts::{ACCOUNT}:federated-user/alice"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/alice@laptop", f"arn:aws:iam::{ACCOUNT}:role/Admin"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/alice", f"arn:aws:iam::{ACCOUNT}:role/team/blue/Admin"),
        (
            f"arn:aws:sts::{ACCOUNT}:assumed-role/{SSO}/alice@example.com",
            f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/{SSO}",
        ),
        (f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/Admin/alice", f"arn:aws-cn:iam::{ACCOUNT}:role/Admin"),
    ],
)
def test_the_developer_is_let_in_however_they_are_signed_in(caller: str, principal: str) -> None:
    statement = trust_statement(identity(caller))
    assert is_let_in(statement, principal)
    partition = caller.split(":")[1]
    assert statement["Principal"] == {"AWS": f"arn:{partition}:iam::{ACCOUNT}:root"}


@pytest.mark.parametrize(
    ("caller", "others"),
    [
        (
            f"arn:aws:iam::{ACCOUNT}:user/alice",
            [f"arn:aws:iam::{ACCOUNT}:{who}" for who in ("user/bob", "user/x/alice", "role/alice", "root")],
        ),
        (
            f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/alice",
            [f"arn:aws:iam::{ACCOUNT}:{who}" for who in ("role/NotAdmin", "role/Admin2", "user/Admin", "role/Admin/x")],
        ),
        (
            f"arn:aws:iam::{ACCOUNT}:root",
            [f"arn:aws:iam::{ACCOUNT}:user/root", f"arn:aws:iam::{ACCOUNT}:role/root"],
        ),
    ],
)
def test_nobody_else_of_the_account_is(caller: str, others: list[str]) -> None:
    statement = trust_statement(identity(caller))
    assert [other for other in others if is_let_in(statement, other)] == []


def test_the_whole_statement_for_a_role() -> None:
    assert trust_statement(identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/alice")) == {
        "Sid": "SkykiteLive",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
        "Condition": {
            "ArnLike": {
                "aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/Admin", f"arn:aws:iam::{ACCOUNT}:role/*/Admin"]
            }
        },
    }
