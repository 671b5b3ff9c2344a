"""What live stages of the examples are deployed with, as AWS's own checkers see it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kit.live_stage import opened
from kit.stacks import Built, EventLog, SystemClock, synthesis_of
from kit.templates import template_errors
from skykite.synth import synthesize

ROOT = Path(__file__).parents[3]
PROJECTS = (ROOT / "examples" / "hello", ROOT / "examples" / "jobs", ROOT / "src" / "skykite" / "templates" / "api")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KITE_STAGE")}


async def test_neither_cfn_lint_nor_cloudformation_validate_finds_anything(tmp_path: Path) -> None:
    files = []
    for project in PROJECTS:
        root = tmp_path / project.name
        shutil.copytree(project, root, ignore=shutil.ignore_patterns(".kite", "__pycache__"))
        result = await synthesize(
            synthesis_of(root, mode="live"), environment=ENVIRONMENT, events=EventLog(), clock=SystemClock()
        )
        made = opened(Built(result.assembly))
        assert made.notices == ()
        for entry in result.manifest.stacks:
            file = result.assembly / entry.template
            assert json.loads(file.read_text()) != made.templates[entry.name]
            file.write_text(json.dumps(made.templates[entry.name]))
            files.append(str(file))
        assert template_errors(result.assembly) == []

    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))
    # W3005: the CDK writes dependencies that an attribute implies.
    command = [cfn_lint, "--ignore-checks", "W3005", "--", *files]
    checked = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=100)
    assert (checked.stdout, checked.returncode) == ("", 0)
