"""One stack, brought to what is wanted: change set, question, execution; or deleted.

In: a stack as it should be. Out: its state afterwards, or a SkykiteError. I/O: CloudFormation, S3 for big templates, a
question to the user.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from skykite.aws import AwsError, AwsSession, ChangeSet, StackEvent, StackResource, StackState
from skykite.aws.cloudformation import TEMPLATE_BODY_LIMIT
from skykite.deploy.consent import Consent, compares_with_deployed, describe_changes
from skykite.deploy.exports import changing_exports, export_changes
from skykite.deploy.failure import Cause, causes, hint_for, is_follow_up, readable
from skykite.deploy.templates import DesiredStack, StackPaths, kept_parameters, template_text
from skykite.deploy.watch import Ended, Operation, Pace, follow
from skykite.errors import SkykiteError
from skykite.model.events import DeployPlanned, Notice, StepProgress
from skykite.model.names import StackName
from skykite.model.plan import KeptExport
from skykite.ports import Clock, EventSink

PutTemplate = Callable[[str, bytes], Awaitable[str]]
"""Puts a template that is too big for a request where CloudFormation can read it: a key and bytes in, a URL out."""

_UPDATABLE: Final = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
_LEFTOVERS: Final = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
_NO_CHANGES: Final = re.compile(r"didn't contain changes|No updates are to be performed")
_UNRECOGNIZED: Final = re.compile(r"Unrecognized resource types: \[([^]]*)\]")
_NOT_EMPTY: Final = re.compile(r"not empty|BucketNotEmpty|delete all versions", re.IGNORECASE)
_BUCKET: Final = "AWS::S3::Bucket"


class StackFailedError(SkykiteError):
    """A stack did not become what was wanted. `causes` come the earliest first."""

    def __init__(
        self, code: str, message: str, *, causes: Sequence[Cause], context: str | None, hint: str | None
    ) -> None:
        super().__init__(code, message, context=context, hint=hint)
        self.causes = tuple(causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How applying a stack went. `state` is the stack's now."""

    result: Literal["created", "updated", "unchanged"]
    state: StackState


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A stack is gone. `retained` are resources that a policy kept, logical id and physical id."""

    retained: tuple[StackResource, ...]


def next_move(state: StackState | None) -> Literal["create", "update", "wait", "delete", "stuck"]:
    """What a stack's status allows. Pure."""
    if state is None or state.status in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS"):
        return "create"
    if state.status in _UPDATABLE:
        return "update"
    if state.status in _LEFTOVERS:
        return "delete"
    return "wait" if state.status.endswith("_IN_PROGRESS") else "stuck"


