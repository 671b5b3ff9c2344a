"""Makes a bridge over AWS: key, lease, transport and machine, introduced to each other.

In: where and as whom. Out: a `Bridge` that holds its stage's lease and is not connected yet. I/O: SSM and S3.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from skykite.aws import AwsSession
from skykite.live.appsync import AppSyncTransport
from skykite.live.bridge import Bridge
from skykite.live.key import obtain_stage_key
from skykite.live.lease import Lease, LeaseDocument, holder_name
from skykite.live.payloads import Payloads
from skykite.live.saved_events import SavedEvents
from skykite.model.bootstrap import EventApi
from skykite.model.events import ErrorRaised, Notice
from skykite.model.live import lease_key, payload_prefix
from skykite.ports import Clock, EventSink, Invoker
from skykite_lambda.wire import DevMachine

_SESSION_BYTES = 16


async def open_bridge(
    *,
    aws: AwsSession,
    api: EventApi,
    bucket: str,
    app: str,
    stage: str,
    invoker: Invoker,
    events: EventSink,
    clock: Clock,
    state: Path,
) -> Bridge:
    """Take the stage over and have a bridge for it: `serve`, `start`, `run` and, whatever became of those, `stop` it.

    `bucket` is the bootstrap bucket; `state` the stage's folder under `.kite`. Raises SkykiteError.
    """
    key = await obtain_stage_key(aws, app=app, stage=stage)
    session = os.urandom(_SESSION_BYTES)
    lease = Lease(
        aws=aws,
        bucket=bucket,
        key=lease_key(app, stage),
        session=session,
        who=holder_name(),
        pid=os.getpid(),
        clock=clock,
    )
    former = await lease.take()
    now = clock.monotonic()
    machine = DevMachine(session, lease.epoch, key, os.urandom, now)
    machine.renewed(lease.until, now)
    lease.on_renewed = lambda until: machine.renewed(until, clock.monotonic())
    ended = lease.before is not None and _has_ended(lease.before)
    if ended and lease.before is not None:
        machine.ended(bytes.fromhex(lease.before.session), now)
    if former is not None and not ended:
        events.emit(
            Notice(
                notice="live-took-over",
                message=f"took stage `{stage}` over from {former.document.holder}, which finishes what it runs",
            )
        )
    return Bridge(
        transport=AppSyncTransport(aws=aws, api=api, app=app, stage=stage, clock=clock),
        machine=machine,
        invoker=invoker,
        events=events,
        clock=clock,
        payloads=Payloads(
            aws=aws,
            bucket=bucket,
            prefix=payload_prefix(app, stage),
            on_left_behind=lambda error: events.emit(ErrorRaised.of(error)),
        ),
        lease=lease,
        saved=SavedEvents(state / "events"),
    )


def _has_ended(document: LeaseDocument) -> bool:
    """Whether the session of a lease certainly runs nothing any more: it said so, or was a process of this machine and
    ours, and is none now. A lease that ran out proves nothing; its owner may sleep."""
    if len(document.session) != 2 * _SESSION_BYTES or not all(
        digit in "0123456789abcdef" for digit in document.session
    ):
        return False
    if not document.open:
        return True
    if document.who != holder_name() or document.pid <= 0 or sys.platform == "win32":
        return False
    try:
        os.kill(document.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
