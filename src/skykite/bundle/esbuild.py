"""Runs esbuild: entries in, bundles and what they were made of out; what is wrong with the source with its code frame.

In: entries with their options. Out: files in a folder, and for each entry its inputs and exports. I/O: a child process,
which reads the project and writes the folder.

The command line rather than esbuild's service: it takes 10 ms, holds no state between builds, and needs no Node.
https://esbuild.github.io/api/
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from skykite.bundle.processes import run_tool
from skykite.bundle.reasons import shown
from skykite.errors import SkykiteError
from skykite.model.node_build import NodeBuild
from skykite.model.runtimes import NODE_SUFFIXES, node_version

_META: Final = "meta.json"
_MODULES: Final = "node_modules"
_SUFFIXES: Final = ("", *NODE_SUFFIXES, ".json")
_ERROR: Final = re.compile(r"^. \[ERROR\] (?P<message>.*?)(?=^. \[(?:ERROR|WARNING)\] |\d+ errors?\b|\Z)", re.M | re.S)
_WARNING: Final = re.compile(r"^. \[WARNING\] (?P<message>.*)\n\n {4}(?P<file>\S.*?):(?P<line>\d+):\d+:$", re.M)
_PLACE: Final = re.compile(r"^\s{4}(?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+):\n(?P<frame>(?:.*\n?)*)", re.M)
_NOTE: Final = re.compile(r"^ {2}(?P<text>\S.*):\n\n {4}(?P<place>(?P<file>\S.*?):(?P<line>\d+)):\d+:\n", re.M)
_REQUIRE: Final = (
    "import{createRequire as __kiteRequire}from'node:module';import{fileURLToPath as __kitePath}from'node:url';"
    "import{dirname as __kiteFolder}from'node:path';globalThis.require??=__kiteRequire(import.meta.url);"
    "globalThis.__filename??=__kitePath(import.meta.url);globalThis.__dirname??=__kiteFolder(globalThis.__filename);"
)
"""A bundle of the ESM form may hold packages of the other, which call `require` and ask for `__dirname`. They are made
global, since a module may well declare its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """What became of one entry. `file` is relative to the folder, as are the files `beside` it that loaders copy there.
    Other paths are absolute: `read` is what it was made from, `inputs` has also what would have been preferred, if it
    had been there; `globs` are folders in which names were looked for that the code puts together. `warnings` are what
    esbuild finds odd in the sources, or in what it was told, each with its place."""

    file: str
    read: frozenset[str]
    inputs: tuple[str, ...]
    exports: tuple[str, ...]
    beside: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)  # by input as esbuild names it, bytes in the bundle
    imports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by input, those that it imports

    @staticmethod
    def is_virtual(name: str) -> bool:
        """Whether an input is no file."""
        return _is_virtual(name)


class SourceError(SkykiteError):
    """The source does not build; `files` are where, `said` all that is wrong."""

    def __init__(
        self,
        message: str,
        *,
        context: str | None,
        hint: str | None,
        files: Sequence[Path],
        said: Sequence[str],
    ) -> None:
        super().__init__("source-invalid", message, context=context, hint=hint)
        self.files = tuple(files)
        self.said = tuple(said)


async def run_esbuild(
    program: Path,
    builds: Sequence[NodeBuild],
    *,
    runtime: str,
    import_root: Path,
    project_root: Path,
    folder: Path,
    environment: Mapping[str, str],
    maps: Literal["linked", "inline"] = "linked",
) -> dict[str, Bundled]:
    """Bundle entries that have all other options in common, and the same import root and runtime. By entry. Raises
    SourceError, `esbuild-failed`."""
    first, outputs = builds[0], folder / _META
    entries = {_output(build): build.entry for build in builds}
    command = [
        *(f"{file.removesuffix(first.suffix)}={entry}" for file, entry in entries.items()),
        *_options(first, runtime, project_root, maps),
        f"--outdir={folder}",
        f"--metafile={outputs}",
    ]
    ended = await run_tool([program, *command], folder=import_root, environment={**environment, "NO_COLOR": "1"})
    if ended.status != 0:
        raise _failed(ended.complaint, import_root, project_root)
    warnings = _warnings(ended.complaint, import_root, project_root)
    return _read_meta(json.loads(outputs.read_bytes()), entries, import_root, folder, warnings)


