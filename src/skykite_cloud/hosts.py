"""Lead AWS's own host names to what MiniStack serves under its own. Pure.

`{id}.execute-api.{region}.amazonaws.com`, which outputs and code contain, is unknown to MiniStack; it serves an API as
`{id}.execute-api.localhost`.
"""

from __future__ import annotations

import re
from typing import Any

_EXECUTE_API = re.compile(rb"([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?(:\d+)?", re.IGNORECASE)


def translate_host(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope, with the Host header MiniStack knows."""
    headers = [
        (name, _EXECUTE_API.sub(rb"\1.execute-api.localhost", value) if name == b"host" else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}
