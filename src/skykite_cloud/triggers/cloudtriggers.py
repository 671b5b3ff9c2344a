"""Put the triggers together, for `cloud`: the parts, in the places of MiniStack's."""

from __future__ import annotations

from collections.abc import Callable

from skykite_cloud.authorization.services import ServicePermissions
from skykite_cloud.triggers import mappingrules
from skykite_cloud.triggers.asynchronous import Asynchronous
from skykite_cloud.triggers.engine import Engine, Tell
from skykite_cloud.triggers.mappings import Mappings
from skykite_cloud.triggers.notifications import Notifications
from skykite_cloud.triggers.rules import Targets
from skykite_cloud.triggers.schedules import Schedules
from skykite_cloud.triggers.topics import Topics


def make_triggers(*, changed: Callable[[], None], tell: Tell, permissions: ServicePermissions) -> Engine:
    """On the event loop, before any service is imported. Start the engine when the state is restored."""
    engine = Engine(changed=changed, tell=tell, permissions=permissions)
    engine.install()
    asynchronous = Asynchronous(engine)
    asynchronous.install()
    Topics(engine, asynchronous).install()
    targets = Targets(engine, asynchronous)
    targets.install()
    schedules = Schedules(engine, targets)
    schedules.install()
    Notifications(engine).install()
    mappings = Mappings(engine)
    mappings.install()
    mappingrules.install()
    permissions.install()
    engine.add(asynchronous)
    engine.add(mappings)
    engine.add(schedules)
    return engine
