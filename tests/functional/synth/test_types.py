"""The stub of `resource`: real mypy and real pyright on a project that a real synth has written it for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skykite
import skykite_lambda
from kit.stacks import EventLog, SystemClock, synthesis_of, write_project
from skykite.model.events import Notice
from skykite.model.link_types import stub_files
from skykite.model.manifest import LinkEntry
from skykite.model.names import ConstructPath
from skykite.synth import synthesize

STACK = """\
from skykite import App, Api, Function, Linkable, Parameter, Secret, Stack, Table


def main(app: App) -> None:
    stack = Stack(app, "NotesStack")
    api = Api(stack, "Web", routes={"GET /": "functions/notes.get"})
    notes = Table(stack, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
    limits = Linkable(stack, "Limits", properties={"most": 3, "strict": True, "words": ["a"], "more": {"b": 1}})
    stripe = Secret(stack, "StripeKey")
    size = Parameter(stack, "PageSize", default="marker-of-a-default")
    Function(stack, "F", "functions/notes.get", link=[notes, api, limits, stripe, size])
    Secret(stack, "Unlinked")
"""
USES = """\
from skykite_lambda import resource
from skykite_lambda.context import LambdaContext
from skykite_lambda.resource import StripeKey


def get(event: object, context: LambdaContext) -> str:
    most: int = resource.Limits.most
    strict: bool = resource.Limits.strict
    texts: list[str] = [resource.Notes.name, resource.Notes.arn, resource.Web.url, resource.PageSize.value]
    texts += [*resource.Limits.words, StripeKey.value, *resource.Limits.more]
    kind: str = resource.Notes.type
    return f"{most} {strict} {texts} {kind} {context.aws_request_id}"


def wrong() -> None:
    print(resource.Users)
    print(resource.Unlinked)
    print(resource.Notes.url)
    print(resource.StripeKey.name)
    number: int = resource.Notes.name
    print(number)
"""
WRONG = [16, 17, 18, 19, 20]
TEMPLATES = Path(skykite.__file__).parent / "templates"
IMPORTING = """import boto3

from functions import store

size: int = store.PAGE
client = boto3.client("sqs")
"""


async def read_stacks(root: Path) -> EventLog:
    events = EventLog()
    await synthesize(synthesis_of(root), environment=os.environ, events=events, clock=SystemClock())
    return events


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as users have it: `skykite_lambda` is installed in its own environment."""
    root = write_project(tmp_path_factory.mktemp("types"), {"stacks/app.py": STACK, "functions/notes.py": USES})
    asyncio.run(read_stacks(root))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python_of(root), "-c", where], check=True, capture_output=True, text=True).stdout.strip()
    shutil.copytree(Path(skykite_lambda.__file__).parent, Path(packages, "skykite_lambda"))
    return root


def python_of(root: Path) -> str:
    return str(root / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))


