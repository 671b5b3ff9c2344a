"""Promise 3 against files and folders that do their best to look unchanged, or to be no ordinary file."""

from __future__ import annotations

import asyncio
import os
import sys
import zipfile
from pathlib import Path

import pytest

from kit.runtime import FunctionProject, running_project, write_file


async def test_init_file_that_makes_a_folder_a_package_is_seen(project: FunctionProject) -> None:
    project.write("functions/app.py", "import functions\ndef handler(e, c): return getattr(functions, 'X', 0)")
    await project.define("functions/app.handler")
    assert await project.result("functions/app.handler") == 0
    project.write("functions/__init__.py", "X = 1")
    assert await project.result("functions/app.handler") == 1


async def test_folder_that_becomes_a_package_shadows_the_module_beside_it(project: FunctionProject) -> None:
    project.write("words/data.txt", "")
    project.write("words.py", "WORD = 'module'")
    project.write("app.py", "import words\ndef handler(e, c): return words.WORD")
    await project.define("app.handler")
    assert await project.result("app.handler") == "module"
    project.write("words/__init__.py", "WORD = 'package'")
    assert await project.result("app.handler") == "package"


async def test_zip_file_that_was_read_counts(project: FunctionProject) -> None:
    def pack(text: str) -> None:
        with zipfile.ZipFile(project.root / "data.zip", "w") as archive:
            archive.writestr("word.txt", text)

    project.write(
        "app.py",
        "import zipfile\nWORD = zipfile.ZipFile('data.zip').read('word.txt').decode()\ndef handler(e, c): return WORD",
    )
    pack("one")
    await project.define("app.handler")
    assert await project.result("app.handler") == "one"
    pack("two")
    assert await project.result("app.handler") == "two"


async def test_module_in_a_zip_on_the_path_counts(project: FunctionProject) -> None:
    def pack(text: str) -> None:
        with zipfile.ZipFile(project.root / "lib.zip", "w") as archive:
            archive.writestr("packed.py", f"WORD = {text!r}\n")

    project.write(
        "app.py",
        "import sys\nsys.path.insert(0, 'lib.zip')\nfrom packed import WORD\ndef handler(e, c): return WORD",
    )
    pack("one")
    await project.define("app.handler")
    assert await project.result("app.handler") == "one"
    pack("two")
    assert await project.result("app.handler") == "two"


