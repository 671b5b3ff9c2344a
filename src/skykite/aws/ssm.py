"""Parameters of Systems Manager, where a stage's secret lies."""

from __future__ import annotations

from collections.abc import Mapping

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError


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

    def create_secret(self, name: str, value: str, *, description: str, tags: Mapping[str, str]) -> bool:
        """Make a SecureString; False if there is one of that name already, which stays as it is."""
        try:
            self._caller.call(
                "PutParameter",
                Name=name,
                Value=value,
                Type="SecureString",
                Overwrite=False,
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
