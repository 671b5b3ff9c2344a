"""AWS::S3::Bucket and AWS::S3::BucketPolicy: configurations MiniStack's handler drops, through S3's own calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from skykite_cloud.resources.rules import Properties, PropertyError, expect_success, refuse_nested

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_RULE_KEYS = frozenset(
    [
        "Id",
        "Status",
        "Prefix",
        "TagFilters",
        "ObjectSizeGreaterThan",
        "ObjectSizeLessThan",
        "ExpirationInDays",
        "ExpirationDate",
        "ExpiredObjectDeleteMarker",
        "NoncurrentVersionExpirationInDays",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
        "Transitions",
        "NoncurrentVersionTransitions",
    ]
)
Tree = tuple[str, "str | list[Tree]"]


def refusing_to_lose_objects(handlers: dict[str, Any]) -> dict[str, Any]:
    """MiniStack's handlers, but for the end: what is not empty stays, as on AWS."""

    def delete(physical_id: str, properties: Properties) -> None:
        from ministack.services import s3

        if physical_id in s3._buckets:
            status, _, body = s3._delete_bucket(physical_id)
            if status == 409:
                raise PropertyError("The bucket you tried to delete is not empty")
            expect_success("DeleteBucket", (status, {}, body))
        handlers["delete"](physical_id, properties)

    return {**handlers, "delete": delete}


def find_bucket(properties: Properties) -> None:
    """A policy is for a bucket that exists."""
    from ministack.services import s3

    if properties["Bucket"] not in s3._buckets:
        raise PropertyError("The specified bucket does not exist")


def apply_dropped(name: str, properties: Properties, old: Properties) -> dict[str, str]:
    """Encryption, lifecycle, ownership, tags, logging, access control, and suspended versioning."""
    from ministack.core.responses import get_region
    from ministack.services import s3

    calls = (
        ("BucketEncryption", _encryption, s3._put_bucket_encryption, s3._delete_bucket_encryption),
        ("LifecycleConfiguration", _lifecycle, s3._put_bucket_lifecycle, s3._delete_bucket_lifecycle),
        ("OwnershipControls", _ownership, s3._put_bucket_ownership_controls, s3._delete_bucket_ownership_controls),
        ("Tags", _tags, s3._put_bucket_tagging, s3._delete_bucket_tagging),
        ("LoggingConfiguration", _logging, s3._put_bucket_logging, _stop_logging),
    )
    for key, to_tree, put, delete in calls:
        if properties.get(key):
            expect_success(f"The configuration {key}", put(name, _xml(to_tree(properties[key]))))
        elif key in old:
            delete(name)
    canned = properties.get("AccessControl") or ("Private" if "AccessControl" in old else None)
    if canned:
        acl = "-".join(re.findall("[A-Z][a-z]*", canned)).lower()
        expect_success("PutBucketAcl", s3._put_bucket_acl(name, b"", {"x-amz-acl": acl}))
    versioning = properties.get("VersioningConfiguration") or {}
    status = versioning.get("Status") or ("Suspended" if "VersioningConfiguration" in old else None)
    if status:
        tree: Tree = ("VersioningConfiguration", [("Status", status)])
        expect_success("The configuration VersioningConfiguration", s3._put_bucket_versioning(name, _xml(tree)))
    return {"DualStackDomainName": f"{name}.s3.dualstack.{get_region()}.amazonaws.com"}


def _encryption(value: Properties) -> Tree:
    refuse_nested("BucketEncryption", value, frozenset({"ServerSideEncryptionConfiguration"}))
    rules: list[Tree] = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        known = frozenset({"ServerSideEncryptionByDefault", "BucketKeyEnabled"})
        refuse_nested("BucketEncryption.ServerSideEncryptionConfiguration", rule, known)
        default = rule.get("ServerSideEncryptionByDefault") or {}
        parts: list[Tree] = [("ApplyServerSideEncryptionByDefault", [(key, str(one)) for key, one in default.items()])]
        if "BucketKeyEnabled" in rule:
            parts.append(("BucketKeyEnabled", _boolean(rule["BucketKeyEnabled"])))
        rules.append(("Rule", parts))
    return ("ServerSideEncryptionConfiguration", rules)


