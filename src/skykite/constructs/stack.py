"""`Stack`: one CloudFormation stack, named after the stage and the app."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import aws_cdk
from constructs import Construct

from skykite.constructs.base import construct_errors, path_of
from skykite.constructs.blame import refuse
from skykite.constructs.function_defaults import GivesFunctionDefaults
from skykite.constructs.program import program_of
from skykite.model.manifest import Mode
from skykite.model.names import StageName

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
APP_TAG: Final = "skykite:app"
STAGE_TAG: Final = "skykite:stage"


class Stack(GivesFunctionDefaults, aws_cdk.Stack):
    """One CloudFormation stack; an `aws_cdk.Stack`. Any CDK construct can be made inside it.

    Its name is `<stage>-<app>-<id>` unless `stack_name` says otherwise; it lies in the region of kite.toml, and is
    tagged with app and stage. All keyword arguments of `aws_cdk.Stack` are taken.
    """

    def __init__(self, scope: Construct, id: str, **props: Any) -> None:
        program = program_of(scope)
        synthesis = program.synthesis
        title = f"stack `{id}`"
        parents = [part for part in str(scope.node.path).split("/") if part]
        name = props.pop("stack_name", None) or "-".join((synthesis.stage, synthesis.app, *parents, str(id)))
        if not _NAME.fullmatch(name):
            raise refuse(
                "stack-name",
                f"{title} would be named `{name}`, which CloudFormation refuses",
                hint="use letters, digits and dashes in its id; at most 128 characters with stage and app",
                root=program.root,
            )
        environment = _environment(props.pop("env", None))
        region = environment.get("region")
        if region is not None and not aws_cdk.Token.is_unresolved(region) and region != synthesis.region:
            raise refuse(
                "stack-region",
                f"{title} is in `{region}`, and the app's region is `{synthesis.region}`",
                hint="an app deploys to one region, the `region` of kite.toml",
                root=program.root,
            )
        environment["region"] = synthesis.region
        if synthesis.mode == "local":
            environment.pop("account", None)  # everything lives in the embedded cloud's account
        tags = {APP_TAG: synthesis.app, STAGE_TAG: synthesis.stage, **(props.pop("tags", None) or {})}
        with construct_errors(lambda: title, program):
            super().__init__(scope, id, stack_name=name, env=aws_cdk.Environment(**environment), tags=tags, **props)
        self._kite_program = program
        program.remember_line(path_of(self))

    @property
    def stage(self) -> StageName:
        """The stage this run is for: `alice`, `prod`."""
        return self._kite_program.synthesis.stage

    @property
    def mode(self) -> Mode:
        """`deploy`, `local` or `live`."""
        return self._kite_program.synthesis.mode

    def add_outputs(self, outputs: Mapping[str, str] | None = None, /, **named: str) -> None:
        """Show values after each deploy: `self.add_outputs(ApiEndpoint=api.url)`. Names are letters and digits."""
        for name, value in {**(outputs or {}), **named}.items():
            if not name.isascii() or not name.isalnum():
                raise refuse(
                    "output-name",
                    f"stack `{self.node.path}` has an output named `{name}`, which CloudFormation refuses",
                    hint="use letters and digits only",
                    root=self._kite_program.root,
                )
            if not isinstance(value, str):
                raise refuse(
                    "output-value",
                    f"stack `{self.node.path}` has the output `{name}` set to a {type(value).__name__}, "
                    "which is not a string",
                    hint="pass a name, an ARN or a URL, for instance `api.url`",
                    root=self._kite_program.root,
                )
            with construct_errors(lambda: f"output `{name}`", self._kite_program):  # noqa: B023  (called at once)
                aws_cdk.CfnOutput(self, name, value=value)


def _environment(env: Any) -> dict[str, str]:
    if env is None:
        return {}
    given = dict(env) if isinstance(env, Mapping) else {"account": env.account, "region": env.region}
    return cast("dict[str, str]", {name: value for name, value in given.items() if value is not None})
