"""Where the embedded cloud of a project is, and the credentials it accepts.

The access key is random, made once per project, and kept in a file only its owner can read; the address of a running
cloud is in a file beside it. I/O: those two files, and one loopback request that asks who listens there.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from skykite.cloud.filelock import FileLock
from skykite.cloud.files import write_private

ACCOUNT: Final = "000000000000"
"""Every embedded cloud is this account: no AWS account has the number."""

IDENTITY_PATH: Final = "/_skykite/identity"
_CREDENTIALS_FILE: Final = "credentials.json"
_ADDRESS_FILE: Final = "address.json"
_LOCK_FILE: Final = "lock"  # `skykite_cloud.directory` holds it, and writes its owner's number into it
_LOCK_BYTE: Final = 1 << 30
_PROBE_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudAddress:
    """What an AWS client needs to reach a running embedded cloud."""

    url: str
    access_key_id: str
    secret_access_key: str
    region: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudCredentials:
    """The access key of one project's embedded cloud. `port` is where it listened last, 0 if it never did."""

    access_key_id: str
    secret_access_key: str
    port: int = 0


def cloud_directory(directory: Path) -> Path:
    """Where the embedded cloud keeps its files, below a project's `.kite/local`."""
    return directory / "cloud"


def load_credentials(directory: Path) -> CloudCredentials:
    """Read this project's access key, or make it. An unreadable file is replaced: old keys are of no use to anyone."""
    file = cloud_directory(directory) / _CREDENTIALS_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=CloudCredentials)
    except (FileNotFoundError, msgspec.MsgspecError):
        made = CloudCredentials(access_key_id=_access_key_id(), secret_access_key=secrets.token_urlsafe(30))
        write_private(file, msgspec.json.encode(made))
        return made


def remember_port(directory: Path, credentials: CloudCredentials, port: int) -> None:
    """Note the port, so that the next start listens there again and URLs stay valid."""
    if credentials.port != port:
        moved = replace(credentials, port=port)
        write_private(cloud_directory(directory) / _CREDENTIALS_FILE, msgspec.json.encode(moved))


def write_address(directory: Path, address: CloudAddress) -> None:
    """Say where the cloud of this project runs, for other processes of the same user."""
    write_private(cloud_directory(directory) / _ADDRESS_FILE, msgspec.json.encode(address))


def forget_address(directory: Path) -> None:
    """The cloud of this project does not run any more."""
    (cloud_directory(directory) / _ADDRESS_FILE).unlink(missing_ok=True)


def read_address(directory: Path) -> CloudAddress | None:
    """The address of this project's embedded cloud if it runs now. Asks it, since a killed one leaves its file."""
    file = cloud_directory(directory) / _ADDRESS_FILE
    try:
        address = msgspec.json.decode(file.read_bytes(), type=CloudAddress)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return address if _answers(address) else None


def is_cloud_held(directory: Path) -> bool:
    """Whether a process of an embedded cloud lives on this directory, be it one that is only saving yet."""
    file = cloud_directory(directory) / _LOCK_FILE
    if not file.exists():
        return False
    lock = FileLock(file, at=_LOCK_BYTE)
    if not lock.acquire():
        return True
    lock.release()
    return False


def cloud_owner(directory: Path) -> int | None:
    """The process that runs the embedded cloud of this directory, if one does."""
    if not is_cloud_held(directory):
        return None
    try:
        return int((cloud_directory(directory) / _LOCK_FILE).read_text())
    except (OSError, ValueError):  # it has begun this very moment
        return None


def identity(access_key_id: str) -> str:
    """What a cloud answers to `IDENTITY_PATH`: it shows that it knows the key without telling it."""
    return hashlib.sha256(access_key_id.encode()).hexdigest()


def cloud_environment(address: CloudAddress) -> dict[str, str]:
    """The variables that point an AWS CLI or SDK at this cloud. An empty value means: unset it."""
    return {
        "AWS_ENDPOINT_URL": address.url,
        "AWS_ACCESS_KEY_ID": address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": address.secret_access_key,
        "AWS_REGION": address.region,
        "AWS_DEFAULT_REGION": address.region,
        "AWS_SESSION_TOKEN": "",
        "AWS_PROFILE": "",
    }


def _answers(address: CloudAddress) -> bool:
    place = urlsplit(address.url)
    import http.client  # with what it imports, a twentieth of the time `kite dev` takes to start

    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", IDENTITY_PATH)
        body = connection.getresponse().read(128)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return hmac.compare_digest(body, identity(address.access_key_id).encode())


def _access_key_id() -> str:
    # The shape of AWS's own, which some SDKs and tools check.
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
