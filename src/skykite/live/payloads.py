"""Payloads too large for messages: through the bootstrap bucket, each under a name nobody can guess.

In: what is to go or to come. Out: presigned URLs for the stub, and the bytes, checked. I/O: S3, through `aws`.
Each object is deleted for good as soon as it has served, or when the invocation is over without it. What is left by a
machine that dies in between, the bucket forgets after a day.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite_lambda.wire import LARGEST_REQUEST

UPLOAD_S: Final = 300
DOWNLOAD_S: Final = 900  # a stub has no more time than that
_TYPE: Final = "application/octet-stream"

Headers = tuple[tuple[str, str], ...]


class Payloads:
    """`id` is the invocation's. `on_left_behind` hears of an object that could not be deleted."""

    def __init__(
        self, *, aws: AwsSession, bucket: str, prefix: str, on_left_behind: Callable[[SkykiteError], None]
    ) -> None:
        self._aws = aws
        self._bucket = bucket
        self._prefix = prefix
        self._on_left_behind = on_left_behind
        self._objects: dict[bytes, dict[str, str | None]] = {}  # by invocation: keys, with versions where known

    @property
    def kept(self) -> int:
        """Objects that have not been deleted."""
        return sum(map(len, self._objects.values()))

    def has(self, id: bytes) -> bool:
        """Whether there may be an object of that invocation."""
        return id in self._objects

    async def upload_url(self, id: bytes, size: int) -> tuple[str, Headers]:
        """Where the stub puts a request of exactly that size, and the headers it has to send."""
        key = self._new(id)
        url = await self._aws.run(self._aws.s3.presign_put, self._bucket, key, size=size, seconds=UPLOAD_S)
        return url, ()

    async def fetch(self, id: bytes, *, size: int, sha256: bytes) -> bytes:
        """The request that the stub has put there; it is deleted. Raises `payload-lost` or AwsError."""
        key = next(iter(self._objects.get(id, ())), None)
        found = None
        if key is not None and size <= LARGEST_REQUEST:
            found = await self._aws.run(self._aws.s3.get, self._bucket, key, limit=size)
        if found is None:
            raise SkykiteError(
                "payload-lost", "the payload is not where its function should have put it", blame="skykite"
            )
        assert key is not None
        self._objects.setdefault(id, {})[key] = found.version
        await self.discard(id)
        if len(found.body) != size or hashlib.sha256(found.body).digest() != sha256:
            raise SkykiteError("payload-lost", "the payload is not what its function says it has sent", blame="skykite")
        return found.body

    async def store(self, id: bytes, payload: bytes) -> str:
        """Put a result where the stub can get it; the URL to do so."""
        key = self._new(id)
        put = self._aws.s3.put_version
        version = await self._aws.run(put, self._bucket, key, payload, content_type=_TYPE)
        if key not in self._objects.get(id, {}):  # the invocation ended meanwhile
            self._objects[id] = {key: version}
            await self.discard(id)
            raise SkykiteError("payload-lost", "nobody waits for the result any more", blame="aws")
        self._objects[id][key] = version
        return await self._aws.run(self._aws.s3.presign_get, self._bucket, key, seconds=DOWNLOAD_S)

    async def discard(self, id: bytes) -> None:
        """Delete what was kept for an invocation. Never raises."""
        for key, version in self._objects.pop(id, {}).items():
            try:
                await self._aws.run(self._delete, key, version)
            except SkykiteError as error:
                self._on_left_behind(error)

    async def discard_all(self) -> None:
        """Of every invocation there still is."""
        for invocation in list(self._objects):
            await self.discard(invocation)

    def _delete(self, key: str, version: str | None) -> None:
        s3 = self._aws.s3
        if version is None:  # the stub may have put it there, or not
            found = s3.head(self._bucket, key)
            if found is None:
                return
            version = found.version
        s3.delete(self._bucket, key, version=version)

    def _new(self, id: bytes) -> str:
        key = f"{self._prefix}{secrets.token_hex(16)}"
        self._objects.setdefault(id, {})[key] = None
        return key
