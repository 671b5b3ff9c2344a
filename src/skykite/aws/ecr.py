"""Repositories of container images: what a deploy needs of them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLogin:
    """What `docker login` takes, for twelve hours."""

    registry: str  # a host
    user: str
    password: str = field(repr=False)


class Ecr:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def repository(self, name: str) -> str | None:
        """The URI that images of that repository begin with, or None if there is none."""
        try:
            answer = self._caller.call("DescribeRepositories", repositoryNames=[name])
        except AwsError as error:
            if error.aws_code == "RepositoryNotFoundException":
                return None
            raise
        uri: str = answer["repositories"][0]["repositoryUri"]
        return uri

    def create_repository(self, name: str, *, policy: str, tags: dict[str, str]) -> str:
        """Its URI. `policy` says who may pull, as JSON. Another deploy may have been faster."""
        try:
            answer = self._caller.call(
                "CreateRepository",
                repositoryName=name,
                imageTagMutability="IMMUTABLE",
                tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
        except AwsError as error:
            found = self.repository(name) if error.aws_code == "RepositoryAlreadyExistsException" else None
            if found is None:
                raise
            return found
        self._caller.call("SetRepositoryPolicy", repositoryName=name, policyText=policy)
        uri: str = answer["repository"]["repositoryUri"]
        return uri

    def has_image(self, repository: str, tag: str) -> bool:
        try:
            answer = self._caller.call("DescribeImages", repositoryName=repository, imageIds=[{"imageTag": tag}])
        except AwsError as error:
            if error.aws_code in ("ImageNotFoundException", "RepositoryNotFoundException"):
                return False
            raise
        return bool(answer["imageDetails"])

    def login(self) -> RegistryLogin:
        """For the registry of the account and region."""
        data = self._caller.call("GetAuthorizationToken")["authorizationData"][0]
        try:
            user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "AWS", data["authorizationToken"]
        registry = data["proxyEndpoint"].removeprefix("https://").removeprefix("http://").rstrip("/")
        return RegistryLogin(registry=registry, user=user, password=password)
