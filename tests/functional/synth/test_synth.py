"""The synth process, its errors, and when it is skipped."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.stacks import EventLog, SystemClock, error_text, synthesis_of, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError
from skykite.model.events import Notice, StepFinished, StepProgress
from skykite.model.manifest import Mode
from skykite.synth import SynthError, SynthResult, synthesize, validate

STACK = """\
from skykite import Api, Stack


class NotesStack(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        api = Api(self, "Api", routes={"GET /": "functions/notes.get"})
        self.add_outputs(ApiEndpoint=api.url)
"""
MAIN = """\
from skykite import App
from stacks.notes import NotesStack


def main(app: App) -> None:
    NotesStack(app, "NotesStack")
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("KITE_", "CDK_", "JSII_"))}
if "KITE_CACHE_DIR" in os.environ:
    ENVIRONMENT["KITE_CACHE_DIR"] = os.environ["KITE_CACHE_DIR"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {"stacks/app.py": MAIN, "stacks/notes.py": STACK})


async def run(
    root: Path,
    log: EventLog | None = None,
    main: str = "stacks/app.py",
    *,
    mode: Mode = "local",
    functions: tuple[str, ...] | None = None,
    **variables: str,
) -> SynthResult:
    return await synthesize(
        synthesis_of(root, main=main, mode=mode, functions=functions),
        environment={**ENVIRONMENT, **variables},
        events=log or EventLog(),
        clock=SystemClock(),
    )


async def test_a_project_becomes_an_assembly_and_is_then_skipped_until_something_changes(project: Path) -> None:
    log = EventLog()
    first = await run(project, log)
    assert not first.skipped
    assert first.assembly == project / ".kite" / "alice" / "assembly"
    assert [function.id for function in first.manifest.functions] == ["NotesStack/Api/GET --"]
    assert {path.relative_to(project).as_posix() for path in first.inputs} == {
        "cdk.context.json",
        "cdk.json",
        "stacks/app.py",
        "stacks/notes.py",
    }
    assert template_errors(first.assembly) == []
    assert await validate(first.assembly, project_root=project) == ()

    again = await run(project, log)
    assert again.skipped
    assert again.manifest == first.manifest
    assert again.inputs >= first.inputs
    assert [event.skipped for event in log.of(StepFinished)] == [False, True]

    handler = project / "functions" / "notes.py"
    handler.write_text(handler.read_text() + "\n\nimport os\n")
    assert (await run(project)).skipped, "editing a handler runs the stacks again"
    handler.write_text("def other(event, context): ...\n")
    with pytest.raises(SkykiteError) as raised:
        await run(project)
    assert raised.value.code == "handler-not-found"
    handler.write_text("def get(event, context): ...\n")

    source = project / "stacks" / "notes.py"
    source.write_text(STACK.replace('"Api"', '"Web"'))
    changed = await run(project)
    assert not changed.skipped
    assert [api.path for api in changed.manifest.http_apis] == ["NotesStack/Web"]
    assert (await run(project)).skipped
    shutil.rmtree(changed.assembly)
    assert not (await run(project)).skipped, "the assembly is gone and nobody noticed"


async def test_another_mode_or_another_selection_of_live_functions_is_a_change(project: Path) -> None:
    handlers = set()
    for options in ({"mode": "local"}, {"mode": "live"}, {"mode": "live", "functions": ()}, {"mode": "deploy"}):
        fresh = await run(project, **options)
        assert not fresh.skipped, options
        assert (await run(project, **options)).skipped, options
        (template,) = (fresh.assembly / stack.template for stack in fresh.manifest.stacks)
        resources = json.loads(template.read_text())["Resources"].values()
        handlers |= {one["Properties"]["Handler"] for one in resources if one["Type"] == "AWS::Lambda::Function"}
    assert handlers == {"skykite_placeholder.handler", "kite_stub/live/stub.handler", "functions/notes.get"}


