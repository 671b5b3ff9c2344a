"""The guide to other languages: its stacks synthesize, and its script runs as it stands."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.executables import executable_project
from kit.guides import GUIDES, sections
from kit.stacks import build, load_cdk, write_project

load_cdk()

import skykite  # noqa: E402

GUIDE = "custom-runtimes.md"
FILES = {
    "hello/bootstrap": "#!/bin/sh\n",
    "go.mod": "module shop\n",
    "go/worker/main.go": "package main\n",
    "rust/fast/Cargo.toml": "[package]\nname = 'fast'\n",
    "legacy/Makefile": "out/bootstrap:\n",
    "shared/include/shop.h": "",
    "render/Dockerfile": "FROM scratch\n",
    "train/Dockerfile.gpu": "FROM scratch AS prod\n",
}


@pytest.mark.parametrize("title", [title for title, blocks in sections(GUIDE).items() if blocks])
def test_the_blocks_of_a_section_synthesize(tmp_path: Path, title: str) -> None:
    write_project(tmp_path, FILES)

    def define(app: Any) -> None:
        for name, text in sections(GUIDE)[title]:
            space: dict[str, Any] = {"__name__": "block", "Function": skykite.Function}
            if name is None:
                space["self"] = skykite.Stack(app, "Stack")
            exec(compile(text, title, "exec"), space)
            if "main" in space:
                space["main"](app)

    functions = build(tmp_path, define).manifest.functions
    assert functions
    assert {function.kind for function in functions} == {"image" if title == "Container images" else "executable"}


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("curl") is None, reason="it is a shell script with curl")
async def test_the_script_answers(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```sh\n(#!.*?)^```", (GUIDES / GUIDE).read_text(), re.DOTALL | re.MULTILINE)
    file = tmp_path / "hello" / "bootstrap"
    file.parent.mkdir()
    file.write_text(script)
    file.chmod(0o755)
    async with executable_project(tmp_path) as project:
        await project.define("hello")
        for event in ({}, {"path": "/hello"}):
            assert await project.result("hello", event) == {"statusCode": 200, "body": "Hello from a shell"}
        assert project.output() == "an event of 18 characters\n"
