"""Nothing runs in Live before it has the credentials of its role."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from kit.clock import ManualClock
from kit.cloud import RecordedEvents
from skykite.dev.live import LivePlace
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded, Trigger
from skykite.model.names import FunctionId, RequestId

LATE = FunctionId("Notes/Late")


class Functions:
    """Knows a function only when it is asked again, as when CloudFormation refuses the first question."""

    def __init__(self) -> None:
        self.states: dict[FunctionId, Any] = {}
        self.ran: list[FunctionId] = []

    async def meet(self, function: FunctionId) -> None:
        return None

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.ran.append(invocation.function)
        return Succeeded(payload=b"{}", report=Report(duration_ms=1.0))


class Keeper:
    """Of credentials: has none."""

    def serves(self, function: FunctionId) -> bool:
        return False

    async def ready(self, function: FunctionId) -> None:
        return None


async def test_a_function_that_is_not_found_in_time_to_have_credentials_is_not_run_without() -> None:
    surroundings = SimpleNamespace(
        runtime=None, project_root=Path("/project"), clock=ManualClock(), events=RecordedEvents()
    )
    place = LivePlace(cast(Any, surroundings), cast(Any, None))
    functions = Functions()
    place._functions, place._credentials = cast(Any, functions), cast(Any, Keeper())
    outcome = await place.invoke(
        Invocation(
            request_id=RequestId("r"), function=LATE, payload=b"{}", trigger=Trigger(kind="invoke"), bridge_ms=1.0
        )
    )
    assert functions.ran == []
    assert isinstance(outcome, Failed)
    assert outcome.error_type == "ResourceNotFoundException"
