"""Objects in buckets: the few things that a deploy and Live do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError, translate

MULTIPART_ABOVE: Final = 16 * 1024 * 1024  # bytes; below it one request is as fast
_DELETED_AT_ONCE: Final = 1000  # S3's limit for one DeleteObjects
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_CONDITION_FAILED: Final = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """An object in a bucket; `size` in bytes."""

    size: int
    etag: str
    version: str = ""  # empty in a bucket without versions


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object with its content. `modified` and `served` are times of S3's clock, to the second: when it was written,
    and when it was asked for. `version` is empty in a bucket without versions."""

    body: bytes
    etag: str  # as S3 writes it, in quotes
    version: str
    modified: datetime
    served: datetime


class S3:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/

    `presigner` makes URLs: its signatures are of version 4, which names the region's own host.
    """

    def __init__(self, caller: Caller, *, presigner: Caller) -> None:
        self._caller = caller
        self._presigner = presigner

    def head(self, bucket: str, key: str) -> ObjectState | None:
        """What is at that key, or `None`; S3 does not tell a missing key from a missing bucket here."""
        try:
            answer = self._caller.call("HeadObject", Bucket=bucket, Key=key)
        except AwsError as error:
            if error.aws_code in _MISSING:
                return None
            raise
        return ObjectState(
            size=answer["ContentLength"], etag=answer["ETag"].strip('"'), version=answer.get("VersionId") or ""
        )

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str) -> None:
        """Write a small object."""
        self._caller.call("PutObject", Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def get(self, bucket: str, key: str, *, limit: int) -> StoredObject | None:
        """What is at that key, or `None`. Raises `object-too-large` rather than read more than `limit` bytes."""
        try:
            answer = self._caller.call("GetObject", Bucket=bucket, Key=key)
        except AwsError as error:
            if error.aws_code in _MISSING:
                return None
            raise
        size = answer["ContentLength"]
        if size > limit:
            answer["Body"].close()
            raise AwsError("object-too-large", f"`{key}` in bucket `{bucket}` has {size} bytes; {limit} are the most")
        from botocore.exceptions import BotoCoreError

        try:
            body: bytes = answer["Body"].read()
        except BotoCoreError as error:
            raise translate(error, self._caller.described("GetObject")) from error
        modified: datetime = answer["LastModified"].astimezone(UTC)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return StoredObject(
            body=body,
            etag=answer["ETag"],
            version=answer.get("VersionId") or "",
            modified=modified,
            served=parsedate_to_datetime(date) if date else modified,
        )

    def put_version(self, bucket: str, key: str, body: bytes, *, content_type: str) -> str:
        """Write a small object. Returns its version, empty in a bucket without versions."""
        answer = self._caller.call("PutObject", Bucket=bucket, Key=key, Body=body, ContentType=content_type)
        return answer.get("VersionId") or ""

    def replace(self, bucket: str, key: str, body: bytes, *, etag: str | None, content_type: str) -> str | None:
        """Write an object if what is there still has this ETag; with `None`, if nothing is there. Returns the new
        ETag, or `None` if somebody was faster."""
        try:
            answer = self._caller.call(
                "PutObject",
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                IfMatch=etag,
                IfNoneMatch="*" if etag is None else None,
            )
        except AwsError as error:
            # With If-Match, an object that is gone answers as missing.
            if error.aws_code in _CONDITION_FAILED or (etag is not None and error.aws_code in _MISSING):
                return None
            raise
        found: str = answer["ETag"]
        return found

    def delete(self, bucket: str, key: str, *, version: str = "") -> None:
        """Delete one version for good, or without `version`, in a bucket with versions, only hide the object."""
        self._caller.call("DeleteObject", Bucket=bucket, Key=key, VersionId=version or None)

    def presign_get(self, bucket: str, key: str, *, seconds: int) -> str:
        """A URL with which anybody may read that object for so long, or until our credentials end."""
        return self._presign("get_object", "GetObject", seconds, Bucket=bucket, Key=key)

    def presign_put(self, bucket: str, key: str, *, size: int, seconds: int) -> str:
        """A URL with which anybody may write that object, if it has exactly `size` bytes."""
        return self._presign("put_object", "PutObject", seconds, Bucket=bucket, Key=key, ContentLength=size)

    def _presign(self, method: str, operation: str, seconds: int, **parameters: object) -> str:
        from botocore.exceptions import BotoCoreError

        try:
            url: str = self._presigner.client(operation).generate_presigned_url(
                method, Params=parameters, ExpiresIn=seconds
            )
        except BotoCoreError as error:
            raise translate(error, self._presigner.described(operation)) from error
        return url

    def put_file(self, bucket: str, key: str, file: Path, *, content_type: str) -> None:
        """Send a file, in parts and in parallel when it is big."""
        if file.stat().st_size <= MULTIPART_ABOVE:
            self.put(bucket, key, file.read_bytes(), content_type=content_type)
            return
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
        from s3transfer.manager import TransferConfig, TransferManager

        client = self._caller.client("PutObject")
        config = TransferConfig(multipart_threshold=MULTIPART_ABOVE, multipart_chunksize=MULTIPART_ABOVE // 2)
        try:
            with TransferManager(client, config) as transfers:
                transfers.upload(str(file), bucket, key, extra_args={"ContentType": content_type}).result()
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise translate(error, self._caller.described("PutObject")) from error

    def holds_any(self, bucket: str, prefix: str) -> bool:
        """Whether there is an object whose key begins so, or a version of one that was deleted; not in a bucket that
        does not exist."""
        try:
            page = self._caller.call("ListObjectVersions", Bucket=bucket, Prefix=prefix, MaxKeys=1)
        except AwsError as error:
            if error.aws_code == "NoSuchBucket":
                return False
            raise
        return bool(page.get("Versions") or page.get("DeleteMarkers"))

    def empty(self, bucket: str, *, prefix: str = "", progress: Callable[[int], None] = lambda _: None) -> int:
        """Delete every object whose key begins with `prefix`, and every version of it. Calls `progress` with the count
        so far; returns the count."""
        deleted = 0
        batch: list[dict[str, str]] = []
        for version in self._versions(bucket, prefix):
            batch.append(version)
            if len(batch) == _DELETED_AT_ONCE:
                deleted += self._delete(bucket, batch)
                progress(deleted)
                batch = []
        if batch:
            deleted += self._delete(bucket, batch)
            progress(deleted)
        return deleted

    def _versions(self, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
        key_marker: str | None = None
        version_marker: str | None = None
        while True:
            page = self._caller.call(
                "ListObjectVersions",
                Bucket=bucket,
                Prefix=prefix or None,
                KeyMarker=key_marker,
                VersionIdMarker=version_marker,
            )
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            if not page.get("IsTruncated"):
                return
            key_marker, version_marker = page.get("NextKeyMarker"), page.get("NextVersionIdMarker")

    def _delete(self, bucket: str, versions: list[dict[str, str]]) -> int:
        answer = self._caller.call("DeleteObjects", Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
        for failure in answer.get("Errors", ()):
            raise AwsError(
                "bucket-not-emptied",
                f"`{failure.get('Key')}` in bucket `{bucket}` could not be deleted: {failure.get('Message')}",
                hint="an object lock or a bucket policy may hold it",
                aws_code=str(failure.get("Code", "")),
                reason=str(failure.get("Message", "")),
            )
        return len(versions)
