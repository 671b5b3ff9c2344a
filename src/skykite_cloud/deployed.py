"""What Skykite has to know to run a function as it is deployed: its configuration, its role's keys, its code.

It goes along with every invocation that is handed over, so that an invocation runs what was deployed when it was
dispatched, whatever is deployed meanwhile. Of the code only digests go along; the zips follow when they are asked for.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skykite_cloud.credentials import RoleCredentials

Record = dict[str, Any]

PLACEHOLDER_HANDLER = "skykite_placeholder.handler"
"""A function with this handler has no code of its own: `skykite.constructs` gives it to those that run on the
developer's machine."""

IMAGE_HANDLER = "skykite_image.handler"
"""The same of those that are container images: nobody runs them here."""

_RUNTIMES = ("python", "nodejs", "provided")
_REFERENCES_OF_OURS = 3  # to a zip that nobody but us knows any more: in the table, the loop's, the call's


@dataclass(frozen=True, slots=True)
class Deployed:
    """`header` is the part that is told, `blobs` are the zips of code and layers by their digests."""

    header: Record
    blobs: dict[str, bytes]


class DeployedFunctions:
    """Describes functions of MiniStack's Lambda. Called on any thread, in the scope of the function's account."""

    def __init__(self, lambda_svc: Any, credentials: RoleCredentials) -> None:
        self._lambda = lambda_svc
        self._credentials = credentials
        self._digests: dict[int, tuple[bytes, str]] = {}

    def describe(self, function: Record, config: Record) -> Deployed | None:
        """`None` for what only MiniStack can run: images, durable functions, and functions that are bound to a
        container of the user's; and for what nobody here runs."""
        code = function.get("code_zip")
        if (
            not code
            or not str(config.get("Runtime", "")).startswith(_RUNTIMES)
            or config.get("Handler") in (PLACEHOLDER_HANDLER, IMAGE_HANDLER)
            or self._lambda._durable_ctx.get()
            or self._lambda._proxy_url_for(config)
        ):
            return None
        digest = self._digest(code)
        blobs = {digest: code}
        layers = []
        for attachment in config.get("Layers") or ():
            data = self._lambda._resolve_layer_zip(attachment)
            layer = {"arn": attachment["Arn"] if isinstance(attachment, dict) else attachment, "code": None}
            if data:
                layer["code"] = self._digest(data)
                blobs[layer["code"]] = data
            layers.append(layer)
        logging = config.get("LoggingConfig") or {}
        header = {
            "name": config["FunctionName"],
            "arn": config["FunctionArn"],
            "version": config.get("Version", "$LATEST"),
            "modified": str(config.get("LastModified") or ""),
            "runtime": config["Runtime"],
            "handler": config.get("Handler", ""),
            "timeout_s": int(config.get("Timeout") or 3),
            "memory_mb": int(config.get("MemorySize") or 128),
            "environment": {name: _text(value) for name, value in _variables(config).items()},
            "credentials": self._credentials.of(config),
            "log_format": logging.get("LogFormat"),
            "log_level": logging.get("ApplicationLogLevel"),
            "log_group": logging.get("LogGroup"),
            "code": digest,
            "layers": layers,
        }
        return Deployed(header, blobs)

    def _digest(self, data: bytes) -> str:
        """SHA-256 of a zip, computed once: MiniStack replaces these objects and never changes them."""
        found = self._digests.get(id(data))
        if found is not None and found[0] is data:
            return found[1]
        for key, (known, _) in list(self._digests.items()):
            if sys.getrefcount(known) <= _REFERENCES_OF_OURS:
                self._digests.pop(key, None)
        digest = hashlib.sha256(data).hexdigest()
        self._digests[id(data)] = (data, digest)
        return digest


def _variables(config: Record) -> Record:
    return (config.get("Environment") or {}).get("Variables") or {}


def _text(value: object) -> str:
    # Templates may say true or 1 where CloudFormation makes text of it; MiniStack keeps what they say.
    return str(value).lower() if isinstance(value, bool) else str(value)
