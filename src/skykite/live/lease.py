"""Who serves a stage: an object in the bootstrap bucket that the dev session renews and that stubs read.

In: the bucket, who we are. Out: an epoch that grows with every session, and word of having been superseded.
I/O: S3, through `aws`; who is logged in, and this machine's name.

Each write is conditional on what was read or written before, so of two sessions that take the lease at once one
fails, reads again and takes the next epoch. Whether a lease is alive is judged by S3's clock alone: a lease that was
not written for `ttl_s` is dead, whatever the clocks of laptops and containers say.
"""

from __future__ import annotations

import asyncio
import getpass
import platform
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from skykite.aws import AwsError, AwsSession
from skykite.aws.errors import SIGN_IN
from skykite.errors import SkykiteError
from skykite.ports import Clock

TTL_S: Final = 60
_LIMIT: Final = 4096  # bytes; ours have 200
_ATTEMPTS: Final = 10
_JSON: Final = "application/json"


class LeaseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is written. `skykite_lambda.live.lease` reads it too."""

    v: int = 1
    epoch: int
    session: str  # hex
    ttl_s: int = TTL_S
    who: str = ""
    pid: int = 0
    open: bool = True

    @property
    def holder(self) -> str:
        """For people: `alice@laptop, process 4711`."""
        return f"{self.who or 'somebody'}, process {self.pid}" if self.pid else self.who or "somebody"

    @property
    def is_ending(self) -> bool:
        """Whether it is nobody's: a `kite deploy` or `kite remove` ended the session before."""
        return not self.session


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """A lease as it was found. `age_s` is how long ago it was written, by S3's clock."""

    document: LeaseDocument
    etag: str
    age_s: float

    @property
    def alive(self) -> bool:
        return self.document.open and self.age_s <= self.document.ttl_s


