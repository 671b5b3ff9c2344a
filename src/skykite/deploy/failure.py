"""Why a deploy failed, in words that help. In: CloudFormation's events of one operation. Out: an error. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from skykite.aws import StackEvent
from skykite.deploy.templates import StackPaths
from skykite.model.names import ConstructPath

_FOLLOW_UP: Final = re.compile(
    r"^(Resource (creation|update|deletion) cancelled|Resource creation Initiated|"
    r"The following resource\(s\) failed to|User Initiated)",
    re.IGNORECASE,
)
_SDK_TRAIL: Final = re.compile(
    r"\s*\((?=[^()]*(?:Service:|Request ID:|RequestToken:|HandlerErrorCode:|SDK Attempt Count:))[^()]*\)"
)
_LISTED: Final = re.compile(r"\[([A-Za-z0-9, ]+)\]")
_VERBS: Final = {
    "CREATE_FAILED": "could not be created",
    "UPDATE_FAILED": "could not be updated",
    "DELETE_FAILED": "could not be deleted",
}
_HINTS: Final[Sequence[tuple[re.Pattern[str], str]]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), hint)
    for pattern, hint in (
        (
            (
                r"unzipped size must be smaller|exceeds the maximum (allowed )?size|RequestEntityTooLarge|"
                r"code storage limit"
            ),
            "make the function's code or dependencies smaller: Lambda takes 250 MB unpacked",
        ),
        (
            r"S3 Error Code: NoSuchKey|S3 Error Code: NoSuchBucket|Error occurred while GetObject",
            "the function's code is not in the bootstrap bucket any more; change a line of it and deploy again",
        ),
        (
            r"(bucket|BucketName).*(already (exists|owned)|not available)|BucketAlready",
            (
                "bucket names are shared by all AWS accounts: choose another one, or leave the name out and let "
                "CloudFormation make one"
            ),
        ),
        (
            r"already exists|AlreadyExists|EntityAlreadyExists|ResourceInUse",
            (
                "something of that name exists outside of this stack: delete it, choose another name, or leave the "
                "name out and let CloudFormation make one"
            ),
        ),
        (
            r"cannot be (deleted|updated|modified)? ?as it is in use by|Export .* (cannot be|is imported by)",
            "another stack still uses that value: deploy all stacks together, or remove the use first",
        ),
        (
            r"No export named",
            "the stack that exports it is not deployed, or no longer exports it: deploy that one first",
        ),
        (
            r"not authorized to perform|AccessDenied|access denied|is not authorized|UnauthorizedOperation",
            "allow that action to the user or role you deploy with",
        ),
        (
            r"role .*cannot be assumed|cannot be assumed by Lambda|Invalid principal|not authorized to assume",
            "the role's trust policy must name the service that uses it; a role made seconds ago may need another try",
        ),
        (
            r"(Bucket|bucket).*not empty|BucketNotEmpty",
            "empty the bucket first, or keep it with removal_policy=RETAIN",
        ),
        (
            r"limit ?exceeded|LimitExceeded|quota|maximum (number|limit)|TooMany|ServiceLimit",
            "an AWS quota is used up: delete what is not needed, or ask for more under Service Quotas in the console",
        ),
        (
            r"ReservedConcurrentExecutions .*(below|minimum)",
            "the account has too little concurrency left to reserve that much: reserve less, or ask for a higher quota",
        ),
        (r"Rate exceeded|Throttl", "AWS was asked too much at once: wait a minute and deploy again"),
        (
            r"Custom Resource failed to stabilize|did not receive a response|timed? ?out",
            "look at the log group of the function behind it in CloudWatch",
        ),
        (r"Stack policy|denied by stack policy", "a stack policy forbids that update"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One resource that failed. `path` is its construct's."""

    path: ConstructPath
    type: str
    status: str
    reason: str
    at: datetime

    def __str__(self) -> str:
        return f"`{self.path}` ({self.type}) {_VERBS.get(self.status, 'failed')}: {self.reason}"


def causes(events: Iterable[StackEvent], paths: StackPaths) -> tuple[Cause, ...]:
    """What failed by itself, the earliest first; what was only cancelled because of it is left out.

    If CloudFormation blames no resource, the stack's own complaint is the cause.
    """
    failed = [event for event in sorted(events, key=lambda event: event.at) if _failed(event) and event.reason]
    own = [event for event in failed if not is_follow_up(event.reason)]
    chosen = [event for event in own if not event.of_stack] or own or failed
    found: dict[ConstructPath, Cause] = {}
    for event in chosen:
        path = paths.root if event.of_stack else paths.of(event.logical_id)
        reason = readable(event.reason, paths)
        found.setdefault(path, Cause(path=path, type=event.type, status=event.status, reason=reason, at=event.at))
    return tuple(found.values())


def is_follow_up(reason: str) -> bool:
    """Whether a resource failed only because another one did."""
    return _FOLLOW_UP.match(reason) is not None


def hint_for(reason: str) -> str | None:
    """What to do about a reason, where we know it."""
    return next((hint for pattern, hint in _HINTS if pattern.search(reason)), None)


def readable(reason: str, paths: StackPaths) -> str:
    """CloudFormation's words without request ids, and with construct paths for logical ids in square brackets."""
    text = _SDK_TRAIL.sub("", reason)
    text = _LISTED.sub(lambda match: _named(match, paths), text)
    return " ".join(text.split()).rstrip(".")


def _named(listed: re.Match[str], paths: StackPaths) -> str:
    known = [paths.known(name.strip()) for name in listed[1].split(",")]
    return listed[0] if None in known else ", ".join(f"`{path}`" for path in known)


def _failed(event: StackEvent) -> bool:
    return event.status.endswith("_FAILED") or (event.of_stack and "ROLLBACK_IN_PROGRESS" in event.status)
