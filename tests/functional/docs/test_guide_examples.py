"""The blocks of the guides, as they stand: they synthesize to templates that AWS takes, and their functions work.

A block that begins with the name of a file is that file; any other Python stands in the `__init__` of a stack. All
blocks of a section are of one project.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.guides import Blocks, code_of, sections
from kit.kite import clean_environment
from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

import skykite  # noqa: E402

HANDLER = re.compile(r'"(functions/[\w/]+)\.(\w+)"')


CASES = [
    pytest.param(guide, title, mode, id=f"{guide}-{title}-{mode}")
    for guide in ("cdk.md", "dependencies.md", "events.md", "monorepos.md", "typescript.md")
    for title, blocks in sections(guide).items()
    if any(name is None or name.startswith("stacks/") for name, _ in blocks)
    for mode in (("deploy", "local") if "self.mode" in str(blocks) else ("deploy",))
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a project, whose modules can be imported."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("stacks", "functions", "skykite_mailbox"):
            del sys.modules[name]


def write_section(root: Path, blocks: Blocks) -> None:
    """Its files, and an empty function for each handler that is none of them."""
    files = {name: text for name, text in blocks if name is not None}
    stubs: dict[str, str] = {}
    for path, function in dict.fromkeys(HANDLER.findall("\n".join(text for _, text in blocks))):
        if f"{path}.py" not in files and f"{path}.ts" not in files:
            stubs[f"{path}.py"] = stubs.get(f"{path}.py", "") + f"def {function}(event, context): ...\n"
    write_project(root, {**stubs, **files})


def synthesize(root: Path, blocks: Blocks, mode: Any) -> Built:
    write_section(root, blocks)

    def define(app: Any) -> None:
        for number, (name, text) in enumerate(blocks):
            space: dict[str, Any] = {"__name__": f"block_{number}"}
            if name is None:
                space["self"] = skykite.Stack(app, f"Stack{number}")
                exec(compile(text, f"block {number}", "exec"), space)
            elif name.startswith("stacks/"):
                exec(compile(text, name, "exec"), space)
                if "main" in space:
                    space["main"](app)

    return build(root, define, mode=mode)


@pytest.mark.parametrize(("guide", "title", "mode"), CASES)
def test_the_blocks_of_a_section_synthesize(project: Path, guide: str, title: str, mode: Any) -> None:
    assert template_errors(synthesize(project, sections(guide)[title], mode).directory) == []


def test_a_construct_of_ones_own_is_tested_as_the_guide_says(project: Path) -> None:
    write_section(project, sections("cdk.md")["Writing a construct"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=project,
        env=clean_environment({"PYTHONPATH": str(project)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_what_is_published_holds_all_that_the_construct_needs(project: Path) -> None:
    blocks = sections("cdk.md")["Publishing a construct"]
    (settings,) = [tomllib.loads(text) for name, text in blocks if name == "pyproject.toml"]
    files = [Path(name) for name, _ in blocks if name is not None and name.startswith("skykite_mailbox/")]
    assert settings["tool"]["setuptools"]["packages"] == [".".join(file.parent.parts) for file in files]


def test_a_batch_of_the_guide_names_what_failed_alone() -> None:
    work = code_of("events.md", "A queue", "functions/orders.py")["work"]
    bodies = ['{"item": "kite"}', "no JSON", '{"item": "string"}']
    event = {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}
    assert work(event, None) == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_a_fifo_batch_of_the_guide_gives_back_all_behind_what_failed() -> None:
    module = code_of("events.md", "A queue", "functions/game.py")

    def play(text: str) -> None:
        if text == "bad":
            raise ValueError(text)

    module["play"] = play
    event = {"Records": [{"messageId": body, "body": body} for body in ("first", "bad", "last")]}
    assert module["move"](event, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}, {"itemIdentifier": "last"}]}
    assert module["move"]({"Records": event["Records"][:1]}, None) is None


def test_a_stream_batch_of_the_guide_names_the_first_that_failed() -> None:
    count = code_of("events.md", "A stream", "functions/clicks.py")["count"]
    datas = ['{"page": "/"}', "no JSON", "neither"]
    records = [
        {"kinesis": {"sequenceNumber": str(number), "data": base64.b64encode(data.encode()).decode()}}
        for number, data in enumerate(datas)
    ]
    assert count({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