def holder_name() -> str:
    """Who we are to others who work on the same stage: `alice@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no name in the environment, and none in the system's list of users
        user = "somebody"
    return f"{user}@{platform.node() or 'somewhere'}"


async def read_lease(aws: AwsSession, bucket: str, key: str) -> LeaseState | None:
    """The lease as it is now; `None` if nobody was ever there. Raises AwsError."""
    try:
        found = await aws.run(aws.s3.get, bucket, key, limit=_LIMIT)
    except AwsError as error:
        if error.code == "aws-access-denied":  # what S3 says of a missing object to who may not list the bucket
            return None
        raise
    if found is None:
        return None
    try:
        document = msgspec.json.decode(found.body, type=LeaseDocument)
    except (msgspec.MsgspecError, RecursionError):
        # Not ours to judge, but to replace: its session, should it still run, is told by its own renewal, which fails.
        document = LeaseDocument(epoch=0, session="", open=False)
    return LeaseState(document=document, etag=found.etag, age_s=(found.served - found.modified).total_seconds())


class Lease:
    """One session's hold on one stage: `take`, then `keep` until it ends, then `release`."""

    def __init__(
        self,
        *,
        aws: AwsSession,
        bucket: str,
        key: str,
        session: bytes,
        who: str,
        pid: int,
        clock: Clock,
        ttl_s: int = TTL_S,
    ) -> None:
        self._aws = aws
        self._bucket = bucket
        self._key = key
        self._session = session.hex()
        self._who = who
        self._pid = pid
        self._clock = clock
        self._ttl_s = ttl_s
        self._etag: str | None = None
        self._document: LeaseDocument | None = None
        self._nudged = asyncio.Event()
        self.superseded_by: LeaseDocument | None = None
        self.before: LeaseDocument | None = None  # whom the stage was taken from, whether or not it was still served
        self.on_renewed: Callable[[float], None] = lambda until: None  # told until when, by our clock, it is ours
        self.until = 0.0

    @property
    def epoch(self) -> int:
        """Of the lease taken: higher than that of any session before."""
        assert self._document is not None
        return self._document.epoch

    async def read(self) -> LeaseState | None:
        """The lease as it is now; `None` if nobody was ever there."""
        return await read_lease(self._aws, self._bucket, self._key)

    async def take(self) -> LeaseState | None:
        """Make the stage ours. Returns the lease it was taken from if its session is still alive.

        Raises `live-lease-contested` if others are faster again and again, or AwsError.
        """
        for _ in range(_ATTEMPTS):
            before = await self.read()
            document = LeaseDocument(
                epoch=self._next_epoch(before),
                session=self._session,
                ttl_s=self._ttl_s,
                who=self._who,
                pid=self._pid,
            )
            if await self._write(document, None if before is None else before.etag):
                self.before = None if before is None else before.document
                return before if before is not None and before.alive else None
            await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311  (only not to meet again)
        raise SkykiteError(
            "live-lease-contested",
            f"other sessions take `{self._key}` in bucket `{self._bucket}` again and again",
            hint="stop one `kite dev` of those that are started on this stage at the same time",
        )

    def _next_epoch(self, before: LeaseState | None) -> int:
        """The bucket forgets a lease a day after its last session. Without one begin above all that ever were, or what
        a session of last week was heard to say would make this one step down, when somebody says it again."""
        if before is None or before.document.epoch == 0:
            return int(self._clock.now().timestamp())
        return before.document.epoch + 1

    async def keep(
        self, *, on_trouble: Callable[[SkykiteError], None], on_mended: Callable[[], None] = lambda: None
    ) -> LeaseDocument:
        """Renew the lease for as long as it is ours. Returns the lease of who took it over.

        `on_trouble` is told, as `live-lease-died`, when it has because it cannot be renewed; it is tried again. That
        the developer's sign-in has ended it is told at once: there is a minute left to sign in anew. `on_mended` is
        told when a lease that has died lives again.
        """
        assert self._document is not None
        told = signed_out = deleted = False
        renewed = self._clock.monotonic()
        pause = self._ttl_s / 3
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()
            try:
                if await self._write(self._document, self._etag):
                    if told:
                        on_mended()
                    renewed, pause = self._clock.monotonic(), self._ttl_s / 3
                    told = signed_out = deleted = False
                    continue
                found = await self.read()
            except SkykiteError as error:
                if error.code in SIGN_IN and not signed_out:
                    signed_out = True
                    on_trouble(error)
                if self._clock.monotonic() - renewed >= self._ttl_s and not told:
                    told = True
                    on_trouble(_died(error))
                pause = min(self._ttl_s / 12, 5.0) * random.uniform(0.5, 1.0)  # noqa: S311
                continue
            if found is None:  # somebody deleted it; nobody else has the stage
                self._etag = None
            elif found.document.session == self._session:  # our write that seemed to fail
                self._etag = found.etag
            else:
                self.superseded_by = found.document
                return found.document
            # A lease that can neither be seen nor written may be another's: not all who may write it may read it.
            pause = min(self._ttl_s / 12, 5.0) if deleted else 0.0
            deleted = found is None

    async def taker(self) -> LeaseDocument | None:
        """Whose the stage is, if it is not ours any more. Asked now: who took it is otherwise known within a third of
        a lease. Raises nothing: what cannot be asked is not known."""
        try:
            found = await self.read()
        except SkykiteError:
            return None
        if found is None or found.document.session == self._session:
            return None
        self.nudge()
        return found.document

    def nudge(self) -> None:
        """Renew now: this machine has slept, or somebody says the stage is theirs."""
        self._nudged.set()

    async def release(self) -> None:
        """Say that nobody serves the stage any more, unless somebody else does."""
        if self._document is None or self.superseded_by is not None:
            return
        for _ in range(_ATTEMPTS):
            if await self._write(msgspec.structs.replace(self._document, open=False), self._etag):
                return
            # A renewal that was under way was faster, unless the stage is another's now.
            found = await self.read()
            if found is None or found.document.session != self._session:
                return
            self._etag = found.etag

    async def _write(self, document: LeaseDocument, etag: str | None) -> bool:
        began = self._clock.monotonic()
        written = await self._aws.run(
            self._aws.s3.replace,
            self._bucket,
            self._key,
            msgspec.json.encode(document),
            etag=etag,
            content_type=_JSON,
        )
        if written is None:
            return False
        self._etag, self._document = written, document
        self.until = began + self._ttl_s
        self.on_renewed(self.until)
        return True


def _died(error: SkykiteError) -> SkykiteError:
    """What it means that the lease could not be renewed in time."""
    hint = error.hint
    if isinstance(error, AwsError) and error.aws_code == "NoSuchBucket":
        hint = "the stack `skykite-bootstrap` was deleted, it seems: start `kite dev` again, which makes it anew"
    return SkykiteError(
        "live-lease-died",
        f"invocations do not reach this machine any more, since its lease of the stage cannot be renewed: "
        f"{error.message}",
        hint=hint,
        blame=error.blame,
    )
