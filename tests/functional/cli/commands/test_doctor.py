from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kit.kite import kite
from kit.project import make_project
from skykite.cli import checks
from skykite.model.events import DoctorChecked


def one(findings: object) -> DoctorChecked:
    [finding] = findings  # type: ignore[misc]
    assert isinstance(finding, DoctorChecked)
    return finding


async def test_each_thing_is_one_event_and_a_healthy_machine_exits_with_0(tmp_path: Path) -> None:
    root = make_project(tmp_path / "notes").root
    (root / "stacks").mkdir()
    (root / "stacks" / "app.py").write_text("def main(app): ...\n")
    done = await kite("doctor", "--output", "json", cwd=root, env={"HOME": str(tmp_path)})
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["code"] for event in events} == {"doctor.checked"}
    assert {event["check"]: event["status"] for event in events} == {
        "python": "ok",
        "packages": "ok",
        "node": "ok",
        "uv": "ok",
        "cache": "ok",
        "cloud": "warn",  # of a home directory that is new
        "credentials": "warn",
        "environment": "ok",
        "project": "ok",
        "git": "ok",
    }
    assert done.code == 0


async def test_a_broken_project_fails_with_what_to_do(tmp_path: Path) -> None:
    make_project(tmp_path)
    done = await kite("doctor", cwd=tmp_path)
    assert done.code == 1
    assert "✗ `stacks/app.py` is missing\n  hint: kite.toml's `main` says where `def main(app)` is\n" in done.stderr


async def test_no_project_is_no_failure(tmp_path: Path) -> None:
    done = await kite("doctor", "--output", "json", cwd=tmp_path)
    assert done.code == 0
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "warn"


def test_a_main_with_a_syntax_error_is_found_without_running_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "app.py").write_text("def main(app)\n")
    finding = one(checks.check_project(project))
    assert (finding.status, finding.message) == (
        "fail",
        "`stacks/app.py` cannot be run: expected ':' (app.py, line 1)",
    )


def test_a_cache_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    finding = one(checks.check_cache(tmp_path / "cache"))
    assert (finding.status, finding.hint) == ("fail", "make it writable, or set KITE_CACHE_DIR to another folder")


def test_a_cloud_environment_without_ministack_fails(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    finding = one(checks.check_cloud(python))
    assert (finding.status, finding.hint) == ("fail", f"delete {tmp_path}")
    assert "ministack" in finding.message


def test_credentials_are_found_where_the_aws_cli_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "credentials"
    shared.write_text("[work]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert one(checks.check_credentials({"AWS_PROFILE": "work"})).message == "AWS credentials from profile `work`"
    assert one(checks.check_credentials({"AWS_PROFILE": "play"})).status == "warn"
    assert one(checks.check_credentials({})).message == "no AWS credentials"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_state_kept_in_git_is_warned_of(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert one(checks.check_git(project)).status == "ok"
    (tmp_path / ".kite").mkdir()
    (tmp_path / ".kite" / "stage").write_text("alice\n")
    (tmp_path / ".env.local").write_text("TOKEN=secret\n")
    subprocess.run(["git", "add", "-f", ".kite", ".env.local"], cwd=tmp_path, check=True)
    finding = one(checks.check_git(project))
    assert (finding.status, finding.message, finding.hint) == (
        "warn",
        "git keeps `.env.local` and 1 more, which belongs to this machine alone",
        "git rm -r --cached .env.local",
    )
