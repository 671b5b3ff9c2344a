"""Promise 3: no invocation ever runs stale code."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from kit.runtime import FunctionProject, eventually, running_project
from skykite.model.invocation import Succeeded
from skykite.model.names import FunctionId
from skykite.runtime import Reloaded


async def test_saved_handler_answers_the_next_request(project: FunctionProject) -> None:
    project.write("functions/app.py", "def handler(e, c): return 1")
    await project.define("functions/app.handler")
    assert await project.result("functions/app.handler") == 1
    project.write("functions/app.py", "def handler(e, c): return 2")
    assert await project.result("functions/app.handler") == 2


async def test_unchanged_files_keep_the_worker(project: FunctionProject) -> None:
    project.write("app.py", "import os, json, lib\ndef handler(e, c): return os.getpid()")
    project.write("lib.py", "")
    await project.define("app.handler")
    first = await project.result("app.handler")
    project.write("unrelated.py", "X = 1")
    project.write("notes.txt", "x")
    (project.root / ".kite").mkdir()
    assert await project.result("app.handler") == first


async def test_imported_module_and_package_are_followed(project: FunctionProject) -> None:
    project.write("app.py", "from shop import prices, stock\ndef handler(e, c): return [prices.TEA, stock.TEA]")
    project.write("shop/__init__.py", "")
    project.write("shop/prices.py", "TEA = 1")
    project.write("shop/stock.py", "TEA = 1")
    await project.define("app.handler")
    assert await project.result("app.handler") == [1, 1]
    project.write("shop/prices.py", "TEA = 2")
    assert await project.result("app.handler") == [2, 1]
    project.write("shop/stock.py", "TEA = 3")
    assert await project.result("app.handler") == [2, 3]
    project.write("shop/__init__.py", "raise ImportError('closed')")
    assert (await project.failure("app.handler")).message == "Unable to import module 'app': closed"


async def test_change_that_leaves_size_and_timestamp_is_seen(project: FunctionProject) -> None:
    file = project.write("app.py", "def handler(e, c): return 1")
    await project.define("app.handler")
    assert await project.result("app.handler") == 1
    before = file.stat()
    project.write("app.py", "def handler(e, c): return 2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await project.result("app.handler") == 2


async def test_cached_bytecode_is_never_trusted(project: FunctionProject) -> None:
    """Python's own check compares whole seconds of the timestamp, and the size."""
    file = project.write("lib.py", "VALUE = 1")
    project.write("app.py", "import lib\ndef handler(e, c): return lib.VALUE")
    process = await asyncio.create_subprocess_exec(
        shutil.which("python3") or "python3", "-c", "import compileall; compileall.compile_dir('.')", cwd=project.root
    )
    await process.wait()
    before = file.stat()
    project.write("lib.py", "VALUE = 2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    await project.define("app.handler")
    assert await project.result("app.handler") == 2


async def test_data_file_counts_too(project: FunctionProject) -> None:
    project.write("data/menu.txt", "tea")
    project.write("app.py", "MENU = open('data/menu.txt').read()\ndef handler(e, c): return MENU")
    await project.define("app.handler")
    assert await project.result("app.handler") == "tea"
    project.write("data/menu.txt", "cake")
    assert await project.result("app.handler") == "cake"


async def test_file_that_was_missing_counts_once_it_is_there(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        try:
            import settings
            FOUND = settings.NAME
        except ImportError:
            FOUND = "default"
        try:
            FOUND += open("extra.txt").read()
        except FileNotFoundError:
            pass
        def handler(event, context): return FOUND
        """,
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == "default"
    project.write("settings.py", "NAME = 'mine'")
    assert await project.result("app.handler") == "mine"
    project.write("extra.txt", "+")
    assert await project.result("app.handler") == "mine+"
    (project.root / "settings.py").unlink()
    assert await project.result("app.handler") == "default+"


async def test_package_that_shadows_a_module_is_seen(project: FunctionProject) -> None:
    project.write("lib.py", "V = 'module'")
    project.write("app.py", "import lib\ndef handler(e, c): return lib.V")
    await project.define("app.handler")
    assert await project.result("app.handler") == "module"
    project.write("lib/__init__.py", "V = 'package'")
    assert await project.result("app.handler") == "package"


async def test_new_file_in_a_listed_folder_is_seen(project: FunctionProject) -> None:
    project.write("templates/one.txt", "1")
    project.write("app.py", "import os\nNAMES = sorted(os.listdir('templates'))\ndef handler(e, c): return NAMES")
    await project.define("app.handler")
    assert await project.result("app.handler") == ["one.txt"]
    project.write("templates/two.txt", "2")
    assert await project.result("app.handler") == ["one.txt", "two.txt"]


async def test_file_loaded_during_an_invocation_counts_from_then_on(project: FunctionProject) -> None:
    project.write("late.py", "V = 1")
    project.write(
        "app.py",
        "import os\ndef handler(e, c):\n    if e:\n        import late\n        return late.V\n    return os.getpid()",
    )
    await project.define("app.handler")
    pid = await project.result("app.handler", 0)
    project.write("late.py", "V = 2")
    assert await project.result("app.handler", 0) == pid
    assert await project.result("app.handler", 1) == 2
    project.write("late.py", "V = 3")
    assert await project.result("app.handler", 1) == 3


async def test_file_the_function_writes_itself_does_not_restart_it(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os, pathlib
        def handler(event, context):
            count = pathlib.Path("count.txt")
            number = int(count.read_text()) + 1 if count.exists() else 1
            count.write_text(str(number))
            return [os.getpid(), number]
        """,
    )
    await project.define("app.handler")
    found = [await project.result("app.handler") for _ in range(3)]
    assert found == [[found[0][0], 1], [found[0][0], 2], [found[0][0], 3]]


async def test_code_that_the_function_writes_itself_counts(project: FunctionProject) -> None:
    project.write("lib.py", "V = 1")
    project.write(
        "app.py", "import lib\ndef handler(e, c):\n    if e: open('lib.py', 'w').write(e)\n    return lib.V\n"
    )
    await project.define("app.handler")
    assert await project.result("app.handler", "V = 2") == 1
    assert await project.result("app.handler") == 2
    project.write("lib.py", "V = 3")
    assert await project.result("app.handler") == 3


async def test_files_that_the_function_makes_do_not_restart_it(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os
        def handler(event, context):
            os.makedirs(f"out/{event}")
            open(f"out/{event}/new.txt", "w").close()
            return [os.getpid(), len(os.listdir("out"))]
        """,
    )
    await project.define("app.handler")
    (pid, _), *rest = [await project.result("app.handler", number) for number in range(3)]
    assert rest == [[pid, 2], [pid, 3]]


async def test_deleted_handler_is_an_import_error(project: FunctionProject) -> None:
    file = project.write("app.py", "def handler(e, c): return 1")
    await project.define("app.handler")
    assert await project.result("app.handler") == 1
    file.unlink()
    assert (await project.failure("app.handler")).message == "Unable to import module 'app': No module named 'app'"
    project.write("app.py", "def handler(e, c): return 2")
    assert await project.result("app.handler") == 2


async def test_syntax_error_and_its_repair_are_both_seen(project: FunctionProject) -> None:
    project.write("app.py", "def handler(e, c): return 1")
    await project.define("app.handler")
    assert await project.result("app.handler") == 1
    project.write("app.py", "def handler(e, c) return 1")
    assert (await project.failure("app.handler")).error_type == "Runtime.UserCodeSyntaxError"
    project.write("app.py", "def handler(e, c): return 2")
    assert await project.result("app.handler") == 2


async def test_request_in_flight_finishes_on_the_old_code_while_others_get_the_new(project: FunctionProject) -> None:
    project.write(
        "app.py", "import time\ndef handler(e, c):\n    open(e, 'w').close()\n    time.sleep(0.4)\n    return 1"
    )
    await project.define("app.handler")
    flag = project.root.parent / f"{project.root.name}.flag"
    old = asyncio.create_task(project.result("app.handler", str(flag)))
    await eventually(flag.exists)
    project.write("app.py", "def handler(e, c): return 2")
    assert await project.result("app.handler") == 2
    assert not old.done()
    assert await old == 1
    assert await project.result("app.handler") == 2


async def test_trace_shows_the_lines_that_ran(project: FunctionProject) -> None:
    project.write("app.py", "def handler(e, c):\n    open(e, 'w').write('# new')\n    1 / 0  # old\n")
    await project.define("app.handler")
    failure = await project.failure("app.handler", str(project.root / "app.py"))
    assert failure.trace == (f'  File "{project.root}/app.py", line 3, in handler\n    1 / 0  # old\n',)


async def test_upgraded_package_is_seen(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec("python3", "-m", "venv", "--without-pip", tmp_path / "env")
    assert await process.wait() == 0
    (site,) = (tmp_path / "env/lib").glob("python3*/site-packages")
    (site / "tea.py").write_text("V = 1")
    async with running_project(tmp_path / "project", interpreter=str(tmp_path / "env/bin/python")) as project:
        project.write("app.py", "import tea\ndef handler(e, c): return tea.V")
        await project.define("app.handler")
        assert await project.result("app.handler") == 1
        await asyncio.wait_for(project.starter.ready.wait(), 20)
        (site / "tea.py").write_text("V = 22")
        (site / "tea-2.dist-info").mkdir()
        assert await project.result("app.handler") == 22


@pytest.mark.parametrize("atomic", [True, False], ids=["rename", "in-place"])
async def test_no_stale_and_no_failed_answer_while_saving_under_load(tmp_path: Path, atomic: bool) -> None:
    async with running_project(tmp_path) as project:

        def save(version: int) -> None:
            text = "X = 1\n" * 50 + f"VERSION = {version}\n"
            file = tmp_path / "version.py"
            if atomic:
                file.with_suffix(".tmp").write_text(text)
                file.with_suffix(".tmp").replace(file)
            else:
                file.write_text(text)

        saved = 0
        save(saved)
        project.write("app.py", "import version\ndef handler(e, c): return version.VERSION")
        await project.define("app.handler")
        answers = 0
        done = asyncio.Event()

        async def load() -> None:
            nonlocal answers
            while not done.is_set():
                at_least = saved
                outcome = await project.invoke("app.handler")
                assert isinstance(outcome, Succeeded), outcome
                assert int(outcome.payload) >= at_least
                answers += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(load())
            for version in range(1, 41):
                before = answers
                await eventually(lambda before=before: answers > before + 5)  # type: ignore[misc]
                saved_now = version
                save(saved_now)
                saved = saved_now
            done.set()


async def test_changed_files_warm_only_the_functions_that_loaded_them(project: FunctionProject) -> None:
    project.write("one.py", "def handler(e, c): return 1")
    project.write("two.py", "def handler(e, c): return 2")
    await project.define("one.handler")
    await project.define("two.handler")
    await project.result("one.handler")
    await project.result("two.handler")
    assert {project.root / "one.py", project.root / "two.py"} <= project.runtime.watched()
    changed = project.write("one.py", "def handler(e, c): return 11")
    assert await project.runtime.files_changed({changed}) == Reloaded(
        files=frozenset({changed}), functions=(FunctionId("one.handler"),)
    )
    outcome = await project.invoke("one.handler")
    assert outcome.payload == b"11"
    assert (await project.runtime.files_changed({changed})).functions == ()


async def test_repaired_function_is_warmed_too(project: FunctionProject) -> None:
    project.write("app.py", "1 / 0")
    await project.define("app.handler")
    await project.failure("app.handler")
    changed = project.write("app.py", "def handler(e, c): return 1")
    assert changed in project.runtime.watched()
    assert (await project.runtime.files_changed({changed})).functions == ("app.handler",)
    assert await project.result("app.handler") == 1


async def test_save_that_cannot_be_loaded_says_why_and_the_next_good_one_does_not(project: FunctionProject) -> None:
    project.write("app.py", "def handler(e, c): return 1")
    await project.define("app.handler")
    await project.define("app.other")
    await project.result("app.handler")
    await project.invoke("app.other")
    changed = project.write("app.py", "def handler(e, c): return 1\ndef ee(\n")
    reloaded = await project.runtime.files_changed({changed})
    failure = await project.failure("app.handler")
    (error,) = reloaded.failures
    assert reloaded.functions == ("app.handler", "app.other")
    assert error.code == "function-not-loaded"
    assert error.message == f"`app.handler` and 1 other function cannot be loaded: {failure.message}"
    assert failure.message == "Syntax error in module 'app': '(' was never closed (app.py, line 2)"
    assert error.context == f'  File "{changed}" Line 2\n    def ee('
    changed = project.write("app.py", "def handler(e, c): return 22\nother = handler")
    reloaded = await project.runtime.files_changed({changed})
    assert (reloaded.functions, reloaded.failures) == (("app.handler", "app.other"), ())


async def test_saves_are_told_once_though_a_request_noticed_them_first(project: FunctionProject) -> None:
    project.write("app.py", "import text\ndef handler(e, c): return text.VALUE")
    project.write("text.py", "VALUE = 1")
    await project.define("app.handler")
    await project.result("app.handler")
    changed = project.write("text.py", "VALUE = 22")
    assert await project.result("app.handler") == 22
    assert (await project.runtime.files_changed({changed})).functions == ("app.handler",)
    assert (await project.runtime.files_changed({changed})).functions == ()
    changed.unlink()
    assert "text" in (await project.failure("app.handler")).message
    reloaded = await project.runtime.files_changed({changed})
    assert [error.code for error in reloaded.failures] == ["function-not-loaded"]
    project.write("text.py", "VALUE = 3")
    assert await project.result("app.handler") == 3
    reloaded = await project.runtime.files_changed(())
    assert (reloaded.functions, reloaded.failures) == (("app.handler",), ())


async def test_what_a_request_is_about_to_load_is_waited_for_before_it_is_told(
    project: FunctionProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    loading, go_on = elsewhere / "loading", elsewhere / "go-on"
    project.write("app.py", "1 / 0")
    await project.define("app.handler")
    await project.failure("app.handler")
    changed = project.write(
        "app.py",
        f"""
        import os, time
        open({str(loading)!r}, "w").close()
        while not os.path.exists({str(go_on)!r}): time.sleep(0.01)
        def handler(e, c): return 1
        """,
    )
    request = asyncio.create_task(project.result("app.handler"))
    await eventually(loading.exists)
    telling = asyncio.create_task(project.runtime.files_changed({changed}))
    await asyncio.wait([telling], timeout=0.1)
    assert not telling.done()
    go_on.touch()
    reloaded = await telling
    assert (reloaded.functions, reloaded.failures) == (("app.handler",), ())
    assert await request == 1


async def test_a_save_that_what_was_told_of_the_one_before_it_is_about_already_is_not_told_again(
    project: FunctionProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two saves within a moment, as of an editor that formats; the worker for the first one loads the second."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    loading, go_on = elsewhere / "loading", elsewhere / "go-on"
    project.write("api/__init__.py", "")
    project.write("api/app.py", "def handler(e, c): return 1")
    await project.define("api/app.handler")
    await project.define("api/app.never_called")
    await project.result("api/app.handler")
    first = project.write(
        "api/__init__.py",
        f"""
        import os, time
        open({str(loading)!r}, "w").close()
        while not os.path.exists({str(go_on)!r}): time.sleep(0.01)
        """,
    )
    telling = asyncio.create_task(project.runtime.files_changed({first}))
    await eventually(loading.exists)
    second = project.write("api/app.py", "def handler(")
    go_on.touch()
    assert "never closed" in (await telling).failures[0].message
    assert (await project.runtime.files_changed({second})).functions == ()
    project.write("api/app.py", "def handler((")
    reloaded = await project.runtime.files_changed({second})
    assert reloaded.functions == ("api/app.handler", "api/app.never_called")
    assert len(reloaded.failures) == 1


async def test_handler_saved_before_its_first_invocation_is_tried(project: FunctionProject) -> None:
    project.write("app.py", "def one(e, c): return 1\ndef two(e, c): return 2")
    await project.define("app.one")
    await project.define("app.two")
    changed = project.root / "app.py"
    assert changed in project.runtime.watched()
    assert (await project.runtime.files_changed({changed})).functions == ()
    project.write("app.py", "import nowhere_at_all")
    reloaded = await project.runtime.files_changed({changed})
    assert reloaded.functions == ("app.one", "app.two")
    assert [error.message for error in reloaded.failures] == [
        "`app.one` cannot be loaded: Unable to import module 'app': No module named 'nowhere_at_all'"
    ]


async def test_what_a_function_writes_itself_is_no_save(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        from pathlib import Path
        COUNT = Path(__file__).with_name("count.txt")
        def handler(e, c):
            number = int(COUNT.read_text()) + 1 if COUNT.exists() else 1
            COUNT.write_text(str(number))
            return number
        """,
    )
    await project.define("app.handler")
    assert [await project.result("app.handler") for _ in range(3)] == [1, 2, 3]
    assert (await project.runtime.files_changed({project.root / "count.txt"})).functions == ()
