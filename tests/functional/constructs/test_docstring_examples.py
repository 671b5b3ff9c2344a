"""The examples in the constructs' docstrings, which the reference shows, run as they stand."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import skykite
from kit.stacks import build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

HANDLER = re.compile(r'"([a-z/]+)\.([a-z_]+)"')


def example_of(construct: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", inspect.getdoc(getattr(skykite, construct)) or "", re.DOTALL)
    return str(code)


@pytest.mark.parametrize("construct", ["Api", "Bucket", "Cron", "EventBus", "KinesisStream", "Queue", "Table", "Topic"])
def test_an_example_runs(tmp_path: Path, construct: str) -> None:
    code = example_of(construct)
    files: dict[str, str] = {}
    for path, function in HANDLER.findall(code):
        files[f"{path}.py"] = files.get(f"{path}.py", "") + f"def {function}(event, context): ...\n"
    project = write_project(tmp_path, files)

    def define(app: Any) -> None:
        names = {name: getattr(skykite, name) for name in skykite.__all__}
        exec(code, {"self": skykite.Stack(app, "NotesStack"), **names})

    assert template_errors(build(project, define).directory) == []
