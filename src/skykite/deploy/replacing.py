"""`kite dev` on a stage that was deployed: its real functions give way to stubs, which is said, or asked first.

In: what is to be deployed and what CloudFormation has. Out: a notice, or a SkykiteError. I/O: one question about
stages that others may rely on, through the `Asker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skykite.aws import StackState
from skykite.deploy.operation import next_move
from skykite.deploy.templates import runs_deployed_code
from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.manifest import Manifest
from skykite.model.names import StackName, StageName
from skykite.ports import Asker

QUESTION: Final = "replace-deployed-stage"
_RELIED_ON: Final = frozenset({"prod", "production", "live"})


def developed_stacks(manifest: Manifest) -> frozenset[StackName]:
    """Stacks some of whose functions shall run on a developer's machine. Pure."""
    if manifest.mode == "deploy":
        return frozenset()
    return frozenset(entry.stack for entry in manifest.functions if entry.live)


def replaced_stacks(manifest: Manifest, actual: Mapping[StackName, StackState]) -> frozenset[StackName]:
    """Those of them that have real code in all their functions now. Pure."""
    return frozenset(
        name
        for name in developed_stacks(manifest)
        if (state := actual.get(name)) is not None and next_move(state) == "update" and runs_deployed_code(state)
    )


def is_relied_on(stage: StageName) -> bool:
    """Whether a word of its name says that others depend on it: `prod`, `prod-eu`, `eu-production`. Pure."""
    return not _RELIED_ON.isdisjoint(stage.lower().split("-"))


async def consent_to_replace(
    manifest: Manifest, actual: Mapping[StackName, StackState], *, asker: Asker, local: bool
) -> Notice | None:
    """What to say about it, if anything; `local` if all of it is in the embedded cloud. Raises
    `live-replacement-refused`."""
    if manifest.mode != "live" or not replaced_stacks(manifest, actual):
        return None
    app, stage = manifest.app, manifest.stage
    if is_relied_on(stage) and not await asker.confirm(
        QUESTION,
        f"Stage `{stage}` of `{app}` is deployed. While `kite dev` runs, whoever calls its functions runs what is on "
        "this machine; after that they fail, until it is deployed again. Go on?",
        default=False,
    ):
        raise SkykiteError(
            "live-replacement-refused",
            f"stage `{stage}` of `{app}` is deployed, and was left as it is",
            hint="develop on a stage of your own with --stage NAME; `--yes` agrees to replace this one",
        )
    return Notice(
        notice="live-replaces-deployment",
        message=f"stage `{stage}` was deployed with `kite deploy`: from now on its live functions run on this machine",
        hint=f"`kite deploy{' --local' if local else ''} --stage {stage}` puts the code back",
    )
