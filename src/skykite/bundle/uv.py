"""Runs uv, and says in the user's terms what went wrong.

In: arguments. Out: nothing, or a SkykiteError with uv's own words below. I/O: a child process, which reads the project,
asks the package index and keeps a cache of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from skykite.bundle.complaints import explain_complaint
from skykite.bundle.processes import run_tool


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
            raise explain_complaint(ended.complaint, shown=self.shown, platform=self.platform)
