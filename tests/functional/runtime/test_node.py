"""Functions in Node: what Lambda's Node runtimes do with handlers, errors and what is left undone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kit.node import running_node_project
from kit.runtime import FunctionProject, eventually, is_running, write_file
from skykite.model.events import InvocationFinished, Notice
from skykite.model.invocation import Failed, Succeeded
from skykite.model.names import FunctionId
from skykite.runtime import detect_editor

NEVER_SETTLED = "The Lambda runtime client detected an unexpected Node.js exit code."


NODE_ON_PATH = subprocess.check_output([shutil.which("node") or "true", "--version"], text=True)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FunctionProject]:
    async with running_node_project(tmp_path) as found:
        yield found


async def define(project: FunctionProject, handler: str, source: str, **changes: Any) -> FunctionId:
    """A function of `source`: a module with imports, unless it assigns `exports`."""
    suffix = ".cjs" if "exports" in source else ".mjs"
    project.write(f"{handler.rpartition('.')[0]}{suffix}", source)
    return await project.define(handler, **{"kind": "node", "runtime": "nodejs24.x", **changes})


async def result_of(project: FunctionProject, source: str, event: Any = None, **changes: Any) -> Any:
    return await project.result(await define(project, "app.handler", source, **changes), event)


async def failure_of(project: FunctionProject, source: str, event: Any = None, **changes: Any) -> Failed:
    return await project.failure(await define(project, "app.handler", source, **changes), event)


def document(failed: Failed) -> Any:
    return json.loads(failed.payload)


# Results


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("async (event) => event", {"a": ["ü", 1.5, None, "\u2028"]}),
        ("(event) => event.a.length", 4),
        ("async () => {}", None),
        ("async () => undefined", None),
        ("async () => ({ at: new Date(0), gone: undefined })", {"at": "1970-01-01T00:00:00.000Z"}),
        ("() => ({ then: (resolve) => setTimeout(resolve, 5, 'thenable') })", "thenable"),
    ],
)
async def test_result_is_what_json_makes_of_it(node: FunctionProject, body: str, result: Any) -> None:
    event = {"a": ["ü", 1.5, None, "\u2028"]}
    assert await result_of(node, f"export const handler = {body};", event) == result


async def test_module_with_await_at_its_top_and_common_js_load(node: FunctionProject) -> None:
    source = (
        "const late = await new Promise((done) => setTimeout(done, 5, 'late'));\nexport const handler = () => late;"
    )
    assert await result_of(node, source) == "late"
    assert await result_of(node, "exports.handler = async () => typeof require;") == "late"  # `.mjs` comes first
    await define(node, "other.handler", "const path = require('node:path'); exports.handler = () => path.sep;")
    assert await node.result("other.handler") == os.sep


async def test_context_is_lambdas(node: FunctionProject) -> None:
    source = """
    export const handler = async (event, context) => ({ ...context, left: context.getRemainingTimeInMillis(),
      trace: process.env._X_AMZN_TRACE_ID, execution: process.env.AWS_EXECUTION_ENV, own: process.env.OWN,
      cwd: process.cwd(), home: process.env.PWD, argv: process.argv.length });
    """
    function = await define(node, "app.handler", source, environment={"OWN": "1"})
    outcome = await node.invoke(
        function, None, client_context=b'{"custom":{"a":1}}', trace_id="Root=1-5759e988-bd862e3fe1be46a994272793"
    )
    assert isinstance(outcome, Succeeded)
    context = json.loads(outcome.payload)
    assert 9000 < context.pop("left") <= 10_000
    assert context.pop("logStreamName").endswith(tuple("0123456789abcdef"))
    assert context.pop("awsRequestId")
    assert context == {
        "functionVersion": "$LATEST",
        "functionName": "alice-notes-handler",
        "memoryLimitInMB": "256",
        "logGroupName": "/aws/lambda/alice-notes-handler",
        "clientContext": {"custom": {"a": 1}},
        "invokedFunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:alice-notes-handler",
        "trace": "Root=1-5759e988-bd862e3fe1be46a994272793",
        "execution": "AWS_Lambda_nodejs24.x",
        "own": "1",
        "cwd": str(node.root),
        "argv": 1,
    }


async def test_large_events_and_results_go_through(node: FunctionProject) -> None:
    text = "a" * (5 * 1024 * 1024)
    assert await result_of(node, "export const handler = async (event) => event;", text) == text


async def test_result_over_the_limit_says_its_size(node: FunctionProject) -> None:
    failed = await failure_of(node, "export const handler = async () => 'x'.repeat(7 * 1024 * 1024);")
    assert failed.kind == "too-large"
    assert failed.error_type == "Function.ResponseSizeTooLarge"
    assert failed.hint == "the function returned 7340034 bytes; put large results into a bucket and return a link"


# Callbacks


CALLBACKS: dict[str, tuple[str, Any]] = {
    "called": ("(event, context, callback) => callback(null, 'called')", "called"),
    "later": ("(event, context, callback) => { setTimeout(callback, 5, null, 'later'); }", "later"),
    "never called": ("(event, context, callback) => {}", None),
    "returned without": ("(event, context) => 'nobody takes it'", None),
    "promise wins": ("async (event, context, callback) => 'promise'", "promise"),
    "waits for the loop": (
        """(event, context, callback) => {
            const seen = ['first']; setTimeout(() => seen.push('late'), 20); callback(null, seen); }""",
        ["first", "late"],
    ),
    "told not to wait": (
        """(event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false;
            const seen = ['first']; setTimeout(() => seen.push('late'), 20); callback(null, seen); }""",
        ["first"],
    ),
    "context.succeed": ("(event, context) => { setTimeout(() => {}, 1e6); context.succeed('done'); }", "done"),
    "only the first": ("(event, context, callback) => { callback(null, 1); callback(null, 2); }", 1),
}


@pytest.mark.parametrize("case", list(CALLBACKS))
async def test_callbacks_of_node_22(node: FunctionProject, case: str) -> None:
    body, result = CALLBACKS[case]
    assert await result_of(node, f"export const handler = {body};", runtime="nodejs22.x") == result


async def test_error_given_to_a_callback_is_the_answer(node: FunctionProject) -> None:
    source = "export const handler = (event, context, callback) => callback(new RangeError('too far'));"
    failed = await failure_of(node, source, runtime="nodejs22.x")
    assert (failed.kind, failed.error_type, failed.message) == ("handled", "RangeError", "too far")
    failed = await failure_of(node, "export const handler = (e, context) => context.fail();", runtime="nodejs22.x")
    assert document(failed) == {"errorType": "string", "errorMessage": "handled", "trace": []}


async def test_node_24_refuses_a_handler_that_takes_a_callback(node: FunctionProject) -> None:
    failed = await failure_of(node, "export const handler = (event, context, callback) => callback(null, 1);")
    assert (failed.kind, failed.error_type) == ("import", "Runtime.CallbackHandlerDeprecated")
    assert failed.hint == (
        'give `app.handler` two parameters, and return the result or a promise of it, or set runtime="nodejs22.x"'
    )


async def test_other_version_than_on_aws_is_said_once(node: FunctionProject) -> None:
    await define(node, "a.handler", "export const handler = async () => 1;", runtime="nodejs18.x")
    await define(node, "b.handler", "export const handler = async () => 1;", runtime="nodejs18.x")
    await node.result("a.handler")
    await node.result("b.handler")
    (notice,) = (event for event in node.events.events if isinstance(event, Notice))
    assert notice.message == "functions for `nodejs18.x` run on Node 24 here, and on Node 18 in AWS"


async def test_node_on_the_path_runs_functions_of_its_version(tmp_path: Path) -> None:
    if not NODE_ON_PATH.startswith("v20."):
        pytest.skip("there is no Node 20 on the PATH")
    async with running_node_project(tmp_path, host=dict(os.environ)) as project:
        source = "export const handler = async () => process.versions.node.split('.')[0];"
        assert await result_of(project, source, runtime="nodejs20.x") == "20"
        assert await result_of(project, source, runtime="nodejs24.x") == "24"
        assert not [event for event in project.events.events if isinstance(event, Notice)]


# Errors


async def test_error_has_type_message_and_the_users_frames(node: FunctionProject) -> None:
    source = """
    class OrderError extends Error { name = 'OrderError' }
    const check = () => { throw new OrderError('no such order'); };
    export const handler = async () => check();
    """
    failed = await failure_of(node, source)
    url = (node.root / "app.mjs").as_uri()
    assert (failed.kind, failed.error_type, failed.message) == ("handled", "OrderError", "no such order")
    assert document(failed) == {
        "errorType": "OrderError",
        "errorMessage": "no such order",
        "trace": [
            "OrderError: no such order",
            f"    at check ({url}:2:29)",
            f"    at handler ({url}:3:36)",
        ],
    }
    assert failed.trace == (f"    at check ({url}:2:29)\n", f"    at handler ({url}:3:36)\n")
    assert b'\tERROR\tInvoke Error \t{"errorType":"OrderError","errorMessage":"no such order"' in failed.report.log


@pytest.mark.parametrize(
    ("thrown", "expected"),
    [
        ("'text'", {"errorType": "string", "errorMessage": "text", "trace": []}),
        ("undefined", {"errorType": "undefined", "errorMessage": "undefined", "trace": []}),
        ("{ a: 1 }", {"errorType": "object", "errorMessage": "[object Object]", "trace": []}),
    ],
)
async def test_what_is_thrown_need_not_be_an_error(node: FunctionProject, thrown: str, expected: Any) -> None:
    failed = await failure_of(node, f"export const handler = async () => {{ throw {thrown}; }};")
    assert document(failed) == expected


async def test_error_that_cannot_be_read_does_not_end_the_worker(node: FunctionProject) -> None:
    source = """
    export const handler = async (bad) => {
      if (bad) throw new Proxy(new Error('x'), { get() { throw new Error('no') }, has() { throw new Error('no') },
        getPrototypeOf() { throw new Error('no') }});
      return process.pid;
    };
    """
    pid = await result_of(node, source, False)
    failed = await node.failure("app.handler", True)
    assert document(failed)["errorType"] == "handled"
    assert await node.result("app.handler", False) == pid


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("{ rows: [{ id: 1n }] }", "`rows[0].id` is a BigInt: return a string, or `Number(…)`"),
        (
            "(() => { const a = { b: {} }; a.b.c = a; return a; })()",
            "`b.c` leads back to what holds it: return a copy without the circle",
        ),
    ],
)
async def test_result_that_json_cannot_hold_says_where(node: FunctionProject, value: str, hint: str) -> None:
    failed = await failure_of(node, f"export const handler = async () => ({value});")
    assert (failed.error_type, failed.message) == ("Runtime.JSONStringifyError", "Unable to stringify response body")
    assert failed.hint == hint
    failed = await failure_of(node, f"export const handler = async () => ({value}); // 22", runtime="nodejs22.x")
    assert (failed.error_type, failed.message) == ("Error", "Unable to stringify response body")


async def test_promise_that_nothing_settles_is_an_error_at_once(node: FunctionProject) -> None:
    failed = await failure_of(node, "export const handler = async () => { await new Promise(() => {}); };")
    assert failed.error_type == "Runtime.NodeJsExit"
    assert failed.message.startswith(NEVER_SETTLED)
    failed = await failure_of(node, "await new Promise(() => {});\nexport const handler = 1;")
    assert (failed.kind, failed.error_type) == ("import", "Runtime.NodeJsExit")


@pytest.mark.parametrize(
    ("ending", "error_type", "message"),
    [
        ("Promise.reject(new TypeError('lost'))", "Runtime.UnhandledPromiseRejection", "TypeError: lost"),
        ("Promise.reject()", "Runtime.UnhandledPromiseRejection", "undefined"),
        ("setTimeout(() => { throw new RangeError('thrown') })", "RangeError", "thrown"),
    ],
)
async def test_what_nobody_catches_fails_the_invocation_and_ends_the_process(
    node: FunctionProject, ending: str, error_type: str, message: str
) -> None:
    source = f"""
    export const handler = async (event) => {{
      if (event) {{ {ending}; await new Promise((done) => setTimeout(done, 5000)); }}
      return process.pid;
    }};
    """
    pid = await result_of(node, source, False)
    failed = await node.failure("app.handler", True)
    assert (failed.kind, failed.error_type, failed.message) == ("handled", error_type, message)
    assert await node.result("app.handler", False) != pid
    await eventually(lambda: not is_running(pid))


async def test_process_exit_names_the_line(node: FunctionProject) -> None:
    failed = await failure_of(node, "export const handler = async () => {\n  process.exit(3);\n};")
    assert failed.kind == "exit"
    assert failed.message.endswith("Runtime exited with error: exit status 3")
    assert failed.hint == "`app.mjs:2` ends the process with `process.exit`: return, or throw an error, instead"
    failed = await failure_of(node, "export const handler = async () => process.abort();")
    assert failed.message.endswith("signal: aborted")


async def test_timeout_stops_a_loop_that_never_yields(node: FunctionProject) -> None:
    source = "export const handler = async (event) => { while (event); return process.pid; };"
    failed = await failure_of(node, source, True, timeout_s=0.3)
    assert failed.kind == "timeout"
    assert failed.message.endswith("Task timed out after 0.30 seconds")
    assert failed.hint == "raise `timeout` of the function, or see what `app` waits for"
    assert await node.result("app.handler", False)


# Loading


LOADING: dict[str, tuple[str, str, str, str | None]] = {
    "not exported": (
        "export const get = () => 1; export const put = () => 2;",
        "Runtime.HandlerNotFound",
        "app.handler is undefined or not exported",
        "`app.mjs` exports `get` and `put`",
    ),
    "no function": ("export const handler = 5;", "Runtime.HandlerNotFound", "app.handler is not a function", None),
    "nothing": (
        "export {};",
        "Runtime.HandlerNotFound",
        "app.handler is undefined or not exported",
        "`app.mjs` exports no function",
    ),
    "package missing": (
        "import x from 'no-such-package/deep'; export const handler = x;",
        "Runtime.ImportModuleError",
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'no-such-package' imported from ",
        "`npm install no-such-package` adds it to the project; its `package.json` has to name it, too",
    ),
    "syntax": (
        "export const handler = async () => {{;",
        "Runtime.UserCodeSyntaxError",
        "SyntaxError: Unexpected",
        None,
    ),
    "throws": ("throw new TypeError('at load'); export const handler = 1;", "TypeError", "at load", None),
    "rejects": (
        "Promise.reject(new Error('lost')); await new Promise((d) => setTimeout(d, 1000)); export const handler = 1;",
        "Runtime.UnhandledPromiseRejection",
        "Error: lost",
        None,
    ),
}


@pytest.mark.parametrize("case", list(LOADING))
async def test_module_that_cannot_be_loaded_says_why(node: FunctionProject, case: str) -> None:
    source, error_type, message, hint = LOADING[case]
    failed = await failure_of(node, source)
    assert (failed.kind, failed.error_type) == ("import", error_type)
    assert failed.message.startswith(message)
    assert failed.hint == hint


async def test_require_of_a_missing_package_says_how_to_add_it(node: FunctionProject) -> None:
    failed = await failure_of(node, "require('@scope/none/deep'); exports.handler = 1;")
    assert failed.error_type == "Runtime.ImportModuleError"
    assert failed.message.startswith("Error: Cannot find module '@scope/none/deep'\nRequire stack:")
    assert failed.hint == "`npm install @scope/none` adds it to the project; its `package.json` has to name it, too"


# Streaming


async def test_streamed_answer_is_collected(node: FunctionProject) -> None:
    source = """
    export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
      stream.write('{"pid":');
      await new Promise((done) => setTimeout(done, 5));
      stream.write(`"${typeof context.awsRequestId}"}`);
      stream.end();
    });
    """
    assert await result_of(node, source) == {"pid": "string"}


async def test_streamed_http_answer_has_its_status_and_body(node: FunctionProject) -> None:
    source = """
    import { pipeline } from 'node:stream/promises';
    import { Readable } from 'node:stream';
    export const handler = awslambda.streamifyResponse(async (event, stream) => {
      stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-a': 'b' } });
      await pipeline(Readable.from(event), stream);
    });
    """
    assert await result_of(node, source, ["one, ", "two"]) == {
        "statusCode": 201,
        "headers": {"x-a": "b"},
        "body": "one, two",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("async (event, stream) => { stream.write('x'); }", "Response stream is not finished."),
        ("(event, stream) => { stream.end(); }", "Streaming does not support non-async handlers."),
        ("async (event, stream) => { throw new Error('half-way'); }", "half-way"),
    ],
)
async def test_stream_that_is_not_ended_is_an_error(node: FunctionProject, body: str, message: str) -> None:
    failed = await failure_of(node, f"export const handler = awslambda.streamifyResponse({body});")
    assert failed.message == message


# Output


async def test_output_belongs_to_its_invocation_and_stream(node: FunctionProject) -> None:
    source = """
    import { execSync } from 'node:child_process';
    console.log('loading');
    export const handler = async (event) => {
      console.log('%s and %o', 'text', 1, { a: new Map([[1, 2]]) });
      console.error('wrong', new Error('why').message);
      process.stdout.write('no line end');
      execSync('echo from a child', { stdio: 'inherit' });
      console.log('x'.repeat(100_000).length);
    };
    """
    await result_of(node, source)
    assert node.output(stream="stderr") == "wrong why\n"
    assert node.output(stream="stdout") == (
        "loading\ntext and 1 { a: Map(1) { 1 => 2 } }\nno line endfrom a child\n100000\n"
    )
    await node.result("app.handler")
    assert "loading" not in node.output()


async def test_megabytes_of_output_are_complete(node: FunctionProject) -> None:
    source = """
    export const handler = async () => { for (let n = 0; n < 20_000; n++) console.log(`${n} ${'x'.repeat(90)}`); };
    """
    await result_of(node, source)
    lines = node.output().splitlines()
    assert len(lines) == 20_000
    assert lines[-1].startswith("19999 ")


async def test_json_log_format_and_level(node: FunctionProject) -> None:
    source = """
    export const handler = async () => {
      console.debug('unseen');
      console.info({ order: 1 });
      console.warn('a', 'b');
      console.error('it failed:', new TypeError('why'));
    };
    """
    await result_of(node, source, environment={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
    info, warn, error = map(json.loads, node.output().splitlines())
    assert info["level"] == "INFO"
    assert info["message"] == {"order": 1}
    assert len(info["requestId"]) == 36
    assert (warn["level"], warn["message"]) == ("WARN", "a b")
    assert (error["level"], error["errorType"], error["errorMessage"]) == ("ERROR", "TypeError", "why")


# Processes


async def test_spare_process_knows_nothing_of_other_functions(node: FunctionProject) -> None:
    source = (
        "export const handler = async () => [Object.keys(process.env).filter((n) => n.startsWith('OWN')), process.pid];"
    )
    await define(node, "a.handler", source, environment={"OWN_A": "1"})
    await define(node, "b.handler", source, environment={"OWN_B": "1"})
    a, b = await node.result("a.handler"), await node.result("b.handler")
    assert (a[0], b[0]) == (["OWN_A"], ["OWN_B"])
    assert a[1] != b[1]


async def test_variables_that_node_reads_at_its_start_count(node: FunctionProject) -> None:
    await define(node, "a.handler", "export const handler = async () => 1;")
    await node.result("a.handler")
    source = "export const handler = async () => globalThis.preloaded;"
    node.write("preload.cjs", "globalThis.preloaded = 'yes';")
    options = {"NODE_OPTIONS": f"--require {node.root / 'preload.cjs'}"}
    await define(node, "b.handler", source, environment=options)
    assert await node.result("b.handler") == "yes"


async def test_concurrent_invocations_have_workers_of_their_own(node: FunctionProject) -> None:
    source = "export const handler = async () => { await new Promise((d) => setTimeout(d, 500)); return process.pid; };"
    await define(node, "app.handler", source)
    pids = await asyncio.gather(*(node.result("app.handler") for _ in range(4)))
    assert len(set(pids)) > 1


async def test_channel_over_loopback(tmp_path: Path) -> None:
    async with running_node_project(tmp_path, channel="loopback") as project:
        source = "export const handler = async (event) => { console.log('out'); console.error('err'); return event; };"
        assert await result_of(project, source, "x" * 300_000) == "x" * 300_000
        assert project.output() == "out\nerr\n"


async def test_killed_session_leaves_no_node(tmp_path: Path) -> None:
    source = """
    import { spawn } from 'node:child_process';
    export const handler = async (event) => {
      if (event === 'hang') { console.log('hangs'); while (true); }
      return [process.pid, spawn('sleep', ['100']).pid];
    };
    """
    write_file(tmp_path, "app.mjs", source)
    script = f"""
    import asyncio, sys
    from pathlib import Path
    sys.path[:0] = {sys.path!r}
    from kit.node import running_node_project
    async def main():
        async with running_node_project(Path({str(tmp_path)!r})) as project:
            await project.define("app.handler", kind="node", runtime="nodejs24.x", timeout_s=60)
            print(*await project.result("app.handler"), flush=True)
            asyncio.create_task(project.invoke("app.handler", "hang"))
            while not project.output_so_far(): await asyncio.sleep(0.01)
            print(project.output_so_far().strip(), flush=True)
            await asyncio.sleep(100)
    asyncio.run(main())
    """
    file = write_file(tmp_path.parent, f"{tmp_path.name}-session.py", script)
    session = await asyncio.create_subprocess_exec(sys.executable, file, stdout=subprocess.PIPE)
    assert session.stdout is not None
    pids = [int(pid) for pid in (await session.stdout.readline()).split()]
    assert await session.stdout.readline() == b"hangs\n"
    assert all(map(is_running, pids))
    session.send_signal(signal.SIGKILL)
    await session.wait()
    await eventually(lambda: not any(map(is_running, pids)), within=2)


async def test_stopped_runtime_leaves_no_spare(tmp_path: Path) -> None:
    before = _nodes()
    async with running_node_project(tmp_path) as project:
        await result_of(project, "export const handler = async () => 1;")
        await eventually(lambda: len(_nodes() - before) == 2)
    await eventually(lambda: _nodes() <= before)


def _nodes() -> set[int]:
    """Node workers below this process."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"worker.cjs" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
    return found


