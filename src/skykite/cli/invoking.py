"""What `kite invoke` shows of an invocation besides its answer. Pure.

In: the end of the log that Lambda sends along, and whether the function is a stub of Live. Out: text for stderr.
"""

from __future__ import annotations

import re
from typing import Final

# As text, and as JSON for functions whose log is that.
_LAMBDAS_OWN: Final = re.compile(
    rb"""^(?:(?:START|END|REPORT)\ RequestId:\ (?P<text>\S+)
      |\{.*"type":\s*"platform\.\w+".*"requestId":\s*"(?P<json>[^"]+)").*\n?""",
    re.MULTILINE | re.VERBOSE,
)


def shown_log(log: bytes, *, function: str, live: bool) -> bytes:
    """The log as it is; but of a live function it is the stub's: what START, END and REPORT say is not of the run that
    was asked for, which is shown where that was."""
    if not live:
        return log
    found = _LAMBDAS_OWN.search(log)
    request = f", under request {(found['text'] or found['json']).decode(errors='replace')}" if found else ""
    said = f"`{function}` is live: `kite dev` runs it, and shows what it prints and takes{request}\n"
    return _LAMBDAS_OWN.sub(b"", log) + said.encode()
