"""Names by which the two ends of Live find each other: channels, the lease, the key. Pure.

The application's and the stage's name are hashed, since a channel's segments take nothing but letters, digits and
dashes, and since whoever may list channels or objects need not learn them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from skykite.model.bootstrap import LIVE_PREFIX, REPLIES_NAMESPACE, REQUESTS_NAMESPACE, EventApi

STAGE_KEY_BYTES: Final = 32


def stage_channel(app: str, stage: str) -> str:
    """The segment that stands for a stage: 32 hex digits."""
    return hashlib.sha256(f"{app}\0{stage}".encode()).hexdigest()[:32]


def requests_channel(app: str, stage: str) -> str:
    """Where the stubs of a stage publish and its dev session listens."""
    return f"/{REQUESTS_NAMESPACE}/{stage_channel(app, stage)}"


def replies_channel(app: str, stage: str, session: bytes) -> str:
    """Where the dev session publishes and the one stub with this session id listens."""
    return f"{replies_prefix(app, stage)}/{session.hex()}"


def replies_prefix(app: str, stage: str) -> str:
    """What the reply channels of a stage have in common, without the slash that follows."""
    return f"/{REPLIES_NAMESPACE}/{stage_channel(app, stage)}"


def stage_prefix(app: str, stage: str) -> str:
    """What all objects of a stage have in common, with the slash that follows."""
    return f"{LIVE_PREFIX}{stage_channel(app, stage)}/"


def lease_key(app: str, stage: str) -> str:
    """The object in the bootstrap bucket that says who serves a stage."""
    return f"{stage_prefix(app, stage)}lease.json"


def payload_prefix(app: str, stage: str) -> str:
    """What the objects of payloads too large for messages have in common, with the slash that follows."""
    return f"{stage_prefix(app, stage)}payload/"


def stage_key_name(app: str, stage: str) -> str:
    """The SSM parameter with the key that every message of a stage is authenticated by."""
    return f"/skykite/{app}/{stage}/live-key"


STUB_VARIABLE: Final = "KITE_LIVE"
"""The environment variable that tells a stub where it belongs; `skykite_lambda.live.settings` reads it."""

_SETTINGS_VERSION: Final = 1
_VISIBILITY: Final = "visibility"


def stub_settings(
    *, app: str, stage: str, function: str, api: EventApi, bucket: str, visibility_s: int | None = None
) -> str:
    """The value of `STUB_VARIABLE`. `visibility_s` is how long a message that a function failed on stays hidden in its
    queue, if that is not what the queue itself says while the function is live."""
    settings: dict[str, object] = {
        "v": _SETTINGS_VERSION,
        "http": api.http_host,
        "ws": api.realtime_host,
        "requests": requests_channel(app, stage),
        "replies": replies_prefix(app, stage),
        "lease": {"bucket": bucket, "key": lease_key(app, stage)},
        "key": stage_key_name(app, stage),
        "function": function,
        "app": app,
        "stage": stage,
    }
    if visibility_s is not None:
        settings[_VISIBILITY] = visibility_s
    return json.dumps(settings, separators=(",", ":"))


def visibility_told(settings: str) -> int | None:
    """The `visibility_s` that a value of `STUB_VARIABLE` was made with."""
    found: int | None = json.loads(settings).get(_VISIBILITY)
    return found
