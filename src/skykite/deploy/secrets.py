"""A stage's secrets in one cloud: set, read, listed, removed, and which of those an app needs are missing.

In: names, and values on their way to Parameter Store and back. Out: where a value lies; a value only where it was asked
for. I/O: SSM, through the session.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Literal

from skykite.aws import AwsError, AwsSession
from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.manifest import Manifest, SecretEntry
from skykite.model.names import AppName, StageName
from skykite.model.secrets import reads_fallback, secret_parameter, secrets_path, set_command

Source = Literal["stage", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """One value, without it. `source` is whose it is: the stage's own, or that of all stages that may read it."""

    name: str
    source: Source
    changed: datetime


class SecretStore:
    """Of one app's stage."""

    def __init__(self, session: AwsSession, *, app: AppName, stage: StageName) -> None:
        self._session = session
        self._app = app
        self._stage = stage

    async def set(self, name: str, value: str, *, fallback: bool) -> None:
        """Give it a value, or another one."""
        stage = None if fallback else self._stage
        whose = "all stages without one of their own" if fallback else f"stage {self._stage}"
        tags = {"skykite:app": self._app} | ({} if fallback else {"skykite:stage": self._stage})
        await self._session.run(
            self._session.ssm.put_secret,
            secret_parameter(self._app, stage, name),
            value,
            description=f"{name} of {self._app}, for {whose}; set by kite secrets",
            tags=tags,
        )

    async def get(self, name: str, *, fallback: bool) -> tuple[str, Source] | None:
        """The value that the stage's functions would read; with `fallback`, the fallback's."""
        sources: list[Source] = ["fallback"] if fallback else ["stage"]
        if not fallback and reads_fallback(self._stage):
            sources.append("fallback")
        for source in sources:
            parameter = secret_parameter(self._app, self._stage if source == "stage" else None, name)
            value = await self._session.run(self._session.ssm.get_secret, parameter)
            if value is not None:
                return value, source
        return None

    async def all(self) -> tuple[StoredSecret, ...]:
        """The stage's own, and the fallbacks it may read, by name. One that both have is there twice."""
        sources: list[tuple[Source, str | None]] = [("stage", self._stage)]
        if reads_fallback(self._stage):
            sources.append(("fallback", None))
        found: list[StoredSecret] = []
        for source, stage in sources:
            path = secrets_path(self._app, stage)
            found += [
                StoredSecret(name=one.name.removeprefix(f"{path}/"), source=source, changed=one.changed)
                for one in await self._session.run(self._session.ssm.below, path)
            ]
        return tuple(sorted(found, key=lambda one: (one.name, one.source == "fallback")))

    async def remove(self, name: str, *, fallback: bool) -> bool:
        """Whether there was one."""
        stage = None if fallback else self._stage
        return await self._session.run(self._session.ssm.delete, secret_parameter(self._app, stage, name))

    async def clear(self) -> int:
        """Remove all of the stage's own; how many there were. Fallbacks are not the stage's."""
        found = await self._session.run(self._session.ssm.below, secrets_path(self._app, self._stage))
        for one in found:
            await self._session.run(self._session.ssm.delete, one.name)
        return len(found)

    async def missing(self, secrets: Iterable[SecretEntry]) -> tuple[SecretEntry, ...]:
        """Of those that functions cannot do without, the ones that they would find no value for."""
        needed = [secret for secret in secrets if secret.required]
        stages = [self._stage, None] if reads_fallback(self._stage) else [self._stage]
        names = {
            secret.name: [secret_parameter(self._app, stage, secret.name) for stage in stages] for secret in needed
        }
        if not needed:
            return ()
        existing = await self._session.run(self._session.ssm.existing, list(chain.from_iterable(names.values())))
        return tuple(secret for secret in needed if existing.isdisjoint(names[secret.name]))


async def require_secrets(session: AwsSession, manifest: Manifest) -> Notice | None:
    """Before a deploy: raises `secret-missing` if functions are linked to secrets that have no value. A notice if
    whoever deploys may not ask."""
    try:
        missing = await _missing(session, manifest)
    except AwsError as error:
        if error.code != "aws-access-denied":
            raise
        return Notice(
            notice="secrets-unchecked",
            message=f"whether the secrets of stage `{manifest.stage}` have values is not known: {error.message}",
            hint="allow `ssm:GetParameters` to whoever deploys, and a missing one is told before the deploy",
        )
    if not missing:
        return None
    raise SkykiteError(
        "secret-missing",
        f"stage `{manifest.stage}` has no value for {_listed(missing)}",
        context="\n".join(_uses(secret) for secret in missing),
        hint=_how_to_set(missing, manifest, session),
    )


async def secrets_notice(session: AwsSession, manifest: Manifest) -> Notice | None:
    """While developing: the same as a notice; the functions that need one fail when they read it."""
    try:
        missing = await _missing(session, manifest)
    except AwsError:  # the functions will say so, with their own roles
        return None
    if not missing:
        return None
    return Notice(
        notice="secret-missing",
        message=f"stage `{manifest.stage}` has no value for {_listed(missing)}",
        hint=_how_to_set(missing, manifest, session),
    )


async def _missing(session: AwsSession, manifest: Manifest) -> tuple[SecretEntry, ...]:
    return await SecretStore(session, app=manifest.app, stage=manifest.stage).missing(manifest.secrets)


def _listed(secrets: Iterable[SecretEntry]) -> str:
    return ", ".join(f"`{secret.name}`" for secret in secrets)


def _uses(secret: SecretEntry) -> str:
    where = f" ({secret.location})" if secret.location else ""
    shown = ", ".join(f"`{function}`" for function in secret.functions[:3])
    more = f" and {len(secret.functions) - 3} more" if len(secret.functions) > 3 else ""
    return f"`{secret.path}`{where}, linked to {shown}{more}"


def _how_to_set(secrets: Iterable[SecretEntry], manifest: Manifest, session: AwsSession) -> str:
    local = session.endpoint_url is not None
    commands = [f"`{set_command(secret.name, manifest.stage, local=local)}`" for secret in secrets]
    return f"run {' and '.join(commands)}"
