"""Node functions in a runtime of the test's own: their files as they are, without a bundler between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kit.runtime import FunctionProject, RealClock, RecordedEvents
from skykite.model.built import BuildError, BuildInput, BuildInputs, BuiltSource
from skykite.model.invocation import FunctionConfig
from skykite.ports import SourceBuilds
from skykite.runtime import Runtime
from skykite.runtime.node_choice import NodeChoice
from skykite.runtime.node_starter import NodeStarter
from skykite.runtime.starter import Starter
from skykite.synth.node import find_node
from skykite_lambda.tracking import digest_of, is_racy, stat_of

NODE_RUNTIME = "nodejs24.x"


class PlainBuilds:
    """`SourceBuilds` of what Node runs as it is: the handler's module, without imports of the user's own."""

    async def build(self, config: FunctionConfig) -> BuiltSource:
        files = [f"{config.handler.path}{suffix}" for suffix in (".mjs", ".cjs", ".js")]
        inputs = BuildInputs(files=tuple(_as_it_is(config.import_root / file) for file in files))
        for file in files:
            if (config.import_root / file).exists():
                format_ = "module" if file.endswith(".mjs") else "commonjs"
                return BuiltSource(folder=config.import_root, file=file, inputs=inputs, format=format_)
        raise BuildError("source-missing", f"there is no `{files[0]}`", inputs=inputs, context=None, hint=None)


def _as_it_is(path: Path) -> BuildInput:
    stat = stat_of(str(path))
    digest = digest_of(str(path)) if stat is not None and is_racy(stat, time.time_ns()) else None
    return BuildInput(path=str(path), stat=stat, digest=digest)


@asynccontextmanager
async def running_node_project(
    root: Path,
    *,
    builds: SourceBuilds | None = None,
    host: dict[str, str] | None = None,
    channel: Any = None,
    python: Path = Path("/nowhere/python"),
    **more: Any,
) -> AsyncIterator[FunctionProject]:
    """A started runtime for the Node functions of the project in `root`; stopped in the end."""
    events = RecordedEvents()
    nodes = NodeChoice(lambda: find_node({}), host=host or {}, events=events)
    node = NodeStarter(nodes, builds or PlainBuilds(), channel=channel, **more)
    starter = Starter(python, mode="spawn")
    runtime = Runtime(
        interpreter=python, events=events, clock=RealClock(), max_workers=8, starter=starter, launchers={"node": node}
    )
    await runtime.start()
    try:
        yield FunctionProject(root=root, runtime=runtime, events=events, starter=starter)
    finally:
        await runtime.stop()