async def test_source_from_outside_the_project_counts(
    project: FunctionProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A library beside the project that the function puts on the path, or that is installed as editable."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_file(elsewhere, "shared.py", "WORD = 'one'")
    project.write(
        "app.py",
        f"import sys\nsys.path.append({str(elsewhere)!r})\nimport shared\ndef handler(e, c): return shared.WORD",
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == "one"
    write_file(elsewhere, "shared.py", "WORD = 'two'")
    assert await project.result("app.handler") == "two"
    write_file(elsewhere, "shared/__init__.py", "WORD = 'package'")
    assert await project.result("app.handler") == "package"


async def test_source_that_a_finder_of_its_own_maps_elsewhere_counts(
    project: FunctionProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As setuptools installs editable packages."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_file(elsewhere, "shared.py", "WORD = 'one'")
    project.write(
        "app.py",
        f"""
        import importlib.util, sys

        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "shared":
                    return importlib.util.spec_from_file_location(name, {str(elsewhere / "shared.py")!r})

        sys.meta_path.append(Finder)
        import shared

        def handler(event, context):
            return shared.WORD
        """,
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == "one"
    write_file(elsewhere, "shared.py", "WORD = 'two'")
    assert await project.result("app.handler") == "two"


async def test_same_size_edits_in_one_tick_with_a_time_set_back_are_seen(project: FunctionProject) -> None:
    """The timestamp of the content is old; only that of the file's entry shows that it may not be trusted yet."""
    file = project.write("app.py", "def handler(e, c): return 1000")
    await project.define("app.handler")
    for number in range(1001, 1041):
        file.write_text(f"def handler(e, c): return {number}")
        os.utime(file, ns=(1_000_000_000, 1_000_000_000))
        assert await project.result("app.handler") == number


async def test_name_that_is_not_text_does_not_matter(project: FunctionProject) -> None:
    odd = os.fsdecode(b"caf\xe9.txt")
    try:
        project.write(odd, "one")
    except OSError:
        pytest.skip("this file system takes text only")
    project.write(
        "app.py",
        "import os\nNAMES = len(os.listdir('.'))\n"
        "WORD = open([n for n in os.listdir(b'.') if n.endswith(b'.txt')][0]).read()\n"
        "def handler(e, c): return WORD",
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == "one"
    project.write(odd, "two")
    assert await project.result("app.handler") == "two"


async def test_files_read_by_many_threads_at_once_all_count(project: FunctionProject) -> None:
    for number in range(60):
        project.write(f"data/{number}.txt", "one")
        project.write(f"mod{number}.py", "WORD = 'one'")
    project.write(
        "app.py",
        """
        import importlib
        from concurrent.futures import ThreadPoolExecutor

        def read(number):
            return importlib.import_module(f"mod{number}").WORD, open(f"data/{number}.txt").read()

        with ThreadPoolExecutor(16) as pool:
            WORDS = [list(words) for words in pool.map(read, range(60))]

        def handler(event, context):
            return WORDS
        """,
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == [["one", "one"]] * 60
    expected = [["one", "one"] for _ in range(60)]
    for number in range(0, 60, 3):
        project.write(f"data/{number}.txt", "two")
        expected[number][1] = "two"
        assert await project.result("app.handler") == expected


async def test_what_a_thread_read_after_the_answer_counts(project: FunctionProject) -> None:
    project.write("word.txt", "one")
    project.write(
        "app.py",
        """
        import threading

        words = []
        go, done = threading.Event(), threading.Event()

        def read():
            go.wait()
            words.append(open("word.txt").read())
            open("/tmp/" + __import__("os").environ["DONE"], "w").close()

        def handler(event, context):
            if not words and not go.is_set():
                threading.Thread(target=read, daemon=True).start()
                threading.Timer(0.1, go.set).start()
                return None
            return words[-1]
        """,
    )
    done = Path("/tmp") / f"kite-test-done-{os.getpid()}"
    done.unlink(missing_ok=True)
    await project.define("app.handler", environment={"DONE": done.name})
    try:
        assert await project.result("app.handler") is None
        async with asyncio.timeout(5):
            while not done.exists():
                await asyncio.sleep(0.01)
        project.write("word.txt", "two")
        answer = await project.result("app.handler")
        assert answer in (None, "two"), "a fresh process starts over; one with the old text must not answer"
    finally:
        done.unlink(missing_ok=True)


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs are POSIX's")
async def test_fifo_in_the_project_does_not_stop_anything(project: FunctionProject) -> None:
    os.mkfifo(project.root / "pipe")
    project.write(
        "app.py",
        "import os\nPIPE = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)\ndef handler(e, c): return 1",
    )
    await project.define("app.handler")
    async with asyncio.timeout(5):
        assert await project.result("app.handler") == 1
        assert await project.result("app.handler") == 1


async def test_symlink_that_is_turned_is_seen(project: FunctionProject) -> None:
    project.write("v1/lib.py", "WORD = 'one'")
    project.write("v2/lib.py", "WORD = 'two'")
    project.write("app.py", "from current import lib\ndef handler(e, c): return lib.WORD")
    link = project.root / "current"
    link.symlink_to("v1")
    await project.define("app.handler")
    assert await project.result("app.handler") == "one"
    (project.root / "next").symlink_to("v2")
    (project.root / "next").replace(link)
    assert await project.result("app.handler") == "two"


async def test_exception_with_half_a_character_is_told(tmp_path: Path) -> None:
    async with running_project(tmp_path) as project:
        project.write("app.py", "def handler(e, c): raise ValueError('half \\ud83d')")
        await project.define("app.handler")
        failed = await project.failure("app.handler")
        assert (failed.kind, failed.error_type) == ("handled", "ValueError")
        project.write("bad.py", "raise ValueError('half \\ud83d')")
        await project.define("bad.handler")
        failed = await project.failure("bad.handler")
        assert failed.error_type == "ValueError"
