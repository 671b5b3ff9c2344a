"""Watching folders, with the operating system's own notifications."""

from __future__ import annotations

import asyncio
from pathlib import Path

from skykite.dev.watch import watch


class Vanishing(type(Path())):  # type: ignore[misc]
    """A folder that goes as soon as somebody has seen that it is there."""

    def is_dir(self) -> bool:
        there = bool(super().is_dir())
        if there:
            self.rmdir()
        return there


async def test_a_folder_that_goes_while_the_watching_is_set_up_does_not_end_it(tmp_path: Path) -> None:
    for name in ("stays", "goes"):
        (tmp_path / name).mkdir()
    folders = frozenset({tmp_path / "stays", Vanishing(tmp_path / "goes")})
    file = tmp_path / "stays" / "saved"

    async def seen() -> None:
        async for changed in watch(lambda: folders, asyncio.Event()):
            if file in changed:
                return
            file.touch()

    await asyncio.wait_for(seen(), 30)
    assert not (tmp_path / "goes").exists()
