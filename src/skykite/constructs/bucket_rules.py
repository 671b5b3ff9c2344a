"""A bucket's CORS and lifecycle rules: from the short forms of the props to CDK's.

In: `cors` and `lifecycle` as the user wrote them. Out: what `aws_s3.Bucket` takes, or a PropProblem. Pure.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aws_cdk
from aws_cdk import aws_s3 as s3

from skykite.constructs.props import (
    PropProblem,
    check_choice,
    check_known,
    check_strings,
    check_type,
    listed,
    read_flag,
    shown,
)
from skykite.constructs.props_sources import BucketCorsRule, LifecycleRule
from skykite.constructs.quantities import read_days, read_seconds

_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "HEAD")
_RULES_LIMIT: Final = {"cors": 100, "lifecycle": 1000}
_LONGEST: Final = 2_147_483_647
_CLASSES: Final[Mapping[str, s3.StorageClass]] = {
    # from warm to cold, the only way objects go
    "standard_ia": s3.StorageClass.INFREQUENT_ACCESS,
    "intelligent_tiering": s3.StorageClass.INTELLIGENT_TIERING,
    "onezone_ia": s3.StorageClass.ONE_ZONE_INFREQUENT_ACCESS,
    "glacier_ir": s3.StorageClass.GLACIER_INSTANT_RETRIEVAL,
    "glacier": s3.StorageClass.GLACIER,
    "deep_archive": s3.StorageClass.DEEP_ARCHIVE,
}
_LEAST_DAYS: Final = {"standard_ia": 30, "onezone_ia": 30}
_ACTIONS: Final = ("expire_after", "expire_noncurrent_after", "abort_incomplete_upload_after", "transitions")


def read_cors(given: object) -> list[s3.CorsRule] | None:
    """Raises PropProblem."""
    if given is None or given is False:
        return None
    if given is True:
        given = [{"allowed_origins": ["*"], "allowed_methods": list(_METHODS), "allowed_headers": ["*"]}]
    return [_cors_rule(f"cors[{index}]", rule) for index, rule in enumerate(_rules("cors", given))]


def read_lifecycle(given: object, *, versioned: bool) -> list[s3.LifecycleRule] | None:
    """Raises PropProblem."""
    if given is None:
        return None
    rules = _rules("lifecycle", given)
    return [_lifecycle_rule(f"lifecycle[{index}]", rule, versioned=versioned) for index, rule in enumerate(rules)]


def _rules(name: str, given: object) -> list[Mapping[str, Any]]:
    wanted = "a list of dicts" if name == "lifecycle" else "True, False or a list of dicts"
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise PropProblem("prop-type", f"was given {name}={shown(given)}, which is not {wanted}")
    for rule in given:
        check_type(name, rule, Mapping, wanted)
    if len(given) > _RULES_LIMIT[name]:
        raise PropProblem("prop-value", f"has {len(given)} rules in {name}", hint=f"S3 takes {_RULES_LIMIT[name]}")
    return list(given)


def _cors_rule(where: str, rule: Mapping[str, Any]) -> s3.CorsRule:
    check_known(rule, tuple(BucketCorsRule.__annotations__), within=where)
    lists = {
        name: list(check_strings(f'{where}["{name}"]', rule[name], "a list of strings"))
        for name in ("allowed_origins", "allowed_methods", "allowed_headers", "exposed_headers")
        if rule.get(name) is not None
    }
    for name in ("allowed_origins", "allowed_methods"):
        if not lists.get(name):
            raise PropProblem("cors-incomplete", f"has no `{name}` in {where}", hint="S3 wants origins and methods")
    for method in lists["allowed_methods"]:
        check_choice(f'{where}["allowed_methods"]', method, _METHODS)
    for origin in lists["allowed_origins"]:
        if origin != "*" and "://" not in origin:
            raise PropProblem(
                "cors-origin",
                f"lets in the origin `{origin}`, which no browser sends",
                hint=f'an origin has a scheme and no path: "https://{origin}"',
            )
        if origin.count("*") > 1:
            raise PropProblem("cors-origin", f"has `{origin}` in {where}", hint="S3 takes one `*` in an origin")
    return s3.CorsRule(
        allowed_origins=lists["allowed_origins"],
        allowed_methods=[s3.HttpMethods[method] for method in lists["allowed_methods"]],
        allowed_headers=lists.get("allowed_headers"),
        exposed_headers=lists.get("exposed_headers"),
        max_age=read_seconds(f'{where}["max_age"]', rule.get("max_age"), 0, _LONGEST, service="S3"),
    )


def _lifecycle_rule(where: str, rule: Mapping[str, Any], *, versioned: bool) -> s3.LifecycleRule:
    check_known(rule, tuple(LifecycleRule.__annotations__), within=where)
    if not any(rule.get(action) for action in _ACTIONS):
        raise PropProblem("lifecycle-empty", f"has nothing to do in {where}", hint=f"add one of {listed(_ACTIONS)}")

    def days(name: str) -> aws_cdk.Duration | None:
        found = read_days(f'{where}["{name}"]', rule.get(name), 1, _LONGEST, service="S3")
        return None if found is None else aws_cdk.Duration.days(found)

    noncurrent = days("expire_noncurrent_after")
    if noncurrent is not None and not versioned:
        raise PropProblem(
            "prop-contradiction",
            f"has expire_noncurrent_after in {where}, and keeps no versions",
            hint="add versioned=True, or leave it out",
        )
    prefix = rule.get("prefix")
    if prefix is not None:
        check_type(f'{where}["prefix"]', prefix, str, "a string")
    expiration = days("expire_after")
    return s3.LifecycleRule(
        prefix=prefix,
        enabled=read_flag(f'{where}["enabled"]', rule.get("enabled"), default=True),
        expiration=expiration,
        noncurrent_version_expiration=noncurrent,
        abort_incomplete_multipart_upload_after=days("abort_incomplete_upload_after"),
        transitions=_transitions(where, rule.get("transitions"), expiration),
    )


def _transitions(where: str, given: object, expiration: aws_cdk.Duration | None) -> list[s3.Transition] | None:
    """Objects only ever go to colder classes, later ones later, and before they expire."""
    if given is None:
        return None
    name = f'{where}["transitions"]'
    check_type(name, given, Mapping, 'a dict such as {"glacier": 90}')
    wanted: dict[str, int] = {}
    for storage, after in given.items() if isinstance(given, Mapping) else ():
        check_choice(f"a key of {name}", storage, tuple(_CLASSES))
        least = _LEAST_DAYS.get(storage, 0)
        days = read_days(f'{name}["{storage}"]', after, least, _LONGEST, service="S3")
        wanted[storage] = days if days is not None else least
    last: tuple[str, int] | None = None
    for storage in _CLASSES:
        if storage not in wanted:
            continue
        if last is not None and wanted[storage] <= last[1]:
            raise PropProblem(
                "lifecycle-order",
                f"moves objects to `{last[0]}` after {last[1]} days and to `{storage}` after {wanted[storage]} in "
                f"{name}",
                hint="objects move to colder classes only, so the colder one comes later",
            )
        last = storage, wanted[storage]
    if expiration is not None and last is not None and int(expiration.to_days()) <= last[1]:
        raise PropProblem(
            "lifecycle-order",
            f"deletes objects after {int(expiration.to_days())} days in {where}, and moves them to `{last[0]}` after "
            f"{last[1]}",
            hint="let them expire later than the last transition",
        )
    return [
        s3.Transition(storage_class=_CLASSES[storage], transition_after=aws_cdk.Duration.days(days))
        for storage, days in wanted.items()
    ]
