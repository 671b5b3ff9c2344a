"""A forked worker is indistinguishable from a started one, except that it is there sooner."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kit.runtime import FunctionProject, eventually, running_project, write_file
from skykite.runtime.zygote import ZygoteGone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")

WHERE = "import os, sys\ndef handler(e, c): return [os.getppid(), 'early' in dir(sys), sorted(sys.modules)]\n"


@pytest.fixture
async def packages(tmp_path: Path) -> Path:
    """site-packages of a virtual environment of its own."""
    process = await asyncio.create_subprocess_exec("python3", "-m", "venv", "--without-pip", tmp_path / "env")
    assert await process.wait() == 0
    (site,) = (tmp_path / "env/lib").glob("python3*/site-packages")
    return site


@pytest.fixture
async def project(tmp_path: Path, packages: Path) -> AsyncIterator[FunctionProject]:
    async with running_project(
        tmp_path / "project",
        interpreter=str(tmp_path / "env/bin/python"),
        modules_cache=tmp_path / "cache/modules.json",
    ) as found:
        await zygote_ready(found)
        yield found


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


async def zygote_ready(project: FunctionProject) -> int:
    await asyncio.wait_for(project.starter.ready.wait(), 20)
    zygote = project.starter._zygote
    assert zygote is not None
    return zygote._process.pid


async def reloaded(project: FunctionProject, function: str) -> object:
    """The result of a worker that was made after the zygote has learned what the function imports."""
    await project.result(function)
    pid = await zygote_ready(project)
    (project.root / "app.py").write_text((project.root / "app.py").read_text() + "\n")
    parent, *rest = await project.result(function)
    return [parent == pid, *rest]


async def test_fork_has_the_packages_that_functions_import(project: FunctionProject, packages: Path) -> None:
    write_file(packages, "tea.py", "import os\nLOADED_BY = os.getpid()")
    project.write("app.py", "import os, tea\ndef handler(e, c): return [os.getppid(), tea.LOADED_BY == os.getppid()]")
    await project.define("app.handler")
    assert await reloaded(project, "app.handler") == [True, True]


async def test_known_packages_are_remembered_between_runs(tmp_path: Path, packages: Path) -> None:
    write_file(packages, "tea.py", "import os\nLOADED_BY = os.getpid()")
    text = "import os, tea\ndef handler(e, c): return tea.LOADED_BY == os.getppid()"
    found = []
    for _ in range(2):
        async with running_project(
            tmp_path / "project",
            interpreter=str(tmp_path / "env/bin/python"),
            modules_cache=tmp_path / "cache/modules.json",
        ) as project:
            await zygote_ready(project)
            project.write("app.py", text)
            await project.define("app.handler")
            found.append(await project.result("app.handler"))
            await zygote_ready(project)
    assert found == [False, True]
    assert "tea" in json.loads((tmp_path / "cache/modules.json").read_text())["modules"]


async def test_users_modules_are_never_imported_ahead(project: FunctionProject) -> None:
    project.write("lib.py", "import os\nLOADED_BY = os.getpid()")
    project.write("app.py", "import os, lib\ndef handler(e, c): return [os.getppid(), lib.LOADED_BY == os.getpid()]")
    await project.define("app.handler")
    assert await reloaded(project, "app.handler") == [True, True]


async def test_variable_read_at_import_has_the_functions_value(project: FunctionProject, packages: Path) -> None:
    write_file(packages, "tea.py", "import os\nKIND = os.environ.get('TEA_KIND')")
    project.write("app.py", "import os, tea\ndef handler(e, c): return [os.getppid(), tea.KIND]")
    project.write("other.py", "def handler(e, c): ...")
    await project.define("app.handler", environment={"TEA_KIND": "green"})
    await project.define("other.handler")
    assert await reloaded(project, "app.handler") == [False, "green"]


async def test_variable_that_all_functions_share_does_not_prevent_forking(
    project: FunctionProject, packages: Path
) -> None:
    write_file(packages, "tea.py", "import os\nKIND = os.environ.get('TEA_KIND')")
    project.write("app.py", "import os, tea\ndef handler(e, c): return [os.getppid(), tea.KIND]")
    await project.define("app.handler", environment={"TEA_KIND": "green"})
    assert await reloaded(project, "app.handler") == [True, "green"]


@pytest.mark.parametrize(
    "text",
    [
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "KEPT = open('/dev/null')",
    ],
    ids=["thread", "open-file"],
)
async def test_module_that_does_not_survive_a_fork_is_left_to_the_worker(
    project: FunctionProject, packages: Path, text: str
) -> None:
    write_file(packages, "busy.py", f"import os\nLOADED_BY = os.getpid()\n{text}\n")
    write_file(packages, "tea.py", "import os\nLOADED_BY = os.getpid()")
    project.write(
        "app.py",
        """
        import os, busy, tea
        def handler(e, c): return [os.getppid(), busy.LOADED_BY == os.getpid(), tea.LOADED_BY == os.getppid()]
        """,
    )
    await project.define("app.handler")
    assert await reloaded(project, "app.handler") == [True, True, True]


async def test_users_module_shadows_a_package_that_was_imported_ahead(project: FunctionProject, packages: Path) -> None:
    write_file(packages, "tea.py", "KIND = 'installed'")
    project.write("app.py", "import os, tea\ndef handler(e, c): return [os.getppid(), tea.KIND]")
    await project.define("app.handler")
    assert (await reloaded(project, "app.handler")) == [True, "installed"]
    project.write("tea.py", "KIND = 'mine'")
    assert (await project.result("app.handler"))[1] == "mine"


async def test_module_that_was_looked_for_in_vain_is_found_if_it_is_the_users(
    project: FunctionProject, packages: Path
) -> None:
    write_file(
        packages, "tea.py", "try:\n    import tea_settings\n    KIND = 'set'\nexcept ImportError:\n    KIND = 'default'"
    )
    project.write("app.py", "import os, tea\ndef handler(e, c): return [os.getppid(), tea.KIND]")
    await project.define("app.handler")
    assert (await reloaded(project, "app.handler")) == [True, "default"]
    project.write("tea_settings.py", "")
    assert (await project.result("app.handler"))[1] == "set"


async def test_workers_do_not_share_random_numbers(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os, random, time
        FIRST = random.random()
        def handler(e, c):
            time.sleep(0.2)
            return [os.getpid(), FIRST]
        """,
    )
    await project.define("app.handler")
    await project.result("app.handler")
    await zygote_ready(project)
    project.write("app.py", (project.root / "app.py").read_text() + "\n")
    found = await asyncio.gather(*(project.result("app.handler") for _ in range(3)))
    assert len({pid for pid, _ in found}) == 3
    assert len({number for _, number in found}) == 3


