"""How long a value that was read is good for, and what is said without one."""

from __future__ import annotations

import json

import pytest

from skykite_lambda import resource
from skykite_lambda.secret_values import SecretNotSet, SecretValues, Unavailable

STRIPE = {"type": "Secret", "parameter": "/skykite/notes/alice/secrets/Stripe", "fallback": "/f/Stripe"}
MAIL = {"type": "Secret", "parameter": "/skykite/notes/alice/secrets/Mail"}
PAGE = {"type": "Parameter", "parameter": "/skykite/notes/alice/secrets/Page", "default": "20"}


class Store:
    """Parameter Store, and a clock."""

    def __init__(self, **values: str) -> None:
        self.parameters = {f"/skykite/notes/alice/secrets/{name}": value for name, value in values.items()}
        self.asked: list[list[str]] = []
        self.fails = False
        self.time = 1000.0
        self.values = SecretValues(self.fetch, lambda: self.time)

    def fetch(self, names: list[str]) -> dict[str, str]:
        self.asked.append(names)
        if self.fails:
            raise Unavailable("throttled")
        return {name: self.parameters[name] for name in names if name in self.parameters}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "KITE_SECRETS_MAX_AGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KITE_STAGE", "alice")
    for name, link in (("Stripe", STRIPE), ("Mail", MAIL), ("Page", PAGE)):
        monkeypatch.setenv(f"KITE_RESOURCE_{name}", json.dumps(link))


def test_all_that_is_linked_is_read_at_once_and_kept_for_its_time() -> None:
    store = Store(Stripe="one", Mail="two")
    assert store.values.get("Stripe", STRIPE) == "one"
    assert store.values.get("Mail", MAIL) == "two"
    assert len(store.asked) == 1
    store.parameters[STRIPE["parameter"]] = "changed"
    store.time += 299
    assert store.values.get("Stripe", STRIPE) == "one"
    store.time += 1
    assert store.values.get("Stripe", STRIPE) == "changed"
    assert len(store.asked) == 2


def test_the_age_is_the_environments_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(Stripe="one")
    monkeypatch.setenv("KITE_SECRETS_MAX_AGE", "2")
    store.values.get("Stripe", STRIPE)
    store.time += 2
    store.values.get("Stripe", STRIPE)
    assert len(store.asked) == 2
    monkeypatch.setenv("KITE_SECRETS_MAX_AGE", "soon")
    store.time += 100
    store.values.get("Stripe", STRIPE)
    assert len(store.asked) == 2


def test_the_stages_own_value_comes_before_the_fallback() -> None:
    store = Store()
    store.parameters["/f/Stripe"] = "everybody's"
    assert store.values.get("Stripe", STRIPE) == "everybody's"
    store.parameters[STRIPE["parameter"]] = "mine"
    store.time += 300
    assert store.values.get("Stripe", STRIPE) == "mine"


def test_a_missing_secret_names_the_command_and_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    with pytest.raises(SecretNotSet) as raised:
        store.values.get("Stripe", STRIPE)
    assert str(raised.value) == (
        "secret `Stripe` has no value on stage `alice`: set it with `kite secrets set Stripe --stage alice`"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    with pytest.raises(SecretNotSet, match="kite secrets set Stripe --stage alice --local`"):
        store.values.get("Stripe", STRIPE)
    store.parameters[STRIPE["parameter"]] = "now"
    assert store.values.get("Stripe", STRIPE) == "now"


def test_a_parameter_falls_back_on_its_default() -> None:
    store = Store()
    assert store.values.get("Page", PAGE) == "20"
    store.parameters[PAGE["parameter"]] = "50"
    store.time += 300
    assert store.values.get("Page", PAGE) == "50"


def test_an_outage_is_bridged_for_an_hour_and_no_longer() -> None:
    store = Store(Stripe="one")
    store.values.get("Stripe", STRIPE)
    store.fails = True
    store.time += 3599
    assert store.values.get("Stripe", STRIPE) == "one"
    store.time += 1
    with pytest.raises(Unavailable):
        store.values.get("Stripe", STRIPE)


def test_a_clock_that_is_set_back_makes_no_value_immortal() -> None:
    store = Store(Stripe="one")
    store.values.get("Stripe", STRIPE)
    store.time -= 500
    store.values.get("Stripe", STRIPE)
    assert len(store.asked) == 2


def test_whoever_watches_hears_of_every_reading() -> None:
    store, heard = Store(Stripe="one"), []
    store.values.on_read = lambda: heard.append(1)
    store.values.get("Stripe", STRIPE)
    store.values.get("Stripe", STRIPE)
    assert heard == [1, 1]


def test_what_a_linked_secret_shows_of_itself_is_not_its_value() -> None:
    assert dir(resource.Stripe) == ["fallback", "parameter", "type", "value"]
    assert repr(resource.Stripe) == (
        "resource.Stripe(type='Secret', parameter='/skykite/notes/alice/secrets/Stripe', fallback='/f/Stripe')"
    )


def test_a_test_gives_a_secret_its_value_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_RESOURCE_Stripe", '{"type": "Secret", "value": "sk_test"}')
    assert resource.Stripe.value == "sk_test"
    assert "sk_test" not in repr(resource.Stripe)
