"""Promise 3 from outside: constant load while files are saved in every way files get saved."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kit.kite import dev, kite

STACKS = """
import os
from skykite import Api, App, Stack

MARK = "@@@@"


class HelloStack(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        environment = {"WORD": os.environ["WORD"], "MARK": MARK}
        names = ("direct", "helped", "packed", "lazy", "data", "env")
        routes = {f"GET /{name}": f"functions/{name}.handler" for name in names}
        Api(self, "Api", routes=routes, defaults={"function": {"environment": environment}})


def main(app: App) -> None:
    HelloStack(app, "HelloStack")
"""

FILES = {
    "functions/direct.py": "VERSION = '@@@@'\ndef handler(event, context):\n    return VERSION\n",
    "functions/helped.py": "from lib import helper\ndef handler(event, context):\n    return helper.VERSION\n",
    "lib/helper.py": "VERSION = '@@@@'\n",
    "functions/packed.py": "import packed\ndef handler(event, context):\n    return packed.VERSION\n",
    "packed.py": "VERSION = '@@@@'\n",
    "functions/lazy.py": "def handler(event, context):\n    from lib import late\n    return late.VERSION\n",
    "lib/late.py": "VERSION = '@@@@'\n",
    "functions/data.py": (
        "import functools\nfrom pathlib import Path\n\n@functools.cache\ndef text():\n"
        "    return Path('data/version.txt').read_text().strip()\n\n"
        "def handler(event, context):\n    return text()\n"
    ),
    "data/version.txt": "@@@@\n",
    "functions/env.py": (
        "import os\ndef handler(event, context):\n    return os.environ['WORD'] + '.' + os.environ['MARK']\n"
    ),
    ".env": "WORD=@@@@\n",
    "stacks/app.py": STACKS,
}
START = "0000"


@dataclass
class Project:
    """What is on disk. A version is four digits, so that all texts of a file are of one size."""

    root: Path
    versions: dict[str, str] = field(default_factory=dict)  # by file

    def text(self, file: str, version: str) -> str:
        return FILES[file].replace("@@@@", version)

    def path(self, file: str) -> Path:
        return self.root / file


def in_place(path: Path, text: str) -> None:
    with path.open("r+") as file:
        file.write(text)


def truncated(path: Path, text: str) -> None:
    path.write_text(text)


def renamed(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text)
    aside.replace(path)


def recreated(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def set_back(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(10**18, 10**18))


def set_ahead(path: Path, text: str) -> None:
    path.write_text(text)
    later = time.time_ns() + 3600 * 10**9
    os.utime(path, ns=(later, later))


def twice_at_once(path: Path, text: str) -> None:
    path.write_text(text.replace(text[-5:], text[-5:]))
    in_place(path, text)


def through_a_link(path: Path, text: str) -> None:
    target = path.with_name(f"{path.stem}.{random.getrandbits(40):x}.target")
    target.write_text(text)
    aside = path.with_name(f".{path.name}.link")
    aside.symlink_to(target.name)
    aside.replace(path)


def by_another_inode(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text)
    path.unlink()
    aside.rename(path)


SAVES: tuple[Callable[[Path, str], None], ...] = (
    in_place, truncated, renamed, recreated, set_back, set_ahead, twice_at_once, through_a_link, by_another_inode,
)  # fmt: skip
BREAKING = {truncated, recreated, set_back, set_ahead, twice_at_once, by_another_inode}  # there is half a save to see
ROUTES = {
    "direct": ("functions/direct.py",),
    "helped": ("lib/helper.py",),
    "packed": ("packed",),
    "lazy": ("lib/late.py",),
    "data": ("data/version.txt",),
    "env": (".env", "stacks/app.py"),
}


class Load:
    """Requests without end, each checked against what was saved when it was sent and when it was answered."""

    def __init__(self, project: Project, port: int) -> None:
        self.project = project
        self.port = port
        self.saving: dict[str, int] = dict.fromkeys([*FILES, "packed"], 0)  # saves begun so far
        self.saved: dict[str, int] = dict.fromkeys([*FILES, "packed"], 0)  # saves ended so far
        self.wrong: list[str] = []
        self.answers = 0
        self.failures = 0
        self.stop = False

    def run(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stop:
            route = chance.choice(list(ROUTES))
            files = ROUTES[route]
            lowest = [self.saved[file] for file in files]
            calm = all(self.saved[file] == self.saving[file] for file in files)
            connection.request("GET", f"/{route}")
            response = connection.getresponse()
            body = response.read().decode()
            highest = [self.saving[file] for file in files]
            self.answers += 1
            if response.status != 200:
                self.failures += 1
                if calm and lowest == highest:
                    self.wrong.append(f"{route}: {response.status} {body} while nobody saved {files}")
                continue
            found = [int(part or "-1") for part in body.split(".")]
            for part, low, high, file in zip(found, lowest, highest, files, strict=True):
                if part == -1 and low != high:
                    continue  # a data file in the middle of being saved
                if not low <= part <= high:
                    self.wrong.append(f"{route}: {file} is at {low}..{high} and {part} answered")
        connection.close()


def save(load: Load, file: str, how: Callable[[Path, str], None]) -> str:
    number = load.saving[file] = load.saving[file] + 1
    how(load.project.path(file), load.project.text(file, f"{number:04}"))
    load.saved[file] = number
    return f"{file} {how.__name__} {number}"


def move_package(load: Load, chance: random.Random) -> str:
    """`packed` is a module, then a package that shadows it, then a module again."""
    root = load.project.root
    number = load.saving["packed"] = load.saving["packed"] + 1
    text = f"VERSION = '{number:04}'\n"
    package = root / "packed"
    shape = chance.choice(["module", "package", "index", "folder"])
    if shape == "module":
        (root / "packed.py").write_text(text)
        if package.exists():
            package.rename(root / f"gone{number}")
    elif shape == "folder":
        (root / "packed.py").write_text(text)
        if package.exists():
            (package / "__init__.py").unlink(missing_ok=True)
        else:
            package.mkdir()
    elif shape == "package":
        aside = root / f"made{number}"
        aside.mkdir()
        (aside / "__init__.py").write_text("from packed.inner import VERSION\n")
        (aside / "inner.py").write_text(text)
        if package.exists():
            package.rename(root / f"gone{number}")
        aside.rename(package)
    else:
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text(text)
    load.saved["packed"] = number
    return f"packed {shape} {number}"


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(8, id="short"), pytest.param(60, id="long", marks=pytest.mark.slow)],
)
async def test_no_answer_is_older_than_the_last_save_before_its_request(tmp_path: Path, seconds: int) -> None:
    assert (await kite("init", "hello", "--template", "hello", cwd=tmp_path)).code == 0
    root = tmp_path / "hello"
    shutil.rmtree(root / "functions")
    shutil.rmtree(root / "stacks")
    project = Project(root)
    for file in FILES:
        project.path(file).parent.mkdir(exist_ok=True)
        project.path(file).write_text(project.text(file, START))
    seed = int(os.environ.get("KITE_TEST_SEED") or random.randrange(10**6))
    chance = random.Random(seed)
    async with dev(root, "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        load = Load(project, int(url.rsplit(":", 1)[1].strip("/")))
        clients = [asyncio.create_task(asyncio.to_thread(load.run, seed + number)) for number in range(4)]
        done: list[str] = []
        code = [file for file in FILES if file.startswith(("functions/direct", "lib/", "data/"))]
        end = time.monotonic() + seconds
        latest = end + 60  # on a machine that does much else
        while not load.wrong and (time.monotonic() < end or load.answers <= seconds * 2) and time.monotonic() < latest:
            draw = chance.random()
            if draw < 0.03:
                done.append(await asyncio.to_thread(save, load, ".env", chance.choice(SAVES)))
            elif draw < 0.05:
                done.append(await asyncio.to_thread(save, load, "stacks/app.py", chance.choice([renamed, in_place])))
            elif draw < 0.3:
                done.append(await asyncio.to_thread(move_package, load, chance))
            else:
                done.append(await asyncio.to_thread(save, load, chance.choice(code), chance.choice(SAVES)))
            await asyncio.sleep(chance.choice([0, 0.001, 0.01, 0.1, 0.3]))
        load.stop = True
        await asyncio.gather(*clients)
        told = [e for e in session.events if e["code"] == "error" or e["code"].startswith("reload.")]
        infrastructure = [e for e in told if e.get("kind") != "code"]
        assert not load.wrong, f"seed {seed}: {load.wrong[:3]} after {done[-8:]}; {infrastructure[-6:]}"
        assert load.answers > seconds * 2
        print(json.dumps({"seed": seed, "answers": load.answers, "saves": len(done), "half": load.failures}))
