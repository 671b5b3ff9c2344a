"""CloudFormation resource types, held to what AWS does: every property has its effect, or the resource fails.

MiniStack's handlers drop properties in silence, and take ones that do not exist. Here a property is compared with
AWS's own list for its type, and a handler is watched while it works: what it does not read is refused, for every type.
For the types that Skykite's own constructs emit, each property is listed as consumed or refused beforehand, and what
MiniStack drops is applied after its handler, through the service. Types it does not know have their handlers here.
"""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources import buckets, cdkresources, eventapis, mappings, networks, secrets
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
    when_imported("ministack.services.cloudformation.stacks", _keep_on_loop)
    when_imported("ministack.services.cloudformation.engine", _name_missing_attributes)


def _add_types(provisioners: Any) -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    handlers.update(handlers_by_type())
    handlers[eventapis.KEY] = eventapis.keys_of_event_apis(handlers[eventapis.KEY])
    handlers[secrets.SECRET] = secrets.known_by_arn(handlers[secrets.SECRET])
    handlers["AWS::S3::Bucket"] = buckets.refusing_to_lose_objects(handlers["AWS::S3::Bucket"])
    provisioners._REPLACING_PROPERTIES.update(replacing_by_type())
    for name in (mappings.MAPPING, networks.EIP, networks.NAT):
        provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")
    provisioners._STACK_TAG_PROPERTY.update(dict.fromkeys(eventapis.HANDLERS, ("Tags", "list")))


def _wrap_handlers(provisioners: Any) -> None:
    rules = rules_by_type()
    for name, handlers in provisioners._RESOURCE_HANDLERS.items():
        schema = schema_of(name)
        if schema is not None:
            provisioners._RESOURCE_HANDLERS[name] = checked_handlers(name, schema, rules.get(name), handlers)
    provisioners._update_resource = note_updates(provisioners._update_resource)


def _keep_on_loop(stacks: Any) -> None:
    """What is done here needs no thread to wait on: MiniStack waits for a custom resource's function on one."""
    on_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name not in cdkresources.HANDLERS and on_thread(name)


def _name_missing_attributes(engine: Any) -> None:
    """Tell an attribute that only the embedded cloud lacks from one that AWS lacks too."""
    unknown = engine._unknown_attribute_message

    def message(resource: dict[str, Any], logical_id: str, attribute: str) -> str:
        name = resource.get("ResourceType") or ""
        schema = schema_of(name)
        if schema is not None and attribute in schema.attributes:
            return f"The embedded cloud does not support the attribute {attribute} of {name}"
        return str(unknown(resource, logical_id, attribute))

    engine._unknown_attribute_message = message
