"""What a function finds beside its code, on this machine: Python folders of its layers, and files copied into its zip.

In: a function of the manifest, and the assembly. Out: where its imports go on after its own code, and the folder it
finds its files in. I/O: makes that folder, of symbolic links to the project's own files, so that they never are stale.

Code is imported from where it is in the project, for the debugger's sake; so a copied file is found relative to the
working directory and to `LAMBDA_TASK_ROOT`, as on AWS, and not relative to `__file__`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.manifest import CopiedFile, FunctionEntry, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionFiles:
    """`search` is where imports go on; `task_root` stands for `/var/task`, None for the import root; `copied` are the
    project's files and folders that are in there too."""

    search: tuple[Path, ...] = ()
    task_root: Path | None = None
    copied: tuple[Path, ...] = ()


def function_files(entry: FunctionEntry, *, assembly: Path, project_root: Path, cache: Path) -> FunctionFiles:
    """`cache` is where folders of links are kept. Raises `task-folder` where the system makes no links."""
    import_root = project_root / (entry.import_root or ".")
    task_root = _task_folder(import_root, entry.copied, project_root, cache) if entry.copied else None
    folders = [
        folder
        for layer in reversed(entry.layers)  # the later layer wins, as on AWS
        if layer.source is not None
        for folder in _python_folders(assembly / layer.source, entry.runtime)
    ]
    return FunctionFiles(
        search=((task_root,) if task_root else ()) + tuple(folders),
        task_root=task_root,
        copied=tuple(project_root / one.source for one in entry.copied),
    )


def absent_notices(manifest: Manifest) -> tuple[Notice, ...]:
    """What functions that run here lack, compared with where they are deployed. Pure."""
    entries = [entry for entry in manifest.functions if entry.live and entry.handler is not None]
    layers = _by_name((layer.name, entry.id) for entry in entries for layer in entry.layers if layer.source is None)
    inside = [entry.id for entry in entries if entry.vpc]
    images = [entry.id for entry in manifest.functions if entry.kind == "image"]
    return (
        *(
            Notice(
                notice="layer-absent",
                message=f"{_listed(functions)} runs without the layer `{name}` on this machine: only layers made from "
                "a folder of the project are here",
                hint="install what its code needs of it into the project's environment",
            )
            for name, functions in layers.items()
        ),
        *(
            [
                Notice(
                    notice="vpc-outside",
                    message=f"{_listed(inside)} runs on this machine, outside of its VPC",
                    hint="what it reaches by private addresses needs a VPN or a tunnel, or `live=False`",
                )
            ]
            if inside
            else ()
        ),
        *([_image_notice(images, manifest)] if images else ()),
    )


def _image_notice(images: Sequence[str], manifest: Manifest) -> Notice:
    if manifest.mode == "local":
        return Notice(
            notice="image-not-here",
            message=f"{_listed(images)} is a container image, which does not run here: its invocations fail",
            hint="it runs where it is deployed to AWS",
        )
    return Notice(notice="image-deployed", message=f"{_listed(images)} is a container image: it runs as deployed")


def _python_folders(layer: Path, runtime: str) -> list[Path]:
    """Where Python looks in a layer. A zip may be searched as it is."""
    return [layer / "python" / "lib" / runtime / "site-packages", layer / "python"]


def _task_folder(import_root: Path, copied: Iterable[CopiedFile], project_root: Path, cache: Path) -> Path:
    """The folder for these files, made unless it is there: its name says what is in it."""
    links = dict(_links(import_root, _placed(copied, project_root)))
    digest = hashlib.sha256(json.dumps({path: str(target) for path, target in links.items()}).encode()).hexdigest()
    folder = cache / digest[:32]
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=cache))
    try:
        for path, target in links.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).symlink_to(target, target_is_directory=target.is_dir())
        work.replace(folder)
    except OSError as error:
        if folder.is_dir():  # another process was faster
            return folder
        raise SkykiteError(
            "task-folder",
            f"the files that are copied into a function's zip cannot be linked to in `{cache}`: {error.strerror}",
            hint="on Windows, symbolic links need the developer mode",
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _placed(copied: Iterable[CopiedFile], project_root: Path) -> dict[str, Path]:
    """Each by the path where it goes; of a folder that goes to the top, what is in it."""
    placed: dict[str, Path] = {}
    for one in copied:
        source = project_root / one.source
        if one.to:
            placed[one.to] = source
        else:
            placed |= {inside.name: inside for inside in sorted(source.iterdir())}
    return placed


def _links(base: Path, placed: dict[str, Path]) -> Iterable[tuple[str, Path]]:
    """What to link to what: the names in `base`, and in their places what is copied. Where both have a folder of a
    name, or something goes into one, the folder is made and its names are linked."""
    here = {path.partition("/")[0] for path in placed}
    names = {path.name: path for path in sorted(base.iterdir())} if base.is_dir() else {}
    for name, path in names.items():
        if name not in here and not name.startswith("."):
            yield name, path
    for name in sorted(here):
        below = {path.partition("/")[2]: source for path, source in placed.items() if path.startswith(f"{name}/")}
        whole, own = placed.get(name), names.get(name)
        if whole is not None and whole.is_dir() and (below or (own is not None and own.is_dir())):
            below = {inside.name: inside for inside in sorted(whole.iterdir())} | below
            whole = None
        if whole is not None:
            yield name, whole
        else:
            for inside, target in _links(own if own is not None else base / name, below):
                yield f"{name}/{inside}", target


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"`{names[0]}`{more}"
