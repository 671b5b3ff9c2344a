from __future__ import annotations

import os
from pathlib import Path

import pytest

from skykite.cli.environment import load_environment
from skykite.errors import SkykiteError
from skykite.model.names import StageName

ALICE = StageName("alice")


def write(root: Path, **files: str) -> None:
    names = {"env": ".env", "local": ".env.local", "stage": ".env.alice", "stage_local": ".env.alice.local"}
    for name, text in files.items():
        (root / names[name]).write_text(text, encoding="utf-8")


def load(root: Path, process: dict[str, str] | None = None) -> dict[str, str]:
    return load_environment(root, ALICE, process or {}).variables


def test_the_later_file_wins_and_the_process_over_all(tmp_path: Path) -> None:
    write(
        tmp_path,
        env="A=env\nB=env\nC=env\nD=env\nE=env",
        local="B=local\nC=local\nD=local\nE=local",
        stage="C=stage\nD=stage\nE=stage",
        stage_local="D=stage-local\nE=stage-local",
    )
    assert load(tmp_path, {"E": "process"}) == {
        "A": "env",
        "B": "local",
        "C": "stage",
        "D": "stage-local",
        "E": "process",
    }


def test_another_stages_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env.prod").write_text("A=prod")
    assert load(tmp_path) == {}


def test_all_candidates_are_named_to_be_watched_also_those_not_there_yet(tmp_path: Path) -> None:
    files = load_environment(tmp_path, ALICE, {}).files
    assert files == tuple(tmp_path / name for name in (".env", ".env.local", ".env.alice", ".env.alice.local"))


def test_the_process_environment_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, env="SKYKITE_TEST_LEAK=1")
    before = dict(os.environ)
    assert load_environment(tmp_path, ALICE, os.environ).variables["SKYKITE_TEST_LEAK"] == "1"
    assert dict(os.environ) == before


def test_a_value_refers_to_what_is_above_it_before_it_and_around_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        env="HOST=db\nURL=https://${HOST}:${PORT:-5432}/${USER}\nWHERE=${HOST}",
        local="HOST=localhost\nURL2=${URL}\nNOTHING=[${UNSET}]\nDOLLAR=$HOST\n",
    )
    assert load(tmp_path, {"USER": "alice", "HOST": "process"}) == {
        "HOST": "process",
        "URL": "https://process:5432/alice",
        "WHERE": "process",
        "URL2": "https://process:5432/alice",
        "NOTHING": "[]",
        "DOLLAR": "$HOST",
        "USER": "alice",
    }


def test_quotes_comments_export_and_several_lines(tmp_path: Path) -> None:
    write(
        tmp_path,
        env="# a comment\n\nexport A = one # comment\n"
        'B=\'single \\n # no comment\'\nC="two\\nlines"\nD="a\nb"\nE=\nF=a#b\n',
    )
    assert load(tmp_path) == {
        "A": "one",
        "B": "single \\n # no comment",
        "C": "two\nlines",
        "D": "a\nb",
        "E": "",
        "F": "a#b",
    }


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "A=1\n\n\nTOKEN='unclosed\nB=2",
            "`.env:4` is not a NAME=value line (`TOKEN`)",
            "quote values that hold quotes or line ends, and close each quote",
        ),
        (
            "A=1\nTOKEN='se'cret",
            "`.env:2` is not a NAME=value line (`TOKEN`)",
            "quote values that hold quotes or line ends, and close each quote",
        ),
        (
            "A=1\nexport TOKEN # later\nB=2",
            "`.env:2` names `TOKEN` without giving it a value",
            "write TOKEN=value, or TOKEN= for an empty one",
        ),
        (
            "just some words",
            "`.env:1` is not a NAME=value line",
            "write NAME=value, or start the line with # to make it a comment",
        ),
        (
            "GREETING bad line",
            "`.env:1` is not a NAME=value line",
            "write NAME=value, or start the line with # to make it a comment",
        ),
        (
            "=value",
            "`.env:1` is not a NAME=value line",
            "write NAME=value, or start the line with # to make it a comment",
        ),
    ],
)
def test_a_broken_line_is_named_without_its_value(tmp_path: Path, text: str, message: str, hint: str) -> None:
    write(tmp_path, env=text)
    with pytest.raises(SkykiteError) as caught:
        load(tmp_path)
    error = caught.value
    assert (error.code, error.message, error.hint) == ("env-file-invalid", message, hint)
    assert "cret" not in str(error)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(SkykiteError) as caught:
        load(tmp_path)
    assert caught.value.message == "`.env` is not UTF-8: invalid start byte"


def test_a_virtual_environment_called_env_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load(tmp_path) == {}


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1")
    assert load(tmp_path) == {"A": "1"}
