from __future__ import annotations

from skykite.cli.output_rows import output_rows
from skykite.model.names import StackName

A, B = StackName("alice-notes-A"), StackName("alice-notes-B")


def test_only_names_that_several_stacks_use_carry_their_stack() -> None:
    outputs = {A: {"Url": "http://a", "Table": "t"}, B: {"Url": "http://b"}}
    assert output_rows(outputs) == [
        ("alice-notes-A.Url", "http://a"),
        ("Table", "t"),
        ("alice-notes-B.Url", "http://b"),
    ]
