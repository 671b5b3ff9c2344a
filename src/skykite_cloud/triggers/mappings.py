"""All event source mappings: who reads which queue or stream at this moment. On the event loop.

MiniStack keeps their records, which its API and its CloudFormation change; they are read anew at every look, so that
a mapping that is made, changed, disabled or removed while it runs is noticed at once.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from ministack.core.responses import get_account_id, get_region

from skykite_cloud.seams import imported, when_imported
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.invoking import Scope
from skykite_cloud.triggers.permissions import Permissions
from skykite_cloud.triggers.queuemapping import QueueMapping
from skykite_cloud.triggers.streammapping import StreamMapping
from skykite_cloud.triggers.streams import source_of, start_of

logger = logging.getLogger("skykite.triggers")

Key = tuple[str, str, str]
"""Account, region, UUID."""


class Reader(Protocol):
    """What reads one source."""

    @property
    def idle(self) -> bool: ...

    def look(self, mapping: dict[str, Any] | None, now: float) -> float | None: ...

    def state(self) -> Any: ...


class Mappings:
    """A part of the engine."""

    name = "mappings"

    def __init__(self, engine: Engine, permissions: Permissions) -> None:
        self._engine = engine
        self._permissions = permissions
        self._readers: dict[Key, Reader] = {}
        self._restored: dict[Key, Any] = {}

    def install(self) -> None:
        """Take the place of MiniStack's poller."""

        def replace_poller(lambda_svc: Any) -> None:
            lambda_svc._ensure_poller = self._engine.wake
            lambda_svc._init_stream_position = self._anchor

        when_imported("ministack.services.lambda_svc", replace_poller)

    def look(self, now: float) -> float | None:
        lambda_svc = imported("ministack.services.lambda_svc")
        if lambda_svc is None:
            return None
        records: dict[Key, dict[str, Any]] = dict(lambda_svc._esms.all_items())
        for key, record in records.items():
            if key not in self._readers:
                reader = self._reader_of(key, record)
                if reader is not None:
                    self._readers[key] = reader
        due: list[float] = []
        for key, reader in list(self._readers.items()):
            try:
                wanted = reader.look(records.get(key), now)
            except Exception:
                logger.exception("event source mapping %s", key[2])
                wanted = now + 1.0
            if wanted is not None:
                due.append(wanted)
            if key not in records and reader.idle:
                del self._readers[key]
        for gone in self._restored.keys() - records.keys():
            self._restored.pop(gone, None)
        return min(due, default=None)

    def state(self) -> dict[Key, Any]:
        found = {key: reader.state() for key, reader in self._readers.items()}
        return {**self._restored, **{key: state for key, state in found.items() if state}}

    def restore(self, state: dict[Key, Any]) -> None:
        self._restored = state

    def _reader_of(self, key: Key, record: dict[str, Any]) -> Reader | None:
        scope: Scope = (key[0], key[1])
        arn = str(record.get("EventSourceArn", ""))
        if arn.split(":")[2:3] == ["sqs"]:
            return QueueMapping(self._engine, scope)
        source = source_of(arn, scope)
        if source is None:
            return None
        return StreamMapping(self._engine, self._permissions, scope, source, self._restored.pop(key, None))

    def _anchor(self, mapping_id: str, arn: str, position: str) -> None:
        """Note where a stream ends when a mapping to its end is made, on any thread: what comes a moment later is for
        the function."""
        scope = (get_account_id(), get_region())
        source = source_of(arn, scope)
        shards = source.shards() if source is not None else None
        if source is None or shards is None or position != "LATEST":
            return
        lanes = {shard: [(start_of(source, records, position, None), None)] for shard, records in shards.items()}
        self._restored[(*scope, mapping_id)] = {"factor": 1, "lanes": lanes}
