"""What a resource type takes. Pure, but for what `before` and `after` do when they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Properties = dict[str, Any]
Before = Callable[[Properties], None]
After = Callable[[str, Properties, Properties], "dict[str, Any] | None"]


class PropertyError(ValueError):
    """A resource cannot be made as its properties say; the text becomes the reason of its CREATE_FAILED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRules:
    """`consumed` have their effect here, `refused` exist on AWS and not here.

    `before` and `before_create` check values; each of `after` applies what MiniStack's handler drops, given the
    physical id, the properties and the previous ones, and may return attributes for Fn::GetAtt.
    """

    consumed: frozenset[str]
    refused: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    before: tuple[Before, ...] = ()
    before_create: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()


def check(type_name: str, logical_id: str, rules: TypeRules, properties: Properties) -> None:
    """Raises `PropertyError`."""
    for name in properties:
        if name in rules.refused:
            raise PropertyError(f"The embedded cloud does not support the property {name} of {type_name}")
        if name not in rules.consumed:
            raise PropertyError(f"Encountered unsupported property {name}")
    for name in rules.required:
        if name not in properties:
            raise PropertyError(
                f"Properties validation failed for resource {logical_id} with message: #: "
                f"required key [{name}] not found"
            )
    for before in rules.before:
        before(properties)


def refuse_nested(path: str, value: Any, known: frozenset[str]) -> None:
    """Raise for a key of a nested object that would have no effect."""
    for key in value:
        if key not in known:
            raise PropertyError(f"The embedded cloud does not support {path}.{key}")


def expect_success(what: str, answer: tuple[int, Any, Any]) -> None:
    """Raise what a service answered if it refused."""
    status, _, body = answer
    if status >= 400:
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        raise PropertyError(f"{what} failed: {text}")
