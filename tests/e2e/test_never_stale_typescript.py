"""Promise 3 for TypeScript, from outside: constant load while files are saved in every way files get saved."""

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

from e2e import test_never_stale
from kit.kite import dev, kite

STACKS = """
from skykite import Api, App, Stack


class HelloStack(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        names = ("direct", "helped", "data", "moved")
        Api(self, "Api", routes={f"GET /{name}": f"functions/{name}.handler" for name in names})


def main(app: App) -> None:
    HelloStack(app, "HelloStack")
"""
HANDLER = "export const handler = async (): Promise<string> => VERSION;\n"
FILES = {
    "functions/direct.ts": f"const VERSION: string = '@@@@';\n{HANDLER}",
    "functions/helped.ts": f"import {{ VERSION }} from '../lib/helper';\n{HANDLER}",
    "lib/helper.ts": "export const VERSION: string = '@@@@';\n",
    "functions/data.ts": f"import {{ VERSION }} from '../data/version.json';\n{HANDLER}",
    "data/version.json": '{"VERSION": "@@@@"}\n',
    "functions/moved.ts": f"import {{ VERSION }} from '../lib/moved';\n{HANDLER}",
    "lib/moved.ts": "export const VERSION: string = '@@@@';\n",
}
ROUTES = {
    "direct": "functions/direct.ts",
    "helped": "lib/helper.ts",
    "data": "data/version.json",
    "moved": "lib/moved.ts",
}
SAVED = ("functions/direct.ts", "lib/helper.ts", "data/version.json")
MOVED = "lib/moved.ts"
START = "0000"


def through_a_link(path: Path, text: str) -> None:
    """To another file each time, in another folder; esbuild goes by the suffix of that."""
    target = path.parent.parent / "targets" / f"{path.stem}{random.getrandbits(40):x}{path.suffix}"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    aside = path.with_name(f".{path.name}.link")
    aside.symlink_to(Path("..", "targets", target.name))
    aside.replace(path)


SAVES = (*(save for save in test_never_stale.SAVES if save is not test_never_stale.through_a_link), through_a_link)


@dataclass
class Load:
    """Requests without end, each checked against what was saved when it was sent and when it was answered."""

    root: Path
    port: int
    saving: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FILES, 0))  # saves begun so far
    saved: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FILES, 0))  # saves ended so far
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    failures: int = 0
    stop: bool = False

    def run(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stop:
            route = chance.choice(list(ROUTES))
            file = ROUTES[route]
            low, calm = self.saved[file], self.saved[file] == self.saving[file]
            connection.request("GET", f"/{route}")
            response = connection.getresponse()
            body = response.read().decode()
            high = self.saving[file]
            self.answers += 1
            if response.status != 200:
                self.failures += 1
                if calm and low == high:
                    self.wrong.append(f"{route}: {response.status} {body} while nobody saved {file}")
            elif not low <= int(body or "-1") <= high:
                self.wrong.append(f"{route}: {file} is at {low}..{high} and {body} answered")
        connection.close()

    def save(self, file: str, how: Callable[[Path, str], None]) -> str:
        number = self.saving[file] = self.saving[file] + 1
        how(self.root / file, FILES[file].replace("@@@@", f"{number:04}"))
        self.saved[file] = number
        return f"{file} {how.__name__} {number}"

    def move(self, chance: random.Random) -> str:
        """`lib/moved` is a module of one suffix, then of another that wins over it, or a folder with an index."""
        number = self.saving[MOVED] = self.saving[MOVED] + 1
        text = FILES[MOVED].replace("@@@@", f"{number:04}")
        lib = self.root / "lib"
        places = [lib / "moved.tsx", lib / "moved.ts", lib / "moved.js", lib / "moved" / "index.ts"]
        chosen = chance.choice(places)
        aside = lib / "aside"
        aside.write_text(text.replace(": string", "") if chosen.suffix == ".js" else text)
        chosen.parent.mkdir(exist_ok=True)
        aside.replace(chosen)
        for place in places:
            if place != chosen:
                place.unlink(missing_ok=True)
        self.saved[MOVED] = number
        return f"{chosen.relative_to(self.root)} {number}"


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(5, id="short"), pytest.param(60, id="long", marks=pytest.mark.slow)],
)
async def test_no_answer_is_older_than_the_last_save_before_its_request(tmp_path: Path, seconds: int) -> None:
    assert (await kite("init", "hello", "--template", "hello", cwd=tmp_path)).code == 0
    root = tmp_path / "hello"
    for folder in ("functions", "stacks", "tests"):
        shutil.rmtree(root / folder)
    for file, text in {**FILES, "stacks/app.py": STACKS}.items():
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(text.replace("@@@@", START))
    seed = int(os.environ.get("KITE_TEST_SEED") or random.randrange(10**6))
    chance = random.Random(seed)
    async with dev(root, "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        load = Load(root, int(url.rsplit(":", 1)[1].strip("/")))
        clients = [asyncio.create_task(asyncio.to_thread(load.run, seed + number)) for number in range(3)]
        done: list[str] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end and not load.wrong:
            if chance.random() < 0.25:
                done.append(await asyncio.to_thread(load.move, chance))
            else:
                done.append(await asyncio.to_thread(load.save, chance.choice(SAVED), chance.choice(SAVES)))
            await asyncio.sleep(chance.choice([0, 0.001, 0.01, 0.1, 0.3]))
        load.stop = True
        await asyncio.gather(*clients)
        told = [event for event in session.events if event["code"] == "error" or event.get("error")]
        assert not load.wrong, f"seed {seed}: {load.wrong[:3]} after {done[-8:]}; {told[-4:]}"
        assert load.answers > seconds * 2
        print(json.dumps({"seed": seed, "answers": load.answers, "saves": len(done), "half": load.failures}))
