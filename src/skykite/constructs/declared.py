"""What a program says of links and secrets while it runs. Data; `program` collects it, `manifest_writer` reads it."""

from __future__ import annotations

from dataclasses import dataclass

from skykite.model.manifest import SourceLocation
from skykite.model.names import ConstructPath, FunctionId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLink:
    """One resource that one function is linked to. `attributes` are what its code sees of it, with their types."""

    name: str
    type: str
    path: ConstructPath
    attributes: dict[str, str]
    function: FunctionId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSecret:
    """A `Secret`, or a `Parameter` with its default. Several constructs of one name are one secret: `path` is that of
    the first, `paths` are those of all."""

    name: str
    path: ConstructPath
    paths: frozenset[ConstructPath]
    default: str | None
    location: SourceLocation | None
