"""Parameters of Systems Manager, where secrets lie. No error holds a value, whoever worded it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError

_AT_ONCE: Final = 10  # names that one request takes
_STANDARD_LIMIT: Final = 4096  # bytes; a larger value makes a parameter an advanced one, which costs something


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredParameter:
    """A parameter without its value."""

    name: str
    changed: datetime
    version: int


class Ssm:
    """https://docs.aws.amazon.com/systems-manager/latest/APIReference/"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def get_secret(self, name: str) -> str | None:
        """The value of a SecureString, or `None` if there is no such parameter."""
        try:
            answer = self._caller.call("GetParameter", Name=name, WithDecryption=True)
        except AwsError as error:
            if error.aws_code == "ParameterNotFound":
                return None
            raise
        value: str = answer["Parameter"]["Value"]
        return value

    def put_secret(self, name: str, value: str, *, description: str, tags: Mapping[str, str]) -> None:
        """Make a SecureString, or give it another value; tags and description are those it was made with."""
        large = len(value.encode()) > _STANDARD_LIMIT
        try:
            if self._create(name, value, description=description, tags=tags, large=large):
                return
            self._caller.call(
                "PutParameter",
                Name=name,
                Value=value,
                Type="SecureString",
                Overwrite=True,
                # An advanced parameter cannot become a standard one again; this leaves either as it is.
                Tier="Advanced" if large else "Intelligent-Tiering",
            )
        except AwsError as error:
            raise without_value(error, value) from None

    def existing(self, names: Sequence[str]) -> frozenset[str]:
        """Those that have a value. Nothing is decrypted."""
        found: set[str] = set()
        for start in range(0, len(names), _AT_ONCE):
            answer = self._caller.call("GetParameters", Names=list(names[start : start + _AT_ONCE]))
            found.update(one["Name"] for one in answer["Parameters"])
        return frozenset(found)

    def below(self, path: str) -> tuple[StoredParameter, ...]:
        """All parameters directly below a path, by name."""
        found: list[StoredParameter] = []
        token: str | None = None
        while True:
            page = self._caller.call("GetParametersByPath", Path=path, MaxResults=_AT_ONCE, NextToken=token)
            found += [
                StoredParameter(name=one["Name"], changed=one["LastModifiedDate"], version=one["Version"])
                for one in page["Parameters"]
            ]
            token = page.get("NextToken")
            if not token:
                return tuple(sorted(found, key=lambda one: one.name))

    def create_secret(self, name: str, value: str, *, description: str, tags: Mapping[str, str]) -> bool:
        """Make a SecureString; False if there is one of that name already, which stays as it is."""
        try:
            return self._create(name, value, description=description, tags=tags)
        except AwsError as error:
            raise without_value(error, value) from None

    def _create(self, name: str, value: str, *, description: str, tags: Mapping[str, str], large: bool = False) -> bool:
        try:
            self._caller.call(
                "PutParameter",
                Name=name,
                Value=value,
                Type="SecureString",
                Overwrite=False,
                Tier="Advanced" if large else None,
                Description=description,
                Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
            )
        except AwsError as error:
            if error.aws_code == "ParameterAlreadyExists":
                return False
            raise
        return True

    def delete(self, name: str) -> bool:
        """Whether there was one."""
        try:
            self._caller.call("DeleteParameter", Name=name)
        except AwsError as error:
            if error.aws_code == "ParameterNotFound":
                return False
            raise
        return True


def without_value(error: AwsError, value: str) -> AwsError:
    """The same error, should AWS have repeated in it what it was given."""
    if not value or value not in f"{error.message}{error.reason}":
        return error
    return AwsError(
        error.code,
        error.message.replace(value, "…"),
        hint=error.hint,
        blame=error.blame,
        aws_code=error.aws_code,
        reason=error.reason.replace(value, "…"),
    )
