from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kit.project import make_project
from skykite.cli.stages import AskStage, resolve_stage
from skykite.errors import SkykiteError
from skykite.model.names import StageName
from skykite.model.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def resolve(
    project: Project,
    *,
    option: str | None = None,
    environment: Mapping[str, str] | None = None,
    user: str = "alice",
    local: bool = False,
    ask: AskStage | None = None,
) -> str:
    return resolve_stage(project, option=option, environment=environment or {}, user=user, local=local, ask=ask)


def remembered(project: Project) -> str | None:
    file = project.state / "stage"
    return file.read_text() if file.exists() else None


def never(default: StageName | None, *, complaint: str | None) -> str:
    raise AssertionError("nothing should be asked")


def test_the_option_wins_and_is_not_remembered(project: Project) -> None:
    assert resolve(project, option="prod", environment={"KITE_STAGE": "ci"}, ask=never) == "prod"
    assert remembered(project) is None


def test_the_variable_wins_over_what_is_remembered(project: Project) -> None:
    assert resolve(project) == "alice"
    assert resolve(project, environment={"KITE_STAGE": "ci"}, ask=never) == "ci"
    assert remembered(project) == "alice\n"


def test_the_login_name_is_the_stage_and_remembered(project: Project) -> None:
    assert resolve(project, user="Alice.Smith") == "alice-smith"
    assert remembered(project) == "alice-smith\n"
    assert resolve(project, user="bob") == "alice-smith"


def test_on_a_terminal_it_is_asked_once_with_the_login_name_as_default(project: Project) -> None:
    asked: list[StageName | None] = []

    def ask(default: StageName | None, *, complaint: str | None) -> str:
        asked.append(default)
        return " staging "

    assert resolve(project, ask=ask) == "staging"
    assert asked == ["alice"]
    assert resolve(project, ask=never) == "staging"


@pytest.mark.parametrize("user", ["root", "admin", "prod", "dev", "production", "", "42"])
def test_a_shared_login_name_is_never_the_stage(project: Project, user: str) -> None:
    def ask(default: StageName | None, *, complaint: str | None) -> str:
        assert default is None
        return "alice"

    with pytest.raises(SkykiteError) as caught:
        resolve(project, user=user)
    assert caught.value.code == "stage-unknown"
    assert caught.value.message == f"the login name `{user}` does not say whose stage this is"
    assert caught.value.hint == "name it with --stage NAME or KITE_STAGE=NAME"
    assert resolve(project, user=user, ask=ask) == "alice"


def test_where_nothing_leaves_the_machine_a_shared_login_name_works_and_is_not_remembered(project: Project) -> None:
    assert resolve(project, user="root", local=True) == "local"
    assert remembered(project) is None


@pytest.mark.parametrize(
    ("given", "source"), [({"option": "A B"}, "--stage"), ({"environment": {"KITE_STAGE": "A B"}}, "KITE_STAGE")]
)
def test_a_name_that_cannot_be_a_stage_is_blamed_on_its_source(
    project: Project, given: dict[str, object], source: str
) -> None:
    with pytest.raises(SkykiteError) as caught:
        resolve(project, **given)  # type: ignore[arg-type]
    assert caught.value.message == f"{source} says `A B`, which cannot name a stage"


def test_a_broken_answer_is_asked_about_again_with_what_it_may_have_meant(project: Project) -> None:
    asked: list[tuple[StageName | None, str | None]] = []

    def ask(default: StageName | None, *, complaint: str | None) -> str:
        asked.append((default, complaint))
        return default if complaint and default else "Alice.Smith"

    assert resolve(project, ask=ask) == "alice-smith"
    assert asked == [
        ("alice", None),
        (
            "alice-smith",
            (
                "`Alice.Smith` cannot name a stage: use lower-case letters, digits and single dashes, "
                "starting with a letter, at most 32 characters"
            ),
        ),
    ]
    assert remembered(project) == "alice-smith\n"


def test_after_three_broken_answers_it_gives_up_and_remembers_nothing(project: Project) -> None:
    answers = iter(["Not A Stage", "", "7"])
    with pytest.raises(SkykiteError) as caught:
        resolve(project, ask=lambda default, complaint: next(answers))
    assert caught.value.message == "your answer says `7`, which cannot name a stage"
    assert remembered(project) is None
    assert list(answers) == []


def test_a_broken_memory_is_named(project: Project) -> None:
    resolve(project)
    (project.state / "stage").write_text("NOT A STAGE\n")
    with pytest.raises(SkykiteError) as caught:
        resolve(project)
    assert caught.value.message == "`.kite/stage` says `NOT A STAGE`, which cannot name a stage"


def test_an_empty_variable_or_memory_says_nothing(project: Project) -> None:
    resolve(project)
    (project.state / "stage").write_text("\n")
    assert resolve(project, environment={"KITE_STAGE": ""}, user="bob") == "bob"
