"""What `kite dev` says and asks before it puts stubs where real code is deployed.

In: the stacks that are wanted and those there are. Out: consent, or a SkykiteError. I/O: a notice; one question, where
others than the developer may depend on the stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skykite.aws import StackState
from skykite.deploy.operation import next_move
from skykite.deploy.templates import deployed_mode
from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.manifest import Manifest
from skykite.model.names import StackName, StageName
from skykite.ports import Asker, EventSink

QUESTION: Final = "replace-production"
_PRODUCTION: Final = frozenset({"prod", "production", "live"})


def stacks_with_live_functions(manifest: Manifest) -> frozenset[StackName]:
    """Those that differ between a deploy and `kite dev`."""
    return frozenset(entry.stack for entry in manifest.functions if entry.live and entry.handler is not None)


def replaces_code(manifest: Manifest, actual: Mapping[StackName, StackState]) -> bool:
    """Whether functions that run as deployed are about to become stubs."""
    if manifest.mode != "live":
        return False
    there = (actual.get(name) for name in stacks_with_live_functions(manifest))
    return any(
        state is not None and next_move(state) in ("update", "wait") and deployed_mode(state) == "deploy"
        for state in there
    )


def is_production(stage: StageName) -> bool:
    """Whether its name says that others depend on it: `prod`, `prod-eu`, `eu-production`."""
    return not _PRODUCTION.isdisjoint(stage.lower().split("-"))


async def agree_to_stubs(
    manifest: Manifest, actual: Mapping[StackName, StackState], *, asker: Asker, events: EventSink
) -> None:
    """Say that code is about to be replaced, and ask on a stage for production. Raises `stage-replace-refused`."""
    if not replaces_code(manifest, actual):
        return
    app, stage = manifest.app, manifest.stage
    if is_production(stage) and not await asker.confirm(
        QUESTION,
        f"Stage `{stage}` of `{app}` runs its deployed code. While `kite dev` runs, this machine answers every request "
        f"and event of it; afterwards nobody does, until `kite deploy --stage {stage}`. Go on?",
        default=False,
    ):
        raise SkykiteError(
            "stage-replace-refused",
            f"stage `{stage}` of `{app}` keeps its code: nothing was changed",
            hint="develop on a stage of your own, as `kite dev --stage alice`; `--yes` agrees to it beforehand",
        )
    events.emit(
        Notice(
            notice="stage-replaced",
            message=f"stage `{stage}` of `{app}` was deployed with its code: its functions become stubs, which answer "
            "while `kite dev` runs",
            hint=f"`kite deploy --stage {stage}` puts the code back",
        )
    )
