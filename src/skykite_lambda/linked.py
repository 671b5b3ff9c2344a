"""What is behind `skykite_lambda.resource`: linked resources, read from the environment when they are named.

In: variables `KITE_RESOURCE_<id>`, each a JSON object. Out: objects with its attributes; `value` of a secret or a
parameter is read from Parameter Store when code asks for it. I/O: `os.environ`; `secret_values` for `value`.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List

PREFIX = "KITE_RESOURCE_"
_AMBIGUOUS = "ambiguous"  # in the place of the attributes: `kite shell` found several of that name


class NotLinked(AttributeError):  # noqa: N818  (it reads as what it is)
    """The code uses a resource that it is not linked to."""


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
        if name == "value" and "parameter" in self._attributes:
            return _stored_value(self._id, self._attributes)
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"`resource.{self._id}` has no `{name}`; it has {_listed(self._offered())}")

    def __dir__(self) -> List[str]:
        return self._offered()

    def _offered(self) -> List[str]:
        return [*self._attributes, *(["value"] if "parameter" in self._attributes else [])]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._attributes.items() if name != "value")
        return f"resource.{self._id}({shown})"


def find(id: str) -> LinkedResource:
    """The resource that is linked as `id`. Raises NotLinked."""
    if id.startswith("_"):
        raise AttributeError(id)
    value = os.environ.get(PREFIX + id)
    if value is None:
        raise NotLinked(_not_linked(id))
    attributes = json.loads(value)
    if _AMBIGUOUS in attributes:
        raise NotLinked(
            f"several functions are linked to different resources named `{id}`: {_listed(attributes[_AMBIGUOUS])}; "
            f"say whose you mean with `kite shell --function NAME`"
        )
    return LinkedResource(id, attributes)


def names() -> List[str]:
    """What is linked."""
    return sorted(name[len(PREFIX) :] for name in os.environ if name.startswith(PREFIX))


def _not_linked(id: str) -> str:
    having = f"linked to {_listed(names())}" if names() else "linked to nothing"
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if function:
        return (
            f"`{id}` is not linked to function `{function}`: it is {having}; "
            f"add the construct `{id}` to `link=[…]` where the stack defines the function"
        )
    stage = os.environ.get("KITE_SHELL")
    if stage:
        return (
            f"`{id}` is not linked to any function of stage `{stage}`: its functions are {having}; "
            f"add the construct `{id}` to `link=[…]` of a function in the stacks, and deploy it"
        )
    return (
        f"`{id}` is not linked here: this program is {having}; run it with `kite shell -- …`, "
        f"or set the variable `{PREFIX}{id}` to a JSON object with what the code reads of it"
    )


def _stored_value(id: str, attributes: Dict[str, Any]) -> str:
    # Imported for those who need it: cold starts pay for every import.
    from skykite_lambda.secret_values import VALUES

    return VALUES.get(id, attributes)


def _listed(names: List[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