async def test_saving_twice_in_a_second_is_never_one_save_behind(project: Path) -> None:
    source = project / "stacks" / "notes.py"
    names = ["Aaa", "Bbb", "Ccc"]
    for name in names:
        source.write_text(STACK.replace('"Api"', f'"{name}"'))
        os.utime(source, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000 + names.index(name)))
        assert [api.path for api in (await run(project)).manifest.http_apis] == [f"NotesStack/{name}"]


async def test_what_is_saved_while_the_program_runs_is_not_taken_for_what_it_read(project: Path) -> None:
    source = project / "stacks" / "notes.py"
    meanwhile = STACK.replace('"Api"', '"Web"')
    source.write_text(f"{STACK}\n\nfrom pathlib import Path\nPath({str(source)!r}).write_text({meanwhile!r})\n")
    assert [api.path for api in (await run(project)).manifest.http_apis] == ["NotesStack/Api"]
    again = await run(project)
    assert not again.skipped
    assert [api.path for api in again.manifest.http_apis] == ["NotesStack/Web"]


async def test_what_the_program_makes_itself_starts_no_further_run(project: Path) -> None:
    makes = (
        "import json, os, tempfile\nfrom pathlib import Path\n"
        "Path('made.json').write_text(json.dumps({'from': Path('source.txt').read_text()}))\n"
        "handle, name = tempfile.mkstemp(dir='.')\nos.write(handle, b'moved')\nos.close(handle)\n"
        "os.replace(name, 'moved.txt')\n"
        "json.loads(Path('made.json').read_text())\nPath('moved.txt').read_text()\n"
    )
    (project / "source.txt").write_text("one")
    (project / "stacks" / "notes.py").write_text(makes + STACK)
    inputs = {path.relative_to(project).as_posix() for path in (await run(project)).inputs}
    assert inputs == {"cdk.context.json", "cdk.json", "source.txt", "stacks/app.py", "stacks/notes.py"}
    assert (await run(project)).skipped, "a file the program makes anew every time counts as changed"
    (project / "source.txt").write_text("two!")
    assert not (await run(project)).skipped
    assert "two!" in (project / "made.json").read_text()


async def test_a_file_the_program_changes_starts_no_further_run_and_is_never_skipped_to(project: Path) -> None:
    counts = "from pathlib import Path\nwith Path('count.txt').open('a') as file:\n    file.write('x')\n"
    adds = (
        "from pathlib import Path\nold = Path('old.txt')\nif old.exists():\n    old.write_text(old.read_text() + 'x')\n"
    )
    for program, name in ((counts, "count.txt"), (adds, "old.txt")):
        (project / "old.txt").write_text("x")
        (project / "stacks" / "notes.py").write_text(program + STACK)
        assert project / name not in (await run(project)).inputs
        assert not (await run(project)).skipped
        assert (project / name).read_text().count("x") >= 2


async def test_everything_a_program_reads_ends_the_skipping(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "a.txt").write_text("one")
    (project / "site").mkdir()
    (project / "site" / "index.html").write_text("<p>one</p>")
    (project / "stacks" / "notes.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from aws_cdk import aws_s3_assets as assets\n"
        "from skykite import Stack\n\n\n"
        "class NotesStack(Stack):\n"
        "    def __init__(self, scope, id):\n"
        "        super().__init__(scope, id)\n"
        "        assets.Asset(self, 'Site', path='site')\n"
        "        names = sorted(os.listdir('data'))\n"
        "        self.add_outputs(Names=' '.join(names), Text=Path('data/a.txt').read_text(),\n"
        "            Variable=os.environ.get('COLOUR', 'none'), Beta=str(Path('beta').exists()))\n"
    )
    first = await run(project)
    assert first.variables == {"COLOUR"}
    assert project / "site" / "index.html" in first.inputs
    assert (await run(project, UNRELATED="1")).skipped

    async def runs_again(**variables: str) -> bool:
        ran = not (await run(project, **variables)).skipped
        assert (await run(project, **variables)).skipped
        return ran

    assert await runs_again(COLOUR="red"), "an environment variable"
    (project / "data" / "a.txt").write_text("changed")
    assert await runs_again(COLOUR="red"), "a file"
    (project / "data" / "b.txt").write_text("new")
    assert await runs_again(COLOUR="red"), "a name in a folder"
    (project / "beta").write_text("")
    assert await runs_again(COLOUR="red"), "a file that was asked about"
    (project / "site" / "new.html").write_text("")
    assert await runs_again(COLOUR="red"), "an asset's folder"
    (project / "skykite.py").write_text("raise SystemExit('shadowed')\n")
    with pytest.raises(SkykiteError):
        await run(project, COLOUR="red")


