"""What `kite.toml` says, and what one command works on. Pure: text in, data out."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal, cast, get_args

from skykite.errors import SkykiteError
from skykite.model.names import AppName, parse_app_name

CONFIG_FILE: Final = "kite.toml"
STATE_DIRECTORY: Final = ".kite"
LiveCredentials = Literal["role", "developer"]
"""Whose permissions functions have that run here for the cloud: each its role's, or all the developer's own."""

_KEYS: Final = ("name", "region", "main", "live_credentials")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One Skykite project on disk. `main` is relative to `root`."""

    root: Path
    name: AppName
    region: str
    main: PurePosixPath
    live_credentials: LiveCredentials = "role"

    @property
    def state(self) -> Path:
        """`.kite/`, ignored by git: stages, assemblies, outputs, the embedded cloud's data."""
        return self.root / STATE_DIRECTORY


def parse_project(text: str, root: Path, *, regions: Collection[str] = ()) -> Project:
    """Read the text of `kite.toml`. Every complaint names the key and the line. `regions` are those that AWS has, if
    that is known."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SkykiteError("config-invalid", f"`{CONFIG_FILE}` is not valid TOML: {error}") from error
    for key in data:
        if key not in _KEYS:
            raise SkykiteError(
                "config-unknown-key",
                f"`{CONFIG_FILE}` line {_line_of(text, key)} has `{key}`, which Skykite does not know",
                hint=f"the keys are {', '.join(f'`{known}`' for known in _KEYS)}",
            )
    name = _string(data, "name", text)
    if name is None:
        raise SkykiteError("config-missing-key", f"`{CONFIG_FILE}` has no `name`", hint='add name = "my-app"')
    region = _string(data, "region", text) or "us-east-1"
    if not _REGION.fullmatch(region):
        raise SkykiteError(
            "config-invalid",
            f"`{CONFIG_FILE}` line {_line_of(text, 'region')}: `{region}` is not an AWS region",
            hint='write it as AWS does, for instance region = "eu-west-1"',
        )
    if regions and region not in regions:
        near = difflib.get_close_matches(region, regions, n=1)
        raise SkykiteError(
            "region-unknown",
            f"`{CONFIG_FILE}` line {_line_of(text, 'region')}: AWS has no region `{region}`",
            hint=(f"did you mean `{near[0]}`? " if near else "")
            + "for a region that is newer than your boto3, `pip install --upgrade boto3`",
        )
    main = PurePosixPath(_string(data, "main", text) or "stacks/app.py")
    if main.is_absolute() or ".." in main.parts:
        raise SkykiteError(
            "config-invalid",
            f"`{CONFIG_FILE}` line {_line_of(text, 'main')}: `{main}` leaves the project's folder",
            hint='give a path inside the project, for instance main = "stacks/app.py"',
        )
    return Project(
        root=root,
        name=parse_app_name(name, source=CONFIG_FILE),
        region=region,
        main=main,
        live_credentials=_live_credentials(data, text),
    )


def _live_credentials(data: dict[str, object], text: str) -> LiveCredentials:
    chosen = _string(data, "live_credentials", text) or "role"
    if chosen not in get_args(LiveCredentials):
        raise SkykiteError(
            "config-invalid",
            f"`{CONFIG_FILE}` line {_line_of(text, 'live_credentials')}: `{chosen}` does not say whose permissions "
            "live functions have",
            hint='write live_credentials = "role" (each function has its own role\'s) or "developer" (all have yours)',
        )
    return cast("LiveCredentials", chosen)


def _string(data: dict[str, object], key: str, text: str) -> str | None:
    value = data.get(key)
    if value is None or isinstance(value, str):
        return value
    raise SkykiteError(
        "config-invalid",
        f"`{CONFIG_FILE}` line {_line_of(text, key)}: `{key}` must be a string, not `{value}`",
    )


def _line_of(text: str, key: str) -> int:
    pattern = re.compile(rf"""\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)
