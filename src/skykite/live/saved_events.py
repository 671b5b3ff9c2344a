"""Events kept for `kite invoke FUNCTION --event FILE` in the stage's folder under `.kite`, readable by their owner.

I/O: writes and deletes files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

KEPT: Final = 50
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


class SavedEvents:
    """`folder` is made when the first event is saved."""

    def __init__(self, folder: Path, *, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept

    def save(self, request_id: str, payload: bytes) -> Path:
        """The file. Of many, the newest are kept. Raises OSError, ValueError for what is no request id."""
        if not _NAME.fullmatch(request_id):
            raise ValueError("no request id")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        file = self._folder / f"{request_id}.json"
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(payload)
        self._forget_oldest()
        return file

    def _forget_oldest(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda one: one.stat().st_mtime_ns)
        for file in files[: -self._kept]:
            file.unlink(missing_ok=True)
