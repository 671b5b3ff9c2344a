"""The clouds a live session can work with: AWS, an embedded one that is kept running, or one of its own.

In: what the command line says. Out: an `AwsSession`, and where HTTP APIs are served. I/O: as that cloud has it; the one
of its own is a keeper in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from skykite.dev.place import Surroundings
from skykite.dev.reach import session_at
from skykite.dev.reports import CloudReports, not_enforced
from skykite.errors import SkykiteError
from skykite.model.events import Event

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.dev.keeper import Keeper
    from skykite.dev.kept import KeptCloud


class CloudOfLive(Protocol):
    """Where a live session deploys to. `open` and `close` once each."""

    async def open(self) -> AwsSession:
        """Be reachable. Raises SkykiteError."""

    async def api_urls(self) -> Mapping[str, str]:
        """Where HTTP APIs are served, by id, if not under the URL that CloudFormation gives them."""

    def know(self, *, functions: Mapping[str, str], resources: Mapping[str, str]) -> None:
        """How functions and resources are called here, by their physical names."""

    async def wait_gone(self) -> SkykiteError:
        """Return if it ends without having been asked to; else never."""

    async def close(self) -> None:
        """Let go of it."""


class AwsCloud:
    """AWS, as the session reaches it."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    async def open(self) -> AwsSession:
        await self._session.run(self._session.warm)
        return self._session

    async def api_urls(self) -> Mapping[str, str]:
        return {}

    def know(self, *, functions: Mapping[str, str], resources: Mapping[str, str]) -> None:
        pass

    async def wait_gone(self) -> SkykiteError:
        return await _never()

    async def close(self) -> None:
        self._session.close()


class KeptEmbeddedCloud:
    """The embedded cloud of the project that `kite cloud start` keeps."""

    def __init__(self, kept: KeptCloud) -> None:
        self._kept = kept
        self._session: AwsSession | None = None

    async def open(self) -> AwsSession:
        address = self._kept.address()
        self._session = session_at(address)
        await self._session.run(self._session.warm)
        return self._session

    async def api_urls(self) -> Mapping[str, str]:
        return {api.id: api.url for api in await self._kept.apis()}

    def know(self, *, functions: Mapping[str, str], resources: Mapping[str, str]) -> None:
        pass  # what is denied there goes to the log of the cloud that is kept

    async def wait_gone(self) -> SkykiteError:
        return await _never()  # the bridge says that it is disconnected

    async def close(self) -> None:
        if self._session is not None:
            self._session.close()


class OwnEmbeddedCloud:
    """An embedded cloud for this session alone, with everything else as the kept one has it."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self.reports = CloudReports(surroundings.events)
        self._keeper: Keeper | None = None
        self._session: AwsSession | None = None

    async def open(self) -> AwsSession:
        from skykite.dev.keeper import Keeper

        surroundings = self._surroundings
        if not surroundings.options.iam:
            surroundings.events.emit(not_enforced())
        self._keeper = Keeper(
            directory=surroundings.state / "local",
            region=surroundings.options.project.region,
            events=surroundings.events,
            clock=surroundings.clock,
            ids=surroundings.ids,
            invocations=_Unheard(),
            iam=surroundings.options.iam,
            reports=self.reports,
        )
        address = await self._keeper.start()
        self._session = session_at(address)
        await self._session.run(self._session.warm)
        return self._session

    async def api_urls(self) -> Mapping[str, str]:
        assert self._keeper is not None
        return {api.id: api.url for api in await self._keeper.apis()}

    def know(self, *, functions: Mapping[str, str], resources: Mapping[str, str]) -> None:
        self.reports.know(functions=functions, resources=resources)

    async def wait_gone(self) -> SkykiteError:
        assert self._keeper is not None
        return await self._keeper.wait_died()

    async def close(self) -> None:
        if self._session is not None:
            self._session.close()
        if self._keeper is not None:
            await self._keeper.stop()


class _Unheard:
    """What functions do in the cloud is not shown: on AWS nobody sees it here either."""

    def emit(self, event: Event) -> None:
        pass


async def _never() -> SkykiteError:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")
