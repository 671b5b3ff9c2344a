"""The zip of the function behind a `Script`: `skykite_lambda.script` and what it needs, under a name of their own.

In: files of `skykite_lambda`. Out: the zip's bytes. I/O: reads files.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Final

import skykite_lambda
from skykite.model.archive import ArchiveEntry, write_archive
from skykite.model.stub_package import strip

SCRIPT_HANDLER: Final = "kite_script/script.handler"
SCRIPT_RUNTIME: Final = "python3.13"
_ROOT: Final = "kite_script"
_FILES: Final = ("live/clock.py", "live/http.py", "live/network.py", "live/sigv4.py", "script.py")


def build_script_package() -> bytes:
    """The same bytes everywhere for the same version of Skykite."""
    source = Path(skykite_lambda.__file__).parent
    files = {f"{_ROOT}/{name}": strip((source / name).read_text(encoding="utf-8")).encode() for name in _FILES}
    files |= {f"{_ROOT}/__init__.py": b"", f"{_ROOT}/live/__init__.py": b""}
    stream = io.BytesIO()
    write_archive(stream, (ArchiveEntry(path=path, read=partial(bytes, files[path])) for path in sorted(files)))
    return stream.getvalue()
