"""What a linked resource tells a function: one variable `KITE_RESOURCE_<id>`, a JSON object of its name and addresses.

A construct takes part by its methods `link_properties()` and `grant_to(grantee)`; CDK's own constructs by the
attributes in `FACTS`. I/O: none but questions to the CDK kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from skykite.constructs.props import PropProblem, shown

LINK_PREFIX: Final = "KITE_RESOURCE_"

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
    return LINK_PREFIX + name


def link_variables(resources: Sequence[Any]) -> dict[str, dict[str, str]]:
    """Variables by name, values not yet JSON. Raises PropProblem."""
    variables: dict[str, dict[str, str]] = {}
    seen: dict[str, Any] = {}
    for resource in resources:
        name = _name_of(resource)
        if seen.setdefault(name, resource) is not resource:
            raise PropProblem(
                "link-twice",
                f"is linked to two resources named `{name}`: `{seen[name].node.path}` and `{resource.node.path}`",
                hint="give one of them another id",
            )
        variables[link_variable(name)] = dict(link_properties(resource))
    return variables


def link_properties(resource: Any) -> Mapping[str, str]:
    """Raises PropProblem for what nobody knows how to link."""
    own = getattr(type(resource), "link_properties", None)
    if callable(own):
        return {name: str(value) for name, value in own(resource).items()}
    for attribute, kind, described in FACTS:
        if has_attribute(resource, attribute):
            return {"type": kind, **{name: getattr(resource, source) for name, source in described.items()}}
    raise PropProblem(
        "link-unknown",
        f"is linked to `{resource.node.path}`, a {type(resource).__name__}, which Skykite cannot link",
        hint="pass its name in `environment` and what may be done with it in `permissions`",
    )


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
    if not name.isidentifier():
        raise PropProblem(
            "link-name",
            f"is linked to `{node.path}`, whose id `{name}` is not a Python name",
            hint=f"code reads it as `resource.{name}`: give it an id of letters and digits",
        )
    return name
