"""Where the credentials of functions that run here come from: each one's role at STS, or the developer.

In: a function and its role. Out: environment variables, and how long they serve; or a SkykiteError. I/O: STS, and
wherever botocore finds the developer's credentials, through `aws`. Nothing is kept here: see `keeper`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from skykite.aws import AwsError, AwsSession, IssuedCredentials
from skykite.aws.errors import SIGN_IN
from skykite.errors import SkykiteError
from skykite.live.sessionpolicy import role_session_name
from skykite.model.names import FunctionId
from skykite.ports import Clock

SHORTEST_LIFE_S: Final = 3600  # what every role allows, and all that a chain of roles does
MARGIN_S: Final = 960  # a function may run for 15 minutes
PATIENCE_S: Final = 30.0  # a new role's trust is not known everywhere at once
_AT_ONCE: Final = 8  # requests
_ASKED_AGAIN_S: Final = 60  # how long the developer's credentials are believed


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRole:
    """A function that runs here, its name on AWS, and its role's ARN."""

    id: FunctionId
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """Credentials as environment variables. From `renew_at` on an invocation should have others; from `ends_at` on it
    must. Both by this machine's clock, which need not be right."""

    variables: Mapping[str, str] = field(repr=False)
    renew_at: datetime
    ends_at: datetime


class CredentialSource(Protocol):
    """Somewhere credentials come from."""

    async def obtain(self, function: FunctionRole) -> Issued:
        """Others than before, where there are. Raises a SkykiteError that names the function and what to do."""


class RoleCredentials:
    """Each function has those of its own role, less what `policy` takes away: see `sessionpolicy`.

    `longest_s` is asked for where a role allows it: fewer workers are then replaced to have new credentials.
    """

    def __init__(
        self,
        *,
        aws: AwsSession,
        policy: str,
        clock: Clock,
        longest_s: int = SHORTEST_LIFE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._aws = aws
        self._policy = policy
        self._clock = clock
        self._longest_s = longest_s
        self._patience_s = patience_s
        self._life_s: dict[str, int] = {}  # of roles that do not allow `longest_s`
        self._patient_until: dict[str, float] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def obtain(self, function: FunctionRole) -> Issued:
        monotonic = self._clock.monotonic
        patient_until = self._patient_until.setdefault(function.role, monotonic() + self._patience_s)
        pause, doubted = 0.25, False
        while True:
            asked = self._clock.now()
            try:
                async with self._places:
                    given, life_s = await self._assume(function)
            except AwsError as error:
                if error.code in SIGN_IN and not doubted:
                    doubted = True
                    if await _signed_in_anew(self._aws):
                        continue
                pause = min(pause * 2, 4.0) * random.uniform(0.8, 1.0)  # noqa: S311  (only not all at once)
                passing = error.code == "aws-access-denied" and not _is_of_root(error)
                if passing and monotonic() + pause < patient_until:
                    await asyncio.sleep(pause)
                    continue
                raise _refused(function, error) from error
            margin_s = min(MARGIN_S, life_s / 2)
            return Issued(
                variables=_variables(given),
                renew_at=asked + timedelta(seconds=life_s - margin_s),
                ends_at=asked + timedelta(seconds=life_s),
            )

    async def _assume(self, function: FunctionRole) -> tuple[IssuedCredentials, int]:
        """With the seconds they last."""
        life_s = self._life_s.get(function.role, self._longest_s)
        try:
            given = await self._aws.run(
                self._aws.sts.assume_role,
                function.role,
                session_name=role_session_name(function.name),
                policy=self._policy,
                seconds=life_s,
            )
        except AwsError as error:
            if life_s > SHORTEST_LIFE_S and "DurationSeconds" in error.reason:
                self._life_s[function.role] = SHORTEST_LIFE_S
                return await self._assume(function)
            raise
        return given, life_s


class DeveloperCredentials:
    """All functions have those that `aws` is used with."""

    def __init__(self, *, aws: AwsSession, clock: Clock) -> None:
        self._aws = aws
        self._clock = clock

    async def obtain(self, function: FunctionRole) -> Issued:
        asked = self._clock.now()
        try:
            given = await self._aws.run(self._aws.credentials)
        except AwsError as error:
            if error.code not in SIGN_IN or not await _signed_in_anew(self._aws):
                raise _without(function, error) from error
            given = await self._aws.run(self._aws.credentials)
        again = asked + timedelta(seconds=_ASKED_AGAIN_S)
        return Issued(variables=_variables(given), renew_at=again, ends_at=again)


async def _signed_in_anew(aws: AwsSession) -> bool:
    try:
        return await aws.run(aws.renew_credentials)
    except AwsError:
        return False


def _variables(given: IssuedCredentials) -> dict[str, str]:
    variables = {"AWS_ACCESS_KEY_ID": given.access_key_id, "AWS_SECRET_ACCESS_KEY": given.secret_access_key}
    return variables if given.session_token is None else {**variables, "AWS_SESSION_TOKEN": given.session_token}


def _refused(function: FunctionRole, error: AwsError) -> SkykiteError:
    if error.code != "aws-access-denied":
        return _without(function, error)
    if _is_of_root(error):
        return SkykiteError(
            "live-role-refused",
            f"`{function.id}` cannot run under its role `{function.role}`: {error.reason}",
            hint="AWS lets the root user of an account assume no role: sign in as a user or role of IAM, or give all "
            'functions your own permissions, with live_credentials = "developer" in kite.toml',
        )
    return SkykiteError(
        "live-role-refused",
        f"`{function.id}` cannot run under its role `{function.role}`: {error.reason or error.message}",
        hint="allow `sts:AssumeRole` on that role to the user or role you are signed in as; a role that is not the "
        "stage's own must also trust you itself; or give all functions your own permissions, with "
        'live_credentials = "developer" in kite.toml',
    )


def _is_of_root(error: AwsError) -> bool:
    """`Roles may not be assumed by root accounts.`"""
    return "by root account" in error.reason


def _without(function: FunctionRole, error: AwsError) -> SkykiteError:
    """AWS's or the sign-in's failure, as it concerns one function."""
    return SkykiteError(
        error.code, f"`{function.id}` has no credentials: {error.message}", hint=error.hint, blame=error.blame
    )
