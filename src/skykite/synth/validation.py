"""What CloudFormation would refuse in an assembly, found without asking it.

In: an assembly. Out: errors under construct paths, nothing if all is well. I/O: one child process (this module's
`main`, which holds AWS's own validation engine: half a second and 60 MB that `kite` does not keep), reading the
templates. Meant to run beside a deploy, off the way of what people wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from skykite.errors import SkykiteError
from skykite.model.manifest import MANIFEST_FILE, StackEntry, decode_manifest
from skykite.synth.process_group import OWN_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with one template."""

    template: str
    rule: str
    message: str
    logical_id: str | None
    property: str | None
    link: str | None


async def validate(assembly: Path, *, templates_in: Path | None = None) -> tuple[SkykiteError, ...]:
    """Errors in the order of the templates, which may also lie elsewhere than in the assembly, under the same names.
    Warnings and advice are left out."""
    manifest = decode_manifest((assembly / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    templates = [stack.template for stack in manifest.stacks]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skykite.synth.validation",
        str(templates_in or assembly),
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
    stacks = {stack.template: stack for stack in manifest.stacks}
    findings = msgspec.json.decode(output, type=list[Finding])
    return tuple(_to_error(finding, stacks[finding.template]) for finding in findings)


def _to_error(finding: Finding, stack: StackEntry) -> SkykiteError:
    resource = next((entry for entry in stack.resources if entry.logical_id == finding.logical_id), None)
    where = f"`{resource.path or resource.logical_id}` ({resource.type})" if resource else f"stack `{stack.path}`"
    at = f" at `{finding.property}`" if finding.property else ""
    return SkykiteError(
        "template-invalid",
        f"CloudFormation would refuse {where}{at}: {finding.message.rstrip('.')}",
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
