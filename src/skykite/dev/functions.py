"""The functions that run on this machine, as they are deployed at this moment.

In: a manifest, and what Lambda says of its functions. Out: the runtime configured, and an `Invoker` over it that also
takes what is invoked while the deployment that makes it is still under way, as custom resources are.
I/O: Lambda and CloudFormation through the session.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skykite.dev.configure import configure_functions, live_functions
from skykite.dev.function_files import FunctionFiles, function_files
from skykite.errors import SkykiteError
from skykite.model.invocation import Failed, FunctionConfig, Invocation, Outcome, Report
from skykite.model.locations import cache_directory
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import FunctionId
from skykite.runtime import Runtime

if TYPE_CHECKING:
    from skykite.aws import AwsSession, FunctionState


Issue = Callable[["FunctionState"], Awaitable[Mapping[str, str]]]
"""Gives a function the environment variables of its role's credentials, at once."""


class DevFunctions:
    """`translate` turns URLs that only exist in the cloud into local ones. With `issue` no function is configured
    without credentials of its own."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        project_root: Path,
        translate: Callable[[str], str] = lambda text: text,
        issue: Issue | None = None,
    ) -> None:
        self._runtime = runtime
        self._issue = issue
        self._project_root = project_root
        self.translate = translate
        self._aws: AwsSession | None = None
        self._manifest: Manifest | None = None
        self._variables: Mapping[str, str] = {}
        self._own: dict[FunctionId, Mapping[str, str]] = {}
        self._states: dict[FunctionId, FunctionState] = {}
        self._files: dict[FunctionId, FunctionFiles] = {}
        self._cache = cache_directory(os.environ) / "tasks"
        self._looking = asyncio.Lock()
        self._configuring = asyncio.Lock()

    @property
    def states(self) -> Mapping[FunctionId, FunctionState]:
        """Of those that are configured."""
        return self._states

    async def expect(
        self, manifest: Manifest, assembly: Path, *, aws: AwsSession, variables: Mapping[str, str]
    ) -> None:
        """Before a deployment: what may be invoked from now on. `variables` stand in for what Lambda itself adds to a
        function's environment. Raises `task-folder` where files cannot be put beside a function's code."""
        self._manifest, self._aws, self._variables = manifest, aws, variables
        before, self._files = (
            self._files,
            {
                entry.id: function_files(entry, assembly=assembly, project_root=self._project_root, cache=self._cache)
                for entry in live_functions(manifest)
            },
        )
        # One that the stacks no longer have runs until the deployment has removed it, which may be refused.
        if any(function in self._files and self._files[function] != before.get(function) for function in self._states):
            await self._configure()  # saved code, like any other: it does not wait until everything is deployed

    async def settle(self, manifest: Manifest, names: Mapping[FunctionId, str]) -> tuple[FunctionConfig, ...]:
        """After a deployment: exactly these functions, as Lambda has them now. `names` are physical."""
        assert self._aws is not None
        wanted = [entry.id for entry in live_functions(manifest)]
        get = self._aws.lambda_.get_configuration
        states = await asyncio.gather(*(self._aws.run(get, names[function]) for function in wanted))
        self._manifest = manifest
        self._states = dict(zip(wanted, states, strict=True))
        return await self._configure()

    async def give(self, variables: Mapping[FunctionId, Mapping[str, str]]) -> None:
        """Set variables of some functions beside those of all: credentials. Workers that run finish with the old."""
        self._own |= variables
        await self._configure()

    async def renew(self) -> None:
        """Have credentials issued anew: the cloud that knew them has ended."""
        if self._manifest is not None:
            await self._configure()

    async def find(self, name: str) -> FunctionId | None:
        """The function with that physical name, also if it has only just been made."""
        for entry in live_functions(self._manifest) if self._manifest else ():
            if await self._physical_name(entry) == name:
                await self._meet(entry, name)
                return entry.id
        return None

    async def meet(self, id: FunctionId) -> FunctionState | None:
        """What Lambda says of a function that runs here, also if it has only just been made."""
        if id not in self._states:
            entry = (
                next((one for one in live_functions(self._manifest) if one.id == id), None) if self._manifest else None
            )
            name = None if entry is None else await self._physical_name(entry)
            if entry is not None and name is not None:
                await self._meet(entry, name)
        return self._states.get(id)

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run it; it may be of a function that has only just been made."""
        if invocation.function not in self._states:
            try:
                await self.meet(invocation.function)
            except SkykiteError as error:
                return Failed(
                    kind="unavailable",
                    error_type=error.code,
                    message=error.message,
                    report=Report(duration_ms=0.0),
                    request_id=invocation.request_id,
                    hint=error.hint,
                )
        return await self._runtime.invoke(invocation)

    async def _meet(self, entry: FunctionEntry, name: str) -> None:
        assert self._aws is not None
        async with self._looking:
            if entry.id not in self._states:
                state = await self._aws.run(self._aws.lambda_.get_configuration, name)
                if entry.id not in self._states:  # else a deployment ended meanwhile, and what it left is newer
                    self._states[entry.id] = state
                    await self._configure()

    async def _physical_name(self, entry: FunctionEntry) -> str | None:
        state = self._states.get(entry.id)
        if state is not None:
            return state.name
        assert self._aws is not None
        from skykite.aws import AwsError

        try:
            resources = await self._aws.run(self._aws.cloudformation.resources, entry.stack)
        except AwsError:  # there is no such stack yet
            return None
        return next((one.physical_id for one in resources if one.logical_id == entry.logical_id), None)

    async def _configure(self) -> tuple[FunctionConfig, ...]:
        async with self._configuring:
            states = dict(self._states)
            if self._issue is not None:
                issued = await asyncio.gather(*map(self._issue, states.values()))
                self._own = dict(zip(states, issued, strict=True))
            assert self._manifest is not None
            known = tuple(entry for entry in self._manifest.functions if entry.id in states)
            configs = configure_functions(
                replace(self._manifest, functions=known),
                states,
                project_root=self._project_root,
                variables=self._variables,
                own=self._own,
                translate=self.translate,
                files=self._files,
            )
            await self._runtime.configure(configs)
        return configs
