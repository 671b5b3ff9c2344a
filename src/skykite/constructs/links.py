"""What a linked resource tells a function: one variable `KITE_RESOURCE_<id>`, a JSON object of its name and addresses.

A construct takes part by its methods `link_properties()` and `grant_to(grantee)`; CDK's own constructs by the
attributes in `FACTS`. Where code sees other attributes than the variable holds, `link_attributes()` says which.
I/O: none but questions to the CDK kernel.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from skykite.constructs.declared import DeclaredLink
from skykite.constructs.props import PropProblem, shown
from skykite.model.names import ConstructPath, FunctionId
from skykite_lambda.linked import PREFIX

if TYPE_CHECKING:
    from skykite.constructs.program import Program


FACTS: Final[tuple[tuple[str, str, Mapping[str, str]], ...]] = (
    # what tells the resource apart, its type, and the attributes that describe it
    ("table_arn", "Table", {"name": "table_name", "arn": "table_arn"}),
    ("queue_arn", "Queue", {"name": "queue_name", "arn": "queue_arn", "url": "queue_url"}),
    ("topic_arn", "Topic", {"name": "topic_name", "arn": "topic_arn"}),
    ("bucket_arn", "Bucket", {"name": "bucket_name", "arn": "bucket_arn"}),
    ("event_bus_arn", "EventBus", {"name": "event_bus_name", "arn": "event_bus_arn"}),
    ("stream_arn", "Stream", {"name": "stream_name", "arn": "stream_arn"}),
    ("state_machine_arn", "StateMachine", {"arn": "state_machine_arn"}),
    ("function_arn", "Function", {"name": "function_name", "arn": "function_arn"}),
    ("secret_arn", "Secret", {"name": "secret_name", "arn": "secret_arn"}),
    ("parameter_arn", "Parameter", {"name": "parameter_name", "arn": "parameter_arn"}),
    ("user_pool_arn", "UserPool", {"id": "user_pool_id", "arn": "user_pool_arn"}),
    ("key_arn", "Key", {"id": "key_id", "arn": "key_arn"}),
)


def link_variable(name: str) -> str:
    return PREFIX + name


def declare_links(program: Program, function: ConstructPath, resources: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """`link_variables`, and the program remembers who is linked to what."""
    variables = link_variables(resources)
    for name, resource in {_name_of(resource): resource for resource in resources}.items():
        properties = variables[link_variable(name)]
        program.links.append(
            DeclaredLink(
                name=name,
                type=str(properties.get("type") or type(resource).__name__),
                path=ConstructPath(resource.path if hasattr(resource, "_kite_program") else resource.node.path),
                attributes=_attributes(resource, properties),
                function=FunctionId(function),
            )
        )
    return variables


def link_variables(resources: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Variables by name, values not yet JSON. Raises PropProblem."""
    variables: dict[str, dict[str, Any]] = {}
    seen: dict[str, Any] = {}
    for resource in resources:
        name = _name_of(resource)
        if seen.setdefault(name, resource) is not resource:
            raise PropProblem(
                "link-twice",
                f"is linked to two resources named `{name}`: `{seen[name].node.path}` and `{resource.node.path}`",
                hint="give one of them another id",
            )
        variables[link_variable(name)] = link_properties(resource)
    return variables


def link_properties(resource: Any) -> dict[str, Any]:
    """Raises PropProblem for what nobody knows how to link."""
    own = getattr(type(resource), "link_properties", None)
    if callable(own):
        given = own(resource)
        if not isinstance(given, Mapping):
            raise PropProblem(
                "link-properties",
                f"is linked to `{resource.node.path}`, whose link_properties() returns {shown(given)}",
                hint='return a dict of what code needs to know, for instance {"type": "Search", "url": self.url}',
            )
        return {str(name): check_linkable(str(name), value) for name, value in given.items()}
    for attribute, kind, described in FACTS:
        if has_attribute(resource, attribute):
            return {"type": kind, **{name: getattr(resource, source) for name, source in described.items()}}
    raise PropProblem(
        "link-unknown",
        f"is linked to `{resource.node.path}`, a {type(resource).__name__}, which Skykite cannot link",
        hint="wrap it: skykite.Linkable(self, id, properties={…}, permissions=[…]) links whatever you say",
    )


def check_linkable(name: str, value: Any, *, within: str = "") -> Any:
    """The value, if JSON can hold it. Raises PropProblem."""
    where = within or name
    if isinstance(value, Mapping):
        return {str(key): check_linkable(name, item, within=f'{where}["{key}"]') for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [check_linkable(name, item, within=f"{where}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise PropProblem(
        "link-properties",
        f"has a linked property `{where}` that is {shown(value)}, which JSON does not hold",
        hint="give strings, numbers, True or False, and lists and dicts of them, for instance a name or an ARN",
    )


def is_readable(name: str) -> bool:
    """Whether code can write `resource.<id>.<name>`."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")


def _attributes(resource: Any, properties: Mapping[str, Any]) -> dict[str, str]:
    """What code sees, with the types that a stub says it has."""
    own = getattr(type(resource), "link_attributes", None)
    if callable(own):
        return dict(own(resource))
    return {name: _python_type(value) for name, value in properties.items() if name != "type" and is_readable(name)}


def _python_type(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def has_attribute(resource: Any, name: str) -> bool:
    """Asked of the class where it can tell, because asking the object is a round trip to the kernel; imported
    resources are proxies whose class knows nothing."""
    return hasattr(type(resource), name) or (
        type(resource).__name__ == "InterfaceDynamicProxy" and hasattr(resource, name)
    )


def _name_of(resource: Any) -> str:
    node = getattr(resource, "node", None)
    if node is None or not hasattr(node, "id"):
        raise PropProblem("link-unknown", f"has {shown(resource)} in `link`, which is not a construct")
    name = str(node.id)
    if not name.isascii() or not is_readable(name):
        raise PropProblem(
            "link-name",
            f"is linked to `{node.path}`, whose id `{name}` is not a Python name",
            hint=f"code reads it as `resource.{name}`: give it an id of letters and digits",
        )
    return name
