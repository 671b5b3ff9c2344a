"""Secrets, parameters and `kite shell` from outside: who reads what, and that a value shows nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import KITE, Dev, clean_environment, dev, kite
from kit.stacks import write_project

STACK = """\
from skykite import Api, App, Function, Linkable, Parameter, Secret, Stack, Table


def main(app: App) -> None:
    stack = Stack(app, "PayStack")
    stripe = Secret(stack, "StripeKey")
    size = Parameter(stack, "PageSize", default="20")
    notes = Table(stack, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
    first = Linkable(stack, "Limits", properties={"most": 3})
    api = Api(
        stack,
        "Api",
        defaults={"function": {"link": [stripe, size, notes, first]}},
        routes={
            "GET /": "functions/pay.read",
            "GET /kept": "functions/pay.kept",
            "GET /peek": "functions/pay.peek",
        },
    )
    Function(stack, "Caller", "functions/pay.call", link=[api])
    stack.add_outputs(ApiEndpoint=api.url)
"""
HANDLERS = """\
import hashlib

from skykite_lambda import resource

try:
    KEPT = resource.StripeKey.value
except LookupError:
    KEPT = ""


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def read(event, context):
    print("reading", resource.StripeKey, dir(resource.StripeKey))
    return {"key": digest(resource.StripeKey.value), "size": resource.PageSize.value}


def kept(event, context):
    return {"key": digest(KEPT)}


def peek(event, context):
    import boto3
    from botocore.exceptions import ClientError

    try:
        return boto3.client("ssm").get_parameter(Name="/skykite/pay/alice/secrets/Other", WithDecryption=True)
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": str(error)}


def call(event, context):
    return resource.Api.url
"""
FILES = {"kite.toml": 'name = "pay"\nregion = "eu-west-1"\n', "stacks/app.py": STACK, "functions/pay.py": HANDLERS}
STORE = (".kite/local/cloud/state.snapshot", ".kite/local/cloud/state.previous")
"""Parameter Store itself, as the embedded cloud saves it: where values are meant to be, and only their owner looks."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def holding_files(folder: Path, text: str) -> list[str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return [str(file.relative_to(folder)) for file in files if text.encode() in file.read_bytes()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "pay", FILES)


@pytest.fixture
async def session(project: Path) -> AsyncIterator[tuple[Dev, str]]:
    async with dev(project, "--port", "0", "--stage", "alice") as running:
        ready = await running.ready()
        yield running, ready["endpoints"][0]["url"]


async def set_secret(project: Path, name: str, value: str, *more: str) -> None:
    done = await kite("secrets", "set", name, "--local", "--stage", "alice", *more, cwd=project, stdin=value.encode())
    assert done.code == 0, done.stderr
    assert value.strip() not in done.stdout + done.stderr


async def test_a_value_shows_nowhere_and_a_change_shows_at_once(project: Path, session: tuple[Dev, str]) -> None:
    running, url = session
    assert any(one["code"] == "notice" and one["notice"] == "secret-missing" for one in running.events)
    missing = await fetch("GET", url)
    assert missing.status == 500
    failed = await running.event("invocation.finished", lambda e: e["error"] is not None)
    assert failed["error"]["type"] == "SecretNotSet"
    assert "`kite secrets set StripeKey --stage alice --local`" in failed["error"]["message"]

    marker = "marker-4f1c-" + "s3cr3t" * 3
    await set_secret(project, "StripeKey", marker + "\n")
    assert (await fetch("GET", url)).json() == {"key": digest(marker), "size": "20"}
    assert (await fetch("GET", f"{url}/kept")).json() == {"key": digest(marker)}
    other = marker + "-changed"
    await set_secret(project, "StripeKey", other)
    await set_secret(project, "PageSize", "50")
    assert (await fetch("GET", url)).json() == {"key": digest(other), "size": "50"}
    assert (await fetch("GET", f"{url}/kept")).json() == {"key": digest(other)}

    shell = await kite(
        "shell", "--stage", "alice", "--", sys.executable, "-c",
        "from skykite_lambda import resource; import hashlib, os; "
        "print(hashlib.sha256(resource.StripeKey.value.encode()).hexdigest(), resource.Limits.most, resource.Api.url); "
        f"assert {marker!r} not in str(os.environ)",
        cwd=project,
    )  # fmt: skip
    assert shell.stdout.split() == [digest(other), "3", url], shell.stderr
    invoked = await kite("invoke", "functions/pay.read", "--stage", "alice", cwd=project)
    assert json.loads(invoked.stdout)["key"] == digest(other)
    (project / "functions/pay.py").write_text(HANDLERS + "\n\ndef late(event, context):\n    raise ValueError(KEPT)\n")
    (project / "stacks/app.py").write_text(
        STACK.replace('"GET /kept"', '"GET /more": "functions/pay.read", "GET /kept"')
    )
    await running.event("reload.finished", lambda e: e["kind"] == "infrastructure")
    assert (await fetch("GET", f"{url}/more")).json()["key"] == digest(other)
    stub = (project / "typings/skykite_lambda/resource.pyi").read_text()
    assert "StripeKey: _typing.Final[_Secret]" in stub

    assert await running.stop() == 0
    said = "\n".join(json.dumps(event) for event in running.events) + shell.stderr + invoked.stderr
    assert marker not in said
    holding = holding_files(project, marker)
    assert set(holding) <= set(STORE)
    assert holding, "the search finds what is there"
    for file in holding:
        assert (project / file).stat().st_mode & 0o077 == 0 or (project / ".kite").stat().st_mode & 0o077 == 0


@pytest.mark.slow
async def test_a_function_over_the_bridge_reads_with_its_own_role(project: Path) -> None:
    await set_secret(project, "StripeKey", "one")
    async with dev(project, "--bridge", "--stage", "alice") as running:
        ready = await running.ready()
        url = ready["endpoints"][0]["url"]
        assert (await fetch("GET", url)).json() == {"key": digest("one"), "size": "20"}
        await set_secret(project, "StripeKey", "two")
        assert (await fetch("GET", f"{url}/kept")).json() == {"key": digest("two")}


async def test_values_go_in_and_out_while_nothing_runs(project: Path) -> None:
    """The embedded cloud is started for each command, and what it saved is there for the next."""
    await set_secret(project, "StripeKey", "line one\nline two\n")
    got = await kite("secrets", "get", "StripeKey", "--local", "--stage", "alice", cwd=project)
    assert got.stdout == "line one\nline two\n"
    await set_secret(project, "StripeKey", "everybody's", "--fallback")
    (project / "more.env").write_text("# two\nexport DB_URL='postgres://u:p@h/$DB'\nPageSize=7\n")
    loaded = await kite("secrets", "load", "more.env", "--local", "--stage", "alice", cwd=project)
    assert loaded.code == 0, loaded.stderr
    assert "postgres" not in loaded.stdout + loaded.stderr
    listed = await kite("secrets", "list", "--local", "--stage", "alice", "--output", "json", cwd=project)
    rows = json.loads(listed.stdout.splitlines()[-1])
    assert {name: row["source"] for name, row in rows.items()} == {
        "DB_URL": "stage", "PageSize": "stage", "StripeKey": "stage",
    }  # fmt: skip
    refused = await kite("secrets", "remove", "StripeKey", "--local", "--stage", "alice", cwd=project)
    assert (refused.code, "secret-kept" in refused.stderr) == (1, True)
    removed = await kite("secrets", "remove", "StripeKey", "--local", "--stage", "alice", "--yes", cwd=project)
    assert removed.code == 0, removed.stderr
    got = await kite("secrets", "get", "StripeKey", "--local", "--stage", "alice", cwd=project)
    assert got.stdout == "everybody's\n"
    prod = await kite("secrets", "get", "StripeKey", "--local", "--stage", "prod", cwd=project)
    assert (prod.code, prod.stdout) == (1, "")
    assert "hint: set it with `kite secrets set StripeKey --stage prod --local`" in prod.stderr
    got = await kite("secrets", "get", "DB_URL", "--local", "--stage", "alice", cwd=project)
    assert got.stdout == "postgres://u:p@h/$DB\n"
    gone = await kite("remove", "--local", "--stage", "alice", "--yes", cwd=project)
    assert (gone.code, "2 secrets of stage `alice` removed" in gone.stderr) == (0, True), gone.stderr
    listed = await kite("secrets", "list", "--local", "--stage", "alice", cwd=project)
    assert listed.stdout == "StripeKey\tfallback\n"


async def test_a_deploy_is_refused_while_a_secret_has_no_value_and_tells_how_to_set_it(
    project: Path, session: tuple[Dev, str]
) -> None:
    """As on AWS: `kite deploy` knows nothing of the embedded cloud but the endpoint in its environment."""
    variables = json.loads((await kite("cloud", "env", "--format", "json", cwd=project)).stdout)
    refused = await kite("deploy", "--stage", "prod", cwd=project, env=variables)
    assert refused.code == 1
    assert "error: secret-missing\n\n  stage `prod` has no value for `StripeKey`" in refused.stderr
    assert "`PayStack/StripeKey` (stacks/app.py:6), linked to `PayStack/Api/GET --`" in refused.stderr
    assert "kite secrets set StripeKey --stage prod" in refused.stderr
    done = await kite("secrets", "set", "StripeKey", "--stage", "prod", cwd=project, env=variables, stdin=b"sk_prod")
    assert done.code == 0, done.stderr
    deployed = await kite("deploy", "--stage", "prod", "--yes", cwd=project, env=variables)
    assert deployed.code == 0, deployed.stderr
    shell = await kite(
        "shell", "--stage", "prod", "--", sys.executable, "-c",
        "from skykite_lambda import resource; print(resource.StripeKey.value, resource.Notes.name)", cwd=project,
    )  # fmt: skip
    assert shell.stdout.startswith("sk_prod prod-pay-"), shell.stderr
    assert "sk_prod" not in deployed.stdout + deployed.stderr
    invoked = await kite("invoke", "functions/pay.read", "--stage", "prod", cwd=project)
    assert json.loads(invoked.stdout) == {"key": digest("sk_prod"), "size": "20"}, invoked.stderr
    gone = await kite("remove", "--stage", "prod", "--yes", cwd=project, env=variables)
    assert gone.code == 0, gone.stderr


async def test_shell_says_what_is_not_linked_and_ends_as_its_program_does(
    project: Path, session: tuple[Dev, str]
) -> None:
    done = await kite("shell", "--stage", "alice", "--", sys.executable, "-c", "import sys; sys.exit(7)", cwd=project)
    assert done.code == 7
    done = await kite(
        "shell", "--stage", "alice", "--", sys.executable, "-c",
        "from skykite_lambda import resource; resource.Users", cwd=project,
    )  # fmt: skip
    assert (
        "`Users` is not linked to any function of stage `alice`: its functions are linked to `Api`, `Limits`"
        in done.stderr
    )
    done = await kite("shell", "--stage", "alice", "--function", "Api/GET --nope", "--", "true", cwd=project)
    assert (done.code, "function-unknown" in done.stderr) == (1, True)
    done = await kite("shell", "--stage", "alice", "--", "no-such-program", cwd=project)
    assert "there is no program `no-such-program`" in done.stderr
    tests = project / "tests"
    tests.mkdir()
    (tests / "test_pay.py").write_text(
        "import boto3\nfrom skykite_lambda import resource\n\n\n"
        "def test_it():\n"
        "    table = boto3.resource('dynamodb').Table(resource.Notes.name)\n"
        "    table.put_item(Item={'id': 'x'})\n"
        "    assert table.get_item(Key={'id': 'x'})['Item'] == {'id': 'x'}\n"
    )
    done = await kite("shell", "--stage", "alice", "--", sys.executable, "-m", "pytest", "-q", "tests", cwd=project)
    assert (done.code, "1 passed" in done.stdout) == (0, True), done.stdout


async def test_a_function_reads_the_secrets_it_is_linked_to_and_no_others(
    project: Path, session: tuple[Dev, str]
) -> None:
    _, url = session
    await set_secret(project, "Other", "not-for-everybody")
    await set_secret(project, "StripeKey", "everybody's", "--fallback")
    assert (await fetch("GET", url)).json()["key"] == digest("everybody's")
    refused = (await fetch("GET", f"{url}/peek")).json()
    assert refused["code"] == "AccessDeniedException", refused
    assert "parameter/skykite/pay/alice/secrets/Other" in refused["message"]
    assert "not-for-everybody" not in json.dumps(refused)


async def test_without_a_session_shell_says_what_to_start(project: Path, session: tuple[Dev, str]) -> None:
    running, _ = session
    await running.stop()
    done = await kite("shell", "--stage", "alice", "--", "true", cwd=project)
    assert (done.code, "session-not-running" in done.stderr) == (1, True)
    done = await kite("shell", "--stage", "alice", "--local", "--", "true", cwd=project)
    assert (done.code, "cloud-not-running" in done.stderr) == (1, True)


async def test_a_value_on_the_command_line_is_refused_and_not_repeated(project: Path) -> None:
    for arguments in (["StripeKey", "sk_live_77"], ["StripeKey=sk_live_77"]):
        done = await kite("secrets", "set", *arguments, "--local", cwd=project)
        assert done.code == 1
        assert "sk_live_77" not in done.stdout + done.stderr
    empty = await kite("secrets", "set", "StripeKey", "--local", cwd=project, stdin=b"\n")
    assert (empty.code, "secret-empty" in empty.stderr) == (1, True)
    binary = await kite("secrets", "set", "StripeKey", "--local", cwd=project, stdin=b"\xff\xfe\x00")
    assert (binary.code, "secret-not-text" in binary.stderr) == (1, True)
    (project / "bad.env").write_text("GOOD=1\nsk_live_77 is not a line\n")
    bad = await kite("secrets", "load", "bad.env", "--local", cwd=project)
    assert (bad.code, "bad.env:2" in bad.stderr) == (1, True)
    assert "sk_live_77" not in bad.stdout + bad.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX's kind")
def test_the_prompt_does_not_show_what_is_typed(project: Path) -> None:
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project)
        os.execve(KITE, [KITE, "secrets", "set", "StripeKey", "--local", "--stage", "alice"], clean_environment())
    shown = b""
    typed = False
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not typed and b"Value of StripeKey" in shown:
            typed = True
            os.write(terminal, b"typed-in-secret\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert typed
    assert b"typed-in-secret" not in shown
    assert b"is set" in shown
