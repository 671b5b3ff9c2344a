"""What a session says of secrets without a value: the functions that need one run, and fail where they read it.

In: a manifest and the cloud it is deployed in. Out: notices. I/O: Parameter Store, only if the app has secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.model.events import Notice
    from skykite.model.manifest import Manifest


async def missing_secrets(aws: AwsSession, manifest: Manifest) -> tuple[Notice, ...]:
    """One notice for all of them, or none."""
    if not any(secret.required for secret in manifest.secrets):
        return ()
    from skykite.deploy import secrets_notice

    notice = await secrets_notice(aws, manifest)
    return () if notice is None else (notice,)
