"""`resource.Notes.name`."""

from __future__ import annotations

import json

import pytest

from skykite_lambda import resource
from skykite_lambda.linked import NotLinked

NOTES = {"type": "Table", "name": "alice-notes", "arn": "arn:aws:dynamodb:eu-west-1:123456789012:table/alice-notes"}


@pytest.fixture(autouse=True)
def linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_RESOURCE_Notes", json.dumps(NOTES))
    monkeypatch.setenv("KITE_RESOURCE_Jobs", json.dumps({**NOTES, "type": "Queue", "url": "http://127.0.0.1/jobs"}))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "alice-notes-get")


def test_linked_resource_has_what_its_variable_says() -> None:
    assert (resource.Notes.type, resource.Notes.name, resource.Notes.arn) == tuple(NOTES.values())
    assert resource.Jobs.url == "http://127.0.0.1/jobs"
    assert repr(resource.Notes).startswith("resource.Notes(type='Table', name='alice-notes'")
    assert dir(resource) == ["Jobs", "Notes"]


def test_resource_that_is_not_linked_says_where_to_add_it() -> None:
    with pytest.raises(AttributeError) as raised:
        _ = resource.Users
    assert str(raised.value) == (
        "`Users` is not linked to function `alice-notes-get`: it is linked to `Jobs`, `Notes`; "
        "add the construct `Users` to `link=[…]` where the stack defines the function"
    )


def test_attribute_that_a_resource_lacks_says_what_it_has() -> None:
    with pytest.raises(AttributeError) as raised:
        _ = resource.Notes.url
    assert str(raised.value) == "`resource.Notes` has no `url`; it has `type`, `name`, `arn`"


def test_probing_for_an_attribute_is_harmless() -> None:
    assert not hasattr(resource, "__wrapped__")
    assert getattr(resource, "Users", None) is None


def test_a_program_that_is_no_function_is_told_of_kite_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    with pytest.raises(NotLinked) as raised:
        _ = resource.Users
    assert str(raised.value) == (
        "`Users` is not linked here: this program is linked to `Jobs`, `Notes`; run it with `kite shell -- …`, "
        "or set the variable `KITE_RESOURCE_Users` to a JSON object with what the code reads of it"
    )
    monkeypatch.setenv("KITE_SHELL", "alice")
    with pytest.raises(NotLinked) as raised:
        _ = resource.Users
    assert str(raised.value) == (
        "`Users` is not linked to any function of stage `alice`: its functions are linked to `Jobs`, `Notes`; "
        "add the construct `Users` to `link=[…]` of a function in the stacks, and deploy it"
    )


def test_every_public_name_is_a_resources() -> None:
    """A construct may be called `json`, `os`, `annotations` or `Any`."""
    assert [name for name in vars(resource) if not name.startswith("_")] == []
    for name in ("json", "os", "annotations", "Any", "NotLinked"):
        with pytest.raises(NotLinked):
            getattr(resource, name)


def test_a_name_that_means_several_resources_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_RESOURCE_Twice", json.dumps({"ambiguous": ["A/F", "B/F"]}))
    with pytest.raises(NotLinked, match=r"different resources named `Twice`: `A/F`, `B/F`; .*`kite shell --function"):
        _ = resource.Twice