def mypy(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", python_of(root), *arguments],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def lines_of(output: str) -> list[int]:
    return [int(found) for found in re.findall(r"notes\.py:(\d+): error", output)]


def test_mypy_knows_what_is_linked_and_refuses_what_is_not(checked: Path) -> None:
    """With what `kite init` writes into `mypy.ini`; and without it when it checks the whole project."""
    (checked / "mypy.ini").unlink(missing_ok=True)
    assert lines_of(mypy(checked, ".", "--exclude", "stacks")) == WRONG
    for template in ("hello", "api"):
        shutil.copy(TEMPLATES / template / "mypy.ini", checked)
    for arguments in (["functions"], ["functions/notes.py"], ["-p", "functions"]):
        output = mypy(checked, *arguments)
        assert lines_of(output) == WRONG, output
    assert 'Module has no attribute "Users"' in output


NAMES = sorted(one.parent.name for one in TEMPLATES.glob("*/mypy.ini"))


# Each takes seconds, so all but one wait for those who have time.
@pytest.mark.parametrize(
    "template", [pytest.param(name, marks=() if name == "orders" else pytest.mark.slow) for name in NAMES]
)
def test_mypy_takes_what_the_templates_are_written_like(template: str, tmp_path: Path) -> None:
    """Modules that import each other from the project's root, and boto3, which has no types."""
    write_project(tmp_path, {"functions/store.py": "PAGE = 20\n", "functions/notes.py": IMPORTING})
    shutil.copy(TEMPLATES / template / "mypy.ini", tmp_path)
    for arguments in (["functions"], ["."], ["functions/notes.py"]):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout.startswith("Success"), done.stdout


def test_pyright_knows_it_without_any_setting(checked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", python_of(checked), "functions"],
        cwd=checked, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout or done.stderr)["generalDiagnostics"]
    assert [one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"] == WRONG, done.stdout
    assert '"Users" is not a known attribute of module "skykite_lambda.resource"' in found[0]["message"]
    assert [one for one in found if one["severity"] == "warning"] == []


def test_the_stub_follows_the_stacks_and_holds_no_value(checked: Path) -> None:
    stub = (checked / "typings/skykite_lambda/resource.pyi").read_text()
    assert '"""Secret `NotesStack/StripeKey`"""' in stub
    assert "marker-of-a-default" not in stub
    assert "/skykite/" not in stub
    assert "Unlinked" not in stub


async def test_a_link_that_goes_goes_from_the_stub_and_equal_text_is_not_written_again(tmp_path: Path) -> None:
    root = write_project(tmp_path, {"stacks/app.py": STACK})
    await read_stacks(root)
    stub = root / "typings/skykite_lambda/resource.pyi"
    written = stub.stat().st_mtime_ns
    stub.with_name("leave.me").touch()
    await read_stacks(root)
    assert stub.stat().st_mtime_ns == written
    (root / "stacks/app.py").write_text(STACK.replace("link=[notes, ", "link=["))
    await read_stacks(root)
    assert "Notes:" not in stub.read_text()
    assert "Web:" in stub.read_text()
    assert sorted(file.name for file in stub.parent.iterdir()) == ["__init__.pyi", "leave.me", "resource.pyi"]


async def test_nothing_is_written_where_nothing_is_linked(tmp_path: Path) -> None:
    root = write_project(tmp_path, {"stacks/app.py": STACK.replace("link=[notes, api, limits, stripe, size]", "")})
    await read_stacks(root)
    assert not (root / "typings").exists()


async def test_a_file_of_somebody_elses_stays_and_is_told_of(tmp_path: Path) -> None:
    root = write_project(tmp_path, {"stacks/app.py": STACK, "typings/skykite_lambda/resource.pyi": "Mine: int\n"})
    events = await read_stacks(root)
    assert (root / "typings/skykite_lambda/resource.pyi").read_text() == "Mine: int\n"
    assert [notice.notice for notice in events.of(Notice)] == ["types-foreign"]


def test_names_and_types_that_python_knows_otherwise_do_no_harm(tmp_path: Path, checked: Path) -> None:
    """Resources called `str` and `Any`, types that are no identifiers, two resources of one name."""
    links = [
        LinkEntry(name="str", type="Any", path=ConstructPath("S/str"), attributes={"str": "str", "property": "int"}),
        LinkEntry(name="Any", type='We"ird type\\', path=ConstructPath("S/Any"), attributes={"x": "None"}),
        LinkEntry(name="Both", type="Any", path=ConstructPath("A/Both"), attributes={"name": "str"}),
        LinkEntry(name="Both", type="Table", path=ConstructPath("B/Both"), attributes={"name": "str", "arn": "str"}),
    ]
    for name, text in stub_files(links).items():
        (tmp_path / "typings" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "typings" / name).write_text(text)
    (tmp_path / "mypy.ini").write_text("[mypy]\nmypy_path = typings\n")
    (tmp_path / "notes.py").write_text(
        "from skykite_lambda import resource\n"
        "a: str = resource.str.str\n"
        "b: int = resource.str.property\n"
        "c: str = resource.Both.name\n"
        "resource.Both.arn\n"
    )
    shutil.copytree(checked / ".venv", tmp_path / ".venv", symlinks=True)
    assert lines_of(mypy(tmp_path, "notes.py")) == [5]
