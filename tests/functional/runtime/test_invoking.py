"""What a handler is given, and what becomes of what it does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from kit.runtime import FunctionProject, eventually, invocation_of, running_project
from skykite.model.events import Notice
from skykite.model.invocation import Failed, Succeeded

INTERPRETERS = [
    pytest.param(str(path), id=path.parts[-3])
    for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    if int(path.parts[-3].split(".")[1]) >= 9
]


async def test_event_reaches_the_handler_and_its_result_comes_back(project: FunctionProject) -> None:
    project.write("functions/echo.py", "def handler(event, context): return {'got': event}")
    await project.define("functions/echo.handler")
    assert await project.result("functions/echo.handler", {"ü": [1, None, 2.5]}) == {"got": {"ü": [1, None, 2.5]}}


async def test_context_is_lambdas(forking: FunctionProject) -> None:
    forking.write(
        "app.py",
        """
        def handler(event, context):
            names = ["aws_request_id", "function_name", "function_version", "invoked_function_arn",
                     "memory_limit_in_mb", "log_group_name", "log_stream_name", "tenant_id"]
            found = {name: getattr(context, name) for name in names}
            found["identity"] = context.identity.cognito_identity_id
            found["custom"] = context.client_context.custom
            found["app"] = context.client_context.client.app_title
            found["remaining"] = context.get_remaining_time_in_millis()
            return found
        """,
    )
    await forking.define("app.handler", timeout_s=7)
    sent = invocation_of("app.handler", client_context=b'{"custom": {"a": 1}, "client": {"app_title": "T"}}')
    outcome = await forking.runtime.invoke(sent)
    assert isinstance(outcome, Succeeded)
    found = json.loads(outcome.payload)
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", found.pop("log_stream_name"))
    assert 6000 < found.pop("remaining") <= 7000
    assert found == {
        "aws_request_id": sent.request_id,
        "function_name": "alice-notes-handler",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:alice-notes-handler",
        "memory_limit_in_mb": "256",
        "log_group_name": "/aws/lambda/alice-notes-handler",
        "tenant_id": None,
        "identity": None,
        "custom": {"a": 1},
        "app": "T",
    }


async def test_environment_is_lambdas_and_nothing_of_the_hosts(project: FunctionProject) -> None:
    os.environ["SECRET_OF_THE_HOST"] = "1"
    try:
        project.write(
            "app.py",
            """
            import os, sys, time
            def handler(event, context):
                where = {"cwd": os.getcwd(), "first": sys.path[0], "zone": time.tzname[0]}
                return {"environment": dict(os.environ), **where}
            """,
        )
        await project.define("app.handler", environment={"TABLE": "t", "AWS_REGION": "eu-north-1"})
        found = await project.result("app.handler")
    finally:
        del os.environ["SECRET_OF_THE_HOST"]
    environment = found.pop("environment")
    assert found == {"cwd": str(project.root), "first": str(project.root), "zone": "UTC"}
    assert set(environment) - {"LD_LIBRARY_PATH", "TMPDIR", "LC_CTYPE"} == {
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_REGION",
        "HOME",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "PATH",
        "TABLE",
        "TZ",
        "USERPROFILE",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
    assert environment["TABLE"] == "t"
    assert environment["AWS_REGION"] == "eu-north-1"
    assert environment["_HANDLER"] == "app.handler"
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_python3.{sys.version_info.minor}"
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", environment["_X_AMZN_TRACE_ID"]
    )


async def test_nothing_of_ours_is_on_the_import_path(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import resource, sys, skykite_lambda
        def handler(event, context):
            return [hasattr(resource, "getrusage"), [p for p in sys.path if p.endswith("skykite_lambda")]]
        """,
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == [True, []]


async def test_pythonpath_and_other_python_variables_work_as_in_lambda(forking: FunctionProject) -> None:
    forking.write("extra/lib_only_there.py", "VALUE = 5")
    forking.write(
        "app.py",
        "import sys, lib_only_there\ndef handler(e, c): return [lib_only_there.VALUE, sys.flags.dev_mode]",
    )
    extra = str(forking.root / "extra")
    await forking.define("app.handler", environment={"PYTHONPATH": extra, "PYTHONDEVMODE": "1"})
    assert await forking.result("app.handler") == [5, True]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("mode", ["fork", "spawn"])
