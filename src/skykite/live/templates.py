"""From the templates that synth wrote to those a live stage is deployed with.

In: templates whose live functions have the stub's code, and the stage. Out: other templates, and notices. Pure.

Added to each live function: the variable that tells its stub where it belongs, and the longest time Lambda gives,
since the function's own is kept where it runs. Taken from it: its VPC, from where the stub might not reach AWS, and
its layers and the variables that start code with them, which are for code that runs elsewhere. A function URL of it
does not stream: a stub has whole answers, whose status and headers would be part of the text. Added to its role:
what the stub needs and no more, and the developer among those who may assume it, unless functions run with the
developer's own credentials. A queue of the app that feeds one hides its messages for as long as a stub may take:
Lambda takes no mapping otherwise. `kite deploy` deploys the templates without any of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from skykite.aws import Identity
from skykite.errors import SkykiteError
from skykite.live.principal import TRUST_SID, trust_statement
from skykite.model.bootstrap import REPLIES_NAMESPACE, REQUESTS_NAMESPACE, EventApi, bootstrap_bucket
from skykite.model.events import Notice
from skykite.model.live import STUB_VARIABLE, lease_key, stage_key_name, stub_settings, visibility_told
from skykite.model.manifest import FunctionEntry
from skykite.model.names import AppName, StackName, StageName
from skykite.model.project import LiveCredentials
from skykite.model.references import Address, Expression, Templates

POLICY_NAME: Final = "SkykiteLive"
_VARIABLES_LIMIT: Final = 4096  # bytes, as Lambda counts them: all of them as one JSON object
_QUEUE_VISIBILITY: Final = 30  # seconds, SQS's default
_STUB_TIMEOUT: Final = 900  # seconds, Lambda's longest
_OF_THE_CODE: Final = ("AWS_LAMBDA_EXEC_WRAPPER", "LD_PRELOAD", "PYTHONHOME")
"""Variables that say how the function's own code is started, mostly by files of layers that a stub has not."""

Template = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStage:
    """What the stubs of a stage have in common. `developer` is who runs `kite dev`, with the `credentials` of each
    function's role, or else with their own: then no role needs to trust them."""

    app: AppName
    stage: StageName
    region: str
    api: EventApi
    developer: Identity
    credentials: LiveCredentials = "role"

    @property
    def bucket(self) -> str:
        return bootstrap_bucket(self.developer.account, self.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTemplates:
    """All templates of an app; `notices` are about what cannot be as one would expect it."""

    templates: Mapping[StackName, Template]
    notices: tuple[Notice, ...]


def live_templates(
    templates: Mapping[StackName, Mapping[str, Any]], functions: Iterable[FunctionEntry], stage: LiveStage
) -> LiveTemplates:
    """`functions` are the live ones. Raises `live-role-foreign`, `live-role-unchangeable` or
    `live-environment-too-large`."""
    opener = _Opener(templates, stage)
    notices = tuple(notice for entry in functions if (notice := opener.open(entry)) is not None)
    return LiveTemplates(templates=opener.changed, notices=notices)


def stub_policy(stage: LiveStage) -> Template:
    """What a stub does: connect, ask, hear its answers, and read its stage's key and lease."""
    partition, account = stage.developer.partition, stage.developer.account
    parameter = f"arn:{partition}:ssm:{stage.region}:{account}:parameter{stage_key_name(stage.app, stage.stage)}"
    lease = f"arn:{partition}:s3:::{stage.bucket}/{lease_key(stage.app, stage.stage)}"
    allowed = (
        ("appsync:EventConnect", stage.api.arn),
        ("appsync:EventPublish", stage.api.namespace_arn(REQUESTS_NAMESPACE)),
        ("appsync:EventSubscribe", stage.api.namespace_arn(REPLIES_NAMESPACE)),
        ("ssm:GetParameter", parameter),
        ("s3:GetObject", lease),
    )
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed],
    }


