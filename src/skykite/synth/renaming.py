"""Brings an assembly up to date where nothing but code in zips was edited, without running the user's program.

In: an assembly, its manifest. Out: the same files, with the new names of the zips in them. I/O: reads the code that
names the zips, writes files of the assembly.

The program would make the same constructs; each zip is named by the hash of its content, and that name is all that is
different: in the templates, in the names of the templates' own assets, and in what lists these. How CDK makes the
latter is not taken for granted: an assembly is renamed only if doing so for the old names gives what is there already.
Where a name has a say in other names, as that of a version of a function has, the program is run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from skykite.model.disk import Disk
from skykite.model.manifest import Manifest
from skykite.model.naming import asset_hash, bundle_hash

_ASSETS: Final = ".assets.json"
_TEMPLATE: Final = ".template.json"
_NAMED_AFTER_CODE: Final = "AWS::Lambda::Version"
_NAME: Final = re.compile(r"[0-9a-f]{64}")
_SHORT: Final = 8  # letters of a hash that somebody may have made a name of


def rename(assembly: Path, manifest: Manifest, root: Path, disk: Disk) -> dict[str, bytes] | None:
    """What the assembly's files are to hold, of those that change; None if only running the program tells. Raises
    `source-…` for code that cannot be read."""
    if any(resource.type == _NAMED_AFTER_CODE for stack in manifest.stacks for resource in stack.resources):
        return None
    new_names = _new_names(manifest, root, disk)
    files = {path.name: path.read_bytes() for path in sorted(assembly.iterdir()) if path.suffix in (".json", ".out")}
    if any(path.is_dir() and path.name.startswith("assembly-") for path in assembly.iterdir()):
        return None  # of CDK's `Stage`s
    texts = {name: data.decode() for name, data in files.items()}
    if any(_is_shortened(old, texts) for old in new_names):
        return None
    templates = {name: _digest(text) for name, text in texts.items() if name.endswith(_TEMPLATE)}
    listed = [name for name in texts if name.endswith(_ASSETS)]
    known = {key for name in listed for key in json.loads(texts[name])["files"]}
    if not known.issuperset(templates.values()) or any(not _is_ours(texts[name]) for name in listed):
        return None
    renamed = {name: _replaced(text, new_names) for name, text in texts.items()}
    more = {old: _digest(renamed[name]) for name, old in templates.items()}
    renamed = {name: _replaced(text, more) if name not in templates else text for name, text in renamed.items()}
    for name in listed:
        renamed[name] = _with_destinations(renamed[name])
    return {name: text.encode() for name, text in renamed.items() if text != texts[name]}


def _new_names(manifest: Manifest, root: Path, disk: Disk) -> dict[str, str]:
    """By the old ones, of zips whose name is not what it was."""
    found: dict[str, str] = {}
    for stack in manifest.stacks:
        for asset in stack.assets:
            old = Path(asset.key).stem
            if asset.bundle is not None and old not in found:
                found[old] = asset_hash(bundle_hash(root, asset.bundle, disk=disk))
    return {old: new for old, new in found.items() if old != new}


def _is_shortened(name: str, texts: Mapping[str, str]) -> bool:
    """Whether a part of a name is somewhere by itself."""
    short = name[:_SHORT]
    return any(text.count(short) != text.count(name) for text in texts.values())


def _replaced(text: str, names: Mapping[str, str]) -> str:
    return _NAME.sub(lambda found: names.get(found[0], found[0]), text)


def _is_ours(text: str) -> bool:
    """Whether an asset manifest comes out as it is when its destinations are named anew."""
    return _with_destinations(text) == text


def _with_destinations(text: str) -> str:
    """An asset manifest whose destinations are named as CDK does it: their environment, and a hash of what they say."""
    for old, destination in _destinations(json.loads(text)):
        named = _digest(json.dumps(destination, separators=(",", ":"), ensure_ascii=False))[:_SHORT]
        text = text.replace(f'"{old}"', f'"{old.rpartition("-")[0]}-{named}"')
    return text


def _destinations(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("files", "dockerImages"):
        for asset in manifest.get(kind, {}).values():
            yield from asset["destinations"].items()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
