"""What policies mean: operators, wildcards, variables, and which of several policies decides."""

from __future__ import annotations

from typing import Any

import pytest

from skykite_cloud.authorization.conditions import is_met, like
from skykite_cloud.authorization.decision import Denial, Principal, ResourcePolicy, allows_service, decide
from skykite_cloud.authorization.policies import Policy, read_policy

ROLE = "arn:aws:iam::000000000000:role/worker"
SESSION = "arn:aws:sts::000000000000:assumed-role/worker/function"
Values = tuple[str, ...]


class Facts:
    def __init__(self, **known: Any) -> None:
        self._known = known

    def of(self, key: str) -> Values | None:
        return self._known.get(key.replace(":", "_").replace("/", "_"))


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> Policy:
    return read_policy({"Version": version, "Statement": list(statements)})


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def principal(*policies: Policy, boundary: Policy | None = None, session: Policy | None = None) -> Principal:
    return Principal(
        arn=SESSION,
        account="000000000000",
        role=ROLE,
        policies=policies,
        boundary=None if boundary is None else (boundary,),
        session=None if session is None else (session,),
        keys={},
    )


def ask(
    who: Principal,
    action: str = "s3:GetObject",
    resource: str | None = "arn:aws:s3:::b/k",
    *,
    own: Any = None,
    **facts: Any,
) -> Denial | None:
    found = None if own is None else ResourcePolicy(policy=policy(*own))
    return decide(who, action, resource, Facts(**facts), found)


