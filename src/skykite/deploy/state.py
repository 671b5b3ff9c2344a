"""Files a deploy leaves for others under `.kite/<stage>/`: the outputs, a cache of physical ids, where a session serves
HTTP APIs, and the templates of a stage that is live.

None is state: CloudFormation has the first two, and they are written anew whenever they are missing. I/O: those files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from skykite.aws import StackState
from skykite.model.names import LogicalId, StackName, StageName

OUTPUTS_FILE: Final = "outputs.json"
_RESOURCES_FILE: Final = "resources.json"
_URLS_FILE: Final = "urls.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownResources:
    """Physical ids of one stack's resources, true as long as the stack is the same and was not updated since."""

    stack_id: str
    updated: str
    physical: dict[LogicalId, str]


class StageFiles:
    """The folder of one stage."""

    def __init__(self, state: Path, stage: StageName) -> None:
        self._folder = state / stage

    def write_outputs(self, outputs: Mapping[StackName, Mapping[str, str]]) -> None:
        """Stack → key → value, as `kite outputs` and scripts read it."""
        text = msgspec.json.format(msgspec.json.encode(outputs, order="deterministic"), indent=2) + b"\n"
        self._write(OUTPUTS_FILE, text)

    def forget_outputs(self, removed: Collection[StackName]) -> None:
        """Those of stacks that are gone, while others of the stage are still there."""
        try:
            outputs = msgspec.json.decode(
                (self._folder / OUTPUTS_FILE).read_bytes(), type=dict[StackName, dict[str, str]]
            )
        except (OSError, msgspec.MsgspecError):
            return
        self.write_outputs({name: values for name, values in outputs.items() if name not in removed})

    def write_urls(self, urls: Mapping[str, str]) -> None:
        """Where HTTP APIs of an embedded cloud are served now, by API Gateway's ids."""
        self._write(_URLS_FILE, msgspec.json.encode(urls, order="deterministic"))

    def read_urls(self) -> dict[str, str]:
        """What the session that ran last noted; empty if none did."""
        try:
            return msgspec.json.decode((self._folder / _URLS_FILE).read_bytes(), type=dict[str, str])
        except (OSError, msgspec.MsgspecError):
            return {}

    def read_resources(self) -> dict[StackName, KnownResources]:
        """What the last deploy noted; empty if it noted nothing we can read."""
        try:
            data = (self._folder / _RESOURCES_FILE).read_bytes()
            return msgspec.json.decode(data, type=dict[StackName, KnownResources])
        except (OSError, msgspec.MsgspecError):
            return {}

    def write_resources(self, resources: Mapping[StackName, KnownResources]) -> None:
        self._write(_RESOURCES_FILE, msgspec.json.encode(resources, order="deterministic"))

    @property
    def live_templates(self) -> Path:
        """Templates with what Live adds, laid out as in the assembly; there while the stage is live."""
        return self._folder / "live-templates"

    def write_live_templates(self, templates: Mapping[str, bytes]) -> None:
        """By their paths in the assembly."""
        self.forget_live_templates()
        for path, template in templates.items():
            file = self.live_templates / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(template)

    def forget_live_templates(self) -> None:
        """The stage has its real code again."""
        shutil.rmtree(self.live_templates, ignore_errors=True)

    def clean(self) -> None:
        """Forget a stage that was removed."""
        self.forget_live_templates()
        for name in (OUTPUTS_FILE, _RESOURCES_FILE, _URLS_FILE):
            (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        """All of it or nothing: a reader never sees half a file."""
        target = self._folder / name
        if target.is_file() and target.read_bytes() == data:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def freshness(state: StackState) -> str:
    """Changes with every operation on a stack."""
    return (state.updated or state.created).isoformat()
