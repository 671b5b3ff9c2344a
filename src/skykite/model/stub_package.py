"""The zip that every live function is deployed with: the stub and the wire protocol, under a name of their own.

In: the files of `skykite_lambda`. Out: the zip's bytes and what a function's definition says of it. I/O: reads files.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import skykite_lambda
from skykite.model.archive import ArchiveEntry, write_archive

HANDLER: Final = "kite_stub/live/stub.handler"
RUNTIME: Final = "python3.13"
SIZE_LIMIT: Final = 64 * 1024
"""Bytes. It is downloaded at every cold start."""

_ROOT: Final = "kite_stub"
_ROOMS: Final = ("live", "wire")
_LEFT_OUT: Final = tuple(f"wire/{name}.py" for name in ("dev", "dev_steps", "memory", "records", "reports"))
"""The other side of the bridge."""
_STATEMENT_ENDS: Final = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class StubPackage:
    """`digest` names the content: it is the same on every machine for the same version of Skykite."""

    content: bytes
    digest: str
    handler: str = HANDLER
    runtime: str = RUNTIME

    @property
    def sha256(self) -> str:
        """Of the zip itself, in hex."""
        return hashlib.sha256(self.content).hexdigest()


def build_stub_package() -> StubPackage:
    """Takes a few milliseconds."""
    files = dict(sorted(_files(Path(skykite_lambda.__file__).parent)))
    digest = hashlib.sha256()
    for path, content in files.items():
        for part in (path.encode(), content):
            digest.update(b"%d:" % len(part) + part)
    stream = io.BytesIO()
    write_archive(stream, (ArchiveEntry(path=path, read=partial(bytes, data)) for path, data in files.items()))
    return StubPackage(content=stream.getvalue(), digest=digest.hexdigest())


def _files(source: Path) -> list[tuple[str, bytes]]:
    """Paths in the zip, and what is there."""
    found = [
        (f"{_ROOT}/{room}/{file.name}", strip(file.read_text(encoding="utf-8")).encode())
        for room in _ROOMS
        for file in (source / room).glob("*.py")
        if f"{room}/{file.name}" not in _LEFT_OUT
    ]
    return [(f"{_ROOT}/__init__.py", b""), *found]


def strip(source: str) -> str:
    """A module without comments and docstrings, its lines where they were: a traceback still points to them.

    What runs need not explain itself: a third less to download and to compile, which every cold start does.
    """
    lines = source.splitlines()
    spans: list[tuple[int, int, int, int]] = []
    before = tokenize.NEWLINE  # what ended last, blank lines aside
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token, after in pairwise(tokens):
        is_statement = before in _STATEMENT_ENDS and after.type == tokenize.NEWLINE
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and is_statement):
            spans.append((*token.start, *token.end))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
    for first, start, last, end in reversed(spans):
        is_comment = lines[first - 1][start] == "#"
        rest = lines[last - 1][end:]
        lines[first - 1] = lines[first - 1][:start].rstrip() if is_comment else lines[first - 1][:start] + '""' + rest
        lines[first:last] = [""] * (last - first)
    return "\n".join(lines) + "\n"
