"""Adapters that are made when they are first needed: most sessions of `kite dev` never need them.

In: how to make one. Out: what it does. No I/O of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from skykite.model.built import BuiltSource
from skykite.model.invocation import FunctionConfig
from skykite.model.manifest import AssetEntry, Manifest
from skykite.ports import Bundles, SourceBuilds


class LateBundles:
    """A session whose functions all run on this machine has nothing to bundle."""

    def __init__(self, make: Callable[[], Bundles]) -> None:
        self._made = cache(make)

    async def build(self, asset: AssetEntry, destination: Path) -> None:
        await self._made().build(asset, destination)

    async def check(self, manifest: Manifest, assembly: Path) -> None:
        """Without layers there is nothing to be counted together."""
        if any(function.layers for function in manifest.functions):
            await self._made().check(manifest, assembly)


class LateBuilds:
    """Not every project has functions of every kind."""

    def __init__(self, make: Callable[[], SourceBuilds]) -> None:
        self._made = cache(make)

    async def build(self, config: FunctionConfig) -> BuiltSource:
        return await self._made().build(config)