async def test_killed_zygote_is_replaced(project: FunctionProject) -> None:
    project.write("app.py", "import os\ndef handler(e, c): return os.getppid()")
    await project.define("app.handler")
    first = await zygote_ready(project)
    assert await project.result("app.handler") == first
    os.kill(first, signal.SIGKILL)
    zygote = project.starter._zygote
    assert zygote is not None
    # Its worker ends with it; an invocation may still meet that one as long as nobody has heard of its end.
    await eventually(lambda: not zygote.alive and not project.runtime._workers)
    assert await project.result("app.handler") != first
    assert await zygote_ready(project) != first


async def test_zygote_retired_during_a_fork_lives_for_the_child(project: FunctionProject) -> None:
    """Retired with no child yet, it used to end, and the kernel ended the child it had just made with it."""
    zygote = project.starter._zygote
    assert zygote is not None
    await zygote_ready(project)
    forking = asyncio.create_task(zygote.fork())
    await asyncio.sleep(0)  # the order is out, the answer is not in
    zygote.retire()
    process = await forking
    assert not process.ended.done()
    process.end()
    await eventually(lambda: process.ended.done() and not zygote.alive)


async def test_fork_of_a_zygote_that_has_just_gone_fails_in_one_place(project: FunctionProject) -> None:
    """Its descriptors and what waited for its answer used to be left over: the loop told of an error nobody heard."""
    zygote = project.starter._zygote
    assert zygote is not None
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    before = open_descriptors()
    zygote.kill()
    # Until it has gone; the loop has not heard of it.
    os.waitid(os.P_PID, zygote._process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
    with pytest.raises(ZygoteGone):
        await zygote.fork()
    await eventually(lambda: not zygote.alive)
    zygote._forks.clear()  # as when all of it is let go
    gc.collect()
    assert failures == []
    assert open_descriptors() <= before


async def test_a_worker_is_killed_though_its_zygote_has_just_gone(project: FunctionProject) -> None:
    """What was to tell the zygote so failed, and with it the session."""
    zygote = project.starter._zygote
    assert zygote is not None
    process = await zygote.fork()
    os.kill(zygote._process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, zygote._process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
    process.kill()
    await eventually(lambda: process.ended.done() and not zygote.alive)


async def test_fork_that_is_called_off_leaves_nothing(project: FunctionProject) -> None:
    zygote = project.starter._zygote
    assert zygote is not None
    before = open_descriptors()
    forking = asyncio.create_task(zygote.fork())
    await asyncio.sleep(0)  # the order is out, the answer is not in
    forking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forking
    assert open_descriptors() <= before
    process = await zygote.fork()  # answered after the one that nobody waits for
    await eventually(lambda: len(zygote._children) == 1)
    process.end()
    await eventually(process.ended.done)
