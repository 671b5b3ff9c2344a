"""Takes away what Live keeps of a stage outside of its stacks: the key of its messages, its lease, forgotten payloads.

In: a stage whose functions are real code again, or gone. Out: nothing of Live on it; a notice where that failed, since
the deploy itself did not. I/O: STS, SSM and S3, through `aws`; one question to the user.
"""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import msgspec

from skykite.aws import AwsError, AwsSession
from skykite.errors import SkykiteError
from skykite.live.key import delete_stage_key
from skykite.live.lease import LeaseDocument, read_lease
from skykite.model.bootstrap import bootstrap_bucket
from skykite.model.events import Notice
from skykite.model.live import lease_key, payload_prefix, stage_prefix
from skykite.ports import Asker, EventSink

QUESTION: Final = "live-session"
_CONSEQUENCES: Final = {
    "deploying": "Deploying puts the code in place of its stubs",
    "removing": "Removing takes everything away",
}
_PATIENCE_S: Final = 10.0
_ATTEMPTS: Final = 5  # to write a lease that somebody else renews


class LiveRemains:
    """Of one stage. `who` is us, for a session that learns from its lease that it has ended."""

    def __init__(self, *, aws: AwsSession, events: EventSink, app: str, stage: str, who: str) -> None:
        self._aws = aws
        self._events = events
        self._app = app
        self._stage = stage
        self._who = who
        self._account: str | None = None

    async def holder(self) -> LeaseDocument | None:
        """The session that serves the stage right now. `None` also if that cannot be known."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                found = await read_lease(self._aws, await self._bucket(), lease_key(self._app, self._stage))
        except (AwsError, TimeoutError):
            return None  # who cannot even ask will not get far with what comes next, and be told there
        return found.document if found is not None and found.alive else None

    async def agree_to_end(
        self, holder: LeaseDocument | None, asker: Asker, *, doing: Literal["deploying", "removing"]
    ) -> None:
        """Ask before a running session loses its stage. Raises `live-session-connected` unless the user agrees."""
        if holder is None:
            return
        stage = f"stage `{self._stage}` of `{self._app}`"
        agreed = await asker.confirm(
            QUESTION,
            f"{holder.holder}, runs `kite dev` on {stage} right now. {_CONSEQUENCES[doing]} and ends that session. "
            "Go on?",
            default=False,
        )
        if not agreed:
            raise SkykiteError(
                "live-session-connected",
                f"nothing was done: `kite dev` runs on {stage} ({holder.holder})",
                hint="stop it first, or agree to end it with `--yes`",
            )

    async def clear(self, *, expected: bool) -> None:
        """Leave nothing of Live behind. If nothing is `expected` to be there, nobody is bothered with permissions that
        were missing to look."""
        outcomes = await asyncio.gather(self._clear_key(), self._clear_objects(), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, AwsError):
                if expected or outcome.code != "aws-access-denied":
                    self._complain(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome

    async def _clear_key(self) -> None:
        await delete_stage_key(self._aws, app=self._app, stage=self._stage)

    async def _clear_objects(self) -> None:
        aws, bucket, key = self._aws, await self._bucket(), lease_key(self._app, self._stage)
        everything = stage_prefix(self._app, self._stage)
        if not await aws.run(aws.s3.holds_any, bucket, everything):
            return
        for _ in range(_ATTEMPTS):
            found = await read_lease(aws, bucket, key)
            if found is None or not found.alive:
                await aws.run(aws.s3.empty, bucket, prefix=everything)
                return
            # Its session would write a deleted lease again. One that is taken over and closed tells it to end, and is
            # forgotten by the bucket after a day.
            closed = LeaseDocument(epoch=found.document.epoch + 1, session="", who=self._who, open=False)
            body = msgspec.json.encode(closed)
            if await aws.run(aws.s3.replace, bucket, key, body, etag=found.etag, content_type="application/json"):
                await aws.run(aws.s3.empty, bucket, prefix=payload_prefix(self._app, self._stage))
                return

    async def _bucket(self) -> str:
        if self._account is None:
            self._account = await self._aws.run(self._aws.sts.account)
        return bootstrap_bucket(self._account, self._aws.region)

    def _complain(self, error: AwsError) -> None:
        self._events.emit(
            Notice(
                notice="live-remains",
                message=f"what `kite dev` left of stage `{self._stage}` could not be taken away: {error.message}",
                hint=error.hint,
            )
        )
