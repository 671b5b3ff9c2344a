"""Runs uv, and says in the user's terms what went wrong.

In: arguments. Out: nothing, or a SkykiteError with uv's own words below. I/O: a child process, which reads the project,
asks the package index and keeps a cache of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.bundle.processes import run_tool
from skykite.errors import SkykiteError

_NO_WHEEL: Final = re.compile(
    r"no (usable )?wheels|no wheels? with a matching|building (source distributions )?is disabled|no-build|"
    r"no source distribution|only-binary|has no .*wheel",
    re.IGNORECASE,
)
_UNREACHABLE: Final = re.compile(
    r"error sending request|dns error|failed to connect|connection refused|timed out|network is unreachable|"
    r"could not connect|no route to host|failed to fetch|request failed after",
    re.IGNORECASE,
)
_CONFLICT: Final = re.compile(r"No solution found when resolving|requirements are unsatisfiable", re.IGNORECASE)
_ABSENT: Final = re.compile(r"was not found in|there (?:is|are) no versions? of", re.IGNORECASE)
_BROKEN_LOCK: Final = re.compile(r"Failed to parse `?[^`\s]*(?:uv\.lock|pylock[^`\s]*\.toml)", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"[Bb]ecause (?:only |all versions of )?(?P<because>[A-Za-z0-9._-]+)[=<>! ]|"
    r"(?:for|of|build) `(?P<quoted>[A-Za-z0-9._-]+)(?:==|`|@| )"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """`shown` is how messages name the file that says which packages, `platform` what for."""

    environment: Mapping[str, str]
    shown: str
    platform: str

    async def run(self, folder: Path, *arguments: str) -> None:
        """Run uv in a folder. Cancelled, it ends uv. Raises `wheel-missing`, `packages-conflict`, `lock-invalid`,
        `registry-unreachable`, `packages-unresolved`."""
        from uv import find_uv_bin

        command = [find_uv_bin(), *arguments, "--quiet", "--no-progress", "--color=never"]
        ended = await run_tool(command, folder=folder, environment=self.environment)
        if ended.status != 0:
            raise self._failed(ended.complaint)

    def _failed(self, complaint: str) -> SkykiteError:
        context = complaint.strip() or None
        if _BROKEN_LOCK.search(complaint):
            return SkykiteError(
                "lock-invalid",
                f"the lock file beside `{self.shown}` cannot be read",
                context=context,
                hint="run `uv lock`",
            )
        if _UNREACHABLE.search(complaint):
            return SkykiteError(
                "registry-unreachable",
                f"the packages of `{self.shown}` could not be fetched",
                context=context,
                hint="check the network and the package index that uv or pip is configured for; what was fetched is "
                "kept, so that trying again goes on from there",
            )
        if _NO_WHEEL.search(complaint):
            named = _NAMED.search(complaint)
            package = f"`{named['because'] or named['quoted']}`" if named else "a package"
            return SkykiteError(
                "wheel-missing",
                f"{package}, which `{self.shown}` asks for, has no wheel for {self.platform}",
                context=context,
                hint="choose a version that has one, or another `runtime` or `architecture` for the function; or build "
                "the wheel on such a machine and name its file or your own index in the requirements. Lambda cannot "
                "compile packages",
            )
        if _CONFLICT.search(complaint) and not _ABSENT.search(complaint):
            return SkykiteError(
                "packages-conflict",
                f"what `{self.shown}` asks for cannot be had together",
                context=context,
                hint="loosen one of the versions named above",
            )
        return SkykiteError(
            "packages-unresolved", f"the packages of `{self.shown}` cannot be installed", context=context
        )
