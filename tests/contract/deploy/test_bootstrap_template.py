"""The bootstrap template, as AWS's own checkers see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from skykite.deploy.bootstrap import bootstrap_template


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps(bootstrap_template("eu-west-1")))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (checked.stdout, checked.returncode) == ("", 0)


def test_cloudformation_validate_finds_nothing(tmp_path: Path) -> None:
    from cloudformation_validate import CompositeEngine, Severity

    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps(bootstrap_template("eu-west-1")))
    found = CompositeEngine().validate_template(str(file)).diagnostics
    assert [item.message for item in found if item.severity in (Severity.WARN, Severity.ERROR, Severity.FATAL)] == []
