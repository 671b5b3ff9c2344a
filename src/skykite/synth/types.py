"""Keep the stub of `resource` as the stacks say. In: a manifest. Out: files in the project's `typings`, and a notice if
that does not work. I/O: those two files, written only if they differ.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from skykite.model.events import Notice
from skykite.model.link_types import MARK, STUB_FOLDER, stub_files
from skykite.model.manifest import Manifest
from skykite.ports import EventSink


def write_types(manifest: Manifest, project_root: Path, events: EventSink) -> None:
    """Nothing is written where nothing is linked and never was. A file of ours that somebody else has made stays."""
    for name, text in stub_files(manifest.links).items():
        file = project_root / STUB_FOLDER / name
        try:
            known = file.read_text(encoding="utf-8") if file.exists() else None
            if known == text or (known is None and not manifest.links):
                continue
            if known is not None and not known.startswith(MARK):
                events.emit(
                    Notice(
                        notice="types-foreign",
                        message=f"`{STUB_FOLDER}/{name}` is not Skykite's, so it does not say what is linked",
                        hint="move it away, and editors complete `resource.` again",
                    )
                )
                return
            _write(file, text)
        except (OSError, UnicodeDecodeError) as error:
            events.emit(
                Notice(
                    notice="types-unwritten",
                    message=f"`{STUB_FOLDER}/{name}` cannot be written, so editors do not know what is linked: {error}",
                )
            )
            return


def _write(file: Path, text: str) -> None:
    """All of it or nothing: an editor may be reading."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".making-", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
