from __future__ import annotations

import pytest

from skykite.errors import SkykiteError
from skykite.model.find_function import find_function, may_mean
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import AppName, FunctionId, LogicalId, StackName, StageName


def entry(id: str, handler: str | None) -> FunctionEntry:
    return FunctionEntry(
        id=FunctionId(id),
        stack=StackName("s"),
        logical_id=LogicalId("L"),
        runtime="python3.13",
        memory_mb=128,
        timeout_s=3,
        architecture="arm64",
        live=True,
        handler=handler,
    )


def manifest(*functions: FunctionEntry) -> Manifest:
    return Manifest(
        version=1,
        app=AppName("notes"),
        stage=StageName("alice"),
        region="eu-west-1",
        mode="local",
        stacks=(),
        functions=functions,
    )


GET = entry("Notes/Api/Get", "functions/notes.get")
PUT = entry("Notes/Api/Put", "functions/notes.put")
OTHER_GET = entry("Other/Get", "functions/notes.get")


@pytest.mark.parametrize("wanted", ["Notes/Api/Put", "Api/Put", "Put", "functions/notes.put", "notes.put"])
def test_a_function_is_found_by_path_by_its_end_and_by_handler(wanted: str) -> None:
    assert find_function(manifest(GET, PUT), wanted) == PUT
    assert [may_mean(wanted, one.id, one.handler) for one in (GET, PUT)] == [False, True]  # as `--functions` selects


def test_a_name_that_fits_two_functions_is_refused_with_both() -> None:
    with pytest.raises(SkykiteError) as raised:
        find_function(manifest(GET, OTHER_GET), "Get")
    assert raised.value.code == "function-ambiguous"
    assert raised.value.message == (
        "`Get` may be `Notes/Api/Get` (functions/notes.get), `Other/Get` (functions/notes.get)"
    )


def test_an_unknown_name_lists_what_there_is_and_guesses() -> None:
    with pytest.raises(SkykiteError) as raised:
        find_function(manifest(GET, PUT), "functions/notes.gett")
    assert raised.value.message == (
        "there is no function `functions/notes.gett`; `notes` has `Notes/Api/Get` (functions/notes.get), "
        "`Notes/Api/Put` (functions/notes.put)"
    )
    assert raised.value.hint == "did you mean `functions/notes.get`?"


@pytest.mark.parametrize("pattern", ["Notes/Api/*", "Notes/Api/Ge?", "*"])
def test_a_pattern_is_told_to_be_none_instead_of_a_guess(pattern: str) -> None:
    with pytest.raises(SkykiteError) as raised:
        find_function(manifest(GET, PUT), pattern)
    assert raised.value.code == "function-unknown"
    assert raised.value.hint == "patterns are not taken: name each function by its construct path or its handler"
