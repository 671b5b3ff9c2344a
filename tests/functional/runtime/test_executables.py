"""Executables of any kind under the runtime: scripts, compiled programs, and what is neither."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.executables import ECHO, ExecutableProject, executable_project, shell, write_executable
from kit.runtime import eventually, is_running
from skykite.model.invocation import Succeeded

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("curl") is None, reason="the scripts need a shell and curl"
)

C_PROGRAM = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A runtime in C, with a connection for each request. */
static int ask(const char *request, char *answer, int size) {
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(strchr(address, ':') + 1))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0), got = 0, more;
    if (connect(s, (struct sockaddr *)&to, sizeof to) || write(s, request, strlen(request)) < 0) exit(1);
    while ((more = read(s, answer + got, size - 1 - got)) > 0) got += more;
    close(s);
    answer[got] = 0;
    return got;
}

int main(void) {
    static char answer[65536], request[65536];
    for (;;) {
        if (!ask("GET /2018-06-01/runtime/invocation/next HTTP/1.0\r\n\r\n", answer, sizeof answer)) return 1;
        char *id = strstr(answer, "Lambda-Runtime-Aws-Request-Id: ") + 31;
        char *event = strstr(answer, "\r\n\r\n") + 4;
        char body[512];
        if (strstr(event, "crash")) abort();
        snprintf(body, sizeof body, "{\"length\": %d, \"handler\": \"%s\"}", (int)strlen(event), getenv("_HANDLER"));
        printf("event of %d bytes\n", (int)strlen(event));
        fflush(stdout);
        snprintf(request, sizeof request,
                 "POST /2018-06-01/runtime/invocation/%.36s/response HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s",
                 id, (int)strlen(body), body);
        ask(request, answer, sizeof answer);
    }
}
"""


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[ExecutableProject]:
    async with executable_project(tmp_path) as found:
        yield found


async def test_a_shell_script_is_a_function(project: ExecutableProject) -> None:
    write_executable(project.root, "echo", shell(ECHO))
    await project.define("echo")
    assert await project.result("echo", {"n": 1}) == {"n": 1}
    assert await project.result("echo", {"n": 2}) == {"n": 2}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
async def test_a_compiled_program_is_a_function(project: ExecutableProject) -> None:
    source = project.root / "main.c"
    source.write_text(C_PROGRAM)
    (project.root / "c").mkdir()
    await asyncio.to_thread(
        subprocess.run, ["gcc", "-o", str(project.root / "c" / "bootstrap"), str(source)], check=True
    )
    await project.define("c")
    outcome = await project.invoke("c", "hello")
    assert isinstance(outcome, Succeeded), outcome
    assert json.loads(outcome.payload) == {"length": 7, "handler": "bootstrap"}
    assert project.output(outcome) == "event of 7 bytes\n"
    assert outcome.report.max_memory_mb
    failed = await project.failure("c", "crash")
    assert failed.message.endswith("Runtime exited with error: signal: aborted")


async def test_the_environment_is_that_of_a_runtime_of_ones_own(project: ExecutableProject) -> None:
    body = """
    printf '{"root": "%s", "here": "%s", "handler": "%s", "execution": "%s", "own": "%s"}' \\
      "$LAMBDA_TASK_ROOT" "$(pwd -P)" "$_HANDLER" "$AWS_EXECUTION_ENV" "$OWN" |
      curl -sS -d @- "$api/invocation/$id/response"
    """
    write_executable(project.root, "env", shell(body))
    await project.define("env", environment={"OWN": "yes"})
    root = str(project.root / "env")
    real = await asyncio.to_thread(os.path.realpath, root)
    assert await project.result("env") == {
        "root": root,
        "here": real,
        "handler": "bootstrap",
        "execution": "",
        "own": "yes",
    }


async def test_an_error_that_a_script_reports_is_the_callers(project: ExecutableProject) -> None:
    body = """curl -sS -d '{"errorMessage": "no such order", "errorType": "Orders.Unknown"}' \\
      "$api/invocation/$id/error" """
    write_executable(project.root, "fails", shell(body))
    await project.define("fails")
    failed = await project.failure("fails")
    assert failed.payload == b'{"errorMessage": "no such order", "errorType": "Orders.Unknown"}'
    assert (failed.error_type, failed.message) == ("Orders.Unknown", "no such order")


