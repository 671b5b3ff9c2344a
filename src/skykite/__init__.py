"""Skykite: full-stack serverless for Python.

The constructs load when they are first named: importing this package costs nothing and needs neither aws_cdk nor Node.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skykite.constructs.api import Api
    from skykite.constructs.app import App
    from skykite.constructs.bucket import Bucket
    from skykite.constructs.cron import Cron
    from skykite.constructs.event_bus import EventBus
    from skykite.constructs.function import Function
    from skykite.constructs.kinesis_stream import KinesisStream
    from skykite.constructs.linkable import Linkable
    from skykite.constructs.queue import Queue
    from skykite.constructs.script import Script
    from skykite.constructs.secret import Parameter, Secret
    from skykite.constructs.stack import Stack
    from skykite.constructs.table import Table
    from skykite.constructs.topic import Topic
    from skykite.errors import SkykiteError

__all__ = [
    "Api",
    "App",
    "Bucket",
    "Cron",
    "EventBus",
    "Function",
    "KinesisStream",
    "Linkable",
    "Parameter",
    "Queue",
    "Script",
    "Secret",
    "SkykiteError",
    "Stack",
    "Table",
    "Topic",
]

_HOMES = {
    "Api": "skykite.constructs.api",
    "App": "skykite.constructs.app",
    "Bucket": "skykite.constructs.bucket",
    "Cron": "skykite.constructs.cron",
    "EventBus": "skykite.constructs.event_bus",
    "Function": "skykite.constructs.function",
    "KinesisStream": "skykite.constructs.kinesis_stream",
    "Linkable": "skykite.constructs.linkable",
    "Parameter": "skykite.constructs.secret",
    "Queue": "skykite.constructs.queue",
    "Script": "skykite.constructs.script",
    "Secret": "skykite.constructs.secret",
    "SkykiteError": "skykite.errors",
    "Stack": "skykite.constructs.stack",
    "Table": "skykite.constructs.table",
    "Topic": "skykite.constructs.topic",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
