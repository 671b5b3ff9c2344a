"""`Linkable`: whatever a user wants functions to know and to be allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.links import check_linkable, is_readable
from skykite.constructs.permissions import grant_to
from skykite.constructs.props import Permissions, PropProblem, check_permissions, check_type, shown

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam


class Linkable(SkykiteConstruct):
    """Something of your own that functions can be linked to: a CDK construct that Skykite does not know, a third
    party's address, settings.

    ```python
    search = Linkable(self, "Search",
        properties={"url": domain.domain_endpoint, "index": "notes"},
        permissions=[(domain, "grant_read_write")],
    )
    Function(self, "Find", "functions/find.handler", link=[search])
    ```

    - `properties`: what code reads as `resource.Search.url`: strings, numbers, booleans, lists and dicts of them; CDK's
      tokens too. They are part of the template, so a secret is no property: make that a `Secret`
    - `permissions`: what linked functions may do, as `permissions` of a `Function`

    A construct class of your own takes part without it: by a method `link_properties(self)` that returns such a dict,
    with a `"type"` to name it in editors, and `grant_to(self, grantee)` that allows `grantee`, an `aws_iam.IGrantable`,
    what is needed.
    """

    def __init__(
        self, scope: Construct, id: str, *, properties: Mapping[str, Any], permissions: Permissions = ()
    ) -> None:
        super().__init__(scope, id, kind="linkable")
        with self._checking():
            check_type("properties", properties, Mapping, 'a dict such as {"url": "https://…"}')
            for name, value in properties.items():
                _check_name(name)
                check_linkable(name, value)
            check_permissions(permissions)
        self._properties = dict(properties)
        self._permissions = permissions

    def link_properties(self) -> Mapping[str, Any]:
        """What `resource.<id>` offers of it."""
        return {"type": self.node.id, **self._properties}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow what `permissions` says."""
        with self._checking():
            for permission in ("*",) if self._permissions == "*" else self._permissions:
                grant_to(cast("Any", grantee), permission)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not is_readable(name) or name == "type":
        raise PropProblem(
            "link-properties",
            f"has a property named {shown(name)}, which code cannot read from `resource`",
            hint="use a Python name that does not begin with `_`; `type` is taken",
        )
