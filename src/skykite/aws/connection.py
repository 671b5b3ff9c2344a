"""botocore clients, made when first used and tuned once. I/O: the user's AWS configuration, botocore's data files."""

from __future__ import annotations

import gzip
import ipaddress
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from skykite.aws.errors import SIGN_IN, Call, translate

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.session import Session

MAX_THREADS: Final = 16
_LOOK_EVERY_S: Final = 2.0
_SERVICES: Final = (
    "apigatewayv2",
    "appsync",
    "cloudformation",
    "ecr",
    "lambda",
    "s3",
    "sso",
    "sso-oidc",
    "signin",
    "ssm",
    "sts",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which cloud, and as whom. Without an access key, botocore's own chain of providers finds the credentials."""

    region: str
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    profile: str | None = None
    connections: int = MAX_THREADS

    def __repr__(self) -> str:
        return f"Target(region={self.region!r}, endpoint_url={self.endpoint_url!r}, profile={self.profile!r})"


class Connector:
    """Makes the clients of one target. Safe to use from several threads."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._session: Session | None = None
        self.generation = 0
        """Of the credentials: a client that was made of an older one is to be made again."""
        self._look_again = 0.0

    def client(self, service: str, *, read_timeout: int, attempts: int | None, presigns: bool = False) -> Any:
        """A botocore client. Making one takes tens of milliseconds; using one from many threads is fine."""
        target = self.target
        with self._lock:  # making clients is what botocore sessions do not allow from several threads
            return self._made_session().create_client(
                service,
                region_name=target.region,
                endpoint_url=target.endpoint_url,
                aws_access_key_id=target.access_key_id,
                aws_secret_access_key=target.secret_access_key,
                aws_session_token=target.session_token,
                config=_config(target, read_timeout=read_timeout, attempts=attempts, presigns=presigns),
            )

    def credentials(self) -> Credentials:
        """Those that clients sign with; they renew themselves when they are read. Raises botocore's exceptions."""
        from botocore.credentials import Credentials
        from botocore.exceptions import NoCredentialsError

        target = self.target
        if target.access_key_id is not None:
            return Credentials(target.access_key_id, target.secret_access_key or "", target.session_token)
        with self._lock:
            found = self._made_session().get_credentials()
        if found is None:
            raise NoCredentialsError
        return found

    def renew(self) -> bool:
        """Look again where the credentials come from, although these have not ended; whether there are others now."""
        from botocore.exceptions import NoCredentialsError

        if self.target.access_key_id is not None:
            return False
        session = _make_session(self.target)
        found = session.get_credentials()
        if found is None:
            raise NoCredentialsError
        with self._lock:
            known = self._made_session().get_credentials()
            if known is not None and known.get_frozen_credentials() == found.get_frozen_credentials():
                return False
            self._session = session
            self.generation += 1
            return True

    def signed_in_anew(self, *, since: int) -> bool:
        """Whether there are others than those of that generation; looked for no more than once in two seconds. Never
        fails: what is wrong with those at hand is known."""
        from botocore.exceptions import BotoCoreError

        with self._lock:
            now = time.monotonic()
            if self.generation != since or now < self._look_again:
                return self.generation != since
            self._look_again = now + _LOOK_EVERY_S
        try:
            return self.renew()
        except BotoCoreError:
            return False

    def certificates(self) -> str | None:
        """The file or folder of certificate authorities that the user says to trust, if any."""
        with self._lock:
            configured = self._made_session().get_config_variable("ca_bundle")
        return configured or os.environ.get("REQUESTS_CA_BUNDLE") or None

    def _made_session(self) -> Session:
        if self._session is None:
            self._session = _make_session(self.target)
        return self._session


class Caller:
    """Calls the operations of one service; every failure comes out as an `AwsError`."""

    def __init__(
        self,
        connector: Connector,
        service: str,
        *,
        read_timeout: int = 60,
        attempts: int | None = None,
        presigns: bool = False,
    ) -> None:
        self._connector = connector
        self._service = service
        self._read_timeout = read_timeout
        self._attempts = attempts
        self._presigns = presigns
        self._lock = threading.Lock()
        self._client: Any = None
        self._generation = 0

    @property
    def target(self) -> Target:
        return self._connector.target

    def client(self, operation: str = "") -> Any:
        """The botocore client itself, made now if need be."""
        from botocore.exceptions import BotoCoreError

        with self._lock:
            if self._client is None or self._generation != self._connector.generation:
                try:
                    self._generation = self._connector.generation
                    self._client = self._connector.client(
                        self._service,
                        read_timeout=self._read_timeout,
                        attempts=self._attempts,
                        presigns=self._presigns,
                    )
                except BotoCoreError as error:
                    raise translate(error, self.described(operation)) from error
            return self._client

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation by AWS's name. Parameters that are `None` are left out. If the credentials have ended, and
        the user has signed in anew meanwhile, it is called again with the new ones."""
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        given = {key: value for key, value in parameters.items() if value is not None}
        again = not any(hasattr(value, "read") for value in given.values())  # a file has been read by then
        while True:
            client, generation = self.client(operation), self._generation
            try:
                answer: dict[str, Any] = getattr(client, xform_name(operation))(**given)
            except (BotoCoreError, ClientError, ResponseParserError) as error:
                failure = translate(error, self.described(operation))
                if failure.code in SIGN_IN and self._connector.signed_in_anew(since=generation) and again:
                    again = False
                    continue
                raise failure from error
            return answer

    def described(self, operation: str) -> Call:
        """What a complaint says was being done."""
        return describe(self.target, self._service, operation)


def describe(target: Target, service: str, operation: str) -> Call:
    """What a complaint says was being done."""
    return Call(
        service=service,
        operation=operation,
        region=target.region,
        endpoint_url=target.endpoint_url,
        profile=target.profile or (None if target.access_key_id else os.environ.get("AWS_PROFILE")),
    )


class _ModelFiles:
    """botocore's file loader, several times faster: msgspec reads the 100,000-line service models."""

    def exists(self, file_path: str) -> bool:
        return Path(f"{file_path}.json").is_file() or Path(f"{file_path}.json.gz").is_file()

    def load_file(self, file_path: str) -> Any:
        try:
            return msgspec.json.decode(Path(f"{file_path}.json").read_bytes())
        except FileNotFoundError:
            pass
        try:
            return msgspec.json.decode(gzip.decompress(Path(f"{file_path}.json.gz").read_bytes()))
        except FileNotFoundError:
            return None


def _make_session(target: Target) -> Session:
    from botocore import loaders
    from botocore.session import Session

    class Models(loaders.Loader):
        def list_available_services(self, type_name: str) -> list[str]:
            # The stock one lists the 400 folders of botocore's data, twice per process, to know names we know.
            return list(_SERVICES)

    session = Session(profile=target.profile, session_vars=_nobodys_configuration() if target.access_key_id else None)
    session.register_component(
        "data_loader",
        Models(
            file_loader=cast(loaders.JSONFileLoader, _ModelFiles()),
            extra_search_paths=[path for path in os.environ.get("AWS_DATA_PATH", "").split(os.pathsep) if path],
        ),
    )
    session.user_agent_extra = "skykite"
    # Else botocore asks S3's global host for what is in us-east-1. What the user says of S3 goes before.
    s3 = session.get_config_variable("s3") or {}
    session.get_component("config_store").set_config_variable("s3", {"us_east_1_regional_endpoint": "regional", **s3})
    return session


def _nobodys_configuration() -> dict[str, tuple[str | None, list[str] | None, str | None, None]]:
    """With credentials given, the user's profile is somebody else's: a session for the embedded cloud must neither
    fail on it nor pick up its settings."""
    return {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }


def _config(target: Target, *, read_timeout: int, attempts: int | None, presigns: bool) -> Config:
    from botocore.config import Config

    # An address given by hand is near or wrong: trying for long helps nobody.
    attempts = attempts or (3 if target.endpoint_url else 8)
    options: dict[str, Any] = {}
    if presigns:  # else botocore makes URLs for S3's global host, and with its old signature where that still works
        options |= {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}}
    if target.endpoint_url:
        options["s3"] = {"addressing_style": "path"}
        if _is_loopback(target.endpoint_url):
            options["proxies"] = {}
    return Config(
        connect_timeout=10,
        read_timeout=read_timeout,
        max_pool_connections=target.connections,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        **options,
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
