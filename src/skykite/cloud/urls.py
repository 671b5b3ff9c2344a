"""Turn the URLs that CloudFormation gives an API into the ones it is served under here. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_EXECUTE_API: Final = re.compile(
    r"(?:https?|wss?)://(?P<api>[a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?(?P<port>:443)?(?P<slash>/?)"
)


def translate_urls(text: str, endpoints: Mapping[str, str]) -> str:
    """Replace every execute-api URL in `text` whose API id is a key of `endpoints` by that API's local base URL.

    What follows the host stays as it is. URLs of APIs that are not served here stay untouched.
    """

    def local(match: re.Match[str]) -> str:
        base = endpoints.get(match["api"])
        if base is None:
            return match[0]
        return base.rstrip("/") + match["slash"]

    return _EXECUTE_API.sub(local, text)
