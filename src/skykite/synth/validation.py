"""What CloudFormation would refuse in an assembly, found without asking it.

In: an assembly. Out: errors under construct paths, nothing if all is well. I/O: one child process (this module's
`main`, which holds AWS's own validation engine: half a second and 60 MB that `kite` does not keep), reading the
templates, and the user's file for each finding. Meant to run beside a deploy, off the way of what people wait for. What
was found to be in order is noted beside the assembly, and not looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from skykite.errors import SkykiteError
from skykite.model.code_frame import code_frame
from skykite.model.manifest import MANIFEST_FILE, Manifest, ResourceEntry, SourceLocation, StackEntry, decode_manifest
from skykite.synth.process_group import OWN_GROUP

_VALIDATOR: Final = "cloudformation-validate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with one template."""

    template: str
    rule: str
    message: str
    logical_id: str | None
    property: str | None
    link: str | None


async def validate(assembly: Path, *, project_root: Path, templates_in: Path | None = None) -> tuple[SkykiteError, ...]:
    """Errors in the order of the templates, which may also lie elsewhere than in the assembly, under the same names.
    Each shows the user's line, of the construct or of what it is in. Warnings and advice are left out."""
    manifest = decode_manifest((assembly / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    templates = [stack.template for stack in manifest.stacks]
    folder = templates_in or assembly
    key = _key(folder, templates)
    if _read(in_order_file(assembly)) == key:
        return ()
    findings = await _look(folder, templates)
    stacks = {stack.template: stack for stack in manifest.stacks}
    if not findings and _key(folder, templates) == key:  # else it changed while it was looked at
        in_order_file(assembly).write_text(key)
    errors = []
    for finding in findings:
        stack = stacks[finding.template]
        resource = next((entry for entry in stack.resources if entry.logical_id == finding.logical_id), None)
        line = manifest.line_of((resource and resource.path) or stack.path)
        context = _shown(line, project_root) if line else None
        errors.append(_to_error(finding, stack, resource, context=context))
    return tuple(errors)


def _shown(line: SourceLocation, root: Path) -> str:
    try:
        source = (root / line.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return str(line)
    return code_frame(source, file=line.file, line=line.line)


def is_in_order(assembly: Path, manifest: Manifest) -> bool:
    """Whether these very templates are known to be."""
    return _read(in_order_file(assembly)) == _key(assembly, [stack.template for stack in manifest.stacks])


def note_in_order(assembly: Path, manifest: Manifest) -> None:
    """They are, for whoever asks next."""
    in_order_file(assembly).write_text(_key(assembly, [stack.template for stack in manifest.stacks]))


def in_order_file(assembly: Path) -> Path:
    """Beside the assembly: holds the key of the templates that are known to be in order."""
    return assembly.with_name(f"{assembly.name}.in-order")


def _key(folder: Path, templates: Sequence[str]) -> str:
    """Of the templates' content and of who judges it."""
    found = hashlib.sha256(f"{importlib.metadata.version(_VALIDATOR)}\n".encode())
    for template in templates:
        content = (folder / template).read_bytes()
        found.update(f"{template} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return None


async def _look(folder: Path, templates: Sequence[str]) -> list[Finding]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skykite.synth.validation",
        str(folder),
        *templates,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **OWN_GROUP,
    )
    try:
        output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SkykiteError(
            "validation-failed",
            f"the validation of the templates ended with status {process.returncode}",
            context=complaint.decode("utf-8", "replace")[-2000:] or None,
            blame="skykite",
        )
    return msgspec.json.decode(output, type=list[Finding])


def _to_error(
    finding: Finding, stack: StackEntry, resource: ResourceEntry | None, *, context: str | None
) -> SkykiteError:
    where = f"`{resource.path or resource.logical_id}` ({resource.type})" if resource else f"stack `{stack.path}`"
    at = f" at `{finding.property}`" if finding.property else ""
    return SkykiteError(
        "template-invalid",
        f"CloudFormation would refuse {where}{at}: {finding.message.rstrip('.')}",
        context=context,
        hint=f"rule {finding.rule} of cloudformation-validate",
        link=finding.link,
    )


def find_errors(assembly: Path, templates: list[str]) -> list[Finding]:
    """In the process of its own: run AWS's engine over the templates."""
    from cloudformation_validate import CompositeEngine, Severity

    engine = CompositeEngine()
    return [
        Finding(
            template=template,
            rule=found.rule_id,
            message=found.message,
            logical_id=found.entity.logical_id if found.entity else None,
            property=found.property_path,
            link=found.documentation_url,
        )
        for template in templates
        for found in engine.validate_template(str(assembly / template)).diagnostics
        if found.severity in (Severity.ERROR, Severity.FATAL)
    ]


def main() -> None:
    """`python -m skykite.synth.validation ASSEMBLY TEMPLATE…` prints findings as JSON."""
    sys.stdout.buffer.write(msgspec.json.encode(find_errors(Path(sys.argv[1]), sys.argv[2:])))


if __name__ == "__main__":
    main()
