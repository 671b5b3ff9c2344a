"""An assembly whose code was edited: what comes out without running the program is what running it gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kit.stacks import EventLog, SystemClock, synthesis_of, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError
from skykite.model.events import StepFinished
from skykite.synth import SynthResult, fingerprint_file, synthesize, validate
from skykite.synth.validation import is_in_order

APP = """\
import aws_cdk
from skykite import Api, App, Bucket, Cron, Function, Queue, Stack, Table


def main(app: App) -> None:
    data = Stack(app, "DataStack")
    table = Table(data, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
    stack = Stack(app, "NotesStack")
    api = Api(stack, "Api", routes={"GET /": "functions/notes.get", "GET /py": "services/py/a.get"})
    Function(stack, "Typed", "services/ts/b.get", link=[table])
    Queue(stack, "Jobs", consumer="functions/work.run")
    Cron(stack, "Nightly", schedule="rate(1 day)", job="functions/work.tidy")
    Bucket(data, "Files", notifications={"made": {"function": "functions/work.filed", "events": ["object_created"]}})
    aws_cdk.aws_lambda.Function(
        stack, "Plain", runtime=aws_cdk.aws_lambda.Runtime.PYTHON_3_13, handler="index.run",
        code=aws_cdk.aws_lambda.Code.from_asset("plain"),
    )
    stack.add_outputs(Url=api.url)
"""
FILES = {
    "stacks/app.py": APP,
    "functions/notes.py": "from functions.words import WORD\n\n\ndef get(event, context):\n    return WORD\n",
    "functions/words.py": "WORD = 1\n",
    "functions/work.py": "".join(f"def {name}(event, context): ...\n" for name in ("run", "tidy", "filed")),
    "requirements.txt": "idna==3.10\n",
    "plain/index.py": "def run(event, context): ...\n",
    "services/py/a.py": "import shared\n\n\ndef get(event, context): ...\n",
    "services/py/requirements.txt": "idna==3.9\n-e ../../packages/shared-py\n",
    "packages/shared-py/pyproject.toml": '[project]\nname = "shared"\nversion = "1"\n',
    "packages/shared-py/shared/__init__.py": "NAME = 1\n",
    "services/ts/b.ts": 'import { name } from "shared";\nexport const get = async () => name;\n',
    "services/ts/package.json": "{}",
    "packages/shared-ts/index.ts": 'export const name = "one";\n',
    "packages/shared-ts/package.json": '{"name": "shared", "main": "index.ts"}',
}
EDITED = (
    "functions/notes.py",
    "functions/words.py",
    "services/py/a.py",
    "packages/shared-py/shared/__init__.py",
    "services/ts/b.ts",
    "packages/shared-ts/index.ts",
)
SMALL = """\
import aws_cdk
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "NotesStack")
    Function(stack, "Worker", "functions/notes.get")
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("KITE_", "CDK_", "JSII_"))}
if "KITE_CACHE_DIR" in os.environ:
    ENVIRONMENT["KITE_CACHE_DIR"] = os.environ["KITE_CACHE_DIR"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_project(tmp_path, {"stacks/app.py": SMALL, "plain/index.py": ""})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = write_project(tmp_path, FILES)
    (root / "services/ts/node_modules").mkdir()
    (root / "services/ts/node_modules/shared").symlink_to(root / "packages/shared-ts")
    return root


async def run(root: Path, log: EventLog | None = None) -> SynthResult:
    return await synthesize(
        synthesis_of(root, mode="deploy"), environment=ENVIRONMENT, events=log or EventLog(), clock=SystemClock()
    )


def content(assembly: Path) -> dict[str, bytes]:
    """Without what CDK notes of the Python frames that made a construct, which differs from run to run."""
    return {
        path.relative_to(assembly).as_posix(): path.read_bytes()
        for path in sorted(assembly.rglob("*"))
        if path.is_file() and not path.name.endswith(".metadata.json")
    }


def edit(path: Path) -> None:
    path.write_text(f"{path.read_text()}{'#' if path.suffix == '.py' else '//'} edited\n")


async def test_it_is_to_the_byte_what_running_the_program_gives(project: Path) -> None:
    first = content((await run(project)).assembly)
    before = {path: (project / path).read_text() for path in EDITED}
    seen = [first]
    for path in EDITED:
        edit(project / path)
        log = EventLog()
        renamed = await run(project, log)
        assert (renamed.renamed, renamed.skipped) == (True, False), path
        assert [event.message for event in log.of(StepFinished)] == ["2 stacks, other code"]
        again = await run(project)
        assert (again.skipped, again.manifest) == (True, renamed.manifest)
        assert content(again.assembly) not in seen, path
        seen.append(content(again.assembly))
    assert template_errors(renamed.assembly) == []

    fingerprint_file(renamed.assembly).unlink()
    anew = await run(project)
    assert not anew.renamed
    assert content(anew.assembly) == seen[-1]
    assert anew.manifest == renamed.manifest

    for path, text in before.items():
        (project / path).write_text(text)
    back = await run(project)
    assert back.renamed
    assert content(back.assembly) == first, "what is taken back is not what it was"
    for path in before:
        os.utime(project / path)
    assert (await run(project)).skipped, "the same text, saved again, counts as other code"


CONSTRUCTS = {
    "a version": 'Function(stack, "Hot", "functions/notes.get", provisioned_concurrency=1)',
    "a stage of CDK's": 'aws_cdk.Stack(aws_cdk.Stage(app, "Inner"), "Deep")',
    "a part of a name": (
        'aws_cdk.aws_ssm.StringParameter(stack, "Code", string_value=aws_cdk.FileSystem.fingerprint("plain")[:8] '
        "+ open(sorted(__import__('glob').glob(app.outdir + '/asset.*.zip'))[0]).name[-68:-60])"
    ),
}


@pytest.mark.parametrize("statement", CONSTRUCTS.values(), ids=CONSTRUCTS)
async def test_where_names_have_a_say_in_other_names_the_program_runs(small: Path, statement: str) -> None:
    (small / "stacks/app.py").write_text(f"{SMALL}    {statement}\n")
    await run(small)
    edit(small / "functions/notes.py")
    assert not (await run(small)).renamed


@pytest.mark.parametrize("edited", ["one", "two"])
async def test_services_that_were_alike_do_not_get_the_code_of_each_other(tmp_path: Path, edited: str) -> None:
    made = 'Function(stack, "One", "one/work.run")\n    Function(stack, "Two", "two/work.run")'
    project = write_project(
        tmp_path,
        {"stacks/app.py": SMALL.replace('Function(stack, "Worker", "functions/notes.get")', made)}
        | {f"{name}/work.py": "def run(event, context): ...\n" for name in ("one", "two")}
        | {f"{name}/requirements.txt": "" for name in ("one", "two")},
    )
    await run(project)
    edit(project / edited / "work.py")
    second = await run(project)
    found = content(second.assembly)
    assert (second.skipped, second.renamed) == (False, True)

    fingerprint_file(second.assembly).unlink()
    assert content((await run(project)).assembly) == found


@pytest.mark.slow
async def test_a_new_file_and_other_packages_run_the_program(small: Path) -> None:
    await run(small)
    (small / "functions/more.py").write_text("")
    assert not (await run(small)).renamed
    (small / "requirements.txt").write_text("idna==3.8\n")
    assert not (await run(small)).renamed


async def test_a_handler_that_is_gone_is_said_and_the_assembly_stays(small: Path) -> None:
    before = content((await run(small)).assembly)
    (small / "functions/notes.py").write_text("def other(event, context): ...\n")
    with pytest.raises(SkykiteError) as raised:
        await run(small)
    assert raised.value.code == "handler-not-found"
    assert content(small / ".kite/alice/assembly") == before


async def test_templates_in_order_are_so_with_other_names(small: Path) -> None:
    first = await run(small)
    edit(small / "functions/notes.py")
    renamed = await run(small)
    assert not is_in_order(renamed.assembly, renamed.manifest), "nobody has looked at them"
    assert await validate(first.assembly, project_root=small) == ()
    edit(small / "functions/notes.py")
    renamed = await run(small)
    assert renamed.renamed
    assert is_in_order(renamed.assembly, renamed.manifest)


@pytest.mark.slow
async def test_one_that_is_left_half_way_is_made_anew(small: Path) -> None:
    first = await run(small)
    (zip_in_the_way,) = {
        asset.source
        for stack in first.manifest.stacks
        for asset in stack.assets
        if asset.bundle is not None and asset.bundle.import_root == "." and asset.bundle.node is None
    }
    (first.assembly / zip_in_the_way / "full").mkdir(parents=True)  # it cannot be removed
    edit(small / "functions/notes.py")
    second = await run(small)
    assert not second.renamed
    assert second.manifest != first.manifest
    kept = content(second.assembly)
    assert (await run(small)).skipped
    fingerprint_file(second.assembly).unlink()
    assert content((await run(small)).assembly) == kept
