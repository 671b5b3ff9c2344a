"""`Secret` and `Parameter`: values that belong to a stage and not to its code. `kite secrets` sets them.

Neither makes a resource: a name says where Parameter Store holds the value, and no value is ever in a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

import aws_cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.blame import find_user_line
from skykite.constructs.declared import DeclaredSecret
from skykite.constructs.props import PropProblem, check_type
from skykite.errors import SkykiteError
from skykite.model.names import ConstructPath
from skykite.model.secrets import Kind, is_secret_name, reads_fallback, secret_parameter

if TYPE_CHECKING:
    from skykite.model.manifest import SourceLocation

_ACTIONS: Final = ("ssm:GetParameter", "ssm:GetParameters")


class _Stored(SkykiteConstruct):
    """What both have in common: a name under which a stage's value lies."""

    def __init__(self, scope: Construct, id: str, *, kind: Kind, default: str | None = None) -> None:
        super().__init__(scope, id, kind=kind)
        with self._checking():
            if kind == "parameter":
                check_type("default", default, str, "a string")
            if not is_secret_name(id):
                raise PropProblem(
                    "secret-name",
                    f"has an id that is no name for a {kind}: `{id}`",
                    hint=f'code reads it as `resource.{id}`: use letters, digits and underscores, as in "StripeKey"',
                )
            self._declare(default)
        synthesis = self._kite_program.synthesis
        self._parameter = secret_parameter(synthesis.app, synthesis.stage, id)
        self._fallback = secret_parameter(synthesis.app, None, id) if reads_fallback(synthesis.stage) else None
        self._default = default

    @property
    def parameter_name(self) -> str:
        """The SSM parameter that holds the stage's value, once it is set."""
        return self._parameter

    def link_properties(self) -> Mapping[str, Any]:
        """Where a function finds the value; never the value."""
        found = {"type": type(self).__name__, "parameter": self._parameter}
        if self._fallback is not None:
            found["fallback"] = self._fallback
        if self._default is not None:
            found["default"] = self._default
        return found

    def link_attributes(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"value": "str"}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow reading its value, and its fallback's; the key that encrypts both is open to who may read them."""
        names = [self._parameter] if self._fallback is None else [self._parameter, self._fallback]
        place = f"arn:{aws_cdk.Aws.PARTITION}:ssm:{aws_cdk.Aws.REGION}:{aws_cdk.Aws.ACCOUNT_ID}:parameter"
        iam.Grant.add_to_principal(
            grantee=grantee, actions=list(_ACTIONS), resource_arns=[f"{place}{name}" for name in names]
        )

    def _declare(self, default: str | None) -> None:
        program = self._kite_program
        line = find_user_line(program.root)
        location: SourceLocation | None = line.relative_to(program.root) if line else None
        known = program.secrets.get(self.node.id)
        if known is None:
            paths: frozenset[ConstructPath] = frozenset({self.path})
            program.secrets[self.node.id] = DeclaredSecret(
                name=self.node.id, path=self.path, paths=paths, default=default, location=location
            )
            return
        if known.default != default:
            raise PropProblem(
                "secret-differs",
                f"has the name of `{known.path}`, which is another one: a stage has one value under that name",
                hint="give one of them another id, or make it once and link that",
            )
        program.secrets[self.node.id] = replace(known, paths=known.paths | {self.path})


class SecretProps(TypedDict):
    """None: type checkers refuse what is given, and so does `Secret`."""


class Secret(_Stored):
    """A value nobody may see: an API key, a password. Each stage has its own.

    ```python
    stripe_key = Secret(self, "StripeKey")
    Function(self, "Pay", "functions/pay.handler", link=[stripe_key])
    ```

    `kite secrets set StripeKey` gives it a value, and linked functions read it as `resource.StripeKey.value`. Their
    roles may read this one name, and in stages that do not look like production also the app's fallback of that name.
    No resource is made, and the value is in no template: it lies in SSM Parameter Store, as a SecureString under
    `/skykite/<app>/<stage>/secrets/`. `kite deploy` refuses while a linked secret has no value.

    May be made in a stack or in the app itself; all of one name are one secret.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[SecretProps]) -> None:
        super().__init__(scope, id, kind="secret")
        for given in props:
            # No line of the stacks is shown: it holds what was given, which may be the value itself.
            raise SkykiteError(
                "secret-in-code",
                f"{self.title} was given `{given}`: a secret takes its id and nothing else, and has no value in code",
                hint=f"leave `{given}` out, and run `kite secrets set {id}`; what may be read is a `Parameter`",
            )


class Parameter(_Stored):
    """A value that may differ from stage to stage and change without a deploy, with a default.

    ```python
    page_size = Parameter(self, "PageSize", default="20")
    ```

    Linked functions read `resource.PageSize.value`, a string: what `kite secrets set PageSize` set for the stage, else
    the app's fallback where the stage may read that, else `default`. The default is part of the template, so it is no
    place for anything secret; else all is as with `Secret`.
    """

    def __init__(self, scope: Construct, id: str, *, default: str) -> None:
        super().__init__(scope, id, kind="parameter", default=default)
