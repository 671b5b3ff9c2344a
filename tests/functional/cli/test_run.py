"""The `kite` process from outside: its exit codes, its streams, and how it fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.kite import KITE, clean_environment, kite
from kit.project import make_project


async def test_help_shows_every_command(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    done = await kite("--help", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == snapshot
    for arguments in ([], ["-h"], ["--output", "plain", "--help"]):
        assert (await kite(*arguments, cwd=tmp_path)).stdout == done.stdout


def test_help_imports_neither_click_nor_anything_of_the_commands(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['kite', '--help']; from skykite.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "('click', 'rich', 'boto3', 'botocore', 'aws_cdk', 'msgspec', 'watchfiles', 'asyncio')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_dev_session_imports_of_what_bundles_only_what_reads_locks(tmp_path: Path) -> None:
    code = (
        "import sys, skykite.cli.compose, skykite.dev.session, skykite.dev.local\n"
        "print(*sorted(m for m in sys.modules if m.startswith('skykite.bundle.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"skykite.bundle.{name}" for name in ("locks", "markers", "reasons", "target")]


async def test_version(tmp_path: Path) -> None:
    done = await kite("--version", cwd=tmp_path)
    assert (done.code, done.stdout) == (0, "kite 0.1.0\n")


async def test_an_error_of_the_users_exits_with_1_and_reads_as_the_style_says(tmp_path: Path) -> None:
    done = await kite("outputs", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == (
        "error: project-not-found\n"
        "\n"
        f"  neither `{tmp_path}` nor a folder above it has a kite.toml\n"
        "\n"
        "hint: make a project with `kite init my-app`, or go to one\n"
    )


@pytest.mark.parametrize("arguments", [("--output", "json", "outputs"), ("outputs", "--output=json")])
async def test_with_json_an_error_is_an_event_on_stdout(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = await kite(*arguments, cwd=tmp_path)
    event = json.loads(done.stdout)
    assert (done.code, done.stderr) == (1, "")
    assert (event["code"], event["error"], event["blame"]) == ("error", "project-not-found", "user")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("depoy",), "there is no command `depoy`", "did you mean `kite deploy`?"),
        (("cloud", "evn"), "`kite cloud` has no `evn`", "did you mean `kite cloud env`?"),
        (("cloud", "xyzzy"), "`kite cloud` has no `xyzzy`", "`kite cloud --help` lists the commands"),
        (("xyzzy",), "there is no command `xyzzy`", "`kite --help` lists the commands"),
        (
            ("outputs", "--jsn"),
            "there is no option `--jsn`",
            "did you mean `--json`?",
        ),
        (("init",), "missing argument `NAME`", "`kite init --help` lists what it takes"),
        (
            ("--output", "xml", "outputs"),
            "invalid value for `--output`: `xml` is not one of `auto`, `plain`, `json`",
            "`kite --help` lists what it takes",
        ),
    ],
)
async def test_wrong_usage_exits_with_2_and_says_what_is_right(
    tmp_path: Path, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    done = await kite(*arguments, cwd=tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == f"error: usage\n\n  {message}\n\nhint: {hint}\n"


async def test_a_group_without_a_command_prints_its_help(tmp_path: Path) -> None:
    done = await kite("cloud", cwd=tmp_path)
    asked = await kite("cloud", "--help", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == asked.stdout
    assert "env     Print the variables" in done.stdout


async def test_wrong_usage_is_an_event_too(tmp_path: Path) -> None:
    done = await kite("--output", "json", "outputs", "--nope", cwd=tmp_path)
    assert (done.code, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"] == "usage"


@pytest.mark.parametrize("arguments", [("--stage", "blue", "outputs"), ("outputs", "--stage", "blue")])
async def test_global_options_work_before_and_after_the_command(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    make_project(tmp_path)
    done = await kite(*arguments, cwd=tmp_path)
    assert done.stderr.splitlines()[2] == "  stage `blue` of `notes` has no outputs yet"


async def test_project_names_another_folder(tmp_path: Path) -> None:
    make_project(tmp_path / "notes")
    done = await kite("outputs", "--project", "notes", "--stage", "blue", cwd=tmp_path)
    assert done.stderr.splitlines()[2] == "  stage `blue` of `notes` has no outputs yet"


async def test_debug_adds_the_traceback(tmp_path: Path) -> None:
    done = await kite("--debug", "outputs", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "\nerror: project-not-found\n" in done.stderr


def run_with(tmp_path: Path, raising: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kite outputs` with a body of our own: a module as `skykite.cli.commands.outputs` would be."""
    code = (
        "import sys, types, click\n"
        "from skykite.errors import SkykiteError\n"
        "@click.command()\n"
        "def command():\n"
        f"    {raising}\n"
        "module = types.ModuleType('skykite.cli.commands.outputs'); module.command = command\n"
        "sys.modules[module.__name__] = module\n"
        "from skykite.cli.run import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments, "outputs"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bug_of_ours_exits_with_70_shows_where_and_asks_for_a_report(tmp_path: Path) -> None:
    done = run_with(tmp_path, "raise RuntimeError('oh no')")
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith(
        "RuntimeError: oh no\n"
        "\n"
        "error: internal\n"
        "\n"
        "  this is a bug in Skykite: `RuntimeError: oh no`\n"
        "\n"
        "hint: please report it to Skykite's issue tracker, with the lines above and what `kite doctor` prints\n"
    )


def test_an_error_we_blame_on_ourselves_exits_with_70(tmp_path: Path) -> None:
    done = run_with(tmp_path, "raise SkykiteError('manifest-invalid', 'm', blame='skykite')")
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("error: manifest-invalid\n\n  m\n")


def test_errors_of_several_tasks_are_all_shown_once(tmp_path: Path) -> None:
    raising = (
        "raise ExceptionGroup('', [SkykiteError('a', 'one'), "
        "ExceptionGroup('', [SkykiteError('b', 'two'), SkykiteError('a', 'one')])])"
    )
    done = run_with(tmp_path, raising)
    assert (done.returncode, done.stderr) == (1, "error: a\n\n  one\nerror: b\n\n  two\n")


def test_ctrl_c_exits_with_130_and_no_traceback(tmp_path: Path) -> None:
    done = run_with(tmp_path, "raise KeyboardInterrupt")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


def test_a_commands_own_exit_code_is_kept(tmp_path: Path) -> None:
    assert run_with(tmp_path, "click.get_current_context().exit(1)").returncode == 1


def test_characters_the_console_has_not_are_no_error(tmp_path: Path) -> None:
    environment = clean_environment({"PYTHONIOENCODING": "ascii", "LC_ALL": "C.UTF-8"})
    done = subprocess.run(
        [KITE, "outputs", "--stage", "ä"],
        cwd=make_project(tmp_path).root,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert b"--stage says `\\xe4`, which cannot name a stage" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.state / "blue").mkdir(parents=True)
    outputs = {"stack": {f"Name{number}": "x" * 100 for number in range(5_000)}}
    (project.state / "blue" / "outputs.json").write_text(json.dumps(outputs))
    read, write = os.pipe()
    process = subprocess.Popen(
        [KITE, "outputs", "--stage", "blue"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    os.read(read, 10)
    os.close(read)
    _, stderr = process.communicate()
    assert (process.returncode, stderr) == (1, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
async def test_when_nobody_reads_the_events_any_more_the_command_ends(tmp_path: Path) -> None:
    """As a program without threads would by SIGPIPE."""
    code = (
        "import asyncio\n"
        "from skykite.cli.console import open_console\n"
        "from skykite.cli.settings import Settings\n"
        "from skykite.model.events import Notice\n"
        "async def work():\n"
        "    with open_console(Settings(output='json')) as (events, asker):\n"
        "        while True:\n"
        "            events.emit(Notice(notice='tick', message='x' * 1000))\n"
        "            await asyncio.sleep(0.001)\n"
        "asyncio.run(work())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        assert await process.wait() == -signal.SIGINT


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that is always full")
def test_what_a_full_disk_does_not_take_is_told_and_fails(tmp_path: Path) -> None:
    make_project(tmp_path)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [KITE, "doctor", "--output", "json"],
            cwd=tmp_path,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "error: disk-full\n\n  cannot write: No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr
