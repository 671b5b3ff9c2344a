"""What `kite secrets` does: reads values from a terminal or a pipe, and takes them to a cloud and back.

In: settings and names. Out: values in Parameter Store, or one on stdout. I/O: the terminal, stdin, SSM of AWS or of the
embedded cloud, which is started for it if it does not run; the file by which a running `kite dev` notices.
"""

from __future__ import annotations

import asyncio
import difflib
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from skykite.cli.compose import aws_session, embedded_cloud, read_manifest
from skykite.cli.console import open_console
from skykite.cli.environment import read_literally
from skykite.cli.loop import run_loop
from skykite.cli.project import prepare_state
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.manifest import MANIFEST_FILE, Manifest
from skykite.model.secrets import STAMP_FILE, check_secret_name, check_secret_value, set_command
from skykite.ports import Asker, EventSink

if TYPE_CHECKING:
    from skykite.deploy import SecretStore, StoredSecret

_T = TypeVar("_T")


def run_set(settings: Settings, *, name: str, fallback: bool, local: bool) -> None:
    """`kite secrets set`."""
    value = check_secret_value(name, _read_value(name))

    async def set_one(workspace: Workspace, store: SecretStore, events: EventSink, _: Asker) -> None:
        await _set(workspace, store, events, {name: value}, fallback=fallback)

    _with_store(settings, set_one, local=local)


def run_load(settings: Settings, *, file: Path, fallback: bool, local: bool) -> None:
    """`kite secrets load`."""
    source = "stdin" if str(file) == "-" else file.name
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    values = {
        check_secret_name(name): check_secret_value(name, value)
        for name, value in read_literally(_text(data, f"`{source}`"), source).items()
    }
    if not values:
        raise SkykiteError("secrets-none", f"`{source}` has no NAME=value line", hint="write one a line, as in `.env`")

    async def set_all(workspace: Workspace, store: SecretStore, events: EventSink, _: Asker) -> None:
        await _set(workspace, store, events, values, fallback=fallback)

    _with_store(settings, set_all, local=local)


def run_get(settings: Settings, *, name: str, fallback: bool, local: bool) -> None:
    """`kite secrets get`. The value is data for stdout and for no event."""
    check_secret_name(name)

    async def get(workspace: Workspace, store: SecretStore, events: EventSink, _: Asker) -> str:
        found = await store.get(name, fallback=fallback)
        if found is None:
            raise _no_value(workspace, name, fallback=fallback, local=local)
        return found[0]

    value = _with_store(settings, get, local=local)
    sys.stdout.buffer.write(value.encode() + b"\n")
    sys.stdout.flush()


def run_list(settings: Settings, *, local: bool) -> None:
    """`kite secrets list`."""
    workspace, found = _with_store(settings, _all, local=local)
    manifest = _manifest(workspace)
    kinds = {secret.name: secret.kind for secret in manifest.secrets} if manifest else {}
    rows: dict[str, dict[str, Any]] = {}
    for name in sorted({*kinds, *(secret.name for secret in found)}):
        own = next((secret for secret in found if secret.name == name), None)
        absent = "default" if kinds.get(name) == "parameter" else "missing"
        rows[name] = {
            "source": own.source if own else absent,
            "changed": own.changed.isoformat(timespec="seconds") if own else None,
            "used": name in kinds if manifest else None,
        }
    if settings.output == "json":
        import json

        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        for name, row in rows.items():
            unused = "\tunused" if row["used"] is False else ""
            sys.stdout.write(f"{name}\t{row['source']}{unused}\n")
    sys.stdout.flush()


async def _all(
    workspace: Workspace, store: SecretStore, events: EventSink, asker: Asker
) -> tuple[Workspace, tuple[StoredSecret, ...]]:
    return workspace, await store.all()


def run_remove_secret(settings: Settings, *, name: str, fallback: bool, local: bool) -> None:
    """`kite secrets remove`."""
    check_secret_name(name)

    async def remove(workspace: Workspace, store: SecretStore, events: EventSink, asker: Asker) -> None:
        whose = _whose(workspace, fallback=fallback)
        if not await asker.confirm("remove-secret", f"remove the value of `{name}` {whose}?", default=False):
            raise SkykiteError(
                "secret-kept",
                f"the value of `{name}` {whose} is still there: nobody agreed to removing it",
                hint="it cannot be brought back; `--yes` agrees",
            )
        if not await store.remove(name, fallback=fallback):
            raise _no_value(workspace, name, fallback=fallback, local=local)
        _tell_sessions(workspace, everywhere=fallback)
        events.emit(Notice(notice="secret-removed", message=f"`{name}` {whose} has no value any more"))

    _with_store(settings, remove, local=local)


