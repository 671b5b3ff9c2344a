"""Images built and pushed by a `docker` that writes down what it is told, to the embedded cloud's ECR."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from kit.runtime import RecordedEvents
from skykite.aws import AwsSession
from skykite.deploy.assets import Place
from skykite.deploy.images import Docker, ImagePublisher
from skykite.errors import SkykiteError
from skykite.model.manifest import ImageEntry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the docker of these tests is a script")

DOCKER = """#!{python}
import json, os, sys
told = sys.stdin.read() if "--password-stdin" in sys.argv else ""
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], told, os.getcwd(), os.environ.get("BUILDX_NO_DEFAULT_ATTESTATIONS")]) + "\\n")
if sys.argv[1] == {fails!r}:
    print("what docker says")
    sys.exit(1)
"""
IMAGE = ImageEntry(
    repository="skykite-bootstrap-images",
    tag="abc",
    source="asset.abc",
    dockerfile="Dockerfile.prod",
    build_args={"VERSION": "1", "TOKEN": "secret"},
    target="prod",
    platform="linux/arm64",
)
PLACE = Place(account="123456789012", region="eu-west-1", partition="aws")


class RecordedDocker:
    """What was run."""

    def __init__(self, root: Path, *, fails: str = "") -> None:
        self._log = root / "log"
        program = root / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(DOCKER.format(python=sys.executable, log=str(self._log), fails=fails))
        program.chmod(0o755)
        self.docker = Docker({**os.environ, "PATH": str(program.parent)})

    def calls(self) -> list[list[object]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    folder = tmp_path / "assembly"
    (folder / "asset.abc").mkdir(parents=True)
    return folder


async def test_an_image_is_built_and_pushed_with_what_the_stacks_say(
    session: AwsSession, tmp_path: Path, assembly: Path
) -> None:
    recorded = RecordedDocker(tmp_path)
    publisher = ImagePublisher(session=session, docker=recorded.docker, events=RecordedEvents())
    assert await publisher.publish([IMAGE, IMAGE], assembly=assembly, place=PLACE) == 1
    (login, told, _, _), (build, _, where, attestations), (push, *_) = recorded.calls()
    uri = session.ecr.repository("skykite-bootstrap-images")
    assert uri is not None
    assert login[:4] == ["login", "--username", "AWS", "--password-stdin"]  # type: ignore[index]
    assert told
    assert str(told) not in str(login)
    assert build == [
        *("build", "--tag", f"{uri}:abc", "--build-arg", "VERSION=1", "--build-arg", "TOKEN=secret"),
        *("--target", "prod", "--platform", "linux/arm64"),
        *("--file", str(assembly / "asset.abc" / "Dockerfile.prod"), "."),
    ]
    assert where == str(assembly / "asset.abc")
    assert attestations == "1"
    assert push == ["push", f"{uri}:abc"]


async def test_what_docker_says_is_shown_and_build_arguments_are_not(
    session: AwsSession, tmp_path: Path, assembly: Path
) -> None:
    recorded = RecordedDocker(tmp_path, fails="build")
    publisher = ImagePublisher(session=session, docker=recorded.docker, events=RecordedEvents())
    with pytest.raises(SkykiteError) as failed:
        await publisher.publish([IMAGE], assembly=assembly, place=PLACE)
    assert failed.value.code == "docker-failed"
    assert failed.value.context == "what docker says"
    assert "secret" not in str(failed.value)
    assert "TOKEN=…" in failed.value.message
    assert [call[0][0] for call in recorded.calls()] == ["login", "build"]  # type: ignore[index]


async def test_without_docker_nothing_is_begun(session: AwsSession, tmp_path: Path) -> None:
    publisher = ImagePublisher(session=session, docker=Docker({"PATH": str(tmp_path)}), events=RecordedEvents())
    with pytest.raises(SkykiteError, match="`docker` is not on PATH") as missing:
        await publisher.check()
    assert missing.value.code == "docker-missing"
    silent = RecordedDocker(tmp_path, fails="version")
    publisher = ImagePublisher(session=session, docker=silent.docker, events=RecordedEvents())
    with pytest.raises(SkykiteError, match="`docker` does not answer") as missing:
        await publisher.check()
    assert missing.value.context == "what docker says"


async def test_another_program_than_docker_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(SkykiteError, match="`finch` is not on PATH"):
        await Docker({"PATH": str(tmp_path), "CDK_DOCKER": "finch"}).check()


async def test_the_repository_lets_lambda_pull(session: AwsSession, tmp_path: Path, assembly: Path) -> None:
    recorded = RecordedDocker(tmp_path)
    publisher = ImagePublisher(session=session, docker=recorded.docker, events=RecordedEvents())
    await publisher.publish([IMAGE], assembly=assembly, place=PLACE)
    assert session.ecr.repository("skykite-bootstrap-images") is not None
    assert not session.ecr.has_image("skykite-bootstrap-images", "abc")  # nothing was really pushed
    assert not session.ecr.has_image("no-such-repository", "abc")
    assert session.ecr.repository("no-such-repository") is None
