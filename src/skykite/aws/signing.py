"""Signatures for requests that botocore does not send itself, with the credentials it has. I/O: none but where
credentials renew.

They are the same to the byte as botocore's, in a fifth of the time: every message of the bridge is signed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from skykite.aws.connection import Connector, describe
from skykite.aws.errors import translate
from skykite_lambda.live.clock import Clock
from skykite_lambda.live.sigv4 import Credentials, Signer

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials


class RequestSigner:
    """Signs for one service with the credentials as they were at the last `refresh`."""

    def __init__(self, connector: Connector, service: str) -> None:
        self._connector = connector
        self._service = service
        self._lock = threading.Lock()
        self._frozen: ReadOnlyCredentials | None = None
        self._signer = Signer(connector.target.region, self._credentials, Clock())

    @property
    def access_key_id(self) -> str | None:
        """Whose signature it is now, to notice that the credentials are others than before."""
        return None if self._frozen is None else self._frozen.access_key

    def refresh(self, *, doubted: bool = False) -> bool:
        """Have credentials that last for minutes at least; whether they are others than before. If they are `doubted`,
        look where they come from, however long they would last. May ask AWS, and so take its time. Raises AwsError."""
        from botocore.exceptions import BotoCoreError

        with self._lock:
            try:
                if doubted:
                    self._connector.renew()
                frozen = self._connector.credentials().get_frozen_credentials()
            except BotoCoreError as error:
                raise translate(error, describe(self._connector.target, self._service, "SignIn")) from error
            changed, self._frozen = frozen != self._frozen, frozen
            return changed

    def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """`headers` and those that make them a signed request; names in lower case. Path and query of `url` are as
        they are sent."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._signer.sign(self._service, method, parts.netloc, target, headers, body)

    def _credentials(self) -> Credentials:
        if self._frozen is None:
            self.refresh()
        assert self._frozen is not None
        return Credentials(self._frozen.access_key or "", self._frozen.secret_key or "", self._frozen.token or None)
