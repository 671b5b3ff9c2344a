"""Names that must not mix, and the rules they obey. Pure."""

from __future__ import annotations

import re
from typing import Final, NewType

from skykite.errors import SkykiteError

AppName = NewType("AppName", str)
StageName = NewType("StageName", str)
StackName = NewType("StackName", str)  # as CloudFormation knows it: `alice-notes-NotesStack`
LogicalId = NewType("LogicalId", str)  # a resource inside one template
ConstructPath = NewType("ConstructPath", str)  # `NotesStack/Api/GET --notes`
FunctionId = NewType("FunctionId", str)  # the construct path of a function
RequestId = NewType("RequestId", str)  # one per invocation, AWS's UUID shape

NEVER_GUESSED: Final = frozenset({"root", "admin", "prod", "dev", "production"})
_STAGE: Final = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,31}")
_APP: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,63}")


def is_production(stage: str) -> bool:
    """Whether its name says that its data and its secrets are to be kept: `prod`, `production`, `prod-eu`."""
    return stage in ("prod", "production") or stage.startswith(("prod-", "production-"))


def parse_stage(text: str, *, source: str) -> StageName:
    """Check a stage name given by the user. `source` names where it came from: `--stage`, `KITE_STAGE`, a file."""
    if not _STAGE.fullmatch(text):
        raise SkykiteError(
            "stage-invalid",
            f"{source} says `{text}`, which cannot name a stage",
            hint="use lower-case letters, digits and single dashes, starting with a letter, at most 32 characters",
        )
    return StageName(text)


def parse_app_name(text: str, *, source: str) -> AppName:
    """Check an app name; it becomes the prefix of every stack's name."""
    if not _APP.fullmatch(text):
        raise SkykiteError(
            "app-name-invalid",
            f"{source} says `{text}`, which cannot name an app",
            hint="use letters, digits and single dashes, starting with a letter, at most 64 characters",
        )
    return AppName(text)


def guess_stage(user: str) -> StageName | None:
    """Turn a login name into a stage, or `None` if it says too little about who this is."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", user.lower().split("@")[0]).strip("-")
    cleaned = re.sub(r"^[^a-z]+", "", cleaned)[:32].strip("-")
    if not cleaned or cleaned in NEVER_GUESSED:
        return None
    return StageName(cleaned)