async def test_every_supported_python_runs_functions(tmp_path: Path, interpreter: str, mode: str) -> None:
    async with running_project(tmp_path, interpreter=interpreter, mode=mode) as project:  # type: ignore[arg-type]
        project.write(
            "functions/app.py",
            """
            import sys, logging, decimal
            def handler(event, context):
                logging.getLogger().warning("careful")
                return {"version": list(sys.version_info[:2]), "price": decimal.Decimal("1.50")}
            def failing(event, context): raise KeyError("x")
            """,
        )
        await project.define("functions/app.handler")
        await project.define("functions/app.failing")
        if mode == "fork":
            await asyncio.wait_for(project.starter.ready.wait(), 20)
        found = await project.result("functions/app.handler")
        assert interpreter.split("/")[-3].startswith("{}.{}.".format(*found["version"]))
        assert found["price"] == 1.5
        assert project.output().startswith("[WARNING]\t")
        assert (await project.failure("functions/app.failing")).message == "'x'"


# Failures


async def test_exception_comes_back_with_frames_of_the_user_only(project: FunctionProject) -> None:
    project.write("lib.py", "def check(value):\n    raise LookupError(f'no {value}')\n")
    project.write("app.py", "import lib\n\ndef handler(event, context):\n    lib.check(event)\n")
    await project.define("app.handler")
    failure = await project.failure("app.handler", "tea")
    assert json.loads(failure.payload) == {
        "errorMessage": "no tea",
        "errorType": "LookupError",
        "requestId": failure.request_id,
        "stackTrace": [
            f'  File "{project.root}/app.py", line 4, in handler\n    lib.check(event)\n',
            f"  File \"{project.root}/lib.py\", line 2, in check\n    raise LookupError(f'no {{value}}')\n",
        ],
    }
    assert failure.kind == "handled"


@pytest.mark.parametrize(
    ("files", "handler", "kind", "message", "hint"),
    [
        (
            {"functions/notes.py": "def create(e, c): ...\ndef get(e, c): ...\n_private = len\n"},
            "functions/notes.main",
            "Runtime.HandlerNotFound",
            "Handler 'main' missing on module 'functions/notes'",
            "`functions/notes.py` defines `create` and `get`",
        ),
        (
            {"functions/notes.py": "", "functions/users.py": ""},
            "functions/note.get",
            "Runtime.ImportModuleError",
            "Unable to import module 'functions/note': No module named 'functions.note'",
            "there is no `functions/note.py`; `functions` holds `notes.py` and `users.py`",
        ),
        (
            {"functions/notes.py": ""},
            "function/notes.get",
            "Runtime.ImportModuleError",
            "Unable to import module 'function/notes': No module named 'function'",
            "there is no folder `function` in `{root}`",
        ),
        (
            {"app.py": "import surely_not_installed.part"},
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'surely_not_installed'",
            (
                "install `surely_not_installed` into the environment of `{python}`, "
                "and add it to the project's dependencies"
            ),
        ),
        (
            {"functions/notes.py": "from functions import text"},
            "functions/notes.get",
            "Runtime.ImportModuleError",
            "Unable to import module 'functions/notes': cannot import name 'text' from 'functions' (unknown location)",
            "there is no `functions/text.py`",
        ),
        (
            {"functions/notes.py": "import functions.text"},
            "functions/notes.get",
            "Runtime.ImportModuleError",
            "Unable to import module 'functions/notes': No module named 'functions.text'",
            "there is no `functions/text.py`",
        ),
        (
            {"functions/notes.py": "import text", "functions/text.py": ""},
            "functions/notes.get",
            "Runtime.ImportModuleError",
            "Unable to import module 'functions/notes': No module named 'text'",
            "imports start at `{root}`: write `functions.text` for `functions/text.py`",
        ),
        (
            {"app.py": "def handler(event, context:\n    pass\n"},
            "app.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': '(' was never closed (app.py, line 1)",
            None,
        ),
        ({"app.py": "1 / 0"}, "app.handler", "ZeroDivisionError", "division by zero", None),
    ],
)
async def test_function_that_cannot_be_loaded_says_why(
    forking: FunctionProject, files: dict[str, str], handler: str, kind: str, message: str, hint: str | None
) -> None:
    for path, text in files.items():
        forking.write(path, text)
    await forking.define(handler)
    failure = await forking.failure(handler)
    shown = failure.hint
    if hint is not None:
        hint = hint.format(root=forking.root, python=sys.executable)
    assert (failure.kind, failure.error_type, failure.message, shown) == ("import", kind, message, hint)


async def test_session_goes_on_after_a_function_that_could_not_be_loaded(project: FunctionProject) -> None:
    project.write("bad.py", "raise RuntimeError('no')")
    project.write("good.py", "def handler(e, c): return 1")
    await project.define("bad.handler")
    await project.define("good.handler")
    outcomes = await asyncio.gather(*(project.invoke("bad.handler") for _ in range(5)))
    assert [outcome.message for outcome in outcomes if isinstance(outcome, Failed)] == ["no"] * 5
    assert await project.result("good.handler") == 1


