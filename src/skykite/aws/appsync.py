"""Event APIs of AppSync, which CloudFormation makes."""

from __future__ import annotations

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError


class AppSync:
    """https://docs.aws.amazon.com/appsync/latest/APIReference/"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def has_event_api(self, api_id: str) -> bool:
        """Whether there is one of this id. Raises AwsError, also where asking is not allowed."""
        try:
            self._caller.call("GetApi", apiId=api_id)
        except AwsError as error:
            if error.aws_code == "NotFoundException":
                return False
            raise
        return True
