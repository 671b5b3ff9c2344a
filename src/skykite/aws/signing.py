"""Signatures for requests that botocore does not send itself, made by botocore. I/O: none but where credentials renew.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from skykite.aws.connection import Connector, describe
from skykite.aws.errors import translate

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials


class RequestSigner:
    """Signs for one service with the credentials as they were at the last `refresh`."""

    def __init__(self, connector: Connector, service: str) -> None:
        self._connector = connector
        self._service = service
        self._lock = threading.Lock()
        self._frozen: ReadOnlyCredentials | None = None

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
        """`headers`, which hold the `host`, and those that make them a signed request; names in lower case."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        if self._frozen is None:
            self.refresh()
        assert self._frozen is not None
        request = AWSRequest(method, url, dict(headers), body)
        SigV4Auth(self._frozen, self._service, self._connector.target.region).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}
