"""CloudFormation resource types, held to what AWS does: every property has its effect, or the resource fails.

MiniStack's handlers drop some properties in silence, and take ones that do not exist. For the types that Skykite's own
constructs emit, each property is listed here as consumed or as refused; what MiniStack drops is applied after its
handler, through the service. Types it does not know have their handlers here. Others pass through as MiniStack has
them.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skykite_cloud.resources import eventapis
from skykite_cloud.resources.rules import Properties, TypeRules, check
from skykite_cloud.resources.types import rules_by_type
from skykite_cloud.seams import when_imported

Attributes = dict[str, Any]


def install() -> None:
    """Wrap the handlers as soon as MiniStack has them."""

    def change(provisioners: ModuleType) -> None:
        _add_types(provisioners)
        _wrap_handlers(provisioners)

    when_imported("ministack.services.cloudformation.provisioners", change)


def _add_types(provisioners: ModuleType) -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    handlers.update(eventapis.HANDLERS)
    handlers[eventapis.KEY] = eventapis.keys_of_event_apis(handlers[eventapis.KEY])
    provisioners._REPLACING_PROPERTIES.update(eventapis.REPLACING)
    provisioners._STACK_TAG_PROPERTY.update(dict.fromkeys(eventapis.HANDLERS, ("Tags", "list")))


def _wrap_handlers(provisioners: ModuleType) -> None:
    for name, rules in rules_by_type().items():
        handlers = provisioners._RESOURCE_HANDLERS[name]
        provisioners._RESOURCE_HANDLERS[name] = {
            **handlers,
            "create": _creating(name, rules, handlers["create"]),
            **({"update": _updating(name, rules, handlers["update"])} if "update" in handlers else {}),
        }


def _creating(name: str, rules: TypeRules, create: Any) -> Any:
    def checked_create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
        check(name, logical_id, rules, properties)
        for before in rules.before_create:
            before(properties)
        physical_id, attributes = create(logical_id, properties, stack_name)
        for applied in rules.after:
            attributes = {**attributes, **(applied(physical_id, properties, {}) or {})}
        return physical_id, attributes

    return checked_create


def _updating(name: str, rules: TypeRules, update: Any) -> Any:
    def checked_update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, *logical_id: str
    ) -> tuple[str, Attributes]:
        check(name, logical_id[0] if logical_id else physical_id, rules, new)
        new_id, attributes = update(physical_id, old, new, stack_name, *logical_id)
        for applied in rules.after:
            # A replacement starts from nothing, as a new resource does.
            attributes = {**attributes, **(applied(new_id, new, old if new_id == physical_id else {}) or {})}
        return new_id, attributes

    return checked_update