async def test_a_program_that_starts_another_is_never_skipped(project: Path) -> None:
    (project / "stacks" / "app.py").write_text("import subprocess\nsubprocess.run(['true'])\n" + MAIN)
    await run(project)
    assert not (await run(project)).skipped


async def test_prints_are_shown_and_a_failure_keeps_the_last_assembly(project: Path) -> None:
    log = EventLog()
    (project / "stacks" / "app.py").write_text(
        MAIN
        + "    import os, sys\n    print('hello')\n    print('oops', file=sys.stderr)\n    input_ = sys.stdin.read()\n"
        "    print(os.get_blocking(1), os.get_blocking(2))\n"
    )
    first = await run(project, log)
    assert [notice.message for notice in log.of(Notice)] == ["hello", "oops", "True True"], "prints can be lost"
    template = (first.assembly / "NotesStack.template.json").read_bytes()
    (project / "stacks" / "app.py").write_text(MAIN + "    raise ValueError('no')\n")
    with pytest.raises(SkykiteError):
        await run(project)
    assert (first.assembly / "NotesStack.template.json").read_bytes() == template
    assert sorted(path.name for path in first.assembly.parent.iterdir()) == ["assembly", "assembly.fingerprint.json"]


async def test_the_kernel_started_by_us_gives_the_templates_of_jsiis_own(project: Path) -> None:
    ours = await run(project)
    kept = {path.name: path.read_bytes() for path in ours.assembly.iterdir()}
    shutil.rmtree(ours.assembly)
    stock = await run(project, KITE_STOCK_JSII="1")
    assert not stock.skipped
    assert {path.name: path.read_bytes() for path in stock.assembly.iterdir()} == kept


