"""The CORS headers of an HTTP API. Pure.

HTTP APIs add them to every answer to a request with an allowed `Origin`, whatever the function said, and answer an
`OPTIONS` request that no route matches.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from typing import Final

from skykite.model.manifest import Cors

PREFIX: Final = "access-control-"

Headers = list[tuple[str, str]]


class CorsPolicy:
    """One `CorsConfiguration`, ready to answer."""

    def __init__(self, cors: Cors) -> None:
        self._any = "*" in cors.allow_origins
        self._origins = frozenset(origin.lower() for origin in cors.allow_origins)
        self._schemes = tuple(
            origin.lower()[:-1] for origin in cors.allow_origins if origin.lower() in ("http://*", "https://*")
        )
        self._always: Headers = []
        if cors.allow_credentials:
            self._always.append(("access-control-allow-credentials", "true"))
        if cors.expose_headers:
            self._always.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
        self._preflight: Headers = []
        if cors.allow_methods:
            self._preflight.append(("access-control-allow-methods", ",".join(cors.allow_methods)))
        if cors.allow_headers:
            self._preflight.append(("access-control-allow-headers", ",".join(cors.allow_headers)))
        if cors.max_age_s is not None:
            self._preflight.append(("access-control-max-age", str(cors.max_age_s)))

    def headers(self, *, origin: str | None, requested_method: str | None) -> Headers:
        """What to add to an answer. `requested_method` is Access-Control-Request-Method, sent by a preflight only."""
        if origin is None:
            return []
        if self._any:
            allowed = "*"
        elif origin.lower() in self._origins or (self._schemes and origin.lower().startswith(self._schemes)):
            allowed = origin
        else:
            return []
        headers: Headers = [("access-control-allow-origin", allowed)]
        if requested_method is not None:
            headers += self._preflight
        return headers + self._always
