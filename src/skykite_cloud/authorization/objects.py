"""S3: the action behind a method, a path and a query string, and every object that a request touches.

A request that names two parts of a bucket or an object at once is refused: S3's order among them is not written down
anywhere. https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

import importlib
import re
from typing import Any
from urllib.parse import unquote

import ministack.app
from ministack.core.iam_actions import ParseError, fromstring, s3_service_context

from skykite_cloud.authorization.calls import Check, Lookup, Request, UnclearCallError
from skykite_cloud.authorization.conditions import Values

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TAKEN = re.compile(r"iceberg|v20180820$|.*--?(?:x-s3|s3alias|ol-s3)$")  # what MiniStack does not take for a bucket
_SERVES = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com)(?::\d+)?", re.I)

_PLAIN = frozenset(  # what says more about a request, and does not make another one of it
    {"versionId", "partNumber", "id", "x-id", "AWSAccessKeyId", "Signature", "Expires"}
    | {"prefix", "delimiter", "marker", "max-keys", "encoding-type", "list-type", "continuation-token", "start-after"}
    | {"fetch-owner", "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-parts"}
    | {"part-number-marker", "max-buckets", "bucket-region"}
)
_OF_BUCKET: dict[str, dict[str, str]] = {
    "": {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"},
    "accelerate": {"GET": "GetAccelerateConfiguration", "PUT": "PutAccelerateConfiguration"},
    "acl": {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
    "analytics": {"GET": "GetAnalyticsConfiguration", "*": "PutAnalyticsConfiguration"},
    "cors": {"GET": "GetBucketCORS", "*": "PutBucketCORS"},
    "encryption": {"GET": "GetEncryptionConfiguration", "*": "PutEncryptionConfiguration"},
    "intelligent-tiering": {
        "GET": "GetIntelligentTieringConfiguration",
        "*": "PutIntelligentTieringConfiguration",
    },
    "inventory": {"GET": "GetInventoryConfiguration", "*": "PutInventoryConfiguration"},
    "lifecycle": {"GET": "GetLifecycleConfiguration", "*": "PutLifecycleConfiguration"},
    "location": {"GET": "GetBucketLocation"},
    "logging": {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
    "metrics": {"GET": "GetMetricsConfiguration", "*": "PutMetricsConfiguration"},
    "notification": {"GET": "GetBucketNotification", "PUT": "PutBucketNotification"},
    "object-lock": {"GET": "GetBucketObjectLockConfiguration", "PUT": "PutBucketObjectLockConfiguration"},
    "ownershipControls": {"GET": "GetBucketOwnershipControls", "*": "PutBucketOwnershipControls"},
    "policy": {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"},
    "policyStatus": {"GET": "GetBucketPolicyStatus"},
    "publicAccessBlock": {"GET": "GetBucketPublicAccessBlock", "*": "PutBucketPublicAccessBlock"},
    "replication": {"GET": "GetReplicationConfiguration", "*": "PutReplicationConfiguration"},
    "request-payment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "requestPayment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "tagging": {"GET": "GetBucketTagging", "*": "PutBucketTagging"},
    "uploads": {"GET": "ListBucketMultipartUploads"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "versions": {"GET": "ListBucketVersions"},
    "website": {"GET": "GetBucketWebsite", "PUT": "PutBucketWebsite", "DELETE": "DeleteBucketWebsite"},
}
_OF_OBJECT: dict[str, dict[str, str]] = {
    "": {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"},
    "acl": {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
    "attributes": {"GET": "GetObjectAttributes"},
    "legal-hold": {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
    "restore": {"POST": "RestoreObject"},
    "retention": {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
    "tagging": {"GET": "GetObjectTagging", "PUT": "PutObjectTagging", "DELETE": "DeleteObjectTagging"},
    "uploadId": {
        "GET": "ListMultipartUploadParts",
        "PUT": "PutObject",
        "POST": "PutObject",
        "DELETE": "AbortMultipartUpload",
    },
    "uploads": {"POST": "PutObject"},
}
_BY_VERSION = {
    "GetObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObjectAcl": "GetObjectVersionAcl",
    "PutObjectAcl": "PutObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
}


def needs_body(request: Request) -> bool:
    """Whether the body says which objects are meant."""
    return request.method == "POST" and "delete" in request.query


def object_checks(request: Request) -> list[Check]:
    """Raises `UnclearCallError`."""
    if "x-amz-target" in request.headers or "Action" in request.query:
        raise UnclearCallError("S3 takes no operation by name")
    bucket, key = _place(request)
    headers = importlib.import_module("ministack.services.s3")._merge_hoisted_amz_headers(
        dict(request.headers), dict(request.query)
    )
    if not bucket:
        if request.method != "GET" or _part(request, {}):
            raise UnclearCallError("no bucket is named")
        return [Check(action="s3:ListAllMyBuckets", resource="*")]
    arn = f"arn:aws:s3:::{bucket}"
    if needs_body(request):
        return _deletions(request, arn, headers)
    part = _part(request, _OF_OBJECT if key else _OF_BUCKET)
    methods = (_OF_OBJECT if key else _OF_BUCKET)[part]
    action = methods.get(request.method) or (methods.get("*") if request.method in ("PUT", "DELETE") else None)
    if action is None:
        raise UnclearCallError(f"S3 has no {request.method} for that")
    versioned = bool(key and _value(request, "versionId"))
    if versioned:
        action = _BY_VERSION.get(action, action)
    resource = f"{arn}/{key}" if key else arn
    checks = [_check(action, resource, request, f"/{bucket}/{key}", headers)]
    if action == "PutObject" and request.method == "PUT":
        checks += _source(headers)
        if headers.get("x-amz-tagging"):
            checks.append(Check(action="s3:PutObjectTagging", resource=resource))
    if action in ("GetObjectAttributes", "GetObjectVersionAttributes"):
        checks.append(Check(action=f"s3:{action.removesuffix('Attributes')}", resource=resource))
    if key and headers.get("x-amz-bypass-governance-retention", "").strip().lower() == "true":
        checks.append(Check(action="s3:BypassGovernanceRetention", resource=resource))
    return checks


def _place(request: Request) -> tuple[str, str]:
    """Bucket and key, whether the bucket is in the path or in the Host."""
    host = request.headers.get("host", "")
    in_host = ministack.app._extract_s3_vhost_bucket(host)
    if _SERVES.fullmatch(host):
        bucket, _, key = request.path.removeprefix("/").partition("/")
    elif in_host and in_host not in ministack.app._NON_S3_VHOST_NAMES and ".s3-control." not in f".{host}":
        if "." in host.removeprefix(in_host)[1:] and not re.search(r"\.(?:s3[.-]|localhost)", host):
            raise UnclearCallError("the Host header names no bucket")
        bucket, key = in_host, request.path.removeprefix("/")
    else:
        raise UnclearCallError("the Host header is not S3's")
    if request.path.startswith("//") or (bucket and not _BUCKET.fullmatch(bucket)) or _TAKEN.match(bucket):
        raise UnclearCallError(f"`{bucket[:100]}` is not the name of a bucket")
    return bucket, key


def _part(request: Request, known: dict[str, dict[str, str]]) -> str:
    """The part of the bucket or object that is meant: `tagging`, or nothing for itself."""
    parts = []
    for name, values in request.query.items():
        lower = name.lower()
        if lower.startswith(("x-amz-", "response-")) or name in _PLAIN:
            if len(values) > 1:
                raise UnclearCallError(f"`{name}` comes twice")
        elif name in known and name:
            parts.append(name)
        else:
            raise UnclearCallError(f"`{name[:100]}` is nothing that S3 knows there")
    if len(parts) > 1:
        raise UnclearCallError(f"`{'` and `'.join(parts)}` are asked for at once")
    return parts[0] if parts else ""


def _deletions(request: Request, bucket: str, headers: dict[str, str]) -> list[Check]:
    if (
        set(request.query) - {"delete", "x-id"}
        or _place(request)[1]
        or "aws-chunked" in headers.get("content-encoding", "")
    ):
        raise UnclearCallError("the objects to delete are not clear")
    bypass = headers.get("x-amz-bypass-governance-retention", "").strip().lower() == "true"
    checks = []
    for key, version in _named_in(request.body):
        action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
        checks.append(Check(action=action, resource=f"{bucket}/{key}"))
        if bypass:
            checks.append(Check(action="s3:BypassGovernanceRetention", resource=f"{bucket}/{key}"))
    return checks


def _named_in(body: bytes) -> list[tuple[str, str]]:
    """Key and version of each object, in the XML of DeleteObjects."""
    try:
        root = fromstring(body)
    except (ParseError, ValueError) as error:
        raise UnclearCallError("the list of objects to delete is damaged") from error
    found = []
    for one in root.iter():
        if _name(one) != "Object":
            continue
        keys = [child.text or "" for child in one if _name(child) == "Key"]
        versions = [child.text or "" for child in one if _name(child) == "VersionId"]
        if len(keys) != 1 or len(versions) > 1:
            raise UnclearCallError("an object to delete has not exactly one key")
        found.append((keys[0], versions[0] if versions else ""))
    return found


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _source(headers: dict[str, str]) -> list[Check]:
    """A copy also reads what it copies."""
    given = headers.get("x-amz-copy-source")
    if not given:
        return []
    path, _, query = given.partition("?")
    source = unquote(path).removeprefix("/")
    bucket, slash, key = source.partition("/")
    if (
        not given.isascii()
        or not _BUCKET.fullmatch(bucket)
        or not slash
        or not key
        or (query and not query.startswith("versionId="))
    ):
        raise UnclearCallError(f"`{given[:200]}` is not an object to copy")
    action = "s3:GetObjectVersion" if query else "s3:GetObject"
    return [Check(action=action, resource=f"arn:aws:s3:::{bucket}/{key}")]


def _check(action: str, resource: str, request: Request, path: str, headers: dict[str, str]) -> Check:
    return Check(action=f"s3:{action}", resource=resource, lookup=_keys(f"s3:{action}", request, path, headers))


def _keys(action: str, request: Request, path: str, headers: dict[str, str]) -> Lookup:
    def lookup(key: str) -> Values | None:
        if not key.startswith("s3:"):
            return None
        if key == "s3:versionid":
            version = _value(request, "versionId")
            return (version,) if version else None
        if key == "s3:authtype":
            return ("REST-HEADER" if headers.get("authorization") else "REST-QUERY-STRING",)
        if key == "s3:signatureversion":
            return ("AWS4-HMAC-SHA256",)
        known: dict[str, Any] = s3_service_context(action, dict(request.query), path, headers)
        value = next((value for name, value in known.items() if name.lower() == key), headers.get(key[3:]))
        return None if value is None else (str(value),)

    return lookup


def _value(request: Request, name: str) -> str:
    return (request.query.get(name) or [""])[0]