PROGRAMS = {
    "main file missing": None,
    "no main function": "def start(app): ...\n",
    "main takes nothing": "def main():\n    ...\n",
    "main is a coroutine": "async def main(app):\n    ...\n",
    "syntax error": "def main(app):\n    if app\n        pass\n",
    "syntax error in an import": "import stacks.broken\n\n\ndef main(app): ...\n",
    "import error": "import no_such_module\n\n\ndef main(app): ...\n",
    "raises": "def main(app):\n    helper({})\n\n\ndef helper(settings):\n    return settings['colour']\n",
    "may not read a file": "def main(app):\n    raise PermissionError(13, 'Permission denied', 'colours.json')\n",
    "raises a skykite error": "from skykite import Stack\n\n\ndef main(app):\n    Stack(app, 'a_b')\n",
    "exits": "import sys\n\n\ndef main(app):\n    sys.exit('enough')\n",
    "the cdk refuses": "from aws_cdk import aws_sqs as sqs\nfrom skykite import Stack\n\n\ndef main(app):\n"
    "    stack = Stack(app, 'NotesStack')\n    sqs.Queue(stack, 'Q', fifo=True, queue_name='plain')\n",
    "the cdk refuses at the end": "from aws_cdk import aws_iam as iam\nfrom skykite import Stack\n\n\ndef main(app):\n"
    "    stack = Stack(app, 'NotesStack')\n    iam.ManagedPolicy(stack, 'P')\n",
    "wrong type for the cdk": "from aws_cdk import aws_sqs as sqs\nfrom skykite import Stack\n\n\ndef main(app):\n"
    "    sqs.Queue(Stack(app, 'NotesStack'), 'Q', fifo='yes')\n",
    "killed": "import os, signal\n\n\ndef main(app):\n    print('so far', flush=True)\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n",
    "own module": "import stacks.text\n\n\ndef main(app):\n    pass\n",
    "leaves": "import os\n\n\ndef main(app):\n    os._exit(3)\n",
    "prints without end": "def main(app):\n    while True:\n        print('x' * 1000)\n",
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_programs_that_fail_are_explained(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    said = {}
    gate = asyncio.Semaphore(2)

    async def fail(index: int, name: str, text: str | None) -> None:
        root = write_project(tmp_path / str(index), {"stacks/broken.py": "x = (\n"})
        if text is not None:
            (root / "stacks" / "app.py").write_text(text)
        async with gate:
            with pytest.raises(SkykiteError) as raised:
                await run(root)
        said[name] = error_text(raised.value).replace(str(root), "PROJECT").replace(sys.prefix, "PREFIX")

    async with asyncio.TaskGroup() as group:
        for index, (name, text) in enumerate(PROGRAMS.items()):
            group.create_task(fail(index, name, text))
    assert "\n\n".join(f"--- {name}\n{said[name]}" for name in PROGRAMS) == snapshot


async def test_a_failure_does_not_tell_where_it_can_be_mended(project: Path) -> None:
    async def inputs() -> set[str]:
        with pytest.raises(SynthError) as raised:
            await run(project)
        return {path.relative_to(project).as_posix() for path in raised.value.inputs}

    source, handler = project / "stacks" / "notes.py", project / "functions" / "notes.py"
    read = {"cdk.context.json", "cdk.json", "stacks/app.py", "stacks/notes.py"}
    source.write_text(STACK.replace("functions/notes.get", "lambdas/new.get"))
    assert await inputs() == {*read, "lambdas/new.py"}
    source.write_text(STACK)
    handler.write_text("def other(event, context): ...\n")
    assert await inputs() == {*read, "functions/notes.py"}
    handler.write_text("def get(event, context): ...\n")
    source.write_text(STACK + "        raise ValueError\n")
    assert await inputs() == read, "a handler that is all right"
    source.write_text("import stacks.names.more\n" + STACK)
    assert await inputs() == {
        "stacks/app.py",
        "stacks/notes.py",
        "stacks/names.py",
        "stacks/names/__init__.py",
    }


@pytest.mark.slow
async def test_the_first_run_on_a_machine_says_what_takes_it_so_long(project: Path, tmp_path: Path) -> None:
    log = EventLog()
    cache = str(tmp_path / "packages")
    await run(project, log, JSII_RUNTIME_PACKAGE_CACHE_ROOT=cache)
    assert [event.message for event in log.of(StepProgress)] == ["unpacking aws-cdk-lib, once on this machine"]
    (project / "stacks" / "notes.py").write_text(STACK + "\n")
    await run(project, log, JSII_RUNTIME_PACKAGE_CACHE_ROOT=cache)
    assert len(log.of(StepProgress)) == 1


async def test_main_can_be_any_file(project: Path) -> None:
    (project / "my-stacks.py").write_text(MAIN)
    assert (await run(project, main="my-stacks.py")).manifest.functions


async def test_a_node_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(SkykiteError) as raised:
        await run(project, JSII_NODE="/nowhere/node")
    assert raised.value.message == "`JSII_NODE` says `/nowhere/node`, and there is no such file"


async def test_cancelling_leaves_no_process(project: Path) -> None:
    (project / "stacks" / "app.py").write_text(
        "import os, pathlib\n\n\ndef main(app):\n    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    while True: pass\n"
    )
    task = asyncio.create_task(run(project))
    async with asyncio.timeout(30):
        while not (project / "pid").exists() or not (project / "pid").read_text():
            await asyncio.sleep(0.01)
    pid = int((project / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_template_cloudformation_would_refuse_is_found_beside_the_deploy(project: Path) -> None:
    (project / "stacks" / "app.py").write_text(
        "from aws_cdk import CfnResource\nfrom skykite import App, Stack\n\n\ndef main(app: App) -> None:\n"
        "    CfnResource(Stack(app, 'NotesStack'), 'Orders', type='AWS::SQS::Queue', properties={'Fifo': 'perhaps'})\n"
    )
    (error, *_) = await validate((await run(project)).assembly, project_root=project)
    assert (error.code, error.message) == (
        "template-invalid",
        (
            "CloudFormation would refuse `NotesStack/Orders` (AWS::SQS::Queue) at `Properties.Fifo`: "
            "Additional properties are not allowed ('Fifo' was unexpected)"
        ),
    )
    assert error.context is not None
    assert error.context.startswith("stacks/app.py:6\n"), "the stack's line: plain CDK constructs have none"


async def test_what_cloudformation_would_refuse_of_our_constructs_is_shown_at_their_line(project: Path) -> None:
    (project / "stacks" / "app.py").write_text(
        "from skykite import App, Stack, Table\n\n\ndef main(app: App) -> None:\n"
        "    stack = Stack(app, 'NotesStack')\n"
        "    notes = Table(stack, 'Notes', fields={'id': 'string'}, primary_index={'partition_key': 'id'})\n"
        "    notes.cdk.table.node.default_child.add_property_override('Tabel', 'x')\n"
    )
    (error, *_) = await validate((await run(project)).assembly, project_root=project)
    assert error.context is not None
    assert "> 6 |     notes = Table(stack," in error.context


async def test_templates_in_order_are_looked_at_again_or_others_are_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assembly = (await run(project)).assembly
    assert await validate(assembly, project_root=project) == ()
    template = assembly / "NotesStack.template.json"
    with monkeypatch.context() as nobody_can_look:
        nobody_can_look.setattr(sys, "executable", "/nowhere/python")
        assert await validate(assembly, project_root=project) == ()
        template.write_text(template.read_text().replace("AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Stages"))
        with pytest.raises(FileNotFoundError):
            await validate(assembly, project_root=project)
    for _ in range(2):
        assert [error.code for error in await validate(assembly, project_root=project)] == ["template-invalid"], (
            "what is wrong is told once"
        )


async def test_what_names_a_deployed_function_ends_the_skipping_also_from_outside_its_import_root(
    tmp_path: Path,
) -> None:
    """What a list of requirements includes, and a package that `node_modules` has a link to."""
    files = {
        "stacks/app.py": MAIN,
        "stacks/notes.py": STACK.replace('{"GET /": ', '{"GET /": "services/py/a.get", "GET /ts": ').replace(
            "functions/notes.get", "services/ts/b.get"
        ),
        "services/py/a.py": "def get(event, context): ...\n",
        "services/py/requirements.txt": "-r ../../base.txt\n",
        "base.txt": "idna==3.9\n",
        "services/ts/b.ts": 'import { name } from "shared";\nexport const get = async () => name;\n',
        "services/ts/package.json": "{}",
        "packages/shared/index.ts": 'export const name = "one";\n',
        "packages/shared/package.json": '{"name": "shared", "main": "index.ts"}',
    }
    project = write_project(tmp_path, files)
    (project / "services/ts/node_modules").mkdir()
    (project / "services/ts/node_modules/shared").symlink_to(project / "packages/shared")
    first = await run(project, mode="deploy")
    assert (await run(project, mode="deploy")).skipped
    for path, text in (("base.txt", "idna==3.10\n"), ("packages/shared/index.ts", 'export const name = "two";\n')):
        (project / path).write_text(text)
        again = await run(project, mode="deploy")
        assert not again.skipped, path
        assert again.manifest.stacks != first.manifest.stacks, path
        first = again


async def test_a_cache_that_cannot_be_used_is_no_crash_of_the_stacks(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SkykiteError) as raised:
        await run(project, KITE_CACHE_DIR=str(tmp_path / "file"))
    assert raised.value.code == "cache-unwritable"
    assert str(tmp_path / "file") in raised.value.message
