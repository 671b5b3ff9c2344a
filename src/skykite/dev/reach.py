"""An AWS session for an embedded cloud. No I/O of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skykite.cloud import CloudAddress

if TYPE_CHECKING:
    from skykite.aws import AwsSession


def session_at(address: CloudAddress, *, threads: int | None = None) -> AwsSession:
    """As the project's own identity there. `threads` is how many calls may be under way."""
    from skykite.aws import AwsSession
    from skykite.aws.connection import MAX_THREADS

    return AwsSession(
        region=address.region,
        endpoint_url=address.url,
        access_key_id=address.access_key_id,
        secret_access_key=address.secret_access_key,
        threads=threads or MAX_THREADS,
    )
