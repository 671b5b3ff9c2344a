"""Source maps beside their bundles, leading from there to the sources, whatever folder they were made in.

In: bundles with their maps inside, as esbuild makes them in one file, since file systems may take as long to make
another as esbuild to fill it. Out: bundles and maps. I/O: asks where links lead to.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

_URL: Final = b"//# sourceMappingURL="
_INLINE: Final = _URL + b"data:application/json;base64,"
_NOT_ESCAPED: Final = "$&+,:;=@"  # by esbuild, besides letters, digits and `_.-~`
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class SourceMaps:
    """Of bundles made in `folder` from one import root. What functions have in common is looked up once."""

    def __init__(self, folder: Path, import_root: Path) -> None:
        self._folder = os.path.realpath(folder)
        self._import_root = os.path.realpath(import_root)
        self._settled: dict[tuple[str, str], str] = {}

    def taken_out(self, path: str, content: bytes) -> tuple[bytes, bytes]:
        """The bundle as it is with a map beside it, and the map. `path` is that of the bundle, from the folder on, and
        from the import root on."""
        code, _, encoded = content.rpartition(_INLINE)
        below, _, name = path.rpartition("/")
        document = json.loads(base64.b64decode(encoded))
        document["sources"] = [self._source(below, source) for source in document["sources"]]
        url = quote(f"{name}.map", safe=_NOT_ESCAPED).encode()
        return b"%b%b%b\n" % (code, _URL, url), _encode(document).encode()

    def _source(self, below: str, source: str) -> str:
        known = self._settled.get((below, source))
        if known is None:
            place = os.path.normpath(f"{self._folder}{os.sep}{below}{os.sep}{unquote(source)}")
            there = os.path.normpath(f"{self._import_root}{os.sep}{below}") + os.sep
            if place.startswith(there):  # as most are, and much faster found
                known = place.removeprefix(there)
            else:
                inside = place.startswith(self._import_root + os.sep)
                known = os.path.relpath(place if inside else os.path.realpath(place), there)
            known = self._settled[below, source] = quote(known.replace(os.sep, "/"), safe=f"/ {_NOT_ESCAPED}")
        return known
