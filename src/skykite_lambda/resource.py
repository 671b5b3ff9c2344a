"""The resources that a function is linked to: `resource.Notes.name` is the name of the table made as `Notes`.

    from skykite_lambda import resource

    table = boto3.resource("dynamodb").Table(resource.Notes.name)

The function's definition says `link=[notes]`; that grants the permissions and sets one variable per resource,
`KITE_RESOURCE_<construct id>`, whose value is a JSON object. Nothing else is read.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List

_PREFIX = "KITE_RESOURCE_"


class NotLinked(AttributeError):  # noqa: N818  (it reads as what it is)
    """The function's code uses a resource that its definition does not link."""


class LinkedResource:
    """One resource. `type` is the construct's name, `name` and `arn` are AWS's; some types have more, like `url`."""

    type: str
    name: str
    arn: str

    def __init__(self, id: str, attributes: Dict[str, Any]) -> None:
        self._id = id
        self._attributes = attributes
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not there.
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"`resource.{self._id}` has no `{name}`; it has {_listed(list(self._attributes))}")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._attributes.items())
        return f"resource.{self._id}({shown})"


def __getattr__(id: str) -> LinkedResource:
    if id.startswith("_"):
        raise AttributeError(id)
    value = os.environ.get(_PREFIX + id)
    if value is None:
        linked = __dir__()
        having = f"it is linked to {_listed(linked)}" if linked else "it is linked to nothing"
        function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        who = f"function `{function}`" if function else "this function"
        raise NotLinked(
            f"`{id}` is not linked to {who}: {having}; "
            f"add the construct `{id}` to `link=[…]` where the stack defines the function"
        )
    return LinkedResource(id, json.loads(value))


def __dir__() -> List[str]:
    return sorted(name[len(_PREFIX) :] for name in os.environ if name.startswith(_PREFIX))


def _listed(names: List[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
