"""Run the user's program in a process of its own, or find that it would change nothing.

In: a `Synthesis`. Out: a `SynthResult`, with the assembly swapped in whole, or a SkykiteError and the previous one
untouched. I/O: one child process; the assembly's folder and, beside it, its fingerprint.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
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
from skykite.synth.kernel import packages_to_unpack
from skykite.synth.node import find_node
from skykite.synth.process_group import OWN_GROUP
from skykite.synth.report import Report, ReportedError, decode_report
from skykite.synth.types import write_types

_OUTPUT_LIMIT: Final = 10 * 1024 * 1024  # bytes
_OUTPUT_SHOWN: Final = 200  # lines
_LINE_SHOWN: Final = 500  # characters
_TAIL: Final = 5  # lines
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
    synthesis: Synthesis, *, environment: Mapping[str, str], events: EventSink, clock: Clock
) -> SynthResult:
    """Bring the assembly in `synthesis.outdir` up to date. Raises SynthError if the program fails, SkykiteError if it
    cannot be run."""
    started = clock.monotonic()
    events.emit(StepStarted(step="synth", message="reading the stacks"))
    result = _skip(synthesis, environment) or await _run(synthesis, environment, events)
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


async def _run(synthesis: Synthesis, environment: Mapping[str, str], events: EventSink) -> SynthResult:
    node = find_node(environment)
    if _CDK in packages_to_unpack(environment):
        events.emit(StepProgress(step="synth", message=f"unpacking {_CDK}, once on this machine"))
    assembly = Path(synthesis.outdir)
    assembly.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="synth-", dir=assembly.parent) as scratch:
        began_ns = os.stat(scratch).st_ctime_ns  # noqa: PTH116
        fresh = Path(scratch, "assembly")
        report_file = Path(scratch, "report.json")
        variables = {
            **environment,
            SYNTHESIS_VARIABLE: encode_synthesis(replace(synthesis, outdir=str(fresh))),
            "JSII_NODE": str(node),
            "CDK_VALIDATION": environment.get("CDK_VALIDATION", "false"),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
        }
        if variables.pop("PYTHONDONTWRITEBYTECODE", None):
            # Compiling aws_cdk takes seconds. Whoever set this does not want it beside the sources: keep it elsewhere.
            variables["PYTHONPYCACHEPREFIX"] = str(cache_directory(environment) / "synth" / "bytecode")
        returncode, tail = await _run_child(report_file, variables, synthesis.project_root, events)
        report = _read_report(report_file, returncode, tail)
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


def _no_stacks(synthesis: Synthesis) -> SkykiteError:
    return SkykiteError(
        "no-stacks",
        f"`main` in `{synthesis.main}` makes no stack, so there is nothing to run or deploy",
        hint='make one in it, for instance `Stack(app, "MyStack")`; `kite remove` takes away what is deployed',
    )


async def _run_child(
    report: Path, variables: Mapping[str, str], project_root: str, events: EventSink
) -> tuple[int, list[str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skykite.synth.child",
        str(report),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(variables),
        cwd=project_root,
        limit=1 << 16,
        **OWN_GROUP,
    )
    try:
        tail = await _follow(process, events)
        return await process.wait(), tail
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                _kill(process)
            await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    """With whatever it has started, where a process leads a group: Node, and the user's own programs."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


async def _follow(process: asyncio.subprocess.Process, events: EventSink) -> list[str]:
    """Show what the program prints, as far as anyone wants to read it; keep its last lines. Raises `main-endless`."""
    assert process.stdout is not None
    size, shown = 0, 0
    tail: list[str] = []
    rest = b""
    while chunk := await process.stdout.read(1 << 16):
        size += len(chunk)
        if size > _OUTPUT_LIMIT:
            raise SkykiteError(
                "main-endless",
                f"the stacks printed more than {_OUTPUT_LIMIT // 1024 // 1024} MB, and were stopped",
                context="\n".join(tail[-_TAIL:]),
                hint="look for a loop that does not end",
            )
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = _shorten(line)
            tail = [*tail[-_TAIL:], text]
            shown += 1
            if shown <= _OUTPUT_SHOWN:
                events.emit(Notice(notice="synth-output", message=text))
            elif shown == _OUTPUT_SHOWN + 1:
                events.emit(Notice(notice="synth-output", message="…"))
    if rest:
        text = _shorten(rest)
        tail.append(text)
        if shown <= _OUTPUT_SHOWN:
            events.emit(Notice(notice="synth-output", message=text))
    return tail


def _shorten(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r")
    return text if len(text) <= _LINE_SHOWN else f"{text[:_LINE_SHOWN]}…"


def _read_report(file: Path, returncode: int, tail: list[str]) -> Report:
    try:
        return decode_report(file.read_bytes())
    except OSError:
        if returncode < 0:
            name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else str(-returncode)
            ended = f"was ended by the signal {name}"
        else:
            ended = f"ended with status {returncode} and no word"
        raise SkykiteError(
            "synth-died",
            f"the process that runs the stacks {ended}",
            context="\n".join(tail[-_TAIL:]) or None,
            hint="a native library that crashed, too little memory, or `os._exit` in the stacks can do that",
        ) from None


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
