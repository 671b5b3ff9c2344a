"""Handlers of a resource type that are watched: what they were given and did not read makes the resource fail.

In: MiniStack's handlers of a type, AWS's schema of it, and our rules if it has some. Out: handlers in their place. A
resource that fails after its handler made it is deleted again, as the stack would not know of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from skykite_cloud.resources.inert import asks_for_nothing, is_inert, is_label
from skykite_cloud.resources.reads import Path, Recorded
from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, TypeRules
from skykite_cloud.resources.schemas import Schema, check_names
from skykite_cloud.resources.spelling import check_spelling
from skykite_cloud.resources.taken import avoid_taken

Attributes = dict[str, Any]
Update = Callable[..., tuple[str, Attributes]]

logger = logging.getLogger("skykite.resources")
_updated: ContextVar[tuple[str, Properties] | None] = ContextVar("updated", default=None)


def checked_handlers(name: str, schema: Schema, rules: TypeRules | None, handlers: Handlers) -> Handlers:
    """`handlers` with create and update watched."""
    checked = _Checked(name, schema, rules, handlers)
    update = {"update": checked.update} if "update" in handlers else {}
    return {**handlers, "create": checked.create, **update}


def note_updates(update_resource: Update) -> Update:
    """MiniStack's way into all updates, which may end in a create: of a replacement, or where a type has no update."""

    def noting(
        resource_type: str, physical_id: str, old: Properties, new: Properties, *rest: Any, **options: Any
    ) -> tuple[str, Attributes]:
        token = _updated.set((physical_id, old))
        try:
            return update_resource(resource_type, physical_id, old, new, *rest, **options)
        finally:
            _updated.reset(token)

    return noting


class _Checked:
    """One type."""

    def __init__(self, name: str, schema: Schema, rules: TypeRules | None, handlers: Handlers) -> None:
        self._name = name
        self._schema = schema
        self._rules = rules
        self._handlers = handlers
        self._consumed = rules.consumed if rules else None

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
        check_spelling(self._name, properties)
        updated = _updated.get()
        if updated is None or "update" in self._handlers:
            avoid_taken(self._name, logical_id, properties, stack_name)
        properties = self._filled(logical_id, properties, stack_name)
        self._check_before(logical_id, properties)
        for before in self._rules.before_create if self._rules else ():
            before(properties)
        recorded = Recorded(properties)
        physical_id, attributes = self._handlers["create"](logical_id, recorded.properties, stack_name)
        try:
            attributes = self._apply_dropped(physical_id, attributes, recorded.properties, {})
            replaced = updated is None or updated[0] != physical_id
            self._check_after(recorded, {} if replaced or updated is None else updated[1])
        except Exception:
            if updated is None or updated[0] != physical_id:
                self._delete(physical_id, properties, logical_id)
            raise
        return physical_id, attributes

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack_name: str, *logical_id: str
    ) -> tuple[str, Attributes]:
        check_spelling(self._name, new)
        new = self._filled(logical_id[0] if logical_id else physical_id, new, stack_name)
        self._check_before(logical_id[0] if logical_id else physical_id, new)
        recorded = Recorded(new)
        former = Recorded(old)
        new_id, attributes = self._handlers["update"](
            physical_id, former.properties, recorded.properties, stack_name, *logical_id
        )
        # A replacement starts from nothing, as a new resource does.
        before = old if new_id == physical_id else {}
        try:
            attributes = self._apply_dropped(new_id, attributes, recorded.properties, before)
            self._check_after(recorded, before)
            self._check_removed(recorded, former, before)
        except Exception:
            if new_id == physical_id:
                self._undo(physical_id, new, old, stack_name, *logical_id)
            else:
                self._delete(new_id, new, *(logical_id or (new_id,)))
            raise
        return new_id, attributes

    def _filled(self, logical_id: str, properties: Properties, stack_name: str) -> Properties:
        if self._rules is None or self._rules.fill is None:
            return properties
        return {**properties, **self._rules.fill(logical_id, properties, stack_name)}

    def _check_before(self, logical_id: str, properties: Properties) -> None:
        check_names(self._schema, logical_id, properties, self._rules.required if self._rules else ())
        for name, value in properties.items():
            if self._consumed is not None and name not in self._consumed and not asks_for_nothing(value):
                raise self._unsupported((name,))
        for before in self._rules.before if self._rules else ():
            before(properties)

    def _apply_dropped(
        self, physical_id: str, attributes: Attributes, properties: Properties, old: Properties
    ) -> Attributes:
        for applied in self._rules.after if self._rules else ():
            attributes = {**attributes, **(applied(physical_id, properties, old) or {})}
        return attributes

    def _check_after(self, recorded: Recorded, old: Properties) -> None:
        for path, value in recorded.unread(self._schema.properties):
            if asks_for_nothing(value) or value in _values_at(old, path):
                continue
            if self._consumed is None and is_inert(self._name, path):
                continue
            if self._consumed is not None and (len(path) == 1 or is_label(path)):
                continue  # listed as consumed
            raise self._unsupported(path)

    def _check_removed(self, recorded: Recorded, former: Recorded, old: Properties) -> None:
        """What the update leaves out, and the handler never asked for on either side, stays as it was."""
        for name, value in old.items():
            if self._consumed is not None or asks_for_nothing(value) or is_inert(self._name, (name,)):
                continue
            if dict.get(recorded.properties, name) is None and recorded.untouched(name) and former.untouched(name):
                raise PropertyError(f"The embedded cloud cannot take the property {name} away from {self._name}")

    def _unsupported(self, path: Path) -> PropertyError:
        return PropertyError(f"The embedded cloud does not support the property {'.'.join(path)} of {self._name}")

    def _undo(self, physical_id: str, new: Properties, old: Properties, stack_name: str, *logical_id: str) -> None:
        """MiniStack's rollback does not send every type back to what it was."""
        try:
            _, attributes = self._handlers["update"](physical_id, new, old, stack_name, *logical_id)
            self._apply_dropped(physical_id, attributes, old, new)
        except Exception:
            logger.exception("cannot undo the update of %s, which was refused", physical_id)

    def _delete(self, physical_id: str, properties: Properties, logical_id: str) -> None:
        delete = self._handlers.get("delete")
        if delete is None:
            return
        given = (logical_id,) if self._handlers.get("delete_with_logical_id") else ()
        try:
            delete(physical_id, properties, *given)
        except Exception:
            logger.exception("cannot delete %s, which was made and then refused", physical_id)


def _values_at(value: Any, path: Path) -> list[Any]:
    """Everything that stands at a path; list positions are no part of it."""
    return list(_find(value, path))


def _find(value: Any, path: Path) -> Iterator[Any]:
    if isinstance(value, list) and path:
        for item in value:
            yield from _find(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _find(value[path[0]], path[1:])