class StackOperator:
    """Works on single stacks; several at once are fine."""

    def __init__(
        self, *, session: AwsSession, events: EventSink, clock: Clock, consent: Consent, put_template: PutTemplate
    ) -> None:
        self._session = session
        self._cloudformation = session.cloudformation
        self._events = events
        self._clock = clock
        self._consent = consent
        self._put_template = put_template
        self._count = itertools.count(1)

    async def apply(self, desired: DesiredStack, *, kept: Sequence[KeptExport] = ()) -> Applied:
        """Create or update a stack, whatever state an earlier run left it in."""
        state = await self._settle(desired)
        run, cloudformation = self._session.run, self._cloudformation
        text = template_text(desired, kept=kept)
        template, url = await self._place(text)
        parameters = kept_parameters(desired, state)
        token = self._token()
        try:
            begun = await run(
                cloudformation.create_change_set,
                stack=desired.name,
                name=token,
                kind="CREATE" if state is None else "UPDATE",
                template=template,
                template_url=url,
                parameters=parameters,
                tags=desired.tags,
            )
        except AwsError as error:
            raise _rejected(error, desired) from error
        change_set = await self._finished(begun)
        paths = desired.paths
        if change_set.status == "FAILED":
            if state is None or not _NO_CHANGES.search(change_set.reason):
                complaint = await self._change_set_failed(change_set, desired.paths)
                await self._abandon(change_set, placeholder=state is None)
                raise complaint
            await run(cloudformation.delete_change_set, change_set.id)
            # A change set of nothing but outputs is a change on AWS, and is none elsewhere. UpdateStack knows.
            begun_update = await run(
                cloudformation.update_stack,
                stack=desired.name,
                template=template,
                template_url=url,
                parameters=parameters,
                tags=desired.tags,
                token=token,
            )
            if not begun_update:
                return Applied(result="unchanged", state=state)
        else:
            paths = await self._agree(change_set, desired, state)
            await run(cloudformation.execute_change_set, change_set.id, token=token)
        ended = await self._follow(desired.name, change_set.stack_id, paths, token)
        self._judge(ended, paths, desired.name)
        after = await run(cloudformation.stack, change_set.stack_id)
        if after is None:
            raise SkykiteError(
                "stack-vanished", f"the stack of `{desired.path}` was deleted while it was deployed", blame="aws"
            )
        return Applied(result="created" if state is None else "updated", state=after)

    async def remove(self, state: StackState, paths: StackPaths, *, may_empty: bool) -> Removed:
        """Delete a stack. With `may_empty`, buckets that CloudFormation cannot delete because they hold objects are
        emptied; their deletion was agreed to."""
        name = StackName(state.name)
        if state.termination_protection:
            raise SkykiteError(
                "termination-protected",
                f"the stack `{name}` is protected from being deleted",
                hint=f"lift it with `aws cloudformation update-termination-protection --stack-name {name} "
                "--no-enable-termination-protection`",
            )
        if state.status.endswith("_IN_PROGRESS") and state.status != "REVIEW_IN_PROGRESS":
            self._say_waiting(paths, state)
            await self._follow(name, state.id, paths, None)
        ended = await self._delete(name, state.id, paths)
        full = _full_buckets(ended) if may_empty else ()
        if full:
            for event in full:
                await self._empty(event, paths)
            ended = await self._delete(name, state.id, paths)
        if ended.status != "DELETE_COMPLETE":
            raise _failed(ended, paths, name)
        return Removed(
            retained=tuple(
                StackResource(
                    logical_id=event.logical_id,
                    physical_id=event.physical_id,
                    type=event.type,
                    status=event.status,
                )
                for event in ended.events
                if event.status == "DELETE_SKIPPED"
            )
        )

    async def _settle(self, desired: DesiredStack) -> StackState | None:
        """Bring the stack into a state from which it can be created (None) or updated."""
        while True:
            state = await self._session.run(self._cloudformation.stack, desired.name)
            move = next_move(state)
            if move == "create" or state is None:
                return None
            match move:
                case "update":
                    return state
                case "wait":
                    self._say_waiting(desired.paths, state)
                    await self._follow(desired.name, state.id, desired.paths, None)
                case "delete":
                    self._events.emit(
                        Notice(
                            notice="stack-recreated",
                            message=f"`{desired.path}` was left in {state.status} by an earlier deploy: "
                            "it is deleted and created anew",
                        )
                    )
                    await self.remove(state, desired.paths, may_empty=False)
                case "stuck":
                    raise SkykiteError(
                        "stack-stuck",
                        f"the stack `{desired.name}` is in {state.status}: an update failed, and so did undoing it"
                        + (f": {state.reason}" if state.reason else ""),
                        hint="put right what the reason says, then run `aws cloudformation continue-update-rollback "
                        f"--stack-name {desired.name}` and deploy again",
                        blame="aws",
                    )
                case _:
                    assert_never(move)

    async def _place(self, text: str) -> tuple[str | None, str | None]:
        data = text.encode()
        if len(data) <= TEMPLATE_BODY_LIMIT:
            return text, None
        return None, await self._put_template(f"templates/{hashlib.sha256(data).hexdigest()}.json", data)

    async def _finished(self, change_set: ChangeSet) -> ChangeSet:
        pace = Pace(self._clock)
        while True:
            found = await self._session.run(self._cloudformation.describe_change_set, change_set.id)
            if found.status not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                return found
            await pace.wait()

    async def _agree(self, change_set: ChangeSet, desired: DesiredStack, state: StackState | None) -> StackPaths:
        """Say what is about to happen, and ask if it loses data. Returns the paths also of what is about to go."""
        deployed = None
        if state is not None and compares_with_deployed(change_set.changes):
            deployed = await self._session.run(self._cloudformation.template, state.id)
        paths = desired.paths if deployed is None else desired.paths.with_former(deployed)
        changes = describe_changes(change_set.changes, desired, paths=paths, deployed=deployed)
        self._events.emit(DeployPlanned(changes=changes))
        try:
            await self._refuse_locked_exports(change_set, desired, paths)
            await self._consent.to(changes)
        except SkykiteError:
            await self._abandon(change_set, placeholder=state is None)
            raise
        return paths

    async def _refuse_locked_exports(self, change_set: ChangeSet, desired: DesiredStack, paths: StackPaths) -> None:
        """CloudFormation would, in the middle of the update."""
        for export, logical_id in changing_exports(desired, change_set.changes).items():
            importers = await self._session.run(self._cloudformation.importers, export)
            if importers:
                raise export_changes(export, logical_id, importers, paths)

    async def _abandon(self, change_set: ChangeSet, *, placeholder: bool) -> None:
        """Leave nothing behind of a change set that will not be executed, nor of the stack it would have created."""
        await self._session.run(self._cloudformation.delete_change_set, change_set.id)
        if placeholder:
            await self._session.run(self._cloudformation.delete_stack, change_set.stack_id, token=self._token())

    async def _change_set_failed(self, change_set: ChangeSet, paths: StackPaths) -> SkykiteError:
        found: tuple[tuple[str, str], ...] = ()
        if "DescribeEvents" in change_set.reason:
            found = await self._session.run(self._cloudformation.validation_failures, change_set.id)
        reason = readable(change_set.reason, paths)
        lines = [f"`{paths.of(logical_id)}`: {readable(text, paths)}" for logical_id, text in found]
        return SkykiteError(
            "change-set-failed",
            f"CloudFormation cannot work out the changes of `{paths.root}`: {lines[0] if lines else reason}",
            context="\n".join(lines[1:]) or None,
            hint=hint_for(change_set.reason),
        )

    async def _follow(self, stack: StackName, stack_id: str, paths: StackPaths, token: str | None) -> Ended:
        operation = Operation(stack=stack, stack_id=stack_id, paths=paths, token=token)
        return await follow(operation, session=self._session, events=self._events, clock=self._clock)

    def _judge(self, ended: Ended, paths: StackPaths, name: StackName) -> None:
        if ended.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise _failed(ended, paths, name)
        for event in ended.events:
            if event.status == "DELETE_FAILED":
                self._events.emit(
                    Notice(
                        notice="resource-left-behind",
                        message=f"`{paths.of(event.logical_id)}` is no longer part of the stack, but "
                        f"`{event.physical_id}` could not be deleted: {readable(event.reason, paths)}",
                        hint=hint_for(event.reason) or "delete it by hand if it is not needed",
                    )
                )

    async def _delete(self, name: StackName, stack_id: str, paths: StackPaths) -> Ended:
        token = self._token()
        try:
            await self._session.run(self._cloudformation.delete_stack, stack_id, token=token)
        except AwsError as error:
            raise SkykiteError(
                "stack-not-removed",
                f"the stack `{name}` cannot be deleted: {readable(error.reason, paths) or error.message}",
                hint=hint_for(error.reason) or error.hint,
                blame="aws",
            ) from error
        return await self._follow(name, stack_id, paths, token)

    async def _empty(self, event: StackEvent, paths: StackPaths) -> None:
        path = paths.of(event.logical_id)

        def progress(count: int) -> None:
            self._events.emit(
                StepProgress(step="remove", message=f"emptying `{path}`: {count} object versions deleted")
            )

        await self._session.run(self._session.s3.empty, event.physical_id, progress=progress)

    def _say_waiting(self, paths: StackPaths, state: StackState) -> None:
        self._events.emit(
            Notice(
                notice="operation-picked-up",
                message=f"`{paths.root}` is in {state.status} since an earlier run; waiting for it first",
            )
        )

    def _token(self) -> str:
        """Names a change set and the events of an operation; the clock makes it new each time."""
        return f"skykite-{self._clock.now():%Y%m%dT%H%M%S%f}-{next(self._count)}"


