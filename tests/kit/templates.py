"""Templates held against what CloudFormation accepts."""

from __future__ import annotations

from pathlib import Path

from skykite.model.manifest import MANIFEST_FILE, decode_manifest
from skykite.synth.validation import find_errors


def template_errors(assembly: Path) -> list[str]:
    """Errors of AWS's own validation engine, in this process."""
    manifest = decode_manifest((assembly / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    found = find_errors(assembly, [stack.template for stack in manifest.stacks])
    return [f"{error.template}: {error.logical_id}: {error.rule}: {error.message}" for error in found]
