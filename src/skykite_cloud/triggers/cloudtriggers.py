"""Put the triggers together, for `cloud`: the parts, in the places of MiniStack's."""

from __future__ import annotations

from collections.abc import Callable

from skykite_cloud.triggers import mappingrules
from skykite_cloud.triggers.asynchronous import Asynchronous
from skykite_cloud.triggers.engine import Engine, Tell
from skykite_cloud.triggers.mappings import Mappings
from skykite_cloud.triggers.notifications import Notifications
from skykite_cloud.triggers.permissions import Permissions
from skykite_cloud.triggers.rules import Targets
from skykite_cloud.triggers.schedules import Schedules
from skykite_cloud.triggers.topics import Topics


def make_triggers(*, changed: Callable[[], None], tell: Tell, iam: bool) -> Engine:
    """On the event loop, before any service is imported. Start the engine when the state is restored."""
    engine = Engine(changed=changed, tell=tell)
    engine.install()
    permissions = Permissions(enforced=iam)
    asynchronous = Asynchronous(engine, permissions)
    asynchronous.install()
    Topics(engine, asynchronous, permissions).install()
    targets = Targets(engine, asynchronous, permissions)
    targets.install()
    schedules = Schedules(engine, targets)
    schedules.install()
    Notifications(engine, permissions).install()
    mappings = Mappings(engine, permissions)
    mappings.install()
    mappingrules.install(permissions)
    engine.add(asynchronous)
    engine.add(mappings)
    engine.add(schedules)
    return engine
