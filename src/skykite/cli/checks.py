"""What `kite doctor` looks at, one function a thing.

In: what the thing depends on. Out: findings. I/O: each reads this machine (files, programs, the credentials' sources);
only `check_account` uses the network.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.events import DoctorChecked
from skykite.model.project import STATE_DIRECTORY, Project

_PATIENCE_S: Final = 30
_REINSTALL: Final = "install Skykite again: pip install --force-reinstall skykite"


def check_python() -> Iterator[DoctorChecked]:
    """Which one `kite` runs in, and so the one that runs the stacks."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield _ok("python", f"Python {version} at {sys.executable}")


def check_packages() -> Iterator[DoctorChecked]:
    """What somebody could have uninstalled since."""
    problems = []
    for requirement in importlib.metadata.requires("skykite") or ():
        specifier, _, marker = requirement.partition(";")
        name = re.split(r"[^A-Za-z0-9._-]", specifier.strip(), maxsplit=1)[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if not marker:  # one with a marker is for other platforms too
                problems.append(name)
    if problems:
        yield _fail("packages", f"packages are missing: {', '.join(problems)}", _REINSTALL)
    else:
        cdk = importlib.metadata.version("aws-cdk-lib")
        yield _ok("packages", f"Skykite {importlib.metadata.version('skykite')} with AWS CDK {cdk}")


def check_node(environment: Mapping[str, str]) -> Iterator[DoctorChecked]:
    """AWS CDK is a program for Node, which comes as a wheel."""
    from skykite.synth.node import find_node

    try:
        program = find_node(environment)
    except SkykiteError as error:
        yield _fail("node", error.message, error.hint)
        return
    yield _run_version("node", "Node", [str(program), "--version"], _REINSTALL)


def check_uv() -> Iterator[DoctorChecked]:
    """uv makes the embedded cloud's environment and resolves functions' dependencies."""
    try:
        from uv import find_uv_bin

        program = find_uv_bin()
    except (ImportError, FileNotFoundError):
        yield _fail("uv", "uv is missing", "pip install uv")
        return
    yield _run_version("uv", "", [program, "--version"], _REINSTALL)


def check_cache(directory: Path) -> Iterator[DoctorChecked]:
    """`directory` is Skykite's cache, shared by all projects; it may not exist yet."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        yield _fail(
            "cache",
            f"the cache `{directory}` cannot be written: {error.strerror}",
            "make it writable, or set KITE_CACHE_DIR to another folder",
        )
        return
    yield _ok("cache", f"the cache is {directory}")


def check_cloud(python: Path | None) -> Iterator[DoctorChecked]:
    """`python` is that of the embedded cloud's environment, or None before the first `kite dev --local`."""
    if python is None:
        yield _warn(
            "cloud",
            "the embedded cloud is not set up yet",
            "the first `kite dev --local` does it, once; it needs a package index then",
        )
        return
    command = [str(python), "-c", "import importlib.metadata as m; print(m.version('ministack'))"]
    yield _run_version("cloud", "the embedded cloud is MiniStack", command, f"delete {python.parent.parent}")


def check_credentials(environment: Mapping[str, str]) -> Iterator[DoctorChecked]:
    """Whether there are any; nothing is asked over the network, so they may be wrong."""
    import botocore.session
    from botocore.exceptions import BotoCoreError

    profile = environment.get("AWS_PROFILE") or None
    session = botocore.session.Session(profile=profile)
    try:
        chain = session.get_component("credential_provider")
        for networked in ("iam-role", "container-role"):
            chain.remove(networked)
        credentials = chain.load_credentials()
    except BotoCoreError as error:
        yield _warn("credentials", f"AWS credentials cannot be read: {error}", "see `aws configure list`")
        return
    if credentials is None:
        yield _warn(
            "credentials",
            "no AWS credentials",
            "`kite dev --local` needs none; for AWS set AWS_PROFILE, or run `aws configure sso`",
        )
        return
    source = f"profile `{profile}`" if profile else credentials.method
    yield _ok("credentials", f"AWS credentials from {source}")


def check_account(region: str, environment: Mapping[str, str]) -> Iterator[DoctorChecked]:
    """Asks AWS who we are."""
    from skykite.aws import AwsSession

    session = AwsSession(region=region, profile=environment.get("AWS_PROFILE") or None)
    try:
        yield _ok("account", f"AWS account {session.sts.account()} in {region}")
    except SkykiteError as error:
        yield _fail("account", f"AWS does not accept the credentials: {error.message}", error.hint)
    finally:
        session.close()


def check_git(project: Project) -> Iterator[DoctorChecked]:
    """Nothing that belongs to this machine alone should be in the repository."""
    git = shutil.which("git")
    if git is None:
        yield _ok("git", "git is not installed, nothing to check")
        return
    tracked = subprocess.run(
        [git, "ls-files", "--", STATE_DIRECTORY, ".env.local", ".env.*.local"],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if tracked.returncode != 0:
        yield _ok("git", "the project is in no git repository")
    elif tracked.stdout:
        first, *more = tracked.stdout.splitlines()
        others = f" and {len(more)} more" if more else ""
        yield _warn(
            "git",
            f"git keeps `{first}`{others}, which belongs to this machine alone",
            f"git rm -r --cached {first.split('/')[0]}",
        )
    else:
        yield _ok("git", f"git ignores `{STATE_DIRECTORY}/` and local .env files")


def check_project(project: Project) -> Iterator[DoctorChecked]:
    """What can be said without running the stacks."""
    main = project.root / project.main
    if not main.is_file():
        yield _fail("project", f"`{project.main}` is missing", "kite.toml's `main` says where `def main(app)` is")
        return
    try:
        compile(main.read_bytes(), str(project.main), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        yield _fail("project", f"`{project.main}` cannot be run: {error}", "correct it")
        return
    if os.access(project.root, os.W_OK):
        yield _ok("project", f"`{project.name}` in {project.root}")
    else:
        yield _fail(
            "project", f"`{project.root}` is read-only", f"Skykite keeps its state in `{STATE_DIRECTORY}/` there"
        )


def check_environment(project: Project, environment: Mapping[str, str]) -> Iterator[DoctorChecked]:
    """Which Python functions run on here, and why it is that one."""
    from skykite.dev.environments import find_python

    found = find_python(project.root, environment)
    for folder in found.passed:
        yield _warn("environment", f"the Python of `{folder}` is gone", "make the environment again")
    done = subprocess.run(
        [str(found.python), "-I", "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode == 0:
        yield _ok("environment", f"functions run on Python {done.stdout.strip()} at {found.python}: {found.why}")
    else:
        yield _fail("environment", f"`{found.python}`, {found.why}, does not run", "make the environment again")


def _run_version(check: str, what: str, command: list[str], hint: str) -> DoctorChecked:
    """One line of output is the version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _fail(check, f"`{command[0]}` does not run: {error}", hint)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"it exits with {done.returncode}"])[-1]
        return _fail(check, f"`{command[0]}` does not work: {last}", hint)
    return _ok(check, f"{what} {done.stdout.strip()}".strip())


def _ok(check: str, message: str) -> DoctorChecked:
    return DoctorChecked(check=check, status="ok", message=message)


def _warn(check: str, message: str, hint: str | None) -> DoctorChecked:
    return DoctorChecked(check=check, status="warn", message=message, hint=hint)


def _fail(check: str, message: str, hint: str | None) -> DoctorChecked:
    return DoctorChecked(check=check, status="fail", message=message, hint=hint)
