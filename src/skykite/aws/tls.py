"""Whom TLS trusts. I/O: reads certificate files."""

from __future__ import annotations

import ssl
from pathlib import Path

from skykite.aws.errors import AwsError


def trusting(bundle: str | None) -> ssl.SSLContext:
    """A client's context. `bundle` names the file or folder of the only authorities to trust; without it the system's
    and botocore's own are. Raises `ca-bundle-unusable`."""
    if bundle is None:
        from botocore.httpsession import where

        context = ssl.create_default_context()
        context.load_verify_locations(cafile=where())
        return context
    folder = Path(bundle).is_dir()
    try:
        return ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    except (OSError, ssl.SSLError) as error:
        raise AwsError(
            "ca-bundle-unusable",
            f"the certificate authorities in `{bundle}` cannot be read: {error.strerror or error}",
            hint="AWS_CA_BUNDLE, `ca_bundle` in ~/.aws/config or REQUESTS_CA_BUNDLE says to use that file",
            blame="user",
        ) from error