class _Opener:
    """Makes one function after the other live. `given` stays as it is, `changed` is what comes out."""

    def __init__(self, templates: Mapping[StackName, Mapping[str, Any]], stage: LiveStage) -> None:
        self._given = Templates(templates)
        self._stage = stage
        self.changed: dict[StackName, Template] = {name: copy.deepcopy(dict(one)) for name, one in templates.items()}
        self._sources: dict[Address, list[Expression]] = {}
        for address, mapping in self._given.of_type("AWS::Lambda::EventSourceMapping"):
            properties = mapping.get("Properties", {})
            if _takes_from_queue(properties):
                source = Expression(address.stack, properties["EventSourceArn"])
                for function in self._given.functions(Expression(address.stack, properties.get("FunctionName"))):
                    self._sources.setdefault(function, []).append(source)
        self._streams: dict[Address, list[Address]] = {}  # the URLs that stream what a function answers
        for address, url in self._given.of_type("AWS::Lambda::Url"):
            properties = url.get("Properties", {})
            if properties.get("InvokeMode", "BUFFERED") != "BUFFERED":
                for function in self._given.functions(Expression(address.stack, properties.get("TargetFunctionArn"))):
                    self._streams.setdefault(function, []).append(address)

    def open(self, entry: FunctionEntry) -> Notice | None:
        address = Address(entry.stack, entry.logical_id)
        properties = self._properties(address)
        variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
        for name in _OF_THE_CODE:
            variables.pop(name, None)
        seen = variables.get(STUB_VARIABLE)
        visibility, why_not = self._open_queues(address)
        if seen is not None:  # was opened before, and its queues too
            visibility = visibility_told(seen)
        variables[STUB_VARIABLE] = stub_settings(
            app=self._stage.app,
            stage=self._stage.stage,
            function=entry.id,
            api=self._stage.api,
            bucket=self._stage.bucket,
            visibility_s=visibility,
        )
        _check_size(variables, entry)
        self._open_role(address, entry)
        for url in self._streams.get(address, ()):
            self._properties(url)["InvokeMode"] = "BUFFERED"
        for name in ("VpcConfig", "Layers"):
            properties.pop(name, None)
        if why_not is None:
            properties["Timeout"] = _STUB_TIMEOUT
            return None
        return Notice(
            notice="live-timeout-kept",
            message=f"`{entry.id}` is fed by a queue {why_not}: its stub keeps the function's own timeout of "
            f"{entry.timeout_s} s, also at a breakpoint",
        )

    def _open_queues(self, function: Address) -> tuple[int | None, str | None]:
        """How long messages are hidden from the function's queues by their own settings, if they are changed; and what
        is in the way of changing one."""
        visibilities: list[int] = []
        why_not: str | None = None
        for source in self._sources.get(function, ()):
            queue = self._named(source, "AWS::SQS::Queue")
            if queue is None:
                if self._may_be_queue(source):
                    why_not = "that is not part of the app"
                continue
            own = self._given.resource(queue).get("Properties", {}).get("VisibilityTimeout", _QUEUE_VISIBILITY)
            if not isinstance(own, int):
                why_not = "whose visibility timeout is only known when it is deployed"
                continue
            visibilities.append(own)
            if own < _STUB_TIMEOUT:
                self._properties(queue)["VisibilityTimeout"] = _STUB_TIMEOUT
        return max(visibilities, default=None), why_not

    def _open_role(self, function: Address, entry: FunctionEntry) -> None:
        value = self._given.resource(function).get("Properties", {}).get("Role")
        role = self._named(Expression(function.stack, value), "AWS::IAM::Role")
        if role is None:
            raise SkykiteError(
                "live-role-foreign",
                f"`{entry.id}` has a role that is not part of the app, so it cannot be opened to its stub",
                hint=f"set live=False for it{_at(entry)}, or let the function make its own role",
            )
        settings = self._properties(role)
        policies = settings.setdefault("Policies", [])
        trust = settings.get("AssumeRolePolicyDocument")
        statements = trust.get("Statement") if isinstance(trust, dict) else None
        if not isinstance(policies, list) or not isinstance(statements, list):
            raise SkykiteError(
                "live-role-unchangeable",
                f"the role of `{entry.id}` has policies that are only known when it is deployed",
                hint=f"set live=False for it{_at(entry)}, or write the policies as lists",
            )
        _put(policies, "PolicyName", {"PolicyName": POLICY_NAME, "PolicyDocument": stub_policy(self._stage)})
        if self._stage.credentials == "role":
            _put(statements, "Sid", trust_statement(self._stage.developer))

    def _named(self, expression: Expression, type: str) -> Address | None:
        """The resource of that type which a value is about."""
        return next((one for one in self._given.targets(expression) if self._type(one) == type), None)

    def _may_be_queue(self, source: Expression) -> bool:
        """Whether what is no queue of the app may be another's: unless it is something else of the app, or says so."""
        if any(True for _ in self._given.targets(source)):
            return False
        service = self._given.text(source).split(":")[2:3]
        return not service or "$" in service[0] or service[0] == "sqs"

    def _type(self, address: Address) -> str:
        return str(self._given.resource(address)["Type"])

    def _properties(self, address: Address) -> Template:
        """To be changed."""
        found: Template = self.changed[address.stack]["Resources"][address.logical_id].setdefault("Properties", {})
        return found


def _takes_from_queue(mapping: Mapping[str, Any]) -> bool:
    """Of sources with an ARN, streams need a place to start at, and message brokers name their queues."""
    return "EventSourceArn" in mapping and "StartingPosition" not in mapping and "Queues" not in mapping


def _put(documents: list[Any], key: str, document: Template) -> None:
    """Instead of the one that has the same name."""
    documents[:] = [one for one in documents if not (isinstance(one, dict) and one.get(key) == document[key])]
    documents.append(document)


def _check_size(variables: Mapping[str, Any], entry: FunctionEntry) -> None:
    known = {name: value if isinstance(value, str) else "" for name, value in variables.items()}
    size = len(json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode())
    if size > _VARIABLES_LIMIT:
        raise SkykiteError(
            "live-environment-too-large",
            f"the environment variables of `{entry.id}` take {size} bytes with the one its stub needs; Lambda takes "
            f"{_VARIABLES_LIMIT}",
            hint=f"set live=False for it{_at(entry)}, or keep large values elsewhere",
        )


def _at(entry: FunctionEntry) -> str:
    return f" at `{entry.location}`" if entry.location else ""


__all__ = ["POLICY_NAME", "TRUST_SID", "LiveStage", "LiveTemplates", "Template", "live_templates", "stub_policy"]
