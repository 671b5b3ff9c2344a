"""Run the user's program in a process of its own, or find that it would change nothing.

In: a `Synthesis`. Out: a `SynthResult`, with the assembly swapped in whole, or a SkykiteError and the previous one
untouched. I/O: one child process; the assembly's folder and, beside it, its fingerprint.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.disk import Disk
from skykite.model.events import Notice, StepFinished, StepProgress, StepStarted
from skykite.model.locations import cache_directory
from skykite.model.manifest import MANIFEST_FILE, Manifest, decode_manifest
from skykite.model.synthesis import SYNTHESIS_VARIABLE, Synthesis, encode_synthesis
from skykite.ports import Clock, EventSink
from skykite.synth.fingerprint import (
    Fingerprint,
    assembly_marks,
    code_of,
    compare,
    decode_fingerprint,
    encode_fingerprint,
    handlers_of,
    imported_files,
    settled,
    take,
    variables_read,
)
from skykite.synth.node import find_node
from skykite.synth.packages import packages_to_unpack
from skykite.synth.renaming import rename
from skykite.synth.report import Order, Report, ReportedError
from skykite.synth.spare import Conditions, Spare
from skykite.synth.types import write_types
from skykite.synth.validation import is_in_order, note_in_order
from skykite.synth.worker import Worker

_CDK: Final = "aws-cdk-lib"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthResult:
    """`skipped` if the assembly is as it was, `renamed` if only names of zips in it are not: the program has not run.
    `inputs` are absolute project files the program read and did not write: what it writes changes with every run,
    and a run because of that would never be the last. `variables` are the environment variables it read."""

    manifest: Manifest
    assembly: Path
    skipped: bool
    renamed: bool = False
    inputs: frozenset[Path]
    variables: frozenset[str]


class SynthError(SkykiteError):
    """The user's program failed. `inputs` are the files it read until then, and those that would have kept it from
    failing, which may not exist yet: a handler, a module. Running it again is of use when one of them changes."""

    def __init__(self, error: ReportedError, *, inputs: frozenset[Path]) -> None:
        super().__init__(
            error.code,
            error.message,
            context=error.context,
            hint=error.hint,
            link=error.link,
            blame=error.blame,
        )
        self.inputs = inputs


async def synthesize(
    synthesis: Synthesis,
    *,
    environment: Mapping[str, str],
    events: EventSink,
    clock: Clock,
    spare: Spare | None = None,
) -> SynthResult:
    """Bring the assembly in `synthesis.outdir` up to date, in the process that `spare` has waiting if there is one.
    Raises SynthError if the program fails, SkykiteError if it cannot be run."""
    started = clock.monotonic()
    events.emit(StepStarted(step="synth", message="reading the stacks"))
    result = _without_running(synthesis, environment)
    if result is not None:
        write_types(result.manifest, Path(synthesis.project_root), events)
    else:
        result = await _run(synthesis, environment, events, spare)
    count = len(result.manifest.stacks)
    stacks = "1 stack" if count == 1 else f"{count} stacks"
    events.emit(
        StepFinished(
            step="synth",
            message=f"{stacks}, unchanged" if result.skipped else f"{stacks}, other code" if result.renamed else stacks,
            elapsed_ms=(clock.monotonic() - started) * 1000,
            skipped=result.skipped,
        )
    )
    for notice in result.manifest.notices:
        events.emit(Notice(notice=notice.notice, message=notice.message, hint=notice.hint))
    return result


def fingerprint_file(assembly: Path) -> Path:
    """Beside the assembly, so that it does not count as a part of it."""
    return assembly.with_name(f"{assembly.name}.fingerprint.json")


def _without_running(synthesis: Synthesis, environment: Mapping[str, str]) -> SynthResult | None:
    """None if only the program can tell what is to be in the assembly."""
    assembly = Path(synthesis.outdir)
    try:
        known = decode_fingerprint(fingerprint_file(assembly).read_bytes())
        manifest = decode_manifest((assembly / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    except (OSError, SkykiteError):
        return None
    change = "program" if known is None else compare(known, synthesis, manifest, assembly, environment)
    if known is None or change == "program":
        return None
    now = manifest if change == "nothing" else _rename(known, assembly, manifest, Path(synthesis.project_root))
    if now is None:
        return None
    return SynthResult(
        manifest=now,
        assembly=assembly,
        skipped=now == manifest,
        renamed=now != manifest,
        inputs=_inputs(known.files.keys(), known.trees.keys()),
        variables=frozenset(known.variables),
    )


def _rename(known: Fingerprint, assembly: Path, manifest: Manifest, root: Path) -> Manifest | None:
    """The manifest of the assembly with the names that its zips have now; None if that is not all there is to it. While
    files are written the assembly has no fingerprint, so that one that is left half-way is made anew."""
    try:
        with tempfile.NamedTemporaryFile(prefix="synth-", dir=assembly.parent) as scratch:
            began_ns = os.stat(scratch.name).st_ctime_ns  # noqa: PTH116
        disk = Disk()
        imported = imported_files(root, manifest, disk)
        before = code_of(root, manifest, imported)
        handlers = handlers_of(root, manifest)
        changed = rename(assembly, manifest, root, disk)
        if changed is None or code_of(root, manifest, imported) != before:
            return None
        in_order = is_in_order(assembly, manifest)
        fingerprint_file(assembly).unlink(missing_ok=True)
        renamed = _write_renamed(assembly, manifest, changed)
        if in_order:
            note_in_order(assembly, renamed)  # a name of a zip is as good as another
        found = replace(known, code=before, handlers=handlers, assembly=assembly_marks(assembly))
    except (OSError, SkykiteError):
        return None  # whoever runs the program says it where it belongs
    if settled(found, began_ns):
        fingerprint_file(assembly).write_bytes(encode_fingerprint(found))
    return renamed


def _replace(file: Path, data: bytes) -> None:
    """All of it or nothing."""
    with tempfile.TemporaryDirectory(prefix="synth-", dir=file.parent.parent) as scratch:
        new = Path(scratch, file.name)
        new.write_bytes(data)
        shutil.copymode(file, new)
        new.replace(file)


def _write_renamed(assembly: Path, manifest: Manifest, changed: Mapping[str, bytes]) -> Manifest:
    """And remove the zips of before."""
    for name, data in changed.items():
        _replace(assembly / name, data)
    renamed = decode_manifest((assembly / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    named = {asset.source for stack in renamed.stacks for asset in stack.assets}
    for asset in (asset for stack in manifest.stacks for asset in stack.assets):
        if asset.source not in named:
            (assembly / asset.source).unlink(missing_ok=True)
    return renamed


async def _run(
    synthesis: Synthesis, environment: Mapping[str, str], events: EventSink, spare: Spare | None
) -> SynthResult:
    if _CDK in packages_to_unpack(environment):
        events.emit(StepProgress(step="synth", message=f"unpacking {_CDK}, once on this machine"))
    conditions = Conditions(variables=_variables(synthesis, environment), project_root=synthesis.project_root)
    Path(synthesis.outdir).parent.mkdir(parents=True, exist_ok=True)
    said = 0
    ready = spare.take(conditions) if spare is not None else None
    if ready is not None:
        result = await _work(ready, synthesis, environment, events, spare=spare, said=0)
        if result is not None:
            return result
        said = ready.said
    memory = spare.memory if spare is not None else None
    worker = await Worker.start(conditions.variables, conditions.project_root, memory=memory)
    result = await _work(worker, synthesis, environment, events, spare=spare, said=said)
    if result is None:
        raise worker.died(conditions.variables)
    return result


async def _work(
    worker: Worker,
    synthesis: Synthesis,
    environment: Mapping[str, str],
    events: EventSink,
    *,
    spare: Spare | None,
    said: int,
) -> SynthResult | None:
    """None if the process died over it."""
    try:
        return await _perform(worker, synthesis, environment, events, said)
    except asyncio.CancelledError:
        await worker.end()
        raise
    finally:
        if spare is not None:
            spare.let_go(worker)
        else:
            await worker.end()


async def _perform(
    worker: Worker, synthesis: Synthesis, environment: Mapping[str, str], events: EventSink, said: int
) -> SynthResult | None:
    assembly = Path(synthesis.outdir)
    with tempfile.TemporaryDirectory(prefix="synth-", dir=assembly.parent) as scratch:
        began_ns = os.stat(scratch).st_ctime_ns  # noqa: PTH116
        fresh = Path(scratch, "assembly")
        order = Order(
            synthesis=encode_synthesis(replace(synthesis, outdir=str(fresh))), report=str(Path(scratch, "report.json"))
        )
        report = await worker.run(order, events, already_said=said)
        if report is None:
            return None
        if report.error is not None:
            raise SynthError(report.error, inputs=_inputs_of(report))
        manifest = decode_manifest((fresh / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
        if not manifest.stacks:
            raise SynthError(ReportedError.of(_no_stacks(synthesis)), inputs=_inputs_of(report))
        fingerprint_file(assembly).unlink(missing_ok=True)
        _swap(fresh, assembly, manifest, Path(scratch, "previous"))
    write_types(manifest, Path(synthesis.project_root), events)  # before it is noted which files there are
    fingerprint = take(synthesis, report.reads, manifest, assembly, environment, began_ns=began_ns)
    if fingerprint is not None:
        fingerprint_file(assembly).write_bytes(encode_fingerprint(fingerprint))
    return SynthResult(
        manifest=manifest,
        assembly=assembly,
        skipped=False,
        inputs=_inputs_of(report),
        variables=frozenset(variables_read(report.reads, environment)),
    )


def _variables(synthesis: Synthesis, environment: Mapping[str, str]) -> dict[str, str]:
    """Of the process. Raises `node-missing`."""
    variables = {
        **environment,
        SYNTHESIS_VARIABLE: encode_synthesis(synthesis),
        "JSII_NODE": str(find_node(environment)),
        "CDK_VALIDATION": environment.get("CDK_VALIDATION", "false"),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }
    if variables.pop("PYTHONDONTWRITEBYTECODE", None):
        # Compiling aws_cdk takes seconds. Whoever set this does not want it beside the sources: keep it elsewhere.
        variables["PYTHONPYCACHEPREFIX"] = str(cache_directory(environment) / "synth" / "bytecode")
    return variables


def _no_stacks(synthesis: Synthesis) -> SkykiteError:
    return SkykiteError(
        "no-stacks",
        f"`main` in `{synthesis.main}` makes no stack, so there is nothing to run or deploy",
        hint='make one in it, for instance `Stack(app, "MyStack")`; `kite remove` takes away what is deployed',
    )


def _swap(fresh: Path, assembly: Path, manifest: Manifest, previous: Path) -> None:
    """Two renames. A crash between them leaves no assembly, and the next run makes one."""
    if assembly.exists():
        _keep_built(manifest, assembly, fresh)
        assembly.rename(previous)
    fresh.rename(assembly)
    shutil.rmtree(previous, ignore_errors=True)


def _keep_built(manifest: Manifest, old: Path, new: Path) -> None:
    """A bundle that is already built is named by its content: it is still good."""
    for stack in manifest.stacks:
        for asset in stack.assets:
            if asset.packaging == "bundle" and (old / asset.source).is_file() and not (new / asset.source).exists():
                shutil.copy2(old / asset.source, new / asset.source)


def _inputs_of(report: Report) -> frozenset[Path]:
    written = frozenset(Path(path) for path in report.reads.written)
    return (_inputs(report.reads.files, report.reads.trees) - written) | _inputs(report.sought, ())


def _inputs(files: Iterable[str], trees: Iterable[str]) -> frozenset[Path]:
    """Files by name; of folders that became assets, every file."""
    found = {Path(path) for path in files if not os.path.isdir(path)}  # noqa: PTH112
    for tree in trees:
        found.update(Path(folder, name) for folder, _, names in os.walk(tree) for name in names)
        if not os.path.isdir(tree):  # noqa: PTH112
            found.add(Path(tree))
    return frozenset(found)
