"""Who has chosen functions reads which ones run where."""

from __future__ import annotations

import pytest

from skykite.dev.whereabouts import whereabouts
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import AppName, FunctionId, LogicalId, StackName, StageName


def told(here: list[str], deployed: list[str], *, plain: list[str] | None = None) -> list[str]:
    names = {**dict.fromkeys(here, True), **dict.fromkeys(deployed, False), **dict.fromkeys(plain or [], False)}
    functions = tuple(
        FunctionEntry(
            id=FunctionId(name),
            stack=StackName("alice-notes-Notes"),
            logical_id=LogicalId(name),
            runtime="python3.13",
            memory_mb=128,
            timeout_s=10,
            architecture="x86_64",
            live=live,
            handler=None if name in (plain or []) else "functions/f.run",
        )
        for name, live in names.items()
    )
    manifest = Manifest(
        version=1,
        app=AppName("notes"),
        stage=StageName("alice"),
        region="eu-west-1",
        mode="live",
        stacks=(),
        functions=functions,
    )
    return [notice.message for notice in whereabouts(manifest)]


@pytest.mark.parametrize(
    ("here", "deployed", "message"),
    [
        (["A"], ["B"], "`A` runs on this machine, `B` as deployed"),
        (["A", "B"], list("CDE"), "`A` and `B` run on this machine, the other 3 functions as deployed"),
        (list("ABC"), ["D"], "`D` runs as deployed, the other 3 functions on this machine"),
        (
            list("ABCDEFG"),
            list("hijklmn"),
            "`A`, `B`, `C`, `D` and 3 more run on this machine, the other 7 functions as deployed",
        ),
        ([], ["A", "B"], "no function runs on this machine: all run as deployed"),
    ],
)
def test_the_shorter_list_is_told_by_name(here: list[str], deployed: list[str], message: str) -> None:
    assert told(here, deployed) == [message]


def test_nothing_is_said_when_all_run_here_but_what_plain_cdk_made() -> None:
    assert told(["A"], [], plain=["Provider"]) == []
    assert told([], []) == []
