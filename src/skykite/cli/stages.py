"""Which stage a command works on: the developer's own copy of the app.

In: what the user said, the environment, who they are. Out: a `StageName`. I/O: reads and writes `.kite/stage`; asks
through the function it is given. The order is `--stage`, `KITE_STAGE`, `.kite/stage`, then a guess from the login
name, which is remembered. Names that many people share are never guessed (docs/decisions/0001-stage-names.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from skykite.cli.project import prepare_state
from skykite.errors import SkykiteError
from skykite.model.names import StageName, guess_stage, parse_stage
from skykite.model.project import STATE_DIRECTORY, Project

STAGE_VARIABLE: Final = "KITE_STAGE"
FALLBACK: Final = StageName("local")
"""Where nobody can be asked and nothing leaves this machine, a shared login name may still work."""

_TRIES: Final = 3


class AskStage(Protocol):
    """Put the question to the user, with a default if there is one; `complaint` says what was wrong with the last
    answer."""

    def __call__(self, default: StageName | None, *, complaint: str | None) -> str: ...


def resolve_stage(
    project: Project,
    *,
    option: str | None,
    environment: Mapping[str, str],
    user: str,
    local: bool,
    ask: AskStage | None,
) -> StageName:
    """`ask` is None off a terminal. `local` says that the command touches nothing outside this machine."""
    if option is not None:
        return parse_stage(option, source="--stage")
    if value := environment.get(STAGE_VARIABLE):
        return parse_stage(value, source=STAGE_VARIABLE)
    if remembered := _remembered(project):
        return remembered
    guess = guess_stage(user)
    if ask is not None:
        stage = _asked(ask, guess)
    elif guess is not None:
        stage = guess
    elif local:
        return FALLBACK
    else:
        raise SkykiteError(
            "stage-unknown",
            f"the login name `{user}` does not say whose stage this is",
            hint=f"name it with --stage NAME or {STAGE_VARIABLE}=NAME",
        )
    prepare_state(project)
    _file(project).write_text(f"{stage}\n", encoding="utf-8")
    return stage


def _asked(ask: AskStage, default: StageName | None) -> StageName:
    """Ask again after an answer that cannot be a stage, with what it might have meant as the default."""
    complaint = None
    for _ in range(_TRIES - 1):
        answer = ask(default, complaint=complaint).strip()
        try:
            return parse_stage(answer, source="your answer")
        except SkykiteError as error:
            complaint = f"`{answer}` cannot name a stage: {error.hint}"
            default = guess_stage(answer) or default
    return parse_stage(ask(default, complaint=complaint).strip(), source="your answer")


def _remembered(project: Project) -> StageName | None:
    try:
        text = _file(project).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SkykiteError(
            "stage-unreadable",
            f"`{_file(project)}` cannot be read: {error}",
            hint="delete it and name the stage with --stage NAME",
        ) from error
    return parse_stage(text, source=f"`{STATE_DIRECTORY}/stage`") if text else None


def _file(project: Project) -> Path:
    return project.state / "stage"