@pytest.mark.parametrize(
    ("statement", "reason", "hint"),
    [
        (
            "import sys; sys.exit(3)",
            "Runtime exited with error: exit status 3",
            "`app.py:4` ends the process with `sys.exit`: return, or raise an exception, instead",
        ),
        (
            "import sys; sys.exit()",
            "Runtime exited without providing a reason",
            "`app.py:4` ends the process with `sys.exit`: return, or raise an exception, instead",
        ),
        (
            "import os; os._exit(7)",
            "Runtime exited with error: exit status 7",
            "the process ended itself with status 7: look for `os._exit`, also in libraries",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "Runtime exited with error: signal: segmentation fault",
            "native code crashed (SIGSEGV); `PYTHONFAULTHANDLER=1` in the function's environment shows where",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "Runtime exited with error: signal: killed",
            "the process was ended by SIGKILL: by the system for want of memory, or by whoever sent it",
        ),
        (
            "import os; os.closerange(3, 512)",
            "Runtime exited with error: exit status 1",
            "the process ended itself with status 1: look for `os._exit`, also in libraries",
        ),
        (
            "raise BaseException('enough')",
            "Runtime exited with error: exit status 1",
            "`app.py:4` ends the process with `BaseException`: raise a subclass of `Exception` instead",
        ),
    ],
)
async def test_death_of_the_process_is_an_exit_error_and_the_next_invocation_works(
    project: FunctionProject, statement: str, reason: str, hint: str
) -> None:
    project.write(
        "app.py", f"def handler(event, context):\n    print('last words')\n    if event:\n        {statement}\n"
    )
    await project.define("app.handler")
    failure = await project.failure("app.handler", True)
    assert project.output(stream="stdout") == "last words\n"
    assert (failure.kind, failure.hint) == ("exit", hint)
    assert json.loads(failure.payload) == {
        "errorMessage": f"RequestId: {failure.request_id} Error: {reason}",
        "errorType": "Runtime.ExitError",
    }
    assert await project.result("app.handler", False) is None


async def test_exit_while_loading_is_an_exit_error(project: FunctionProject) -> None:
    project.write("app.py", "import sys\nprint('leaving')\nsys.exit(4)\n")
    await project.define("app.handler")
    failure = await project.failure("app.handler")
    assert failure.message == f"RequestId: {failure.request_id} Error: Runtime exited with error: exit status 4"
    assert project.output() == "leaving\n"
    assert failure.hint == "`app.py:3` ends the process with `sys.exit`: return, or raise an exception, instead"


async def test_function_that_takes_too_long_is_killed_and_replaced(project: FunctionProject) -> None:
    project.write(
        "app.py", "def handler(event, context):\n    print('begun')\n    while event: pass\n    return 'ok'\n"
    )
    await project.define("app.handler", timeout_s=0.3, source="stacks/app.py:7")
    failure = await project.failure("app.handler", True)
    assert failure.kind == "timeout"
    assert failure.hint == "raise `timeout` of the function at `stacks/app.py:7`, or see what `app.py` waits for"
    assert json.loads(failure.payload) == {
        "errorMessage": f"RequestId: {failure.request_id} Error: Task timed out after 0.30 seconds",
        "errorType": "Sandbox.Timedout",
    }
    assert 300 <= failure.report.duration_ms < 1500
    assert project.output() == "begun\n"
    assert await project.result("app.handler", False) == "ok"


async def test_result_that_json_cannot_hold_is_a_marshal_error(forking: FunctionProject) -> None:
    forking.write("app.py", "def handler(event, context): return {'a': {1, 2}}\nasync def later(event, context): ...")
    await forking.define("app.handler")
    await forking.define("app.later")
    failure = await forking.failure("app.handler")
    assert failure.kind == "unserializable"
    assert (failure.error_type, failure.message) == (
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type set is not JSON serializable",
    )
    assert (await forking.failure("app.later")).hint == (
        "the handler is `async`, which Lambda does not run: call `asyncio.run(...)` in a plain function"
    )


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (
            "{'body': {'items': [1, 'x', {1, 2}]}}",
            "`body.items[2]` of what the handler returns is a `set`: use `list(...)` or `sorted(...)`",
        ),
        (
            "{'a': 1, 'when': datetime.date(2020, 1, 1)}",
            "`when` of what the handler returns is a `date`: use `.isoformat()`",
        ),
        (
            "object()",
            "what the handler returns is a `object`: JSON holds dicts, lists, texts, numbers, booleans and None",
        ),
        (
            "{'a': [{(1, 2): 3}]}",
            "`a[0]` of what the handler returns has a `tuple` as a key: keys have to be texts or numbers",
        ),
        (
            "[b'\\xff']",
            "`[0]` of what the handler returns is `bytes` that are no text: use `base64.b64encode(...).decode()`",
        ),
        ("CIRCLE", "`[0]` of what the handler returns holds itself: return a copy without the circle"),
    ],
)
async def test_what_json_cannot_hold_is_named_with_its_place(forking: FunctionProject, value: str, hint: str) -> None:
    forking.write(
        "app.py", f"import datetime\nCIRCLE = []\nCIRCLE.append(CIRCLE)\ndef handler(event, context): return {value}\n"
    )
    await forking.define("app.handler")
    failure = await forking.failure("app.handler")
    assert (failure.kind, failure.hint) == ("unserializable", hint)
    assert b"of what the handler" not in failure.payload