async def test_editor_that_debugs_node_finds_its_way_to_workers(tmp_path: Path) -> None:
    write_file(tmp_path, "attach.cjs", "globalThis.attached = process.env.VSCODE_INSPECTOR_OPTIONS;")
    options = {"NODE_OPTIONS": f"--require {tmp_path / 'attach.cjs'}", "VSCODE_INSPECTOR_OPTIONS": ":::{}"}
    environment = {**options, "PATH": "/bin"}
    editor = detect_editor(environment)
    assert environment == {"PATH": "/bin"}
    async with running_node_project(tmp_path, editor=editor) as project:
        source = """
        export const handler = async (ms, context) => {
          await new Promise((done) => setTimeout(done, ms));
          return [globalThis.attached, process.env.NODE_OPTIONS ?? null, context.getRemainingTimeInMillis()];
        };
        """
        assert await result_of(project, source, 300, timeout_s=0.1) == [":::{}", None, 100]


def test_without_such_an_editor_nothing_is_taken_out_of_the_environment() -> None:
    environment = {"NODE_OPTIONS": "--no-warnings"}
    assert detect_editor(environment) == {}
    assert environment == {"NODE_OPTIONS": "--no-warnings"}


# Never stale


async def test_saved_module_answers_the_next_request(node: FunctionProject) -> None:
    for number in range(5):
        assert await result_of(node, f"export const handler = async () => {number};") == number