def _output(build: NodeBuild) -> str:
    """Where a bundle is in the folder, also if its source is a symbolic link to a file of another name."""
    return str(PurePosixPath(build.entry).with_suffix(build.suffix))


def _options(build: NodeBuild, runtime: str, project_root: Path, maps: str) -> list[str]:
    version = node_version(runtime)
    banner = (_REQUIRE if build.format == "esm" else "") + build.banner
    return [
        "--bundle",
        "--platform=node",
        f"--target=node{version}",
        f"--format={build.format}",
        f"--out-extension:.js={build.suffix}",
        "--main-fields=module,main" if build.format == "esm" else "--main-fields=main,module",
        "--log-level=warning",
        "--log-limit=10",
        *(["--external:@aws-sdk/*", "--external:@smithy/*"] if version >= 18 else []),
        *(f"--external:{name}" for name in (*build.external, *build.install)),
        *(["--minify"] if build.minify else []),
        *(["--keep-names"] if build.keep_names else []),
        *([f"--sourcemap={maps}", "--sources-content=false"] if build.sourcemap else []),
        *(f"--define:{name}={value}" for name, value in build.define),
        *(f"--loader:{suffix}={name}" for suffix, name in build.loader),
        *([f"--banner:js={banner}"] if banner else []),
        *([f"--tsconfig={project_root / build.tsconfig}"] if build.tsconfig else []),
    ]


def _read_meta(
    meta: Mapping[str, Mapping[str, dict[str, Any]]],
    entries: Mapping[str, str],
    import_root: Path,
    folder: Path,
    warnings: Sequence[tuple[str, str]],
) -> dict[str, Bundled]:
    # Strings rather than paths: there are thousands of them in a large project.
    found = {}
    base, made = os.path.realpath(import_root), os.path.realpath(folder) + os.sep
    links = _links(meta["inputs"], base)
    absolute = {one: os.path.normpath(f"{import_root}{os.sep}{one}") for one in meta["inputs"] if not _is_virtual(one)}
    sources = frozenset(absolute.values()) if warnings else frozenset()
    imports = {name: _imported(read) for name, read in meta["inputs"].items()}

    def in_folder(path: str) -> str:
        return os.path.normpath(f"{base}{os.sep}{path}").removeprefix(made).replace(os.sep, "/")

    for path, output in meta["outputs"].items():
        file = in_folder(path)
        if file not in entries:
            continue
        entry = entries[file]
        inputs = output["inputs"]
        copies = [
            one["path"] for one in output["imports"] if not one.get("external") and one["path"] in meta["outputs"]
        ]
        copied = [name for one in copies for name in meta["outputs"][one]["inputs"]]
        reached = _reached([output["entryPoint"], *inputs, *copied], imports)
        read = frozenset(absolute[one] for one in reached if one in absolute)
        also = {link for one in reached for link in links.get(one, ())}
        also.add(os.path.normpath(f"{import_root}{os.sep}{entry}"))
        globs = {folder for one in reached for folder in _globs(one, meta["inputs"].get(one, {}), import_root)}
        found[entry] = Bundled(
            file=file,
            read=read,
            inputs=tuple(sorted(read | also)),
            exports=tuple(map(str, output["exports"])),
            beside=tuple(sorted(map(in_folder, copies))),
            globs=tuple(sorted(globs)),
            warnings=tuple(said for file, said in warnings if file in read or file not in sources),
            sizes={name: int(one["bytesInOutput"]) for name, one in inputs.items()},
            imports={name: imports.get(name, ()) for name in inputs},
        )
    return found


def _globs(name: str, read: Mapping[str, Any], import_root: Path) -> list[str]:
    """Folders, with those in them, where an input imports whatever fits `./lib/*.ts`."""
    found = []
    for one in read.get("imports", ()):
        path: str = one["path"]
        if one.get("external") and "*" in path and path.startswith("."):
            place = path.partition("*")[0].rpartition("/")[0]
            top = Path(os.path.normpath(f"{import_root}{os.sep}{name.rpartition('/')[0]}{os.sep}{place}"))
            found.append(str(top))
            if "**" in path:
                for folder, inside, _ in os.walk(top):
                    inside[:] = sorted(one for one in inside if one != _MODULES)
                    found += [f"{folder}{os.sep}{below}" for below in inside]
    return found


