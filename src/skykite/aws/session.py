"""One cloud as one identity: the clients of its services, and threads to call them from asynchronous code."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from skykite.aws.apigateway import ApiGateway
from skykite.aws.appsync import AppSync
from skykite.aws.cloudformation import CloudFormation
from skykite.aws.connection import MAX_THREADS, Caller, Connector, Target, describe
from skykite.aws.ecr import Ecr
from skykite.aws.errors import translate
from skykite.aws.lambda_ import Lambda
from skykite.aws.s3 import S3
from skykite.aws.signing import RequestSigner
from skykite.aws.ssm import Ssm
from skykite.aws.sts import IssuedCredentials, Sts
from skykite.aws.tls import trusting

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_INVOCATION = 900  # seconds; Lambda's limit
_PATIENCE = 20  # seconds beyond it


class AwsSession:
    """AWS in one region, or an embedded cloud at `endpoint_url`.

    Credentials are those given, else those of `profile`, else what botocore's chain finds (environment, SSO,
    instance, …). Making a session costs nothing: botocore is imported, and each service's client made, at its first
    use. All clients may be used from several threads at once. `threads` is how many calls may be under way.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        profile: str | None = None,
        threads: int = MAX_THREADS,
    ) -> None:
        target = Target(
            region=region,
            endpoint_url=endpoint_url,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
            profile=profile,
            connections=threads,
        )
        self._connector = Connector(target)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="aws")
        self.region = region
        self.endpoint_url = endpoint_url
        self.apigateway = ApiGateway(Caller(self._connector, "apigatewayv2"))
        self.appsync = AppSync(Caller(self._connector, "appsync"))
        self.cloudformation = CloudFormation(Caller(self._connector, "cloudformation"))
        self.s3 = S3(Caller(self._connector, "s3"), presigner=Caller(self._connector, "s3", presigns=True))
        self.ecr = Ecr(Caller(self._connector, "ecr"))
        self.ssm = Ssm(Caller(self._connector, "ssm"))
        self.sts = Sts(Caller(self._connector, "sts"))
        # A second try would run the function a second time, so an invocation has one attempt and the time it needs.
        self.lambda_ = Lambda(
            Caller(self._connector, "lambda"),
            invoker=Caller(self._connector, "lambda", read_timeout=_LONGEST_INVOCATION + _PATIENCE, attempts=1),
        )

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in one of the session's threads. Cancelling does not stop a call already sent."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *args, **kwargs))

    def signer(self, service: str) -> RequestSigner:
        """For requests that botocore does not send: the same credentials, the same signatures."""
        return RequestSigner(self._connector, service)

    def credentials(self) -> IssuedCredentials:
        """Those that every call here is signed with, for minutes at least; when they end, only botocore knows. May ask
        AWS, and so take its time. Raises AwsError."""
        from botocore.exceptions import BotoCoreError

        try:
            frozen = self._connector.credentials().get_frozen_credentials()
        except BotoCoreError as error:
            raise translate(error, describe(self._connector.target, "sts", "SignIn")) from error
        return IssuedCredentials(
            access_key_id=frozen.access_key or "",
            secret_access_key=frozen.secret_key or "",
            session_token=frozen.token or None,
        )

    def renew_credentials(self) -> bool:
        """Look again where the credentials come from, although these have not ended: the user may have signed in anew.
        Whether there are others now. Raises AwsError."""
        from botocore.exceptions import BotoCoreError

        try:
            return self._connector.renew()
        except BotoCoreError as error:
            raise translate(error, describe(self._connector.target, "sts", "SignIn")) from error

    def tls_context(self) -> ssl.SSLContext:
        """How TLS is verified: by the certificate authorities that botocore's settings name, else by the system's and
        those that come with botocore. Takes tens of milliseconds. Raises `ca-bundle-unusable`."""
        return trusting(self._connector.certificates())

    def warm(self) -> None:
        """Import botocore and make the client every deploy needs first; worth doing beside other work."""
        self.cloudformation.connect()

    def close(self) -> None:
        """Let the threads go. Calls already sent run to their end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
