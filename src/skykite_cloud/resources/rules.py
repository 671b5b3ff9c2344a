"""What a resource type takes. Pure, but for what `before` and `after` do when they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Properties = dict[str, Any]
Before = Callable[[Properties], None]
Fill = Callable[[str, Properties, str], Properties]
Handlers = dict[str, Any]
After = Callable[[str, Properties, Properties], "dict[str, Any] | None"]


class PropertyError(ValueError):
    """A resource cannot be made as its properties say; the text becomes the reason of its CREATE_FAILED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRules:
    """`consumed` have their effect here; what else AWS has is refused. `None`: what the handler and `after` read is
    consumed, as for types without rules. `required` are needed beside AWS's own.

    `fill` gives properties that AWS would fill in, from the logical id, the properties and the stack's name.
    `before` and `before_create` check values; each of `after` applies what MiniStack's handler drops, given the
    physical id, the properties and the previous ones, and may return attributes for Fn::GetAtt.
    """

    consumed: frozenset[str] | None
    required: tuple[str, ...] = ()
    fill: Fill | None = None
    before: tuple[Before, ...] = ()
    before_create: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()


def names(text: str) -> frozenset[str]:
    """Names written as one text."""
    return frozenset(text.split())


def identify(physical_id: str, properties: Properties, old: Properties) -> dict[str, str]:
    """An attribute that AWS documents for many types and MiniStack gives for some."""
    return {"Id": physical_id}


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
