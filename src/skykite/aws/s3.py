"""Objects in buckets: the few things a deploy does with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError, Call, translate

MULTIPART_ABOVE: Final = 16 * 1024 * 1024  # bytes; below it one request is as fast
_DELETED_AT_ONCE: Final = 1000  # S3's limit for one DeleteObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """An object in a bucket; `size` in bytes."""

    size: int
    etag: str


class S3:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def head(self, bucket: str, key: str) -> ObjectState | None:
        """What is at that key, or `None`; S3 does not tell a missing key from a missing bucket here."""
        try:
            answer = self._caller.call("HeadObject", Bucket=bucket, Key=key)
        except AwsError as error:
            if error.aws_code in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return ObjectState(size=answer["ContentLength"], etag=answer["ETag"].strip('"'))

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str) -> None:
        """Write a small object."""
        self._caller.call("PutObject", Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def put_file(self, bucket: str, key: str, file: Path, *, content_type: str) -> None:
        """Send a file, in parts and in parallel when it is big."""
        if file.stat().st_size <= MULTIPART_ABOVE:
            self.put(bucket, key, file.read_bytes(), content_type=content_type)
            return
        from botocore.exceptions import BotoCoreError, ClientError
        from s3transfer.manager import TransferConfig, TransferManager

        client = self._caller.client("PutObject")
        config = TransferConfig(multipart_threshold=MULTIPART_ABOVE, multipart_chunksize=MULTIPART_ABOVE // 2)
        try:
            with TransferManager(client, config) as transfers:
                transfers.upload(str(file), bucket, key, extra_args={"ContentType": content_type}).result()
        except (BotoCoreError, ClientError) as error:
            target = self._caller.target
            raise translate(
                error,
                Call(
                    service="s3",
                    operation="PutObject",
                    region=target.region,
                    endpoint_url=target.endpoint_url,
                    profile=target.profile,
                ),
            ) from error

    def empty(self, bucket: str, *, progress: Callable[[int], None]) -> int:
        """Delete every object and every version of it. Calls `progress` with the count so far; returns the count."""
        deleted = 0
        batch: list[dict[str, str]] = []
        for version in self._versions(bucket):
            batch.append(version)
            if len(batch) == _DELETED_AT_ONCE:
                deleted += self._delete(bucket, batch)
                progress(deleted)
                batch = []
        if batch:
            deleted += self._delete(bucket, batch)
            progress(deleted)
        return deleted

    def _versions(self, bucket: str) -> Iterator[dict[str, str]]:
        key_marker: str | None = None
        version_marker: str | None = None
        while True:
            page = self._caller.call(
                "ListObjectVersions", Bucket=bucket, KeyMarker=key_marker, VersionIdMarker=version_marker
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
