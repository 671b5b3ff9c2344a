"""What a stub knows of its app: the variable `KITE_LIVE` that its function was deployed with, and its region. Pure."""

from __future__ import annotations

import json
from typing import Any, Mapping, NamedTuple, Optional

VARIABLE = "KITE_LIVE"
_VERSION = 1
_LONGEST_VISIBILITY_S = 12 * 60 * 60  # SQS's


class Misconfigured(Exception):  # noqa: N818
    """The function was not deployed as a stub should be."""


class Settings(NamedTuple):
    http_host: str
    realtime_host: str
    requests: str  # the channel that the stage's dev session listens to
    replies: str  # what comes before a stub's own channel
    lease_bucket: str
    lease_key: str
    key_parameter: str
    function: str
    app: str
    stage: str
    region: str
    visibility_s: Optional[int] = (
        None  # for which a message that the function fails on is hidden, if a queue was changed
    )

    def host_of(self, service: str) -> str:
        """Where a service of AWS answers in the function's region."""
        suffix = ".cn" if self.region.startswith("cn-") else ""
        return f"{service}.{self.region}.amazonaws.com{suffix}"


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Raises Misconfigured."""
    text = environment.get(VARIABLE)
    if not text:
        raise Misconfigured(f"the function has no variable `{VARIABLE}`")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise Misconfigured("the function has no variable `AWS_REGION`")
    try:
        given: Any = json.loads(text)
        if given["v"] != _VERSION:
            raise Misconfigured(f"`{VARIABLE}` is of version `{given['v']}`, this stub of version `{_VERSION}`")
        found = Settings(
            http_host=given["http"],
            realtime_host=given["ws"],
            requests=given["requests"],
            replies=given["replies"],
            lease_bucket=given["lease"]["bucket"],
            lease_key=given["lease"]["key"],
            key_parameter=given["key"],
            function=given["function"],
            app=given["app"],
            stage=given["stage"],
            region=region,
            visibility_s=given.get("visibility"),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Misconfigured(f"`{VARIABLE}` cannot be read: {type(error).__name__} {error}") from error
    texts = found[:-1]
    if not all(isinstance(value, str) and value for value in texts):
        raise Misconfigured(f"`{VARIABLE}` cannot be read: a value in it is no text")
    seconds = found.visibility_s
    if seconds is not None and (type(seconds) is not int or not 0 <= seconds <= _LONGEST_VISIBILITY_S):
        raise Misconfigured(f"`{VARIABLE}` cannot be read: its `visibility` is no number of seconds")
    return found