def _lifecycle(value: Properties) -> Tree:
    refuse_nested("LifecycleConfiguration", value, frozenset({"Rules", "TransitionDefaultMinimumObjectSize"}))
    return ("LifecycleConfiguration", [("Rule", list(_lifecycle_rule(rule))) for rule in value["Rules"]])


def _lifecycle_rule(rule: Properties) -> Iterator[Tree]:
    refuse_nested("LifecycleConfiguration.Rules", rule, _RULE_KEYS)
    if "Id" in rule:
        yield ("ID", str(rule["Id"]))
    yield ("Filter", _filter(rule))
    yield ("Status", str(rule["Status"]))
    expiration: list[Tree] = []
    if "ExpirationInDays" in rule:
        expiration.append(("Days", str(rule["ExpirationInDays"])))
    if "ExpirationDate" in rule:
        expiration.append(("Date", str(rule["ExpirationDate"])))
    if "ExpiredObjectDeleteMarker" in rule:
        expiration.append(("ExpiredObjectDeleteMarker", _boolean(rule["ExpiredObjectDeleteMarker"])))
    if expiration:
        yield ("Expiration", expiration)
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    if "NoncurrentVersionExpirationInDays" in rule:
        noncurrent = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    if noncurrent:
        yield ("NoncurrentVersionExpiration", [(key, str(one)) for key, one in noncurrent.items()])
    for transition in rule.get("Transitions") or ():
        yield ("Transition", list(_transition(transition, {"TransitionInDays": "Days", "TransitionDate": "Date"})))
    for transition in rule.get("NoncurrentVersionTransitions") or ():
        names = {"TransitionInDays": "NoncurrentDays", "NewerNoncurrentVersions": "NewerNoncurrentVersions"}
        yield ("NoncurrentVersionTransition", list(_transition(transition, names)))
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort:
        yield ("AbortIncompleteMultipartUpload", [(key, str(one)) for key, one in abort.items()])


def _transition(transition: Properties, names: dict[str, str]) -> Iterator[Tree]:
    """Kept and answered; here nothing moves to another class."""
    for given, name in names.items():
        if given in transition:
            yield (name, str(transition[given]))
    yield ("StorageClass", str(transition["StorageClass"]))


def _filter(rule: Properties) -> list[Tree]:
    parts: list[Tree] = []
    if "Prefix" in rule:
        parts.append(("Prefix", str(rule["Prefix"])))
    parts += [("Tag", [("Key", tag["Key"]), ("Value", tag["Value"])]) for tag in rule.get("TagFilters") or ()]
    sizes = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
    parts += [(key, str(rule[key])) for key in sizes if key in rule]
    return [("And", parts)] if len(parts) > 1 else parts or [("Prefix", "")]


def _ownership(value: Properties) -> Tree:
    rules: list[Tree] = [("Rule", [("ObjectOwnership", rule["ObjectOwnership"])]) for rule in value["Rules"]]
    return ("OwnershipControls", rules)


def _logging(value: Properties) -> Tree:
    """Kept and answered; nothing is written to it here."""
    target: list[Tree] = [("TargetBucket", str(value.get("DestinationBucketName", "")))]
    target.append(("TargetPrefix", str(value.get("LogFilePrefix", ""))))
    return ("BucketLoggingStatus", [("LoggingEnabled", target)])


def _stop_logging(name: str) -> None:
    from ministack.services import s3

    s3._bucket_logging_config.pop(name, None)


def _tags(value: list[Properties]) -> Tree:
    tags: list[Tree] = [("Tag", [("Key", str(tag["Key"])), ("Value", str(tag["Value"]))]) for tag in value]
    return ("Tagging", [("TagSet", tags)])


def _boolean(value: Any) -> str:
    return "true" if value in (True, "true") else "false"


def _xml(tree: Tree) -> bytes:
    name, content = tree
    return f'<{name} xmlns="{_NAMESPACE}">{_inner(content)}</{name}>'.encode()


def _inner(content: str | list[Tree]) -> str:
    if isinstance(content, str):
        return escape(content)
    return "".join(f"<{name}>{_inner(inner)}</{name}>" for name, inner in content)
