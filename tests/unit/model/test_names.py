from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite.errors import SkykiteError
from skykite.model.names import NEVER_GUESSED, guess_stage, parse_app_name, parse_stage


@pytest.mark.parametrize("text", ["a", "alice", "pr-12", "a1-b2", "x" * 32])
def test_good_stage_names_are_taken_as_they_are(text: str) -> None:
    assert parse_stage(text, source="--stage") == text


@pytest.mark.parametrize("text", ["", "Alice", "1a", "-a", "a-", "a--b", "a_b", "a b", "x" * 33, "é", "a\n"])
def test_a_stage_name_cloudformation_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(SkykiteError) as caught:
        parse_stage(text, source="KITE_STAGE")
    assert caught.value.code == "stage-invalid"
    assert caught.value.message == f"KITE_STAGE says `{text}`, which cannot name a stage"


@pytest.mark.parametrize("text", ["", "9lives", "my_app", "a--b", "a-", "x" * 66, "naïve"])
def test_an_app_name_that_cannot_prefix_a_stack_is_refused(text: str) -> None:
    with pytest.raises(SkykiteError) as caught:
        parse_app_name(text, source="kite.toml")
    assert caught.value.code == "app-name-invalid"


@pytest.mark.parametrize(
    ("user", "stage"),
    [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("alice.smith", "alice-smith"),
        ("alice@example.org", "alice"),
        ("CORP\\Bob", "corp-bob"),
        ("42bob", "bob"),
        ("__x__", "x"),
        ("", None),
        ("1234", None),
        ("王", None),
        *((name, None) for name in sorted(NEVER_GUESSED)),
        ("Root", None),
        ("-admin-", None),
        ("prod@example.org", None),
    ],
)
def test_the_stage_guessed_from_a_login_name(user: str, stage: str | None) -> None:
    assert guess_stage(user) == stage


@given(st.text())
def test_whatever_is_guessed_is_a_valid_stage_nobody_shares(user: str) -> None:
    guess = guess_stage(user)
    if guess is not None:
        assert parse_stage(guess, source="the guess") == guess
        assert guess not in NEVER_GUESSED
