"""`Script`: a function that runs when a stack is created, updated or deleted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.code import code_of_script
from skykite.constructs.consumers import cdk_function, make_function, read_defaults
from skykite.constructs.function import Function
from skykite.constructs.function_options import log_group_of
from skykite.constructs.function_props import merge_function_props
from skykite.constructs.props import PropProblem, ScriptProps, check_known, check_type
from skykite.model.script_package import SCRIPT_HANDLER, SCRIPT_RUNTIME

if TYPE_CHECKING:
    from skykite.constructs.props import Consumer

TYPE: Final = "Custom::SkykiteScript"
_LONGEST_S: Final = 900  # a function's
_EVENTS: Final = ("on_create", "on_update", "on_delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCdk:
    """The CDK objects of a `Script`; `functions` by `on_create`, `on_update`, `on_delete`."""

    custom_resource: aws_cdk.CustomResource
    handler: lambda_.Function
    functions: Mapping[str, lambda_.IFunction]


class Script(SkykiteConstruct):
    """Runs functions when its stack is deployed for the first time, deployed again with other inputs, and removed.

    ```python
    Script(self, "Seed",
        on_create="functions/seed.fill",
        on_update="functions/seed.migrate",
        params={"table": notes.name},
        defaults={"function": {"link": [notes]}},
    )
    ```

    - `on_create`, `on_update`, `on_delete`: at least one; a handler, a dict of `Function`'s arguments with its
      `handler`, a `Function`, or a CDK function. One that is given twice is one function. They may take 15 minutes
      unless they say otherwise
    - `params`: what JSON can say, and values that only a deploy knows. The function gets
      `{"type": "create" | "update" | "delete", "params": {…}}`, an update `previous_params` too
    - `version`: any text; another one is another input
    - `defaults={"function": {…}}`: as those of an `Api`

    `on_update` runs when an input is another than at the last deploy: `params`, `version`, which functions they are,
    or, with `kite deploy`, their code. A failure fails the deploy, which is then rolled back, and says what the
    function said; a rollback runs `on_update` with the former inputs, and goes on even if that fails. While `kite dev`
    runs, the functions run on your machine like any other.

    It creates a custom resource and the Lambda function behind it, which may invoke these functions, ask for the
    stack's state, and nothing else.

    Raises SkykiteError at once if any of it is wrong.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[ScriptProps]) -> None:
        super().__init__(scope, id, kind="script")
        given = cast("dict[str, Any]", props)
        program = self._kite_program
        with self._checking():
            check_known(given, tuple(ScriptProps.__annotations__))
            wanted = {event: given[event] for event in _EVENTS if given.get(event) is not None}
            if not wanted:
                raise PropProblem(
                    "script-empty",
                    "runs nothing",
                    hint='give on_create, on_update or on_delete, for instance on_create="functions/seed.fill"',
                )
            params = _read_params(given.get("params", {}))
            version = given.get("version")
            if version is not None:
                check_type("version", version, str, "a string")
            defaults = merge_function_props({"timeout": _LONGEST_S}, read_defaults(given.get("defaults")))
            self._functions = self._make_functions(wanted, defaults)
        with self._checking():
            self._handler = lambda_.Function(
                self,
                "Handler",
                runtime=lambda_.Runtime(SCRIPT_RUNTIME, lambda_.RuntimeFamily.PYTHON),
                handler=SCRIPT_HANDLER,
                code=code_of_script(self, program),
                timeout=aws_cdk.Duration.seconds(_LONGEST_S),
                memory_size=256,
                description=f"Runs the functions of {self.path} for CloudFormation",
                log_group=log_group_of(self, None, program.synthesis),
            )
            targets = {event: cdk_function(function) for event, function in self._functions.items()}
            for target in {_id_of(one): one for one in targets.values()}.values():
                target.grant_invoke(self._handler)
            stack = aws_cdk.Stack.of(self)
            self._handler.add_to_role_policy(
                iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[stack.stack_id])
            )
            script = {
                event.removeprefix("on_"): {
                    "function": target.function_arn,
                    "label": _label(self._functions[event], program.functions),
                }
                for event, target in targets.items()
            }
            self._custom_resource = aws_cdk.CustomResource(
                self,
                "Resource",
                resource_type=TYPE,
                service_token=self._handler.function_arn,
                service_timeout=aws_cdk.Duration.seconds(_LONGEST_S + 60),
                properties={
                    "Script": stack.to_json_string({**script, "params": params}),
                    "Version": self._version(version),
                },
            )
            # Not only their functions: what they may do has to be there too, and stay until on_delete has run.
            self._custom_resource.node.add_dependency(self._handler, *self._functions.values())

    @property
    def cdk(self) -> ScriptCdk:
        """The CDK objects behind it."""
        return ScriptCdk(
            custom_resource=self._custom_resource,
            handler=self._handler,
            functions={event: cdk_function(function) for event, function in self._functions.items()},
        )

    def get_function(self, event: str) -> Function | lambda_.IFunction:
        """What runs `on_create`, `on_update` or `on_delete`."""
        if event not in self._functions:
            raise self.refuse("script-event", f"{self.title} has no `{event}`")
        return self._functions[event]

    def _make_functions(
        self, wanted: Mapping[str, Consumer], defaults: Mapping[str, Any]
    ) -> dict[str, Function | lambda_.IFunction]:
        made: dict[str, Function | lambda_.IFunction] = {}
        for event, given in wanted.items():
            same = next((one for one in made if wanted[one] is given or wanted[one] == given), None)
            made[event] = (
                made[same]
                if same is not None
                else make_function(
                    self, event.removeprefix("on_").title(), given, defaults, within=event, source="event"
                )
            )
        return made

    def _version(self, given: str | None) -> str:
        """Another one when the code is another. While developing, code is no part of what is deployed."""
        program = self._kite_program
        digest = hashlib.sha256(json.dumps(given).encode())
        for function in self._functions.values():
            declared = program.functions.get(function.path) if isinstance(function, Function) else None
            if declared is not None and (program.synthesis.mode == "deploy" or not declared.live):
                digest.update(f"{declared.handler} {program.hashes[declared.bundle]}".encode())
        return digest.hexdigest()[:16]


def _id_of(function: lambda_.IFunction) -> str:
    return cast("str", function.node.addr)


def _label(function: Any, declared: Mapping[Any, Any]) -> str:
    if isinstance(function, Function):
        return str(declared[function.path].handler)
    return str(function.node.path)


def _read_params(given: object) -> Mapping[str, Any]:
    check_type("params", given, Mapping, "a dict")
    try:
        json.dumps(given)
    except (TypeError, ValueError) as error:
        raise PropProblem(
            "script-params",
            f"has params that JSON cannot say: {error}",
            hint="pass names, numbers and texts: a construct's `name` or `arn` rather than the construct",
        ) from None
    return cast("Mapping[str, Any]", given)