async def test_results_and_events_over_the_limit_are_refused(forking: FunctionProject) -> None:
    forking.write("app.py", "def handler(event, context): return 'x' * event if isinstance(event, int) else 'small'")
    await forking.define("app.handler")
    limit = 6 * 1024 * 1024
    assert len(await forking.result("app.handler", limit - 2)) == limit - 2
    failure = await forking.failure("app.handler", limit + 200)
    assert failure.kind == "too-large"
    assert json.loads(failure.payload) == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    refused = await forking.failure("app.handler", "x" * limit)
    assert (refused.kind, refused.error_type, refused.message) == (
        "too-large",
        "RequestTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    )


async def test_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with running_project(tmp_path, interpreter=str(tmp_path / "gone/bin/python")) as project:
        await project.define("app.handler")
        failure = await project.failure("app.handler")
    assert (failure.kind, failure.error_type, failure.message) == (
        "unavailable",
        "interpreter-missing",
        f"cannot start `{tmp_path}/gone/bin/python`: No such file or directory",
    )


async def test_unknown_function_is_unavailable(forking: FunctionProject) -> None:
    failure = await forking.failure("nobody")
    assert (failure.kind, failure.message) == ("unavailable", "Function not found: nobody")


# Output


async def test_output_is_in_order_whoever_wrote_it(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os, subprocess, sys
        print("loading")
        def handler(event, context):
            print("one")
            print("two", file=sys.stderr)
            os.write(1, b"three\\n")
            subprocess.run(["echo", "four"], check=True)
            sys.stdout.buffer.write("fünf\\n".encode())
            print("no newline", end="")
        """,
    )
    await project.define("app.handler")
    await project.result("app.handler")
    assert project.output() == "loading\none\ntwo\nthree\nfour\nfünf\nno newline"
    assert project.output(stream="stderr") == "two\n"


async def test_logging_looks_as_in_lambda(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import logging
        logging.getLogger().setLevel("INFO")
        def handler(event, context):
            logging.getLogger("shop").info("sold %s", "tea")
        """,
    )
    await project.define("app.handler")
    outcome = await project.invoke("app.handler")
    assert isinstance(outcome, Succeeded)
    request_id = project.events.events[-1].request_id  # type: ignore[union-attr]
    assert re.fullmatch(
        rf"\[INFO\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request_id}\tsold tea\n", project.output()
    )


async def test_json_log_format(forking: FunctionProject) -> None:
    forking.write("app.py", "import logging\ndef handler(e, c): logging.getLogger('shop').info('sold', extra={'n': 1})")
    environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    await forking.define("app.handler", environment=environment)
    await forking.result("app.handler")
    found = json.loads(forking.output())
    del found["timestamp"]
    request_id = forking.events.events[-1].request_id  # type: ignore[union-attr]
    assert found == {"level": "INFO", "message": "sold", "logger": "shop", "requestId": request_id, "n": 1}


async def test_ten_megabytes_of_output_neither_block_nor_get_lost(project: FunctionProject) -> None:
    project.write(
        "app.py", "def handler(e, c):\n    for n in range(10): print(str(n) * (1024 * 1024 - 1))\n    return 'done'"
    )
    await project.define("app.handler", timeout_s=60)
    assert await project.result("app.handler") == "done"
    assert project.output() == "".join(str(n) * (1024 * 1024 - 1) + "\n" for n in range(10))


async def test_log_tail_is_what_lambda_gives(project: FunctionProject) -> None:
    project.write("app.py", "def handler(e, c):\n    print('hello')\n    return 1 / e\n")
    await project.define("app.handler")
    outcome = await project.invoke("app.handler", 1)
    last = project.events.events[-1].request_id  # type: ignore[union-attr]
    log = re.sub(r"\d+\.\d\d ms", "N ms", outcome.report.log.decode())
    log = re.sub(r"(Billed Duration|Max Memory Used): \d+", r"\1: N", log)
    assert log == (
        f"START RequestId: {last} Version: $LATEST\nhello\nEND RequestId: {last}\nREPORT RequestId: {last}\t"
        "Duration: N ms\tBilled Duration: N ms\tMemory Size: 256 MB\tMax Memory Used: N MB\tInit Duration: N ms\t\n"
    )
    failure = await project.failure("app.handler", 0)
    assert b"[ERROR] ZeroDivisionError: division by zero\nTraceback (most recent call last):\n" in failure.report.log
    assert failure.report.init_ms is None


async def test_output_of_a_thread_between_invocations_belongs_to_the_next(forking: FunctionProject) -> None:
    forking.write(
        "app.py",
        """
        import os, threading, time
        def handler(event, context):
            if event:
                threading.Timer(0.05, lambda: (print("later"), open(event, "w").close())).start()
            return os.getpid()
        """,
    )
    await forking.define("app.handler")
    flag = forking.root.parent / f"{forking.root.name}.flag"
    first = await forking.result("app.handler", str(flag))
    while not flag.exists():
        await asyncio.sleep(0.01)
    assert await forking.result("app.handler") == first
    assert forking.output() == "later\n"


# Concurrency


async def test_invocations_overlap_in_processes_of_their_own(project: FunctionProject, tmp_path: Path) -> None:
    """Each waits for the others to have begun, so that none could have taken the place of another."""
    project.write(
        "app.py",
        """
        import os, time
        def handler(event, context):
            open(os.path.join(event, context.aws_request_id), "w").close()
            while len(os.listdir(event)) < 4:
                time.sleep(0.01)
            return os.getpid()
        """,
    )
    await project.define("app.handler", timeout_s=30)
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    pids = await asyncio.gather(*(project.result("app.handler", str(meeting)) for _ in range(4)))
    assert len(set(pids)) == 4


async def test_more_invocations_than_workers_wait_their_turn(tmp_path: Path) -> None:
    async with running_project(tmp_path, max_workers=2) as project:
        project.write(
            "app.py", "import time\ndef one(e, c):\n    time.sleep(0.02)\n    return e\ndef two(e, c): return e\n"
        )
        await project.define("app.one")
        await project.define("app.two")
        results = await asyncio.gather(*(project.result(f"app.{'one' if n % 3 else 'two'}", n) for n in range(30)))
    assert results == list(range(30))


async def test_a_function_that_waits_for_itself_with_all_workers_busy_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skykite.runtime.crowding.CROWDED_AFTER", 0.05)
    async with running_project(tmp_path, max_workers=1) as project:
        project.write(
            "app.py",
            """
            import os, time
            def handler(event, context):
                while not os.path.exists(event):
                    time.sleep(0.01)
                return "went on"
            """,
        )
        await project.define("app.handler", timeout_s=30)
        enough = tmp_path / "enough"
        calls = [asyncio.create_task(project.result("app.handler", str(enough))) for _ in range(3)]

        def told() -> list[str]:
            return [event.message for event in project.events.events if isinstance(event, Notice)]

        await eventually(told)
        enough.touch()
        assert await asyncio.gather(*calls) == ["went on"] * 3
        assert told() == ["no more than 1 invocations run here at once: 2 wait for their turn"]


async def test_changed_configuration_takes_effect_with_the_next_invocation(project: FunctionProject) -> None:
    project.write("app.py", "import os, time\ndef handler(e, c):\n    time.sleep(e)\n    return os.environ['V']\n")
    await project.define("app.handler", environment={"V": "1"})
    assert await project.result("app.handler", 0) == "1"
    in_flight = asyncio.create_task(project.result("app.handler", 0.2))
    await asyncio.sleep(0)
    await project.define("app.handler", environment={"V": "2"})
    assert await project.result("app.handler", 0) == "2"
    assert await in_flight == "1"


async def test_caller_who_goes_away_does_not_stop_the_function(forking: FunctionProject) -> None:
    forking.write(
        "app.py",
        """
        import time
        def handler(event, context):
            open(event + ".begun", "w").close()
            time.sleep(0.2)
            open(event + ".done", "w").close()
        """,
    )
    await forking.define("app.handler")
    flag = str(forking.root.parent / forking.root.name)
    call = asyncio.create_task(forking.result("app.handler", flag))
    await eventually(Path(flag + ".begun").exists)
    call.cancel()
    await eventually(Path(flag + ".done").exists)