async def test_lock_file_that_changes_ends_the_worker(node: FunctionProject) -> None:
    pid = await result_of(node, "export const handler = async () => process.pid;")
    assert await node.result("app.handler") == pid
    node.write("package-lock.json", "{}")
    other = await node.result("app.handler")
    assert other != pid
    assert await node.result("app.handler") == other


async def test_package_that_is_installed_anew_ends_the_worker(node: FunctionProject) -> None:
    node.write("node_modules/left/package.json", '{"name": "left", "version": "1.0.0"}')
    node.write("node_modules/left/index.js", "exports.side = 1;")
    source = "exports.handler = async () => require('left').side;"
    assert await result_of(node, source.replace("exports.", "const { side } = require('left'); exports.")) == 1
    node.write("node_modules/left/index.js", "exports.side = 2;")
    node.write("node_modules/left/package.json", '{"name": "left", "version": "1.0.1"}')
    assert await node.result("app.handler") == 2


async def test_copied_file_that_changes_ends_the_worker(node: FunctionProject) -> None:
    copied = node.write("data/rates.json", "[1]")
    source = """
    import fs from 'node:fs';
    const rates = JSON.parse(fs.readFileSync('data/rates.json'));
    export const handler = async () => rates;
    """
    assert await result_of(node, source, copied=(copied.parent,)) == [1]
    node.write("data/rates.json", "[2]")
    assert await node.result("app.handler") == [2]


async def test_source_that_does_not_build_fails_until_it_does(node: FunctionProject) -> None:
    await node.define("app.handler", kind="node", runtime="nodejs24.x")
    failed = await node.failure("app.handler")
    assert (failed.kind, failed.message) == ("import", "there is no `app.mjs`")
    assert node.root / "app.mjs" in node.runtime.watched()
    node.write("app.mjs", "export const handler = async () => 'built';")
    assert await node.result("app.handler") == "built"


async def test_first_invocation_reports_its_init_and_later_ones_do_not(node: FunctionProject) -> None:
    await result_of(node, "export const handler = async () => 1;")
    await node.result("app.handler")
    first, second = (event for event in node.events.events if isinstance(event, InvocationFinished))
    assert first.init_ms is not None
    assert second.init_ms is None
    assert first.max_memory_mb is not None
    assert 20 < first.max_memory_mb < 256
