"""CloudFormation resource types, held to what AWS does: every property has its effect, or the resource fails.

MiniStack's handlers drop properties in silence, and take ones that do not exist. Here a property is compared with
AWS's own list for its type, and a handler is watched while it works: what it does not read is refused, for every type.
For the types that Skykite's own constructs emit, each property is listed as consumed or refused beforehand, and what
MiniStack drops is applied after its handler, through the service. Types it does not know have their handlers here.
"""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources import eventapis, mappings
from skykite_cloud.resources.checked import checked_handlers, note_updates
from skykite_cloud.resources.schemas import schema_of
from skykite_cloud.resources.types import handlers_by_type, replacing_by_type, rules_by_type
from skykite_cloud.seams import when_imported


def install() -> None:
    """Wrap the handlers as soon as MiniStack has them."""

    def change(provisioners: Any) -> None:
        _add_types(provisioners)
        _wrap_handlers(provisioners)

    when_imported("ministack.services.cloudformation.provisioners", change)


def _add_types(provisioners: Any) -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    handlers.update(handlers_by_type())
    handlers[eventapis.KEY] = eventapis.keys_of_event_apis(handlers[eventapis.KEY])
    provisioners._REPLACING_PROPERTIES.update(replacing_by_type())
    provisioners._STACK_TAG_PROPERTY[mappings.MAPPING] = ("Tags", "list")
    provisioners._STACK_TAG_PROPERTY.update(dict.fromkeys(eventapis.HANDLERS, ("Tags", "list")))


def _wrap_handlers(provisioners: Any) -> None:
    rules = rules_by_type()
    for name, handlers in provisioners._RESOURCE_HANDLERS.items():
        schema = schema_of(name)
        if schema is not None:
            provisioners._RESOURCE_HANDLERS[name] = checked_handlers(name, schema, rules.get(name), handlers)
    provisioners._update_resource = note_updates(provisioners._update_resource)
