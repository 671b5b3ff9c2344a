"""Builds and pushes the container images of functions, by the `docker` on this machine.

In: the images the manifest lists. Out: how many were pushed. I/O: runs docker (or what `CDK_DOCKER` names, as for the
CDK); ECR through the session. The repository is made if it is not there. An image that is in it under its tag, which is
made of what goes into it, is neither built nor pushed again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from skykite.aws import AwsSession
from skykite.deploy.assets import Place
from skykite.errors import SkykiteError
from skykite.model.events import StepProgress
from skykite.model.manifest import ImageEntry
from skykite.ports import EventSink

_SHOWN: Final = 40  # lines of what docker said
_FROM: Final = 'an image is built from a folder by docker on this machine; `image={"uri": …}` takes one that is in ECR'


class Docker:
    """The program. `environment` is the user's."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._program = environment.get("CDK_DOCKER") or "docker"
        # Lambda takes no image with attestations beside it, which is what buildx makes by itself.
        self._environment = {**environment, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}

    async def check(self) -> None:
        """Raises `docker-missing` if there is none, or it does not answer."""
        if shutil.which(self._program, path=self._environment.get("PATH")) is None:
            raise SkykiteError(
                "docker-missing",
                f"functions of the app are container images, and `{self._program}` is not on PATH",
                hint=f"install Docker, or name another program in CDK_DOCKER; {_FROM}",
            )
        try:
            await self.run("version", "--format", "{{.Server.Version}}")
        except SkykiteError as error:
            raise SkykiteError(
                "docker-missing",
                f"functions of the app are container images, and `{self._program}` does not answer",
                context=error.context,
                hint=f"start Docker; {_FROM}",
            ) from error

    async def build(self, image: ImageEntry, folder: Path, name: str) -> None:
        arguments = ["build", "--tag", name]
        for key, value in image.build_args.items():
            arguments += ["--build-arg", f"{key}={value}"]
        for option, given in (("target", image.target), ("platform", image.platform), ("network", image.network)):
            if given is not None:
                arguments += [f"--{option}", given]
        if image.dockerfile is not None:
            arguments += ["--file", str(folder / image.dockerfile)]
        await self.run(*arguments, ".", folder=folder)

    async def login(self, registry: str, user: str, password: str) -> None:
        await self.run("login", "--username", user, "--password-stdin", registry, told=password.encode())

    async def push(self, name: str) -> None:
        await self.run("push", name)

    async def run(self, *arguments: str, folder: Path | None = None, told: bytes = b"") -> None:
        """Raises `docker-failed` with what it said."""
        process = await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            cwd=folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await process.communicate(told)
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            lines = said.decode(errors="replace").strip().splitlines()
            raise SkykiteError(
                "docker-failed",
                f"`{self._program} {_shown(arguments)}` ended with status {process.returncode}",
                context="\n".join(lines[-_SHOWN:]) or None,
                hint="what it says is above; values of build arguments are not shown" if "build" in arguments else None,
            )


def image_publisher(session: AwsSession, environment: Mapping[str, str], events: EventSink) -> ImagePublisher | None:
    """None for a cloud that runs no images: only AWS does."""
    if session.endpoint_url is not None:
        return None
    return ImagePublisher(session=session, docker=Docker(environment), events=events)


def _shown(arguments: Sequence[str]) -> str:
    """Without what somebody may have put into a build argument."""
    shown = list(arguments)
    for number, argument in enumerate(arguments[:-1]):
        if argument == "--build-arg":
            shown[number + 1] = f"{arguments[number + 1].partition('=')[0]}=…"
    return " ".join(shown)


class ImagePublisher:
    """To the registry of one account and region."""

    def __init__(self, *, session: AwsSession, docker: Docker, events: EventSink) -> None:
        self._session = session
        self._docker = docker
        self._events = events

    async def check(self) -> None:
        """Before anything is deployed. Raises `docker-missing`."""
        await self._docker.check()

    async def publish(self, images: Iterable[ImageEntry], *, assembly: Path, place: Place) -> int:
        """Make sure that every image is in its repository. Returns how many had to be pushed."""
        distinct = {(place.fill(image.repository), image.tag): image for image in images}
        ecr, run = self._session.ecr, self._session.run
        there = await asyncio.gather(*(run(ecr.has_image, repository, tag) for repository, tag in distinct))
        missing = [(*where, distinct[where]) for where, found in zip(distinct, there, strict=True) if not found]
        if not missing:
            return 0
        uris = {name: await self._repository(name, place) for name in sorted({name for name, _, _ in missing})}
        login = await run(ecr.login)
        await self._docker.login(login.registry, login.user, login.password)
        for number, (repository, tag, image) in enumerate(missing, start=1):
            name = f"{uris[repository]}:{tag}"
            self._say(f"building image {number} of {len(missing)}")
            await self._docker.build(image, assembly / image.source, name)
            self._say(f"pushing image {number} of {len(missing)}")
            await self._docker.push(name)
        return len(missing)

    async def _repository(self, name: str, place: Place) -> str:
        """Its URI; it is made if it is not there."""
        ecr, run = self._session.ecr, self._session.run
        found = await run(ecr.repository, name)
        if found is not None:
            return found
        self._say(f"making the repository {name}")
        return await run(ecr.create_repository, name, policy=_pulling(place), tags={"skykite:bootstrap": "images"})

    def _say(self, message: str) -> None:
        self._events.emit(StepProgress(step="bundle", message=message))


def _pulling(place: Place) -> str:
    """Functions of the account may pull, and Lambda for them.
    https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#gettingstarted-images-permissions"""
    functions = f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:*"
    statement = {
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:sourceArn": functions}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
