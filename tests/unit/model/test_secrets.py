"""Names and places of secrets."""

from __future__ import annotations

import pytest

from skykite.errors import SkykiteError
from skykite.model.secrets import (
    VALUE_LIMIT,
    check_secret_name,
    check_secret_value,
    reads_fallback,
    secret_parameter,
    set_command,
)


def test_each_stage_has_its_place_and_the_fallbacks_have_one_no_stage_can_have() -> None:
    assert secret_parameter("notes", "alice", "StripeKey") == "/skykite/notes/alice/secrets/StripeKey"
    assert secret_parameter("notes", None, "StripeKey") == "/skykite/notes/.fallback/secrets/StripeKey"


def test_production_has_values_of_its_own() -> None:
    assert [
        stage for stage in ("alice", "prod", "production", "prod-eu", "staging", "product") if reads_fallback(stage)
    ] == [
        "alice",
        "staging",
        "product",
    ]


@pytest.mark.parametrize("name", ["StripeKey", "K", "DB_PASSWORD", "a1"])
def test_what_python_can_name_is_a_secrets_name(name: str) -> None:
    assert check_secret_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "Stripe-Key", "class", "_x", "a/b", "a b", "Größe", "a" * 256])
def test_what_neither_python_nor_parameter_store_takes_is_refused(name: str) -> None:
    with pytest.raises(SkykiteError) as raised:
        check_secret_name(name)
    assert raised.value.code == "secret-name"


def test_a_value_given_with_the_name_is_not_repeated_in_the_complaint() -> None:
    with pytest.raises(SkykiteError) as raised:
        check_secret_name("StripeKey=sk_live_4242")
    assert raised.value.message == "`StripeKey=…` is not the name of a secret"
    assert "kite secrets set StripeKey" in (raised.value.hint or "")
    assert "4242" not in repr((raised.value.message, raised.value.hint, raised.value.context))


def test_a_value_has_parameter_stores_size_in_bytes() -> None:
    assert check_secret_value("Key", "é" * (VALUE_LIMIT // 2))
    for value, code in (("", "secret-empty"), ("é" * (VALUE_LIMIT // 2 + 1), "secret-too-large")):
        with pytest.raises(SkykiteError) as raised:
            check_secret_value("Key", value)
        assert raised.value.code == code
        assert "é" not in raised.value.message


def test_the_command_to_set_one_can_be_pasted() -> None:
    assert set_command("StripeKey", "alice", local=False) == "kite secrets set StripeKey --stage alice"
    assert set_command("StripeKey", "alice", local=True) == "kite secrets set StripeKey --stage alice --local"