async def _set(
    workspace: Workspace, store: SecretStore, events: EventSink, values: Mapping[str, str], *, fallback: bool
) -> None:
    manifest = _manifest(workspace)
    known = [secret.name for secret in manifest.secrets] if manifest else []
    whose = _whose(workspace, fallback=fallback)
    for name, value in values.items():  # one after the other: Parameter Store takes three a second
        await store.set(name, value, fallback=fallback)
        events.emit(Notice(notice="secret-set", message=f"`{name}` {whose} is set"))
        if manifest is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            events.emit(
                Notice(
                    notice="secret-unused",
                    message=f"the stacks name no secret `{name}`",
                    hint=f"did you mean `{near[0]}`?" if near else f'make it with Secret(self, "{name}") and link it',
                )
            )
    _tell_sessions(workspace, everywhere=fallback)


def _with_store(
    settings: Settings,
    work: Callable[[Workspace, SecretStore, EventSink, Asker], Coroutine[object, object, _T]],
    *,
    local: bool,
) -> _T:
    workspace = open_workspace(settings, local=local)
    with open_console(settings) as (events, asker):

        async def run(_: asyncio.Event) -> _T:
            async with _store(workspace, events, local=local) as store:
                return await work(workspace, store, events, asker)

        return run_loop(run)


@asynccontextmanager
async def _store(workspace: Workspace, events: EventSink, *, local: bool) -> AsyncIterator[SecretStore]:
    """In the cloud that is meant; an embedded one that does not run is started, and saved when it is stopped again."""
    from skykite.cloud import read_address
    from skykite.deploy import SecretStore
    from skykite.dev.reach import session_at

    app, stage = workspace.project.name, workspace.stage
    if not local:
        yield SecretStore(aws_session(workspace), app=app, stage=stage)
        return
    address = read_address(workspace.project.state / "local")
    if address is not None:
        yield SecretStore(session_at(address), app=app, stage=stage)
        return
    prepare_state(workspace.project)
    cloud = embedded_cloud(workspace, events)
    address = await cloud.start()
    try:
        yield SecretStore(session_at(address), app=app, stage=stage)
        await cloud.snapshot()
    finally:
        await cloud.stop()


def _tell_sessions(workspace: Workspace, *, everywhere: bool) -> None:
    """Functions that `kite dev` runs here have noted this file as one they read."""
    state = workspace.project.state
    folders = (
        [found for found in state.glob("*/") if (found / "assembly").is_dir()] if everywhere else [workspace.state]
    )
    for folder in folders:
        if folder.is_dir():
            (folder / STAMP_FILE).write_text(f"{time.time_ns()}\n", encoding="utf-8")


def _manifest(workspace: Workspace) -> Manifest | None:
    return read_manifest(workspace) if (workspace.assembly / MANIFEST_FILE).is_file() else None


def _whose(workspace: Workspace, *, fallback: bool) -> str:
    return f"of all personal stages of `{workspace.project.name}`" if fallback else f"of stage `{workspace.stage}`"


def _no_value(workspace: Workspace, name: str, *, fallback: bool, local: bool) -> SkykiteError:
    command = set_command(name, workspace.stage, local=local) + (" --fallback" if fallback else "")
    return SkykiteError(
        "secret-not-set",
        f"`{name}` {_whose(workspace, fallback=fallback)} has no value{' in the embedded cloud' if local else ''}",
        hint=f"set it with `{command}`",
    )


def _read_value(name: str) -> str:
    """From whoever sits there, without an echo; else all of stdin, but for the line end that closes it."""
    if sys.stdin is not None and sys.stdin.isatty():
        import click

        value: str = click.prompt(f"Value of {name}", hide_input=True, err=True)
        return value
    data = sys.stdin.buffer.read() if sys.stdin is not None else b""
    text = _text(data, "what stdin holds")
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _text(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SkykiteError(
            "secret-not-text", f"{source} is not UTF-8, and a secret is text", hint="encode it first, as base64 does"
        ) from None
