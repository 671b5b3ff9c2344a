"""From the template that synth wrote to the one a live stage is deployed with.

In: a template whose live functions have the stub's code, and the stage. Out: another template, and notices. Pure.

Added to each live function: the variable that tells its stub where it belongs. To its role: what the stub needs and no
more, and the developer among those who may assume it. A queue that feeds one hides its messages for as long as a stub
may take, since Lambda refuses a mapping otherwise; the stub gives them back after the queue's own time.
`kite deploy` deploys the template without any of it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from skykite.aws import Identity
from skykite.errors import SkykiteError
from skykite.live.principal import TRUST_SID, trust_statement
from skykite.model.bootstrap import REPLIES_NAMESPACE, REQUESTS_NAMESPACE, EventApi, bootstrap_bucket
from skykite.model.events import Notice
from skykite.model.live import STUB_VARIABLE, lease_key, stage_key_name, stub_settings
from skykite.model.manifest import FunctionEntry
from skykite.model.names import AppName, LogicalId, StageName

POLICY_NAME: Final = "SkykiteLive"
_VARIABLES_LIMIT: Final = 4096  # bytes, as Lambda counts them
_QUEUE_VISIBILITY: Final = 30  # seconds, SQS's default
_STUB_TIMEOUT: Final = 900  # seconds, as `constructs` gives it to stubs

Template = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStage:
    """What the stubs of a stage have in common. `developer` is who runs `kite dev`."""

    app: AppName
    stage: StageName
    region: str
    api: EventApi
    developer: Identity

    @property
    def bucket(self) -> str:
        return bootstrap_bucket(self.developer.account, self.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTemplate:
    """`notices` are about what cannot be as one would expect it."""

    template: Template
    notices: tuple[Notice, ...]


def live_template(template: Mapping[str, Any], functions: Iterable[FunctionEntry], stage: LiveStage) -> LiveTemplate:
    """`functions` are the live ones of this template's stack. Raises `live-role-foreign`, `live-role-unchangeable` or
    `live-environment-too-large`."""
    changed: Template = copy.deepcopy(dict(template))
    resources = changed.get("Resources", {})
    notices: list[Notice] = []
    for entry in functions:
        properties = resources[entry.logical_id].setdefault("Properties", {})
        visibility, notice = _open_queues(template["Resources"], resources, entry, properties)
        if notice is not None:
            notices.append(notice)
        _tell_stub(properties, entry, stage, visibility)
        _open_role(resources, properties, entry, stage)
    return LiveTemplate(template=changed, notices=tuple(notices))


def _tell_stub(properties: Template, entry: FunctionEntry, stage: LiveStage, visibility: int | None) -> None:
    variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
    variables[STUB_VARIABLE] = stub_settings(
        app=stage.app,
        stage=stage.stage,
        function=entry.id,
        api=stage.api,
        bucket=stage.bucket,
        visibility_s=visibility,
    )
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items() if isinstance(value, str))
    if size > _VARIABLES_LIMIT:
        raise SkykiteError(
            "live-environment-too-large",
            f"the variables of `{entry.id}` take {size} bytes with the one its stub needs; Lambda takes "
            f"{_VARIABLES_LIMIT}",
            hint=f"set live=False for it{_at(entry)}, or keep large values elsewhere",
        )


# Roles


def _open_role(resources: Template, properties: Template, entry: FunctionEntry, stage: LiveStage) -> None:
    role = resources.get(_referred(properties.get("Role")) or "")
    if role is None or role.get("Type") != "AWS::IAM::Role":
        raise SkykiteError(
            "live-role-foreign",
            f"`{entry.id}` has a role that is not in its own stack, so it cannot be opened to its stub",
            hint=f"set live=False for it{_at(entry)}, or let the function make its own role",
        )
    settings = role.setdefault("Properties", {})
    policies = settings.setdefault("Policies", [])
    trust = settings.get("AssumeRolePolicyDocument")
    statements = trust.get("Statement") if isinstance(trust, dict) else None
    if not isinstance(policies, list) or not isinstance(statements, list):
        raise SkykiteError(
            "live-role-unchangeable",
            f"the role of `{entry.id}` has policies that are only known when it is deployed",
            hint=f"set live=False for it{_at(entry)}, or write the policies as lists",
        )
    policies[:] = [one for one in policies if not (isinstance(one, dict) and one.get("PolicyName") == POLICY_NAME)]
    policies.append({"PolicyName": POLICY_NAME, "PolicyDocument": stub_policy(stage)})
    statements[:] = [one for one in statements if not (isinstance(one, dict) and one.get("Sid") == TRUST_SID)]
    statements.append(trust_statement(stage.developer))


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


# Queues


def _open_queues(
    given: Mapping[str, Any], resources: Template, entry: FunctionEntry, properties: Template
) -> tuple[int | None, Notice | None]:
    """How long the function's messages are hidden after a failure, if a queue is changed; a notice if one cannot be."""
    visibilities: list[int] = []
    foreign: list[str] = []
    for source in _event_sources(resources, entry.logical_id):
        name = _referred(source) or ""
        queue = given.get(name)
        if queue is not None and queue.get("Type") == "AWS::SQS::Queue":
            own = queue.get("Properties", {}).get("VisibilityTimeout", _QUEUE_VISIBILITY)
            if isinstance(own, int):
                visibilities.append(own)
                resources[name].setdefault("Properties", {})["VisibilityTimeout"] = max(own, _STUB_TIMEOUT)
            else:
                foreign.append("whose visibility timeout is only known when it is deployed")
        elif queue is None and ":dynamodb:" not in str(source) and ":kinesis:" not in str(source):
            foreign.append("that is not in its stack")
    if not foreign:
        return max(visibilities, default=None), None
    properties["Timeout"] = entry.timeout_s
    return max(visibilities, default=None), Notice(
        notice="live-timeout-kept",
        message=f"`{entry.id}` is fed by a queue or stream {foreign[0]}: its stub keeps the function's own timeout of "
        f"{entry.timeout_s} s, also at a breakpoint",
    )


def _event_sources(resources: Template, function: LogicalId) -> Sequence[Any]:
    found = []
    for resource in resources.values():
        if resource.get("Type") != "AWS::Lambda::EventSourceMapping":
            continue
        properties = resource.get("Properties", {})
        if _referred(properties.get("FunctionName")) == function and "EventSourceArn" in properties:
            found.append(properties["EventSourceArn"])
    return found


def _referred(value: Any) -> str | None:
    """The logical id that a Ref or the Arn of a GetAtt is about."""
    if not isinstance(value, dict):
        return None
    if isinstance(target := value.get("Ref"), str):
        return target
    parts = value.get("Fn::GetAtt")
    if isinstance(parts, str):
        parts = parts.split(".", 1)
    return parts[0] if isinstance(parts, list) and len(parts) == 2 and parts[1] == "Arn" else None


def _at(entry: FunctionEntry) -> str:
    return f" at `{entry.location}`" if entry.location else ""