def _links(inputs: Mapping[str, dict[str, Any]], base: str) -> dict[str, set[str]]:
    """By input: where it was looked for, if it was found through a symbolic link. esbuild only tells where that leads,
    and it may lead elsewhere next, or have become a file already."""
    found: dict[str, set[str]] = {}
    for importer, read in inputs.items():
        if _MODULES in importer.split("/"):
            continue
        folder = f"{base}{os.sep}{importer.rpartition('/')[0]}"
        for one in read["imports"]:
            original, path = one.get("original", ""), one["path"]
            if not original.startswith(".") or one.get("external"):
                continue
            place = os.path.normpath(f"{folder}{os.sep}{original}")
            stem = place.removesuffix(".js").removesuffix(".mjs").removesuffix(".cjs").removesuffix(".jsx")
            leads = os.path.normpath(f"{base}{os.sep}{path}")
            starts = (place, stem, f"{place}{os.sep}index")
            if not any(leads.startswith(start) and leads[len(start) :] in _SUFFIXES for start in starts):
                found.setdefault(path, set()).update(start + suffix for start in starts for suffix in _SUFFIXES)
    return found


def _imported(read: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one["path"]) for one in read["imports"] if not one.get("external"))


def _reached(bundled: Iterable[str], imports: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Inputs that a bundle was made from. Those that it has nothing of are not among the inputs of the output, as one
    that is empty, or holds nothing but types or constants; with its next save it may be another matter."""
    found = set(bundled)
    waiting = list(found)
    while waiting:
        new = set(imports.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _is_virtual(name: str) -> bool:
    """`(disabled):fs` and the like are no files."""
    return re.match(r"^\(?[a-z-]{2,}\)?:", name) is not None or name.startswith("<")


def _failed(said: str, import_root: Path, project_root: Path) -> SkykiteError:
    blocks = [found["message"].strip() for found in _ERROR.finditer(said)]
    errors = [(block.splitlines() or [""])[0] for block in blocks]
    places = [(Path(import_root, found["file"]).resolve(), found) for found in _PLACE.finditer(said)]
    if not errors:
        return SkykiteError("esbuild-failed", "esbuild failed", context=said.strip() or None, blame="skykite")
    message = errors[0].removesuffix(" [plugin]")
    note = _NOTE.search(blocks[0])
    hint = _hint(message, note)
    if not places:
        return SourceError(message, context=None, hint=hint, files=(), said=errors)
    file, place = places[0]
    frame = [line.removeprefix("    ") for line in _frame(place["frame"])]
    if note:
        frame.append(f"{note['text']}: {note['place']}")
    more = len(errors) - 1
    return SourceError(
        f"{shown(file, project_root)}:{place['line']}:{int(place['column']) + 1}: {message}"
        + (f" (and {more} more error{'s' if more > 1 else ''})" if more else ""),
        context="\n".join(frame) or None,
        hint=hint,
        files=[file for file, _ in places],
        said=errors,
    )


def _warnings(said: str, import_root: Path, project_root: Path) -> list[tuple[str, str]]:
    """Files, and what is odd in each."""
    found = []
    for one in _WARNING.finditer(said):
        file = Path(os.path.normpath(import_root / one["file"]))
        found.append((str(file), f"`{shown(file, project_root)}:{one['line']}`: {one['message']}"))
    return found


def _frame(text: str) -> list[str]:
    """The lines of code, up to the next empty line."""
    lines = []
    for line in text.splitlines():
        if not line.strip():
            break
        lines.append(line)
    return lines


def _hint(message: str, note: re.Match[str] | None) -> str | None:
    """A note tells what there is of a package that does not lead to what is imported."""
    found = re.match(r'Could not resolve "(?P<name>[^"]+)"', message)
    if found is None or found["name"].startswith("."):
        return None
    parts = found["name"].split("/")
    package = "/".join(parts[: 2 if parts[0].startswith("@") else 1])
    if note:
        return f"`{package}` is there: import what it exports, or see to line {note['line']} of `{note['file']}`"
    external = f'node={{"external": ["{package}"]}}'
    return f"install it with `npm install {package}`, or say that it is there at run time: {external}"
