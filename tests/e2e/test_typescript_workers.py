"""TypeScript in `kite dev` from outside: through the bridge, with errors of its source, and under a debugger."""

from __future__ import annotations

import asyncio
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kit.cdp import attach
from kit.kite import dev, kite

STACKS = """
from skykite import Api, App, Stack


class HelloStack(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        Api(self, "Api", routes={"GET /hello": "functions/hello.handler"}, defaults={"function": {"timeout": 2}})


def main(app: App) -> None:
    HelloStack(app, "HelloStack")
"""
HELLO = """
type Event = { rawPath: string };

export const handler = async (event: Event) => {
  const word: string = "one";
  const key = (process.env.AWS_ACCESS_KEY_ID ?? "").slice(0, 4);
  return `${word} ${event.rawPath} ${key}`;
};
"""


@pytest.fixture
async def project(tmp_path: Path) -> Path:
    assert (await kite("init", "hello", "--template", "hello", cwd=tmp_path)).code == 0
    root = tmp_path / "hello"
    for folder in ("functions", "stacks", "tests"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    (root / "stacks/app.py").write_text(STACKS)
    (root / "functions/hello.ts").write_text(HELLO)
    return root


async def get(url: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{url}/hello", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def test_bridge_runs_typescript_here_under_its_role(project: Path) -> None:
    async with dev(project, "--bridge") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        assert await get(url) == (200, "one /hello ASIA")
        (project / "functions/hello.ts").write_text(HELLO.replace('"one"', '"two"'))
        assert await get(url) == (200, "two /hello ASIA")


async def test_source_that_does_not_build_is_shown_with_its_line_until_it_is_mended(project: Path) -> None:
    async with dev(project, "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        assert (await get(url))[0] == 200
        (project / "functions/hello.ts").write_text(HELLO.replace('"one"', '"one'))
        assert (await get(url))[0] == 500
        failed = await session.event("invocation.finished", lambda event: event["error"] is not None)
        assert failed["error"]["message"].startswith("functions/hello.ts:5:29: Unterminated string literal")
        assert 'const word: string = "one;' in "".join(failed["error"]["trace"])
        (project / "functions/hello.ts").write_text(HELLO)
        assert (await get(url))[0] == 200


async def test_debugger_holds_a_function_of_kite_dev_beyond_its_timeout(project: Path) -> None:
    async with dev(project, "--port", "0", "--inspect", "0") as session:
        told = await session.event("notice", lambda event: event["notice"] == "inspector", timeout=90)
        url = (await session.ready())["endpoints"][0]["url"]
        async with attach(int(told["message"].rpartition(":")[2])) as debugger:
            for word in ("one", "two"):
                text = HELLO.replace('"one"', f'"{word}"').replace("  return", "  debugger;\n  return")
                (project / "functions/hello.ts").write_text(text)
                answer = asyncio.create_task(get(url))
                worker = await debugger.next_worker()
                await debugger.next("Debugger.paused")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(answer), 2.5)
                await debugger.ask("Debugger.resume", worker)
                assert await answer == (200, f"{word} /hello ASIA")