def _failed(ended: Ended, paths: StackPaths, name: StackName) -> StackFailedError:
    found = causes(ended.events, paths)
    removing = ended.status.startswith("DELETE")
    lines = [f"also: {cause}" for cause in found[1:]]
    lines.append(f"the stack `{name}` is now in {ended.status}")
    first = found[0] if found else None
    hint = hint_for(first.reason) if first else None
    if hint is None and removing:
        hint = _left_behind(ended, name)
    return StackFailedError(
        "remove-failed" if removing else "deploy-failed",
        str(first) if first else f"`{paths.root}` ended in {ended.status}, and CloudFormation gives no reason",
        causes=found,
        context="\n".join(lines),
        hint=hint or (None if first else f"look at the events of the stack `{name}` in the CloudFormation console"),
    )


def _left_behind(ended: Ended, name: StackName) -> str | None:
    """The way out of a stack whose deletion failed, as long as what failed cannot be mended."""
    failed = [event for event in ended.events if event.status == "DELETE_FAILED" and not event.of_stack]
    names = dict.fromkeys(event.logical_id for event in failed if not is_follow_up(event.reason))
    if not names or ended.status != "DELETE_FAILED":
        return None
    return (
        "once the reason is gone, run this again; or leave it behind with `aws cloudformation delete-stack "
        f"--stack-name {name} --retain-resources {' '.join(names)}`"
    )


def _rejected(error: AwsError, desired: DesiredStack) -> SkykiteError:
    if error.aws_code not in ("ValidationError", "InsufficientCapabilitiesException", "LimitExceededException"):
        return error
    unknown = _UNRECOGNIZED.search(error.reason)
    paths = desired.paths_of_types(unknown[1].split(", ")) if unknown else ()
    made = f"; made by {', '.join(f'`{path}`' for path in paths)}" if paths else ""
    return SkykiteError(
        "template-rejected",
        f"CloudFormation does not take the template of `{desired.path}`: {readable(error.reason, desired.paths)}{made}",
        hint=hint_for(error.reason),
    )


def _full_buckets(ended: Ended) -> tuple[StackEvent, ...]:
    return tuple(
        event
        for event in ended.events
        if event.status == "DELETE_FAILED" and event.type == _BUCKET and _NOT_EMPTY.search(event.reason)
    )
