from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from skykite.errors import SkykiteError
from skykite.model.project import parse_project

ROOT = Path("/projects/notes")


def test_a_name_is_all_that_kite_toml_must_have() -> None:
    project = parse_project('name = "notes"', ROOT)
    assert (project.name, project.region, project.main) == ("notes", "us-east-1", PurePosixPath("stacks/app.py"))
    assert project.state == ROOT / ".kite"
    assert project.live_credentials == "role"


def test_every_key_is_read() -> None:
    project = parse_project(
        'name = "notes"\nregion = "eu-west-1"\nmain = "infra/main.py"\nlive_credentials = "developer"', ROOT
    )
    assert (project.region, project.main) == ("eu-west-1", PurePosixPath("infra/main.py"))
    assert project.live_credentials == "developer"


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        (
            "name = notes",
            "config-invalid",
            "`kite.toml` is not valid TOML: Invalid value (at line 1, column 8)",
            None,
        ),
        ("", "config-missing-key", "`kite.toml` has no `name`", 'add name = "my-app"'),
        (
            'name = "notes"\nregoin = "eu-west-1"',
            "config-unknown-key",
            "`kite.toml` line 2 has `regoin`, which Skykite does not know",
            "the keys are `name`, `region`, `main`, `live_credentials`",
        ),
        (
            'name = "notes"\n\n[aws]\nregion = "eu-west-1"',
            "config-unknown-key",
            "`kite.toml` line 3 has `aws`, which Skykite does not know",
            "the keys are `name`, `region`, `main`, `live_credentials`",
        ),
        ("name = 7", "config-invalid", "`kite.toml` line 1: `name` must be a string, not `7`", None),
        (
            'name = "notes"\nregion = "Ireland"',
            "config-invalid",
            "`kite.toml` line 2: `Ireland` is not an AWS region",
            'write it as AWS does, for instance region = "eu-west-1"',
        ),
        (
            'name = "notes"\nmain = "../app.py"',
            "config-invalid",
            "`kite.toml` line 2: `../app.py` leaves the project's folder",
            'give a path inside the project, for instance main = "stacks/app.py"',
        ),
        (
            'name = "notes"\nlive_credentials = "mine"',
            "config-invalid",
            "`kite.toml` line 2: `mine` does not say whose permissions live functions have",
            'write live_credentials = "role" (each function has its own role\'s) or "developer" (all have yours)',
        ),
        (
            'name = "my notes"',
            "app-name-invalid",
            "kite.toml says `my notes`, which cannot name an app",
            "use letters, digits and single dashes, starting with a letter, at most 64 characters",
        ),
    ],
)
def test_each_mistake_in_kite_toml_is_named_with_its_line(text: str, code: str, message: str, hint: str | None) -> None:
    with pytest.raises(SkykiteError) as caught:
        parse_project(text, ROOT)
    error = caught.value
    assert (error.code, error.message, error.hint) == (code, message, hint)
