"""The process that `kite dev` has waiting for the next synth: as good as a fresh one, only faster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from kit.kite import alive, clean_environment, descendants
from kit.stacks import EventLog, SystemClock, synthesis_of, write_project
from skykite import synth
from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.synth import Spare, SynthResult, synthesize
from skykite.synth.node import find_node

HOOK = Path(synth.__file__).with_name("warmed_modules.cjs")

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


class Session:
    """What `kite dev` does with a spare, as far as synth goes."""

    def __init__(self, root: Path, **variables: str) -> None:
        self.root = root
        self.log = EventLog()
        self.environment = {**clean_environment(), **variables}
        if "KITE_CACHE_DIR" in os.environ:
            self.environment["KITE_CACHE_DIR"] = os.environ["KITE_CACHE_DIR"]
        self.spare = Spare(root / ".kite" / "alice" / "assembly.memory")
        self.others = descendants(os.getpid())  # of tests before, that run CDK in this process

    async def synth(self, *, stage: str = "alice", prepared: bool = True) -> SynthResult:
        """Run the stacks; with `prepared`, in the process that was started for it. Prepares the next one."""
        assert self.spare.ready == prepared, "no process waits"
        try:
            return await synthesize(
                synthesis_of(self.root, stage=stage),
                environment=self.environment,
                events=self.log,
                clock=SystemClock(),
                spare=self.spare,
            )
        finally:
            await self.spare.prepare()

    async def started(self) -> Session:
        await self.synth(prepared=False)
        return self

    @property
    def said(self) -> list[str]:
        return [notice.message for notice in self.log.of(Notice)]

    @property
    def processes(self) -> set[int]:
        return descendants(os.getpid()) - self.others


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", {"stacks/app.py": MAIN, "stacks/notes.py": STACK})


@pytest.fixture
async def session(project: Path) -> AsyncIterator[Session]:
    session = await Session(project).started()
    yield session
    await session.spare.close()


def files(assembly: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in assembly.iterdir()}


def edit(root: Path, old: str, new: str, file: str = "stacks/notes.py") -> None:
    path = root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def tell_process(project: Path, session: Session) -> set[int]:
    """Have the program print which process it runs in. Those that wait now."""
    edit(project, "    NotesStack(app", "    import os; print(os.getpid())\n    NotesStack(app", "stacks/app.py")
    return session.processes


async def test_a_spare_gives_other_files_than_a_fresh_process(project: Path, session: Session) -> None:
    (project / "stacks" / "notes.py").write_text(
        f"from aws_cdk import aws_s3, aws_sqs\n{STACK}"
        "        aws_s3.Bucket(self, 'Files')\n        aws_sqs.Queue(self, 'Jobs')\n"
    )
    await session.synth()
    (project / "stacks" / "notes.py").write_text(STACK.replace('"GET /"', '"GET /notes"'))
    waiting = tell_process(project, session)
    warm = files((await session.synth()).assembly)
    assert int(session.said[-1]) in waiting, "another process did it"
    (project / ".kite" / "alice" / "assembly.fingerprint.json").unlink()
    cold = await synthesize(
        synthesis_of(project), environment=session.environment, events=EventLog(), clock=SystemClock()
    )
    assert not cold.skipped
    assert files(cold.assembly) == warm
    assert any(b"GET /notes" in data for data in warm.values())


async def test_jsiis_own_kernel_cannot_wait(project: Path) -> None:
    session = await Session(project, KITE_STOCK_JSII="1").started()
    try:
        edit(project, '"Api"', '"Web"')
        waiting = tell_process(project, session)
        assert [api.path for api in (await session.synth()).manifest.http_apis] == ["NotesStack/Web"]
        assert int(session.said[-1]) in waiting, "another process did it"
        assert not list(session.spare.memory.glob("node*"))
    finally:
        await session.spare.close()


async def test_a_save_after_the_process_was_prepared_is_not_seen(project: Path, session: Session) -> None:
    for name in ("Aaa", "Bbb", "Ccc"):
        (project / "stacks" / "notes.py").write_text(STACK.replace('"Api"', f'"{name}"'))
        assert [api.path for api in (await session.synth()).manifest.http_apis] == [f"NotesStack/{name}"]


async def test_a_service_that_the_last_run_did_not_import_fails(project: Path, session: Session) -> None:
    (project / "stacks" / "notes.py").write_text(
        f"from aws_cdk import aws_events, aws_sqs\n{STACK}        aws_sqs.Queue(self, 'Jobs')\n"
        "        aws_events.EventBus(self, 'Bus')\n"
    )
    types = {resource.type for stack in (await session.synth()).manifest.stacks for resource in stack.resources}
    assert {"AWS::SQS::Queue", "AWS::Events::EventBus"} <= types


async def test_a_mistake_in_the_stacks_is_told_otherwise_or_ends_the_fast_runs(project: Path, session: Session) -> None:
    (project / "stacks" / "notes.py").write_text("class NotesStack(:\n")
    with pytest.raises(SkykiteError) as raised:
        await session.synth()
    assert raised.value.code == "main-syntax"
    (project / "stacks" / "notes.py").write_text(STACK + "        raise ValueError('no')\n")
    with pytest.raises(SkykiteError) as raised:
        await session.synth()
    assert raised.value.message == "`stacks/notes.py` raised `ValueError: no`"
    (project / "stacks" / "notes.py").write_text(STACK.replace('"Api"', '"Web"'))
    assert [api.path for api in (await session.synth()).manifest.http_apis] == ["NotesStack/Web"]


KILLS = {
    "itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "its Node": "os.kill(int(Path('/proc/thread-self/children').read_text().split()[0]), signal.SIGKILL)",
}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("victim", KILLS)
async def test_a_spare_that_is_killed_in_the_middle_is_noticed(project: Path, session: Session, victim: str) -> None:
    (project / "stacks" / "app.py").write_text(
        "import os, signal\nfrom pathlib import Path\n"
        + MAIN.replace("main(app: App) -> None:", "main(app: App) -> None:\n    print('hello')")
        + f"    if not Path('killed').exists():\n        Path('killed').touch()\n        {KILLS[victim]}\n"
    )
    assert (await session.synth()).manifest.stacks
    assert (project / "killed").exists()
    assert session.said == ["hello"], "what was printed twice is shown twice"


async def test_a_program_that_does_not_end_cannot_be_interrupted(project: Path, session: Session) -> None:
    edit(
        project,
        "    NotesStack(app",
        "    import time; open('began', 'w'); time.sleep(600)\n    NotesStack(app",
        "stacks/app.py",
    )
    before = session.processes
    task = asyncio.create_task(session.synth())
    await until((project / "began").exists, "it never began")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(before), "the process goes on")


async def test_the_next_run_has_the_environment_or_the_stage_of_the_last(project: Path, session: Session) -> None:
    edit(
        project,
        "    NotesStack(app",
        "    import os; print(os.environ['COLOUR'], app.stage)\n    NotesStack(app",
        "stacks/app.py",
    )
    session.environment = {**session.environment, "COLOUR": "red"}
    await session.synth()
    session.environment = {**session.environment, "COLOUR": "blue"}
    await session.synth()
    await session.synth(stage="bob")
    assert session.said == ["red alice", "blue alice", "blue bob"]


class Package:
    """Installed, and as packages made by jsii are, so that it is imported ahead; it leaves a file when it is."""

    def __init__(self, folder: Path) -> None:
        self._source = folder / "site-packages" / "shared_constructs" / "__init__.py"
        self._imports = folder / "imports"
        (self._source.parent / "_jsii").mkdir(parents=True)
        self._imports.mkdir()
        self.write("One")
        self.variables = {"PYTHONPATH": str(self._source.parents[1])}

    def write(self, name: str) -> None:
        self._source.write_text(f"import os\nopen(f'{self._imports}/{{os.getpid()}}', 'w')\nNAME = '{name}'\n")

    async def imported(self, times: int) -> None:
        await until(lambda: len(list(self._imports.iterdir())) == times, "not imported ahead: this test cannot fail")


async def test_an_installed_package_that_changes_is_used_as_it_was(project: Path, tmp_path: Path) -> None:
    package = Package(tmp_path)
    edit(project, "from skykite", "import shared_constructs\nfrom skykite", "stacks/app.py")
    session = await Session(project, **package.variables).started()
    try:
        await package.imported(2)
        package.write("Another")  # of another length, or Python may take it for the one it compiled this second
        edit(project, '"NotesStack")', "shared_constructs.NAME)", "stacks/app.py")
        assert [stack.path for stack in (await session.synth()).manifest.stacks] == ["Another"]
    finally:
        await session.spare.close()


async def test_a_module_of_the_project_is_passed_over_for_one_that_python_brings(project: Path, tmp_path: Path) -> None:
    package = Package(tmp_path)
    edit(project, "from skykite", "import colorsys, shared_constructs\nfrom skykite", "stacks/app.py")
    session = await Session(project, **package.variables).started()
    try:
        await package.imported(2)
        (project / "colorsys.py").write_text("NAME = 'Ours'\n")
        edit(project, '"NotesStack")', "colorsys.NAME)", "stacks/app.py")
        assert [stack.path for stack in (await session.synth()).manifest.stacks] == ["Ours"]
    finally:
        await session.spare.close()


async def test_modules_of_the_project_are_imported_ahead(project: Path, session: Session) -> None:
    await session.spare.close()
    names = (session.spare.memory / "python.json").read_text()
    assert '"aws_cdk.aws_lambda"' in names
    assert '"stacks' not in names
    modules = (session.spare.memory / "node.json").read_text()
    assert '"aws-cdk-lib/aws-lambda/lib/function.js"' in modules


async def at_rest(session: Session) -> None:
    """Until nothing that waits computes any more."""

    def used() -> list[str]:
        return [Path(f"/proc/{pid}/schedstat").read_text().split()[0] for pid in sorted(session.processes)]

    before = used()
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(1)
            before, known = used(), before
            if before == known:
                return


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
async def test_runs_leave_folders_behind(project: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    session = Session(project, TMPDIR=str(temporary))
    await session.started()
    edit(project, '"GET /"', '"GET /notes"')
    await session.synth()
    await until(lambda: any(temporary.iterdir()), "the process that waits makes no folder: this test cannot fail")
    await at_rest(session)
    await session.spare.close()
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in (project / ".kite" / "alice").iterdir()) == [
        "assembly",
        "assembly.fingerprint.json",
        "assembly.memory",
    ]


async def test_a_process_that_nobody_needs_is_kept_for_ever(project: Path, session: Session) -> None:
    waiting = session.processes
    session.spare._kept_s = 0.1
    await session.spare.prepare()
    await until(lambda: not alive(waiting), "it still waits")
    edit(project, '"Api"', '"Web"')
    await session.synth(prepared=False)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_a_killed_kite_leaves_the_spare(project: Path, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "sys.path[:0] = eval(sys.argv[2])\n"
        "from functional.synth.test_spare import Session\n"
        "async def main():\n"
        "    session = await Session(Path(sys.argv[1])).started()\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", program, str(project), repr([tests])]
    running = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=clean_environment())
    try:
        assert running.stdout is not None
        assert await running.stdout.readline() == b"ready\n"
        left = descendants(running.pid)
        assert left
    finally:
        running.kill()
        await running.wait()
    await until(lambda: not alive(left), "they outlive it")


def test_a_thread_of_the_kernel_leaves_no_file_behind(tmp_path: Path) -> None:
    """jsii has one index its types, the first time that it meets a version; it is told what Node itself is told."""
    kept = tmp_path / "kept" / "node.json"
    kept.parent.mkdir()
    (here := tmp_path / "here").mkdir()
    subprocess.run(
        [
            find_node(os.environ), "--require", HOOK, "--eval",
            "new (require('worker_threads').Worker)('process.exitCode = 0', { eval: true })",
        ],
        cwd=here,
        env={**os.environ, "KITE_KERNEL_MODULES": str(kept)},
        check=True,
        timeout=60,
    )  # fmt: skip
    assert list(here.iterdir()) == []
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]
