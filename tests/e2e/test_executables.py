"""Executables and an image under `kite dev --local`, saved, broken and mended; and the same through the bridge."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from kit.executables import shell, write_executable
from kit.http import fetch
from kit.kite import dev
from kit.stacks import write_project

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("curl") is None, reason="the executables are shell scripts with curl"
)

APP = """\
from skykite import Api, App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "Shop")
    made = Function(stack, "Made", "made", runtime="provided.al2023", build={"command": "sh make.sh", "output": "out"})
    ready = Function(stack, "Ready", "ready", runtime="provided.al2023")
    routes = {"GET /made": made, "GET /ready": ready}
    if app.mode == "local":
        routes["GET /image"] = {"image": "image"}
        routes["GET /as-deployed"] = Function(stack, "AsDeployed", "deployed/failing.main", live=False)
    Api(stack, "Api", routes=routes)
"""
FAILING = """\
def main(event, context):
    print("it begins")
    raise KeyError("no price")
"""
MAKE = """\
grep -q broken answer.sh && { echo "answer.sh: it is broken" >&2; exit 1; }
mkdir -p out
cp answer.sh out/bootstrap
chmod +x out/bootstrap
"""


def answering(text: str) -> str:
    return shell(
        f"""curl -sS -o /dev/null -d '{{"statusCode": 200, "body": "{text}"}}' "$api/invocation/$id/response" """
    ).lstrip()


@pytest.mark.parametrize("mode", [(), pytest.param(("--bridge",), marks=pytest.mark.slow)])
async def test_executables_answer_are_built_again_and_say_what_is_wrong(tmp_path: Path, mode: tuple[str, ...]) -> None:
    project = write_project(
        tmp_path,
        {
            "stacks/app.py": APP,
            "made/make.sh": MAKE,
            "made/answer.sh": answering("made"),
            "image/Dockerfile": "FROM scratch\n",
            "deployed/failing.py": FAILING,
        },
    )
    write_executable(project, "ready", answering("ready"))
    async with dev(project, "--stage", "alice", *mode) as session:
        if not mode:
            await session.event("notice", lambda event: event["notice"] == "image-not-here")
        url = (await session.ready())["endpoints"][0]["url"]
        assert (await fetch("GET", f"{url}/made")).text == "made"
        assert (await fetch("GET", f"{url}/ready")).text == "ready"
        (project / "made/answer.sh").write_text(answering("made again"))
        assert (await fetch("GET", f"{url}/made")).text == "made again"
        (project / "made/answer.sh").write_text("broken")
        assert (await fetch("GET", f"{url}/made")).status >= 500
        failed = await session.event("invocation.finished", lambda event: event["error"] is not None)
        assert "`made` does not build" in failed["error"]["message"]
        assert "answer.sh: it is broken" in "".join(failed["error"]["trace"])
        (project / "made/answer.sh").write_text(answering("mended"))
        assert (await fetch("GET", f"{url}/made")).text == "mended"
        if not mode:
            assert (await fetch("GET", f"{url}/image")).status >= 500
            failed = await session.event("invocation.finished", lambda event: event["function"].endswith("--image"))
            assert "is a container image, which runs where it is deployed to AWS" in failed["error"]["message"]
            assert (await fetch("GET", f"{url}/as-deployed")).status >= 500
            logged = await session.event("invocation.log", lambda event: event["function"].endswith("AsDeployed"))
            assert "it begins\n" in logged["text"]
            failed = await session.event("invocation.finished", lambda event: event["function"].endswith("AsDeployed"))
            assert "no price" in failed["error"]["message"]
