"""Put the parts together: MiniStack's application with its seams replaced, behind the guard, its state kept."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

import ministack.app

from skykite_cloud import assumerole, credentials, deletions, deployments, endpoints, resources, stackevents, templates
from skykite_cloud.activity import changes_state
from skykite_cloud.authorization.authorizer import Authorizer
from skykite_cloud.events import management
from skykite_cloud.events.application import Events
from skykite_cloud.executor import Executor
from skykite_cloud.guard import Guard
from skykite_cloud.handoff import HandoffClient
from skykite_cloud.hosts import translate_host
from skykite_cloud.settings import Settings
from skykite_cloud.snapshotfile import SnapshotFiles
from skykite_cloud.snapshots import Snapshots
from skykite_cloud.state import StateOfServices
from skykite_cloud.triggers.cloudtriggers import make_triggers

Say = Callable[[dict[str, Any]], None]
Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Cloud:
    """One per process, as MiniStack's state is the process's. `say` tells the owner."""

    def __init__(self, settings: Settings, port: int, *, say: Say) -> None:
        logging.getLogger("lambda").setLevel(logging.WARNING)  # it would log what functions print, which kite shows
        self._say = say
        self._files = SnapshotFiles(settings.directory, version=version("ministack"))
        self._state = StateOfServices()
        self._snapshots = Snapshots(self._state, self._files, failed=self._saving_fails)
        self._triggers = make_triggers(changed=self._snapshots.changed, tell=self._notice, iam=settings.iam)
        self._state.also("triggers", self._triggers)
        self._background: set[asyncio.Task[None]] = set()
        credentials.install(settings.access_key_id, settings.secret_access_key)
        endpoints.install(port)
        management.install()
        assumerole.install()
        deployments.install(self._stack_settled)
        stackevents.install()
        deletions.install()
        resources.install()
        templates.install()
        client = HandoffClient(settings.handoff) if settings.handoff else None
        self._credentials = credentials.RoleCredentials(settings.secret_access_key)
        Executor(client, credentials=self._credentials, invoked=self._snapshots.changed).install()
        events = Events(publishes_a_second=settings.publishes_a_second)
        self._authorizer = Authorizer(say=say) if settings.iam else None
        self.application = Guard(
            self._behind_the_guard, events, access_key_id=settings.access_key_id, authorizer=self._authorizer
        )

    async def _behind_the_guard(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            await ministack.app.app(scope, receive, send)
            return
        try:
            await ministack.app.app(translate_host(scope), receive, send)
        finally:
            if changes_state(scope):
                self._snapshots.changed()
                self._triggers.wake()

    def start(self) -> None:
        """Restore what was saved. Called once the server's life has begun, before it answers."""
        state, problem = self._files.read()
        refused = self._state.restore(state) if state else []
        if problem:
            self._notice(
                "cloud-state-damaged",
                f"the last saved state of the embedded cloud cannot be read: {problem}",
                "the one before it is used" if state else "the embedded cloud starts empty",
            )
        if refused:
            self._notice(
                "cloud-state-refused",
                f"the embedded cloud could not take up its saved state of {', '.join(refused)}",
                "what it held is lost; its log says why",
            )
        self._snapshots.start()
        self._triggers.start()
        deployments.resume_interrupted()

    def warm_up(self) -> None:
        """Import what the first deployment needs, while the owner still synthesizes. On a thread."""
        importlib.import_module("ministack.services.cloudformation")

    def snapshot_soon(self, request: str) -> None:
        """Save now, then tell the owner that this request is done."""

        async def save() -> None:
            try:
                await self._snapshots.now()
            except OSError as error:
                self._say({"event": "snapshot", "id": request, "error": str(error)})
            else:
                self._say({"event": "snapshot", "id": request})

        task = asyncio.get_running_loop().create_task(save())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def give_credentials(self, request: str, function: str, arn: str, role: str) -> None:
        """Tell the owner the credentials of a function's role, which it runs under."""
        variables = self._credentials.of({"FunctionName": function, "FunctionArn": arn, "Role": role})
        self._say({"event": "credentials", "id": request, "variables": variables})

    def save(self) -> None:
        """The last act."""
        try:
            self._snapshots.save_and_close()
        except OSError as error:
            self._saving_fails(str(error))

    def _stack_settled(self) -> None:
        self._snapshots.changed_for_good()
        if self._authorizer is not None:
            self._authorizer.forget_told()
        self._triggers.wake()
        self._say({"event": "settled"})

    def _saving_fails(self, reason: str) -> None:
        self._notice(
            "cloud-state-unsaved",
            f"the state of the embedded cloud cannot be saved: {reason}",
            "it is kept in memory until it can be",
        )

    def _notice(self, notice: str, message: str, hint: str | None = None) -> None:
        self._say({"event": "notice", "notice": notice, "message": message, "hint": hint})
