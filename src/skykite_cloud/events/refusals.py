"""Why an operation on an Event API is refused, in AppSync's words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """`status` is the HTTP status; `reason` is for the log only, where AppSync keeps to itself why."""

    status: int
    error_type: str
    message: str
    reason: str = ""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """As HTTP answers and WebSocket messages carry it."""
        return [{"errorType": self.error_type, "message": self.message}]


def unauthorized(reason: str, message: str = "You are not authorized to make this call.") -> Refusal:
    return Refusal(401, "UnauthorizedException", message, reason)


def bad_request(message: str, *, status: int = 400) -> Refusal:
    return Refusal(status, "BadRequestException", message)
