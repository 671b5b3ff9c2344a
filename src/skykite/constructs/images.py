"""Functions that are container images: from the `image` prop to what CDK and the manifest say of it.

In: what a user gave; CDK's list of a stack's images. Out: a CDK `Code`, and `ImageEntry`s, or a PropProblem. I/O: asks
which files there are; CDK copies the folder of an image into the assembly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import aws_cdk
from aws_cdk import aws_lambda as lambda_

from skykite.constructs.code import FunctionCode, code_of_absent
from skykite.constructs.program import Program
from skykite.constructs.props import ImageProps, PropProblem, check_known, check_type, shown
from skykite.errors import SkykiteError
from skykite.model.manifest import ImageEntry

_URI: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[a-z0-9._/-]+?)"
    r"(?::(?P<tag>[\w.-]+)|@(?P<digest>sha256:[0-9a-f]{64}))"
)
_NOT_OF_IMAGES: Final = ("runtime", "layers", "copy_files", "exclude", "packages", "build", "hooks")
_OPTIONS: Final = ("directory", "dockerFile", "dockerBuildArgs", "dockerBuildTarget", "platform", "networkMode")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedImage:
    """`directory` is absolute, and None if there is a `uri`."""

    directory: Path | None = None
    dockerfile: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    uri: str | None = None


def locate_image(given: object, handler: object, own: Mapping[str, Any], root: Path) -> LocatedImage:
    """`own` are the function's props without defaults. Raises PropProblem."""
    if handler is not None:
        raise PropProblem(
            "prop-contradiction",
            f"has an image and handler={shown(handler)}",
            hint="what an image runs is its own `CMD` or `ENTRYPOINT`: take the handler out",
        )
    for name in _NOT_OF_IMAGES:
        if own.get(name) is not None:
            raise PropProblem(
                "prop-contradiction", f"has an image and {name}", hint=f"what {name} would say is for the Dockerfile"
            )
    if isinstance(given, str):
        given = {"uri": given} if _URI.fullmatch(given) else {"directory": given}
    check_type("image", given, Mapping, 'a folder, or a dict such as {"directory": "app", "target": "prod"}')
    props = cast("Mapping[str, Any]", given)
    check_known(props, tuple(ImageProps.__annotations__), within="`image`")
    for name in ("directory", "dockerfile", "target", "uri"):
        if props.get(name) is not None and (not isinstance(props[name], str) or not props[name]):
            raise PropProblem("prop-type", f'was given image["{name}"]={shown(props[name])}, which is no text')
    if (props.get("uri") is None) == (props.get("directory") is None):
        raise PropProblem(
            "prop-contradiction", "has an image that is not exactly one of `directory` and `uri`", hint="keep one"
        )
    return _of_uri(props) if props.get("uri") is not None else _of_folder(props, root)


def _of_uri(props: Mapping[str, Any]) -> LocatedImage:
    if not _URI.fullmatch(props["uri"]):
        raise PropProblem(
            "image-uri",
            f"was given the image `{props['uri']}`, which is none in ECR with a tag or digest",
            hint="Lambda takes images of ECR: `123456789012.dkr.ecr.eu-west-1.amazonaws.com/name:tag`",
        )
    more = [name for name in props if name != "uri"]
    if more:
        raise PropProblem("prop-contradiction", f"has an image with `uri` and `{more[0]}`, which is for building one")
    return LocatedImage(uri=props["uri"])


def _of_folder(props: Mapping[str, Any], root: Path) -> LocatedImage:
    folder = (root / props["directory"]).resolve()
    if not folder.is_dir() or not folder.is_relative_to(root.resolve()):
        raise PropProblem(
            "image-missing",
            f"was given the image `{props['directory']}`, which is not a folder of the project",
            hint="name the folder of its Dockerfile, relative to the folder of kite.toml",
        )
    dockerfile = props.get("dockerfile")
    if not (folder / (dockerfile or "Dockerfile")).is_file():
        raise PropProblem(
            "image-missing",
            f"was given the image `{props['directory']}`, which holds no `{dockerfile or 'Dockerfile'}`",
            hint='another name is given in image={"directory": …, "dockerfile": …}',
        )
    arguments = props.get("build_args", {})
    check_type('image["build_args"]', arguments, Mapping, "a dict of names to texts")
    if not all(isinstance(one, str) for pair in arguments.items() for one in pair):
        raise PropProblem("prop-type", 'was given image["build_args"] with what is no text')
    return LocatedImage(directory=folder, dockerfile=dockerfile, build_args=dict(arguments), target=props.get("target"))


def code_of_image(scope: Any, program: Program, image: LocatedImage, architecture: str) -> FunctionCode:
    """The image; where it does not run, a placeholder that says so."""
    if program.synthesis.mode == "local":
        return code_of_absent(scope, program)
    return FunctionCode(
        code=_image(scope, image, architecture),
        handler=lambda_.Handler.FROM_IMAGE,
        cdk_runtime=lambda_.Runtime.FROM_IMAGE,
    )


def _image(scope: Any, image: LocatedImage, architecture: str) -> Any:
    """A CDK `Code`."""
    # Loaded for those who have images only.
    from aws_cdk import aws_ecr as ecr
    from aws_cdk import aws_ecr_assets as ecr_assets

    if image.directory is not None:
        platforms = {"x86_64": ecr_assets.Platform.LINUX_AMD64, "arm64": ecr_assets.Platform.LINUX_ARM64}
        return lambda_.Code.from_asset_image(
            str(image.directory),
            file=image.dockerfile,
            build_args=dict(image.build_args) or None,
            target=image.target,
            platform=platforms[architecture],
        )
    found = _URI.fullmatch(image.uri or "")
    assert found is not None
    repository = ecr.Repository.from_repository_attributes(
        scope,
        "Image",
        repository_name=found["name"],
        repository_arn=aws_cdk.Stack.of(scope).format_arn(
            service="ecr",
            resource="repository",
            resource_name=found["name"],
            account=found["account"],
            region=found["region"],
        ),
    )
    return lambda_.Code.from_ecr_image(repository, tag_or_digest=found["digest"] or found["tag"])


def read_images(document: Mapping[str, Any], stack: str) -> Iterator[ImageEntry]:
    """From CDK's list of a stack's assets; paths are as they stand there. Raises `image-asset` for options that are not
    kept to."""
    for image in document.get("dockerImages", {}).values():
        source = image["source"]
        unknown = [name for name in source if name not in _OPTIONS and source[name]]
        if unknown:
            raise SkykiteError(
                "image-asset",
                f"stack `{stack}` holds a container image with `{unknown[0]}`, which docker is not told by Skykite",
                hint="build and push the image yourself, and name it there",
            )
        for destination in image["destinations"].values():
            yield ImageEntry(
                repository=destination["repositoryName"],
                tag=destination["imageTag"],
                source=source["directory"],
                dockerfile=source.get("dockerFile"),
                build_args=dict(source.get("dockerBuildArgs") or {}),
                target=source.get("dockerBuildTarget"),
                platform=source.get("platform"),
                network=source.get("networkMode"),
            )
