"""Where a stage's secrets lie in Parameter Store, and what they may be called and hold. Pure.

A secret is a SecureString under `/skykite/<app>/<stage>/secrets/`. Stages that do not look like production also read
the app's fallbacks, under `/skykite/<app>/.fallback/secrets/`; no stage is called `.fallback`.
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
"""

from __future__ import annotations

import keyword
import re
from typing import Final, Literal

from skykite.errors import SkykiteError
from skykite.model.names import is_production

FALLBACK: Final = ".fallback"
STANDARD_LIMIT: Final = 4096  # bytes of a value, up to which a parameter costs nothing
VALUE_LIMIT: Final = 8192  # bytes, of an advanced parameter
NAME_LIMIT: Final = 255  # characters; AWS takes more than that with app, stage and ARN before it
AGE_VARIABLE: Final = "KITE_SECRETS_MAX_AGE"
"""Environment variable of functions: the seconds that a value which was read is good for."""
STAMP_VARIABLE: Final = "KITE_SECRETS_STAMP"
"""Environment variable of functions that run here: a file that is written anew whenever a secret is set from here."""
STAMP_FILE: Final = "secrets.changed"

Kind = Literal["secret", "parameter"]
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def secrets_path(app: str, stage: str | None) -> str:
    """What comes before the names of a stage's secrets; without a stage, of the app's fallbacks."""
    return f"/skykite/{app}/{FALLBACK if stage is None else stage}/secrets"


def secret_parameter(app: str, stage: str | None, name: str) -> str:
    """The SSM parameter of one secret."""
    return f"{secrets_path(app, stage)}/{name}"


def reads_fallback(stage: str) -> bool:
    """Whether a stage's functions may read the fallbacks. Those of production shall have their own values or none."""
    return not is_production(stage)


def is_secret_name(name: str) -> bool:
    """Whether code can write `resource.<name>`, and Parameter Store takes it."""
    return _NAME.fullmatch(name) is not None and not keyword.iskeyword(name) and len(name) <= NAME_LIMIT


def check_secret_name(name: str) -> str:
    """Raises `secret-name`. Shows no more than what could be a name: people try `NAME=value`."""
    if is_secret_name(name):
        return name
    begin = _NAME.match(name)
    shown = f"`{begin[0]}…`" if begin else "what was given"
    hint = "a secret is called as its construct is: letters, digits and underscores, beginning with a letter"
    if begin and name[begin.end() :].startswith("="):
        shown = f"`{begin[0]}=…`"
        hint = (
            f"write `kite secrets set {begin[0]}`; the value is asked for, or read from stdin. "
            "The one just given is in your shell's history now"
        )
    raise SkykiteError("secret-name", f"{shown} is not the name of a secret", hint=hint)


def check_secret_value(name: str, value: str) -> str:
    """Raises `secret-empty`, `secret-too-large`. Says nothing of the value but its size."""
    if not value:
        raise SkykiteError(
            "secret-empty",
            f"the value for `{name}` is empty, which Parameter Store does not take",
            hint=f"`kite secrets remove {name}` takes a value away",
        )
    size = len(value.encode())
    if size > VALUE_LIMIT:
        raise SkykiteError(
            "secret-too-large",
            f"the value for `{name}` has {size} bytes; Parameter Store takes {VALUE_LIMIT}",
            hint="keep it in a bucket or in Secrets Manager, and link that",
        )
    return value


def set_command(name: str, stage: str, *, local: bool) -> str:
    """What to type to give a secret a value."""
    return f"kite secrets set {name} --stage {stage}{' --local' if local else ''}"