async def test_a_changed_executable_takes_the_next_invocation(project: ExecutableProject) -> None:
    write_executable(project.root, "echo", shell(ECHO))
    await project.define("echo")
    assert await project.result("echo", 1) == 1
    for answer in range(5):
        write_executable(project.root, "echo", shell(f'curl -sS -d {answer + 10} "$api/invocation/$id/response"'))
        assert await project.result("echo", 1) == answer + 10


@pytest.mark.parametrize(
    ("text", "mode", "message", "hint"),
    [
        ("no program at all", 0o755, "Exec format error", "it has to be built for this machine"),
        ("#!/bin/sh\n", 0o644, "Permission denied", "chmod +x bootstrap"),
        ("#!/nowhere/sh\n", 0o755, "its first line, or its loader, names a program", ""),
    ],
)
async def test_what_cannot_be_started_says_what_to_do(
    project: ExecutableProject, text: str, mode: int, message: str, hint: str
) -> None:
    file = write_executable(project.root, "bad", "")
    file.write_text(text)
    file.chmod(mode)
    await project.define("bad")
    failed = await project.failure("bad")
    assert failed.error_type == "worker-executable"
    assert message in failed.message
    assert hint in (failed.hint or "")


async def test_a_script_that_ends_without_asking_for_events_fails_the_invocation(project: ExecutableProject) -> None:
    write_executable(project.root, "ends", '#!/bin/sh\necho "no configuration" >&2\nexit 7\n')
    await project.define("ends")
    failed = await project.failure("ends")
    assert failed.message.endswith("Runtime exited with error: exit status 7")
    assert project.output() == "no configuration\n"


async def test_a_script_for_each_event_is_started_again(project: ExecutableProject) -> None:
    write_executable(project.root, "once", shell(ECHO).replace("while :; do", "for once in 1; do"))
    await project.define("once")
    for number in range(3):
        assert await project.result("once", number) == number
        (worker,) = project.runtime._workers.values() or [None]
        if worker is not None:
            await worker.ended


async def test_what_a_script_has_started_ends_with_it(project: ExecutableProject) -> None:
    body = 'sleep 300 &\necho "child $!"\n' + ECHO
    write_executable(project.root, "parent", shell(body))
    await project.define("parent")
    await project.result("parent")
    child = int(project.output().split("child ")[1].split()[0])
    assert is_running(child)
    await project.define("parent", memory_mb=512)
    await eventually(lambda: not is_running(child))


@pytest.mark.parametrize("guarded", [False, True])
async def test_executables_end_with_kite(tmp_path: Path, guarded: bool) -> None:
    """Also a loop that goes on whatever curl says, and also when `kite` is killed."""
    # With its event it is certainly held.
    asked = 'curl -sS -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"'
    endless = f"#!/bin/sh\n{asked}\necho $$ > pid\nwhile :; do sleep 1; done\n"
    write_executable(tmp_path, "endless", endless)
    code = f"""
import asyncio, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from kit.executables import executable_project
async def main():
    async with executable_project(Path({str(tmp_path)!r}), guarded={guarded}) as project:
        await project.define("endless")
        await project.invoke("endless")
asyncio.run(main())
"""
    kite = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        place = tmp_path / "endless" / "pid"
        pid = int(await eventually(lambda: place.exists() and place.read_text().strip()))
        assert is_running(pid)
    finally:
        kite.send_signal(signal.SIGKILL)
        await kite.wait()
    await eventually(lambda: not is_running(pid))


async def test_behind_a_guard_ends_are_told_as_they_are(tmp_path: Path) -> None:
    write_executable(tmp_path, "ends", "#!/bin/sh\nexit 7\n")
    write_executable(tmp_path, "killed", "#!/bin/sh\nkill -SEGV $$\n")
    write_executable(tmp_path, "echo", shell(ECHO))
    async with executable_project(tmp_path, guarded=True, marked=True) as project:
        for name, status in (("ends", "exit status 7"), ("killed", "signal: segmentation fault")):
            await project.define(name)
            assert (await project.failure(name)).message.endswith(status)
        await project.define("echo")
        assert await project.result("echo", 3) == 3


async def test_output_is_complete_where_a_thread_reads_it(tmp_path: Path) -> None:
    write_executable(tmp_path, "says", shell('echo "number $event"\n' + ECHO + " > /dev/null"))
    async with executable_project(tmp_path, marked=True) as project:
        await project.define("says")
        for number in range(5):
            outcome = await project.invoke("says", number)
            assert project.output(outcome) == f"number {number}\n"