@pytest.mark.parametrize(
    ("operator", "values", "expected", "met"),
    [
        ("StringEquals", ("a",), ["b", "a"], True),
        ("StringEquals", ("A",), ["a"], False),
        ("StringEqualsIgnoreCase", ("A",), ["a"], True),
        ("StringNotEquals", ("c",), ["a", "b"], True),
        ("StringNotEquals", ("a",), ["a", "b"], False),
        ("StringNotEquals", None, ["a"], True),
        ("StringEquals", None, ["a"], False),
        ("StringEqualsIfExists", None, ["a"], True),
        ("StringLike", ("a/b\n/c",), ["a/*c"], True),
        ("StringLike", ("abc",), ["a?c"], True),
        ("StringLike", ("abbc",), ["a?c"], False),
        ("StringNotLike", ("abc",), ["a*"], False),
        ("ArnLike", ("arn:aws:sns:eu-west-1:000000000000:a",), ["arn:aws:sns:*:*:a"], True),
        ("ArnLike", ("arn:aws:sns:eu-west-1:000000000000:a",), ["arn:aws:sns:*:a"], False),
        ("ArnEquals", ("arn:aws:s3:::b",), ["arn:aws:s3:::*"], True),
        ("NumericLessThanEquals", ("10",), ["10"], True),
        ("NumericLessThan", ("ten",), ["11"], False),
        ("DateGreaterThan", ("2026-11-28T00:00:00Z",), ["2026-11-27T23:59:59Z"], True),
        ("DateLessThan", ("2026-11-28T00:00:00Z",), ["1700000000"], False),
        ("Bool", ("true",), ["True"], True),
        ("IpAddress", ("127.0.0.1",), ["127.0.0.0/8"], True),
        ("NotIpAddress", ("10.0.0.1",), ["127.0.0.0/8", "10.0.0.0/8"], False),
        ("Null", None, ["true"], True),
        ("Null", ("x",), ["false"], True),
        ("ForAllValues:StringEquals", ("a", "b"), ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", ("a", "d"), ["a", "b", "c"], False),
        ("ForAllValues:StringEquals", None, ["a"], True),
        ("ForAnyValue:StringEquals", ("d", "a"), ["a"], True),
        ("ForAnyValue:StringEquals", None, ["a"], False),
        ("ForAnyValue:StringNotEquals", None, ["a"], False),
        ("StringIsNice", ("a",), ["a"], None),
        ("ForSomeValues:StringEquals", ("a",), ["a"], None),
    ],
)
def test_an_operator_holds_as_aws_says(
    operator: str, values: Values | None, expected: list[str], met: bool | None
) -> None:
    assert is_met(operator, values, expected) is met


def test_a_wildcard_takes_every_character() -> None:
    assert like("secret\nmore", "secret*")
    assert not like("secret\n", "secret")
    assert like("a.b", "a.b")
    assert not like("axb", "a.b")


def test_only_what_is_allowed_is_allowed() -> None:
    assert ask(principal()) == Denial("identity-based policy", explicit=False)
    assert ask(principal(policy(allow("S3:get*", "arn:aws:s3:::b/*")))) is None
    assert ask(principal(policy(allow("s3:GetObject", "arn:aws:s3:::B/*")))) is not None
    assert ask(principal(policy(allow()), policy(deny("s3:*")))) == Denial("identity-based policy", explicit=True)


def test_opposites_and_what_has_no_resource() -> None:
    assert ask(principal(policy({"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}))) is None
    assert ask(principal(policy({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}))) is not None
    assert ask(principal(policy({"Effect": "Allow", "Action": "*"}))) is not None
    assert ask(principal(policy({"Effect": "Allow", "Resource": "*"}))) is not None
    assert ask(principal(read_policy("no JSON"), read_policy("[]"), read_policy({"Statement": [1]}))) is not None


def test_an_unknown_resource_is_judged_by_the_action() -> None:
    assert ask(principal(policy(allow("s3:GetObject", "arn:aws:s3:::x"))), resource=None) is None
    assert ask(principal(policy(allow()), policy(deny("s3:*", "arn:aws:s3:::x"))), resource=None) is None
    assert ask(principal(policy(allow()), policy(deny("s3:*"))), resource=None) is not None


def test_a_condition_that_is_none_grants_nothing_and_denies() -> None:
    odd = {"StringIsNice": {"aws:x": "a"}}

    assert ask(principal(policy(allow(Condition=odd)))) is not None
    assert ask(principal(policy(allow(), deny(Condition=odd)))) is not None


def test_variables_are_values_and_no_patterns() -> None:
    own = policy(allow(resource="arn:aws:s3:::b/${aws:username}/*"))
    default = policy(allow(resource="arn:aws:s3:::b/${aws:username, 'guest'}/*"))
    literal = policy(allow(resource="arn:aws:s3:::b/${*}"))
    old = policy(allow(resource="arn:aws:s3:::b/${aws:username}/*"), version="2008-10-17")

    assert ask(principal(own), resource="arn:aws:s3:::b/ann/1", aws_username=("ann",)) is None
    assert ask(principal(own), resource="arn:aws:s3:::b/ann/1", aws_username=("*",)) is not None
    assert ask(principal(own), resource="arn:aws:s3:::b/*/1", aws_username=("*",)) is None
    assert ask(principal(own), resource="arn:aws:s3:::b//1") is not None
    assert ask(principal(default), resource="arn:aws:s3:::b/guest/1") is None
    assert ask(principal(literal), resource="arn:aws:s3:::b/*") is None
    assert ask(principal(literal), resource="arn:aws:s3:::b/x") is not None
    assert ask(principal(old), resource="arn:aws:s3:::b/ann/1", aws_username=("ann",)) is not None
    mine = policy(allow(Condition={"StringEquals": {"s3:prefix": "${aws:username}"}}))
    assert ask(principal(mine), aws_username=("ann",), s3_prefix=("ann",)) is None
    assert ask(principal(mine), aws_username=("ann",), s3_prefix=("bob",)) is not None


def test_limits_take_away_and_give_nothing() -> None:
    everything = policy(allow())
    reading = policy(allow("s3:Get*"))

    assert ask(principal(everything, boundary=reading)) is None
    assert ask(principal(everything, boundary=reading), "s3:PutObject") == Denial(
        "permissions boundary", explicit=False
    )
    assert ask(principal(everything, session=reading), "s3:PutObject") == Denial("session policy", explicit=False)
    assert ask(principal(boundary=everything, session=everything)) is not None
    assert ask(principal(everything, session=policy(allow(), deny("s3:Get*")))) == Denial(
        "session policy", explicit=True
    )


def test_a_resources_policy_allows_whom_it_names() -> None:
    def own(effect: str = "Allow", **named: Any) -> list[dict[str, Any]]:
        return [{"Effect": effect, "Action": "*", "Resource": "*", **named}]

    everything, nothing = policy(allow()), policy()
    assert ask(principal(), own=own(Principal={"AWS": ROLE})) is None
    assert ask(principal(), own=own(Principal="*")) is None
    assert ask(principal(), own=own(Principal={"AWS": "000000000000"})) is not None
    assert ask(principal(), own=own(Principal={"AWS": "arn:aws:iam::000000000000:role/other"})) is not None
    assert ask(principal(), own=own(Principal={"Service": "lambda.amazonaws.com"})) is not None
    assert ask(principal(everything), own=own("Deny", Principal="*")) == Denial("resource-based policy", explicit=True)
    assert ask(principal(everything), own=own("Deny", NotPrincipal={"AWS": ROLE})) is None
    assert ask(principal(everything), own=own("Deny", NotPrincipal={"AWS": "111111111111"})) is not None
    assert ask(principal(session=nothing), own=own(Principal={"AWS": ROLE})) is not None
    assert ask(principal(session=nothing), own=own(Principal={"AWS": SESSION})) is None


def test_a_key_has_to_allow_too() -> None:
    key = ResourcePolicy(policy=policy({**allow(), "Principal": {"AWS": "111111111111"}}), required=True)

    assert decide(principal(policy(allow())), "kms:Encrypt", "arn", Facts(), key) == Denial(
        "resource-based policy", explicit=False
    )


def test_a_service_delivers_where_it_is_named() -> None:
    trusting = policy(
        {
            **allow("sqs:SendMessage"),
            "Principal": {"Service": "sns.amazonaws.com"},
            "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:r:a:t"}},
        }
    )

    def may(service: str, source: str) -> bool:
        return allows_service(trusting, service, "sqs:SendMessage", "arn", Facts(aws_sourcearn=(source,)))

    assert may("sns.amazonaws.com", "arn:aws:sns:r:a:t")
    assert not may("sns.amazonaws.com", "arn:aws:sns:r:a:other")
    assert not may("events.amazonaws.com", "arn:aws:sns:r:a:t")
