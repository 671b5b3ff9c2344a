"""What functions find beside their code on this machine, through the runtime that runs them."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.runtime import FunctionProject, function_config, running_project
from skykite.dev.function_files import FunctionFiles, absent_notices, function_files
from skykite.model.invocation import parse_handler
from skykite.model.manifest import CopiedFile, FunctionEntry, LayerEntry, Manifest
from skykite.model.names import AppName, FunctionId, LogicalId, StackName, StageName

HANDLER = "services/orders/main.handler"


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[FunctionProject]:
    async with running_project(tmp_path / "project") as running:
        yield running


def entry(id: str = HANDLER, **changes: Any) -> FunctionEntry:
    return FunctionEntry(
        **{
            "id": FunctionId(id),
            "stack": StackName("s"),
            "logical_id": LogicalId("l"),
            "runtime": f"python3.{sys.version_info.minor}",
            "memory_mb": 128,
            "timeout_s": 3,
            "architecture": "x86_64",
            "live": True,
            "handler": HANDLER,
            "import_root": "services/orders",
            **changes,
        }
    )


def files_of(project: FunctionProject, function: FunctionEntry) -> FunctionFiles:
    place = project.root.parent
    return function_files(
        function, assembly=place / "assembly", project_root=project.root, cache=place / "cache" / "tasks"
    )


async def define(project: FunctionProject, function: FunctionEntry) -> FunctionFiles:
    files = files_of(project, function)
    config = replace(
        function_config(project.root, HANDLER),
        import_root=project.root / "services/orders",
        handler=parse_handler("main.handler"),
        task_root=files.task_root,
        copied=files.copied,
        environment={"PYTHONPATH": os.pathsep.join(map(str, files.search))},
    )
    await project.runtime.configure([config])
    return files


async def test_a_copied_file_is_found_as_on_aws_and_never_stale(project: FunctionProject) -> None:
    project.write(
        "services/orders/main.py",
        """
        import os
        MENU = open("menu/today.txt").read()
        TITLE = open(os.environ["LAMBDA_TASK_ROOT"] + "/menu/title.txt").read()
        def handler(event, context):
            return [MENU, TITLE, open("own.txt").read(), sorted(os.listdir("menu"))]
        """,
    )
    project.write("services/orders/own.txt", "own")
    project.write("services/orders/menu/title.txt", "Menu")
    source = project.write("shared/menu/today.txt", "tea")
    await define(project, entry(copied=(CopiedFile(source="shared/menu", to="menu"),)))
    assert await project.result(HANDLER) == ["tea", "Menu", "own", ["title.txt", "today.txt"]]
    source.write_text("coffee")
    assert await project.result(HANDLER) == ["coffee", "Menu", "own", ["title.txt", "today.txt"]]


async def test_a_copied_module_imports_and_its_new_code_runs(project: FunctionProject) -> None:
    project.write("services/orders/main.py", "import prices\ndef handler(event, context): return prices.TEA")
    module = project.write("shared/lib/prices.py", "TEA = 1")
    await define(project, entry(copied=(CopiedFile(source="shared/lib", to=""),)))
    assert await project.result(HANDLER) == 1
    before = module.stat()
    module.write_text("TEA = 2")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await project.result(HANDLER) == 2


async def test_python_of_layers_is_there_and_the_later_layer_wins(project: FunctionProject) -> None:
    project.write(
        "services/orders/main.py",
        "import both, first, zipped\ndef handler(event, context): return [both.FROM, first.FROM, zipped.FROM]",
    )
    assembly = project.root.parent / "assembly"
    version = f"python3.{sys.version_info.minor}"
    for path, text in {
        "asset.1/python/both.py": "FROM = 1",
        f"asset.1/python/lib/{version}/site-packages/first.py": "FROM = 1",
        "asset.2/python/both.py": "FROM = 2",
    }.items():
        (assembly / path).parent.mkdir(parents=True, exist_ok=True)
        (assembly / path).write_text(text)
    with zipfile.ZipFile(assembly / "asset.3.zip", "w") as archive:
        archive.writestr("python/zipped.py", "FROM = 3")
    layers = [LayerEntry(name=f"Notes/L{number}", source=f"asset.{number}") for number in (1, 2)]
    await define(project, entry(layers=(*layers, LayerEntry(name="Notes/L3", source="asset.3.zip"))))
    assert await project.result(HANDLER) == [2, 1, 3]


def test_the_folder_is_made_once_for_the_same_files_and_anew_for_others(project: FunctionProject) -> None:
    project.write("services/orders/main.py", "")
    project.write("words.txt", "a")
    copied = (CopiedFile(source="words.txt", to="data/words.txt"),)
    first, second = (files_of(project, entry(copied=copied)).task_root for _ in range(2))
    other = files_of(project, entry(copied=(CopiedFile(source="words.txt", to="words.txt"),))).task_root
    assert first == second != other
    assert first is not None
    assert (first / "data/words.txt").read_text() == "a"
    assert (first / "main.py").resolve() == (project.root / "services/orders/main.py").resolve()
    assert files_of(project, entry()).task_root is None


def test_what_is_not_on_this_machine_is_said_of_functions_that_run_here() -> None:
    arn = "arn:aws:lambda:eu-west-1:1:layer:tools:3"
    functions = (
        entry("Notes/A", layers=(LayerEntry(name=arn), LayerEntry(name="Notes/L", source="asset.1")), vpc=True),
        entry("Notes/B", layers=(LayerEntry(name=arn),)),
        entry("Notes/C", layers=(LayerEntry(name=arn),), vpc=True, live=False),
    )
    manifest = Manifest(
        version=1, app=AppName("n"), stage=StageName("a"), region="r", mode="local", stacks=(), functions=functions
    )
    layer, vpc = absent_notices(manifest)
    assert layer.message.startswith(f"`Notes/A` and 1 more runs without the layer `{arn}` on this machine")
    assert vpc.message == "`Notes/A` runs on this machine, outside of its VPC"
