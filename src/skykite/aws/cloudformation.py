"""Stacks, change sets and their events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from skykite.aws.connection import Caller
from skykite.aws.errors import AwsError

CAPABILITIES: Final = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
TEMPLATE_BODY_LIMIT: Final = 51_200  # bytes; a bigger template must be read from S3


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOutput:
    """One output of a deployed stack."""

    key: str
    value: str
    export_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """A deployed stack. Values of `NoEcho` parameters come as asterisks."""

    name: str
    id: str
    status: str
    reason: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: tuple[StackOutput, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    created: datetime
    updated: datetime | None = None
    termination_protection: bool = False
    nested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StackEvent:
    """CloudFormation's word on one resource, or on the stack itself. `token` is what the operation was started with."""

    id: str
    stack_id: str
    stack: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    at: datetime
    token: str

    @property
    def of_stack(self) -> bool:
        """Whether it speaks of the whole stack."""
        return self.physical_id == self.stack_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StackResource:
    """One resource of a deployed stack."""

    logical_id: str
    physical_id: str
    type: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDetail:
    """Why a resource changes: `attribute` is `Properties`, `Tags`, `Metadata`, …; `name` the property."""

    attribute: str
    name: str
    recreation: str  # `Never`, `Conditionally`, `Always`
    source: str = ""  # `DirectModification`, `ResourceAttribute`, `ResourceReference`, …; empty if the cloud is silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change set would do to one resource."""

    action: Literal["Add", "Modify", "Remove", "Import", "Dynamic", "SyncWithActual"]
    logical_id: str
    physical_id: str
    type: str
    replacement: str  # `True`, `False`, `Conditional`; empty unless `Modify`
    policy_action: str  # `Delete`, `Retain`, `Snapshot`, `ReplaceAndDelete`, …; empty if the cloud does not say
    details: tuple[ChangeDetail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """A change set as it stands."""

    id: str
    stack_id: str
    status: str
    execution_status: str
    reason: str
    changes: tuple[Change, ...] = ()


class CloudFormation:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/

    Where a method takes `stack`, a name or an id does; a deleted stack is found by its id only.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def connect(self) -> None:
        """Make the client now."""
        self._caller.client()

    def stacks(self) -> tuple[StackState, ...]:
        """Every stack of the account and region that is not deleted."""
        return tuple(_stack(entry) for entry in self._pages("DescribeStacks", "Stacks"))

    def stack(self, stack: str) -> StackState | None:
        """One stack, or `None` if there is none of that name."""
        try:
            answer = self._caller.call("DescribeStacks", StackName=stack)
        except AwsError as error:
            if _is_missing(error):
                return None
            raise
        return _stack(answer["Stacks"][0])

    def resources(self, stack: str) -> tuple[StackResource, ...]:
        """The resources of a stack."""
        return tuple(
            StackResource(
                logical_id=entry["LogicalResourceId"],
                physical_id=entry.get("PhysicalResourceId") or "",
                type=entry["ResourceType"],
                status=entry["ResourceStatus"],
            )
            for entry in self._pages("ListStackResources", "StackResourceSummaries", StackName=stack)
        )

    def template(self, stack: str) -> dict[str, Any] | None:
        """The template a stack was deployed with, transforms applied; `None` if it is not JSON."""
        answer = self._caller.call("GetTemplate", StackName=stack, TemplateStage="Processed")
        body = answer["TemplateBody"]
        if isinstance(body, str):
            try:
                body = msgspec.json.decode(body)
            except msgspec.DecodeError:
                return None
        return dict(body)

    def importers(self, export: str) -> tuple[str, ...]:
        """The names of the stacks that import an export."""
        try:
            return tuple(self._pages("ListImports", "Imports", ExportName=export))
        except AwsError as error:
            if error.aws_code == "ValidationError" and "not imported" in error.reason:
                return ()
            raise

    def events(self, stack: str) -> Iterator[StackEvent]:
        """What happened to a stack, the newest first, fetched as far as it is read."""
        for entry in self._pages("DescribeStackEvents", "StackEvents", StackName=stack):
            yield _event(entry)

    def create_change_set(
        self,
        *,
        stack: str,
        name: str,
        kind: Literal["CREATE", "UPDATE"],
        template: str | None,
        template_url: str | None,
        parameters: Sequence[str],
        tags: Mapping[str, str],
    ) -> ChangeSet:
        """Begin a change set. `parameters` names those that keep their present value. One of `template` and
        `template_url` is given."""
        answer = self._caller.call(
            "CreateChangeSet",
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType=kind,
            TemplateBody=template,
            TemplateURL=template_url,
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in parameters],
            Capabilities=list(CAPABILITIES),
            Tags=_tags(tags),
        )
        return ChangeSet(
            id=answer["Id"], stack_id=answer["StackId"], status="CREATE_PENDING", execution_status="", reason=""
        )

    def describe_change_set(self, id: str) -> ChangeSet:
        """A change set with all its changes."""
        first: dict[str, Any] | None = None
        changes: list[Change] = []
        token: str | None = None
        while True:
            page = self._caller.call("DescribeChangeSet", ChangeSetName=id, NextToken=token)
            first = first or page
            changes += [
                _change(entry["ResourceChange"]) for entry in page.get("Changes", ()) if "ResourceChange" in entry
            ]
            token = page.get("NextToken") or None
            if token is None:
                return ChangeSet(
                    id=first["ChangeSetId"],
                    stack_id=first["StackId"],
                    status=first["Status"],
                    execution_status=first.get("ExecutionStatus") or "",
                    reason=first.get("StatusReason") or "",
                    changes=tuple(changes),
                )

    def execute_change_set(self, id: str, *, token: str) -> None:
        """Carry a change set out; the events of that carry `token`."""
        self._caller.call("ExecuteChangeSet", ChangeSetName=id, ClientRequestToken=token)

    def delete_change_set(self, id: str) -> None:
        """Forget a change set that was not carried out."""
        self._caller.call("DeleteChangeSet", ChangeSetName=id)

    def validation_failures(self, change_set: str) -> tuple[tuple[str, str], ...]:
        """Logical id and reason of what AWS found wrong with a change set before deploying it.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
        """
        return tuple(
            (entry.get("LogicalResourceId") or "", entry.get("ValidationStatusReason") or "")
            for entry in self._pages(
                "DescribeEvents", "OperationEvents", ChangeSetName=change_set, Filters={"FailedEvents": True}
            )
            if entry.get("EventType") == "VALIDATION_ERROR"
        )

    def update_stack(
        self,
        *,
        stack: str,
        template: str | None,
        template_url: str | None,
        parameters: Sequence[str],
        tags: Mapping[str, str],
        token: str,
    ) -> bool:
        """Update without a change set. False if there is nothing to do."""
        try:
            self._caller.call(
                "UpdateStack",
                StackName=stack,
                TemplateBody=template,
                TemplateURL=template_url,
                Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in parameters],
                Capabilities=list(CAPABILITIES),
                Tags=_tags(tags),
                ClientRequestToken=token,
            )
        except AwsError as error:
            if error.aws_code == "ValidationError" and "No updates are to be performed" in error.reason:
                return False
            raise
        return True

    def delete_stack(self, stack: str, *, token: str) -> None:
        """Begin to delete a stack; the events of that carry `token`."""
        self._caller.call("DeleteStack", StackName=stack, ClientRequestToken=token)

    def _pages(self, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._caller.call(operation, NextToken=token, **parameters)
            yield from page.get(key) or ()
            token = page.get("NextToken") or None
            if token is None:
                return


def _is_missing(error: AwsError) -> bool:
    return error.aws_code == "ValidationError" and "does not exist" in error.reason


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _stack(entry: Mapping[str, Any]) -> StackState:
    return StackState(
        name=entry["StackName"],
        id=entry["StackId"],
        status=entry["StackStatus"],
        reason=entry.get("StackStatusReason") or "",
        parameters={item["ParameterKey"]: item.get("ParameterValue", "") for item in entry.get("Parameters", ())},
        outputs=tuple(
            StackOutput(
                key=item["OutputKey"], value=item.get("OutputValue", ""), export_name=item.get("ExportName") or None
            )
            for item in entry.get("Outputs", ())
        ),
        tags={item["Key"]: item["Value"] for item in entry.get("Tags", ())},
        created=entry["CreationTime"],
        updated=entry.get("LastUpdatedTime"),
        termination_protection=bool(entry.get("EnableTerminationProtection")),
        nested=bool(entry.get("ParentId")),
    )


def _event(entry: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=entry["EventId"],
        stack_id=entry["StackId"],
        stack=entry["StackName"],
        logical_id=entry.get("LogicalResourceId") or "",
        physical_id=entry.get("PhysicalResourceId") or "",
        type=entry.get("ResourceType") or "",
        status=entry.get("ResourceStatus") or "",
        reason=entry.get("ResourceStatusReason") or "",
        at=entry["Timestamp"],
        token=entry.get("ClientRequestToken") or "",
    )


def _change(entry: Mapping[str, Any]) -> Change:
    details = []
    for detail in entry.get("Details", ()):
        target = detail.get("Target", {})
        details.append(
            ChangeDetail(
                attribute=target.get("Attribute", ""),
                name=target.get("Name") or "",
                recreation=target.get("RequiresRecreation") or "Never",
                source=detail.get("ChangeSource") or "",
            )
        )
    return Change(
        action=entry["Action"],
        logical_id=entry["LogicalResourceId"],
        physical_id=entry.get("PhysicalResourceId") or "",
        type=entry["ResourceType"],
        replacement=entry.get("Replacement") or "",
        policy_action=entry.get("PolicyAction") or "",
        details=tuple(details),
    )
