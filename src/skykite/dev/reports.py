"""What to tell of what happened in the embedded cloud, in the words of the stacks: construct paths, not physical names.

In: its notices, what it denied, and how things are called here. Out: those notices, and for each function and action
that its role did not allow, one that says which permission is missing and what to write, until something is deployed.
No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from skykite.cloud import Denied
from skykite.model.events import Notice
from skykite.ports import EventSink

_SESSION = re.compile(r"arn:[^:]+:sts::\d+:assumed-role/(?P<role>[^/]+)/(?P<session>.+)")
_LONGEST_SESSION = 64
_QUOTED = re.compile(r"`([^`]+)`")


def not_enforced() -> Notice:
    """For a cloud that was started with `--no-iam`."""
    return Notice(
        notice="permissions-not-enforced",
        message="permissions are not enforced: every function may do everything",
        hint="AWS will enforce them; leave out `--no-iam` to see what is missing",
    )


class CloudReports:
    """Emits what the embedded cloud says, and `permission-missing`, as notices to `events`."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._functions: Mapping[str, str] = {}
        self._resources: Mapping[str, str] = {}
        self._told: set[tuple[str, str]] = set()

    def know(self, *, functions: Mapping[str, str], resources: Mapping[str, str]) -> None:
        """How functions and resources are called here, by their physical names. After a deployment."""
        self._functions = {name[:_LONGEST_SESSION]: called for name, called in functions.items()}
        self._resources = resources
        self._told.clear()

    def noticed(self, notice: Notice) -> None:
        """Something happened that whoever develops has to know."""
        self._events.emit(
            Notice(
                notice=notice.notice,
                message=self._in_words_of_stacks(notice.message),
                hint=self._in_words_of_stacks(notice.hint) if notice.hint else None,
            )
        )

    def denied(self, denied: Denied) -> None:
        """Somebody was not allowed something."""
        found = _SESSION.fullmatch(denied.principal)
        who = self._functions.get(found["session"], found["session"]) if found else denied.principal
        if (who, denied.action) in self._told:
            return
        self._told.add((who, denied.action))
        construct = self._construct(denied.resource)
        where = f" on `{construct or denied.resource}`" if denied.resource not in (None, "*") else ""
        self._events.emit(
            Notice(
                notice="permission-missing",
                message=f"`{who}` is not allowed `{denied.action}`{where}",
                hint=_hint(denied, construct),
            )
        )

    def _in_words_of_stacks(self, text: str) -> str:
        def called(quoted: re.Match[str]) -> str:
            name = quoted[1]
            found = self._construct(name) if name.startswith("arn:") else self._called(name)
            return f"`{found}`" if found else quoted[0]

        return _QUOTED.sub(called, text)

    def _called(self, name: str) -> str | None:
        return self._functions.get(name) or self._resources.get(name)

    def _construct(self, resource: str | None) -> str | None:
        """What the stacks call a resource, by the parts of its ARN: `table/notes/index/by` is of `notes`."""
        parts = re.split(r"[:/]", resource or "")[5:]
        return next((called for part in parts if (called := self._called(part))), None)


def _hint(denied: Denied, construct: str | None) -> str:
    if denied.explicit:
        return f"a statement of its {denied.by} denies it, which no permission lifts"
    if not denied.by.startswith("identity"):
        return f"no statement of its {denied.by} allows it, which no permission replaces"
    link = f", or link it to `{construct}` with `link=[…]`" if construct else ""
    return f'give it `permissions=["{denied.action}"]`{link}'
