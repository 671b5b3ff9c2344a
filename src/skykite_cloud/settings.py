"""What the process that owns this cloud tells it, as one line of JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """Where Skykite takes invocations, on loopback. `deployed` says that it runs functions as deployed, too."""

    port: int
    token: str
    deployed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`port` is where to listen if it is free, 0 for any. `owner` is the process id of the owner, for messages.
    `publishes_a_second` limits each WebSocket of an Event API as AWS does; 0 lifts the limit. `iam` says whether
    permissions are enforced."""

    directory: Path
    region: str
    account: str
    access_key_id: str
    secret_access_key: str
    port: int
    owner: int
    handoff: Handoff | None
    publishes_a_second: int
    iam: bool


def parse_settings(line: str) -> Settings:
    data = json.loads(line)
    handoff = data.pop("handoff")
    directory = Path(data.pop("directory"))
    return Settings(**data, directory=directory, handoff=Handoff(**handoff) if handoff else None)


def ministack_environment(settings: Settings, port: int) -> dict[str, str]:
    """The variables MiniStack reads when it is imported."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": settings.account,
        "MINISTACK_REGION": settings.region,
        "IOT_MTLS_ENABLED": "0",  # would listen on every interface
        "SFTP_ENABLED": "0",
        "LAMBDA_ACCOUNT_CONCURRENCY": "1000",  # AWS's; by itself it would depend on this machine's memory
        "PERSIST_STATE": "0",  # `snapshots` does it, and at any moment
        "S3_PERSIST": "0",
        "STATE_DIR": str(settings.directory / "unused"),
        "LOG_LEVEL": "INFO",
        # Functions that run in here must not find the machine's own AWS account.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
