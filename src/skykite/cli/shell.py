"""`kite shell`: from a deployed stage to the environment of a program.

In: settings, a program. Out: its exit code. I/O: CloudFormation and Lambda of the cloud the stage is in; the program,
which takes the place of this process where the system can do that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.cli.compose import aws_session, read_manifest
from skykite.cli.console import open_console
from skykite.cli.loop import run_loop
from skykite.cli.project import prepare_state
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.manifest import MANIFEST_FILE, Manifest

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.cloud import CloudAddress
    from skykite.deploy import LinkedFunction

_FOLDER: Final = "python"


def run_shell(
    settings: Settings, *, function: str | None, local: bool | None, program: Sequence[str], python: str | None = None
) -> int:
    """Returns only if the program could not take this process's place."""
    from skykite.cloud import read_address

    workspace = open_workspace(settings, local=True)
    address = None if local is False else read_address(workspace.project.state / "local")
    if local and address is None:
        raise SkykiteError(
            "cloud-not-running",
            f"no embedded cloud runs for `{workspace.project.name}`",
            hint="start `kite dev --local` in another terminal, or keep one running with `kite cloud start`",
        )
    with open_console(settings) as (events, _):
        links, address = run_loop(lambda _: _links(workspace, address, function=function, local=local))
        place = "the embedded cloud" if address else f"AWS, {workspace.project.region}"
        if settings.output != "json" and sys.stderr.isatty():
            events.emit(Notice(notice="shell", message=f"stage `{workspace.stage}` of {place}"))
    prepare_state(workspace.project)
    environment = _environment(workspace, links, address, python)
    return _become(list(program) or [_users_shell(environment)], environment)


async def _links(
    workspace: Workspace, address: CloudAddress | None, *, function: str | None, local: bool | None
) -> tuple[dict[str, str], CloudAddress | None]:
    """Of the first of the clouds that has the stage."""
    from skykite.deploy import deployed_functions, links_of
    from skykite.dev.reach import session_at

    app, stage = workspace.project.name, workspace.stage
    aws, forced = local is not True, local is False
    sessions: list[tuple[AwsSession, CloudAddress | None]] = []
    if address is not None:
        sessions.append((session_at(address), address))
    manifest = read_manifest(workspace) if (workspace.assembly / MANIFEST_FILE).is_file() else None
    only_local = manifest is not None and manifest.mode == "local" and not forced  # nothing else ever ran it from here
    if only_local and address is None and aws:
        raise SkykiteError(
            "session-not-running",
            f"no `kite dev --local` runs for `{app}`, and stage `{stage}` was only run locally",
            hint="start `kite dev --local` in another terminal, or add --aws if the stage is deployed to AWS",
        )
    if aws and not only_local:
        sessions.append((aws_session(workspace), None))
    for session, where in sessions:
        found = await deployed_functions(session, app=app, stage=stage)
        if found is not None:
            titles = (
                {(entry.stack, entry.logical_id): str(entry.id) for entry in manifest.functions} if manifest else {}
            )
            links = links_of(_chosen(found, function, manifest), titles)
            return (links if where is None else await _translated(workspace, links)), where
    raise SkykiteError(
        "stage-not-deployed",
        f"stage `{stage}` of `{app}` is deployed neither to the embedded cloud that runs nor to AWS"
        if len(sessions) > 1
        else f"stage `{stage}` of `{app}` is not deployed {'to the embedded cloud' if address else 'to AWS'}",
        hint="run `kite dev --local` or `kite deploy` first, or name another stage with --stage",
    )


async def _translated(workspace: Workspace, links: Mapping[str, str]) -> dict[str, str]:
    """With the URLs under which HTTP APIs of the embedded cloud are served."""
    from skykite.cloud import translate_urls
    from skykite.deploy import StageFiles
    from skykite.dev.kept import kept_cloud

    state = workspace.project.state
    kept = kept_cloud(state / "local")
    urls = {api.id: api.url for api in await kept.apis()} if kept else StageFiles(state, workspace.stage).read_urls()
    return {name: translate_urls(value, urls) for name, value in links.items()}


def _chosen(
    functions: Sequence[LinkedFunction], wanted: str | None, manifest: Manifest | None
) -> Sequence[LinkedFunction]:
    """By what the stacks here call it, or by its physical name."""
    if wanted is None:
        return functions
    named = [one for one in functions if one.name == wanted]
    if named:
        return named
    if manifest is None:
        listed = ", ".join(f"`{one.name}`" for one in functions[:10])
        raise SkykiteError(
            "function-unknown",
            f"no deployed function is named `{wanted}`",
            hint=f"there are {listed}" if listed else "the stage has none at all",
        )
    from skykite.model.find_function import find_function

    entry = find_function(manifest, wanted)
    return [one for one in functions if (one.stack, one.logical_id) == (entry.stack, entry.logical_id)]


def _environment(
    workspace: Workspace, links: Mapping[str, str], address: CloudAddress | None, python: str | None
) -> dict[str, str]:
    from skykite.cloud import cloud_environment
    from skykite.dev.environments import find_python
    from skykite_lambda.linked import PREFIX

    project = workspace.project
    given = workspace.environment.variables
    found = {name: value for name, value in given.items() if not name.startswith(PREFIX)}
    found |= {"AWS_REGION": project.region, "AWS_DEFAULT_REGION": project.region}
    if address is not None:
        for name, value in cloud_environment(address).items():
            found[name] = value
            if not value:
                del found[name]
    found |= {"KITE_APP": project.name, "KITE_STAGE": workspace.stage, "KITE_SHELL": workspace.stage, **links}
    searched = [str(_importable(project.state)), found.get("PYTHONPATH", "")]
    found["PYTHONPATH"] = os.pathsep.join(filter(None, searched))
    programs = find_python(project.root, given, python).python.parent
    if (programs.parent / "pyvenv.cfg").is_file():  # as functions run in it, so do scripts
        found["PATH"] = os.pathsep.join((str(programs), found.get("PATH", os.defpath)))
    return found


def _importable(state: Path) -> Path:
    """A folder that holds `skykite_lambda` and nothing else: the program's environment may not have it, and shall not
    get what else is installed beside ours."""
    import skykite_lambda

    source = Path(skykite_lambda.__file__).parent
    folder = state / _FOLDER
    there = folder / source.name
    if there.is_symlink() and there.resolve() == source.resolve():
        return folder
    folder.mkdir(exist_ok=True)
    if there.is_symlink():
        there.unlink()
    elif there.exists():
        shutil.rmtree(there)
    try:
        there.symlink_to(source, target_is_directory=True)
    except OSError:  # as Windows does for most users
        shutil.copytree(source, there, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _users_shell(environment: Mapping[str, str]) -> str:
    if sys.platform == "win32":
        return environment.get("COMSPEC", "cmd.exe")
    return environment.get("SHELL") or "/bin/sh"


def _become(program: list[str], environment: Mapping[str, str]) -> int:
    found = shutil.which(program[0], path=environment.get("PATH"))
    if found is None:
        raise SkykiteError(
            "program-not-found", f"there is no program `{program[0]}`", hint="write it as you would in a shell"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execve(found, program, dict(environment))  # noqa: S606  (no shell is wanted)
    return subprocess.call([found, *program[1:]], env=dict(environment))
