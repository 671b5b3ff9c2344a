"""What the function's caller is told when the bridge fails. Pure: words."""

from __future__ import annotations

from .limits import LARGEST_REQUEST
from .outcomes import Raised


def unanswered() -> Raised:
    return Raised(
        "LiveDevLost", "`kite dev` seems to be running, but it did not answer; look at its terminal, or start it again"
    )


def vanished() -> Raised:
    return Raised(
        "LiveDevLost",
        "`kite dev` does not answer any more, and has not renewed its lease of the stage since; start it again, or "
        "look whether its machine is asleep or has no network",
    )


def silent() -> Raised:
    """It was granted the invocation beforehand, and nothing was heard of it since."""
    return Raised(
        "LiveDevLost",
        "`kite dev` seems to be running, but it did not answer; whether it ran this invocation is not known, and it is "
        "not run again; look at its terminal, or start it again",
    )


def ended() -> Raised:
    return Raised(
        "LiveDevLost", "`kite dev` ended while it ran this invocation; it may have run in part, and is not run again"
    )


def lost() -> Raised:
    return Raised(
        "LiveDevLost",
        "the connection to the `kite dev` that ran this invocation was lost; "
        "it may have run, in part or as a whole, and is not run again",
    )


def outdated(own: int, other: int) -> Raised:
    """The two speak different protocols; which is older decides what to do."""
    if other > own:
        what, remedy = "an older", "run `kite dev` or `kite deploy` again to redeploy the stage"
    else:
        what, remedy = "a newer", "upgrade Skykite there, or redeploy the stage with the version that is there"
    return Raised(
        "LiveStubOutdated",
        f"this stage was deployed by {what} Skykite than the `kite dev` that is connected "
        f"(protocol {own} against {other}); {remedy}",
    )


def late() -> Raised:
    return Raised("LiveDeadline", "the invocation did not end before Lambda's time-out of the function")


def payload_lost(reason: str) -> Raised:
    return Raised("LivePayloadLost", f"a payload above 1 MB could not go through S3: {reason}")


def request_too_large() -> Raised:
    """In Lambda's words."""
    return Raised(
        "RequestTooLarge", f"Request must be smaller than {LARGEST_REQUEST} bytes for the InvokeFunction operation"
    )
