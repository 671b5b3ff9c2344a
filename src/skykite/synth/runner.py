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
from skykite.model.events import Notice, StepFinished, StepProgress, StepStarted
from skykite.model.locations import cache_directory
from skykite.model.manifest import MANIFEST_FILE, Manifest, decode_manifest
from skykite.model.synthesis import SYNTHESIS_VARIABLE, Synthesis, encode_synthesis
from skykite.ports import Clock, EventSink
from skykite.synth.fingerprint import decode_fingerprint, encode_fingerprint, holds, take, variables_read
from skykite.synth.node import find_node
from skykite.synth.packages import packages_to_unpack
from skykite.synth.report import Order, Report, ReportedError
from skykite.synth.spare import Conditions, Spare
from skykite.synth.types import write_types
from skykite.synth.worker import Worker

_CDK: Final = "aws-cdk-lib"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthResult:
    """`inputs` are absolute project files the program read and did not write: what it writes changes with every run,
    and a run because of that would never be the last. `variables` are the environment variables it read."""

    manifest: Manifest
    assembly: Path
    skipped: bool
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
    result = _skip(synthesis, environment) or await _run(synthesis, environment, events, spare)
    write_types(result.manifest, Path(synthesis.project_root), events)
    count = len(result.manifest.stacks)
    stacks = "1 stack" if count == 1 else f"{count} stacks"
    events.emit(
        StepFinished(
            step="synth",
            message=f"{stacks}, unchanged" if result.skipped else stacks,
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


def _skip(synthesis: Synthesis, environment: Mapping[str, str]) -> SynthResult | None:
    assembly = Path(synthesis.outdir)
    try:
        known = decode_fingerprint(fingerprint_file(assembly).read_bytes())
        manifest = decode_manifest((assembly / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    except (OSError, SkykiteError):
        return None
    if known is None or not holds(known, synthesis, manifest, assembly, environment):
        return None
    return SynthResult(
        manifest=manifest,
        assembly=assembly,
        skipped=True,
        inputs=_inputs(known.files.keys(), known.trees.keys()),
        variables=frozenset(known.variables),
    )


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
        raise worker.died()
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
