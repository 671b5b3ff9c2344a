"""A function as it is deployed in the embedded cloud, and who runs it. Pure.

The cloud sends a description along with each invocation that it hands over to a keeper, taken at the moment of
dispatch; `skykite_cloud.deployed` writes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

import msgspec

from skykite.model.invocation import Invocation, Outcome

FetchCode = Callable[[Collection[str]], Awaitable[Mapping[str, bytes]]]
"""Zips by digest. Raises `ConnectionError` or `asyncio.IncompleteReadError` if the cloud goes away meanwhile."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is the SHA-256 of its zip in hexadecimal, `None` if the embedded cloud does not have it."""

    arn: str
    code: str | None


class DeployedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an invocation depends on. Two that are equal run alike. `environment` and `credentials` are secret."""

    name: str
    arn: str  # as invoked: with the alias or version the caller named
    version: str
    runtime: str
    handler: str
    timeout_s: int
    memory_mb: int
    environment: dict[str, str]
    credentials: dict[str, str]  # the role's, as variables
    code: str  # SHA-256 of its zip in hexadecimal
    layers: tuple[Layer, ...] = ()
    log_format: str | None = None
    log_level: str | None = None
    log_group: str | None = None
    modified: str = ""  # when its code or settings were last changed, also to what they had been before

    def __repr__(self) -> str:
        return f"DeployedFunction(arn={self.arn!r}, code={self.code[:12]!r})"


class DeployedInvoker(Protocol):
    """Runs functions from their deployed code. Never raises for what the function did."""

    async def invoke(self, function: DeployedFunction, invocation: Invocation, fetch: FetchCode) -> Outcome:
        """`fetch` is good until this returns."""
