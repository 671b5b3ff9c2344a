"""Deploys an assembly, and removes what was deployed.

In: a manifest and its assembly. Out: outputs and physical ids, or a SkykiteError. I/O: CloudFormation, S3 and STS
through the session given; the assembly; two files under `.kite/<stage>/`. CloudFormation is the only state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, assert_never

import msgspec

from skykite.aws import AwsError, AwsSession, StackState
from skykite.deploy.assets import AssetPublisher, Place
from skykite.deploy.bootstrap import bootstrap_template, event_api_generation, judge_bootstrap
from skykite.deploy.consent import Consent, describe_removal
from skykite.deploy.execute import Broken, Done, Skipped, execute
from skykite.deploy.images import ImagePublisher
from skykite.deploy.operation import Applied, Removed, StackFailedError, StackOperator
from skykite.deploy.planner import abandoned, leaving_exports, plan_deploy, plan_removal
from skykite.deploy.replacing import consent_to_replace, developed_stacks
from skykite.deploy.state import KnownResources, StageFiles, freshness
from skykite.deploy.templates import (
    MARK,
    DeployedResource,
    DesiredStack,
    StackPaths,
    decode_template,
    deployed_resources,
    desired_stack,
    runs_stubs,
)
from skykite.errors import SkykiteError
from skykite.model.bootstrap import (
    BOOTSTRAP_STACK,
    BOOTSTRAP_VERSION,
    EVENT_API_ID_OUTPUT,
    EventApi,
    bootstrap_bucket,
    parse_event_api,
)
from skykite.model.events import (
    DeployFinished,
    DeployPlanned,
    DeployStack,
    Notice,
    StepFinished,
    StepStarted,
)
from skykite.model.manifest import Manifest
from skykite.model.names import AppName, ConstructPath, LogicalId, StackName, StageName
from skykite.model.plan import Apply, KeptExport, Plan, PlanStep, Release, Remove, StepId
from skykite.ports import Asker, Bundles, Clock, EventSink

Transform = Callable[[Mapping[StackName, Mapping[str, Any]]], Mapping[StackName, Mapping[str, Any]]]
"""Makes of an app's templates those to deploy. Pure, and the same each time, or nothing is ever unchanged."""

_CDK_EXPORT: Final = "ExportsOutput"  # how CDK calls what it exports from one stack to another
_URL_SUFFIXES: Final = {"aws-cn": "amazonaws.com.cn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What is deployed now. `changed` is false if there was nothing to do; `was_live` says that functions were stubs
    before."""

    outputs: dict[StackName, dict[str, str]]
    physical: dict[StackName, dict[LogicalId, str]]
    changed: bool
    was_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedStacks:
    """What `remove` did. `retained` are construct paths of resources that a policy kept, with their physical ids;
    `was_live` says that functions were stubs."""

    stacks: tuple[StackName, ...]
    retained: dict[ConstructPath, str]
    was_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaving:
    """A stack that is to be deleted."""

    state: StackState
    paths: StackPaths
    resources: tuple[DeployedResource, ...]


class Deployer:
    """One app's way to one cloud. `state` is the project's `.kite` folder."""

    def __init__(
        self,
        *,
        session: AwsSession,
        events: EventSink,
        clock: Clock,
        asker: Asker,
        project_root: Path,
        state: Path,
        images: ImagePublisher | None = None,
    ) -> None:
        """Without `images`, an app whose functions are container images is refused."""
        self._session = session
        self._images = images
        self._events = events
        self._clock = clock
        self._state = state
        self._asker = asker
        self._agreed = False
        self._consent = Consent(asker)
        self._publisher = AssetPublisher(session=session, events=events, project_root=project_root)
        self._place: Place | None = None
        self._operator = StackOperator(
            session=session, events=events, clock=clock, consent=self._consent, put_template=self._put_template
        )

    async def deploy(
        self,
        manifest: Manifest,
        assembly: Path,
        *,
        bundles: Bundles | None = None,
        transform: Transform | None = None,
    ) -> Deployed:
        """Bring CloudFormation to what the assembly wants. `bundles` makes the zips of function code; `transform`
        has the last word on the templates. Before live functions take the place of real ones on a stage that others may
        rely on, the user is asked.

        Raises a SkykiteError that names the first cause if a stack failed or the user refused; independent stacks
        are deployed all the same. Cancelling leaves running operations to CloudFormation: the next deploy picks
        them up.
        """
        start = self._clock.monotonic()
        files = StageFiles(self._state, manifest.stage)
        count = len(manifest.stacks)
        self._events.emit(StepStarted(step="deploy", message=f"deploying {count} stack{'s' if count != 1 else ''}"))
        desired = await asyncio.to_thread(_read_stacks, manifest, assembly, transform)
        actual = await self._stacks()
        removed = abandoned(desired, actual, app=manifest.app, stage=manifest.stage)
        importers = await self._importers(leaving_exports(desired, actual, removed))
        plan = plan_deploy(desired, actual, removed=removed, importers=importers)
        await self._agree_to_replace(manifest, actual)
        self._say_unchanged(plan)
        states = dict(actual)
        if plan.steps:
            applied = {step.stack for step in plan.steps if not isinstance(step.action, Remove)}
            if applied:
                await self._check_images(manifest, applied)
                await self._bootstrap(actual.get(StackName(BOOTSTRAP_STACK)))
                await self._publish(manifest, applied, assembly, bundles)
            await self._run(plan, desired, removed, states)
        outputs = {stack.name: _outputs(states[stack.name]) for stack in desired}
        physical = await self._physical([states[stack.name] for stack in desired], files)
        files.write_outputs(outputs)
        if transform is None:
            files.forget_live_templates()
        elapsed = self._elapsed(start)
        self._events.emit(
            StepFinished(
                step="deploy",
                message="deployed" if plan.steps else "nothing to deploy",
                elapsed_ms=elapsed,
                skipped=not plan.steps,
            )
        )
        self._events.emit(DeployFinished(outputs=outputs, elapsed_ms=elapsed))
        was_live = any(runs_stubs(actual[stack.name]) for stack in desired if stack.name in actual)
        return Deployed(outputs=outputs, physical=physical, changed=bool(plan.steps), was_live=was_live)

    async def agree_to_replace(self, manifest: Manifest) -> None:
        """What `deploy` would say and ask about live functions in the place of real ones, beforehand."""
        await self._agree_to_replace(manifest, await self._stacks())

    async def _agree_to_replace(self, manifest: Manifest, actual: Mapping[StackName, StackState]) -> None:
        if self._agreed:
            return
        local = self._session.endpoint_url is not None
        notice = await consent_to_replace(manifest, actual, asker=self._asker, local=local)
        self._agreed = True
        if notice is not None:
            self._events.emit(notice)

    async def is_live(self, app: AppName, stage: StageName) -> bool:
        """Whether functions of the stage are stubs, or may be soon: while something else changes one of its stacks."""
        states = abandoned((), await self._stacks(), app=app, stage=stage)
        return any(runs_stubs(state) or state.status.endswith("_IN_PROGRESS") for state in states)

    async def remove(self, app: AppName, stage: StageName, *, manifest: Manifest | None = None) -> RemovedStacks:
        """Delete every stack of an app's stage, asking first if data would be lost. With a manifest, its construct
        paths and dependencies are used. What the bootstrap stack holds is shared and stays."""
        start = self._clock.monotonic()
        self._events.emit(StepStarted(step="remove", message=f"removing {app} from stage {stage}"))
        actual = await self._stacks()
        states = abandoned((), actual, app=app, stage=stage)
        entries = {entry.name: entry for entry in manifest.stacks} if manifest else {}
        importers = await self._importers(leaving_exports((), actual, states))
        plan = plan_removal(
            states, importers=importers, dependencies={name: entry.dependencies for name, entry in entries.items()}
        )
        leaving = await self._leaving(states, {name: entry.path for name, entry in entries.items()})
        changes = [change for name, stack in leaving.items() for change in describe_removal(name, stack.resources)]
        self._events.emit(DeployPlanned(changes=tuple(changes)))
        await self._consent.to(changes)
        results = await execute(plan, lambda step: self._remove(leaving[step.stack]))
        files = StageFiles(self._state, stage)
        files.forget_outputs([step.stack for step in plan.steps if isinstance(results[step.id], Done)])
        self._raise_failure(plan, results)
        retained = {
            leaving[step.stack].paths.of(resource.logical_id): resource.physical_id
            for step in plan.steps
            if isinstance(result := results[step.id], Done)
            for resource in result.value.retained
        }
        if retained:
            listed = "\n".join(f"  `{path}`: {physical}" for path, physical in retained.items())
            self._events.emit(
                Notice(
                    notice="resources-retained",
                    message=f"kept, as their removal policy says:\n{listed}",
                    hint="delete them by hand if they are not needed",
                )
            )
        files.clean()
        self._events.emit(
            StepFinished(
                step="remove",
                message=f"{len(plan.steps)} stack{'s' if len(plan.steps) != 1 else ''} removed",
                elapsed_ms=self._elapsed(start),
                skipped=not plan.steps,
            )
        )
        return RemovedStacks(
            stacks=tuple(step.stack for step in plan.steps), retained=retained, was_live=any(map(runs_stubs, states))
        )

    async def bootstrap(self) -> None:
        """Create, upgrade or mend the bootstrap stack; nothing if it is as it should be."""
        await self._whole_bootstrap()

    async def event_api(self, *, make_sure: bool = True) -> EventApi:
        """What Live's messages go through. Bootstraps first where that is needed, to `make_sure` also if the Event API
        was deleted and the stack does not know; raises `live-no-event-api`."""
        if make_sure:
            state = await self._whole_bootstrap()
        else:
            state = await self._bootstrap(await self._session.run(self._session.cloudformation.stack, BOOTSTRAP_STACK))
        return parse_event_api({one.key: one.value for one in state.outputs}, region=self._session.region)

    async def _whole_bootstrap(self) -> StackState:
        found = await self._session.run(self._session.cloudformation.stack, BOOTSTRAP_STACK)
        state = await self._bootstrap(found)
        api_id = next((one.value for one in state.outputs if one.key == EVENT_API_ID_OUTPUT), None)
        if api_id is None or await self._has_event_api(api_id):
            return state
        self._events.emit(
            Notice(
                notice="event-api-deleted",
                message=f"the Event API of the stack `{BOOTSTRAP_STACK}` was deleted outside of CloudFormation and is "
                "made anew; other stages that are live need their `kite dev` started again",
            )
        )
        return await self._bootstrap(state, event_api=event_api_generation(state) + 1)

    async def _has_event_api(self, api_id: str) -> bool:
        """Who may not ask, finds it out by using it."""
        try:
            return await self._session.run(self._session.appsync.has_event_api, api_id)
        except AwsError:
            return True

    async def _stacks(self) -> dict[StackName, StackState]:
        states = await self._session.run(self._session.cloudformation.stacks)
        return {StackName(state.name): state for state in states}

    async def _importers(self, leaving: Mapping[str, StackName]) -> dict[str, frozenset[StackName]]:
        found = await asyncio.gather(
            *(self._session.run(self._session.cloudformation.importers, export) for export in leaving)
        )
        return {
            export: frozenset(StackName(name) for name in names) for export, names in zip(leaving, found, strict=True)
        }

    async def _bootstrap(self, state: StackState | None, *, event_api: int | None = None) -> StackState:
        """With `event_api`, an Event API of that generation in the place of another."""
        if state is None or event_api is not None or judge_bootstrap(state) == "apply":
            generation = event_api or event_api_generation(state)
            start = self._clock.monotonic()
            self._events.emit(StepStarted(step="bootstrap", message=f"preparing {self._session.region}"))
            applied = await self._operator.apply(
                DesiredStack(
                    name=StackName(BOOTSTRAP_STACK),
                    paths=StackPaths(root=ConstructPath(BOOTSTRAP_STACK)),
                    template=bootstrap_template(self._session.region, event_api=generation),
                    mark=f"version-{BOOTSTRAP_VERSION}" + (f"-event-api-{generation}" if generation > 1 else ""),
                    tags={},
                )
            )
            state = applied.state
            self._events.emit(
                StepFinished(
                    step="bootstrap",
                    message=f"stack {BOOTSTRAP_STACK} {applied.result}",
                    elapsed_ms=self._elapsed(start),
                    skipped=applied.result == "unchanged",
                )
            )
        _, partition, _, region, account, *_ = state.id.split(":")
        self._place = Place(account=account, region=region, partition=partition)
        return state

    async def _check_images(self, manifest: Manifest, applied: set[StackName]) -> None:
        """Before anything is deployed. Raises `image-not-here`, `docker-missing`."""
        having = next((entry for entry in manifest.stacks if entry.name in applied and entry.images), None)
        if having is None:
            return
        if self._images is None:
            raise SkykiteError(
                "image-not-here",
                f"stack `{having.path}` has a function that is a container image, which the embedded cloud does not "
                "run",
                hint="deploy it to AWS; `kite dev --local` leaves such functions out and runs the others",
            )
        await self._images.check()

    async def _publish(
        self, manifest: Manifest, applied: set[StackName], assembly: Path, bundles: Bundles | None
    ) -> None:
        stacks = [entry for entry in manifest.stacks if entry.name in applied]
        assets = [asset for entry in stacks for asset in entry.assets]
        images = [image for entry in stacks for image in entry.images]
        if not (assets or images) or self._place is None:
            return
        start = self._clock.monotonic()
        self._events.emit(StepStarted(step="bundle", message="sending function code and files"))
        sent = await self._publisher.publish(
            assets, manifest=manifest, assembly=assembly, place=self._place, bundles=bundles
        )
        pushed = 0
        if images and self._images is not None:
            pushed = await self._images.publish(images, assembly=assembly, place=self._place)
        self._events.emit(
            StepFinished(
                step="bundle",
                message=_sent(sent, pushed),
                elapsed_ms=self._elapsed(start),
                skipped=sent == 0 and pushed == 0,
            )
        )

    async def _put_template(self, key: str, data: bytes) -> str:
        if self._place is None:
            raise SkykiteError(
                "bootstrap-missing", "a template is too big to go without the bootstrap bucket", blame="skykite"
            )
        bucket = bootstrap_bucket(self._place.account, self._place.region)
        s3 = self._session.s3
        if await self._session.run(s3.head, bucket, key) is None:
            await self._session.run(s3.put, bucket, key, data, content_type="application/json")
        suffix = _URL_SUFFIXES.get(self._place.partition, "amazonaws.com")
        return f"https://s3.{self._place.region}.{suffix}/{bucket}/{key}"

    async def _run(
        self,
        plan: Plan,
        desired: Sequence[DesiredStack],
        removed: Sequence[StackState],
        states: dict[StackName, StackState],
    ) -> None:
        """Perform the steps; `states` then holds what CloudFormation has."""
        wanted = {stack.name: stack for stack in desired}
        leaving = await self._leaving(removed, {})

        async def perform(step: PlanStep) -> None:
            match step.action:
                case Remove():
                    stack = leaving[step.stack]
                    changes = describe_removal(step.stack, stack.resources)
                    self._events.emit(DeployPlanned(changes=changes))
                    await self._consent.to(changes)
                    await self._remove(stack)
                    del states[step.stack]
                case Apply(kept=kept):
                    states[step.stack] = await self._apply(wanted[step.stack], kept)
                case Release():
                    states[step.stack] = await self._apply(wanted[step.stack], ())
                case _:
                    assert_never(step.action)

        results = await execute(plan, perform)
        self._raise_failure(plan, results)

    async def _apply(self, desired: DesiredStack, kept: Sequence[KeptExport]) -> StackState:
        start = self._clock.monotonic()
        try:
            applied: Applied = await self._operator.apply(desired, kept=kept)
        except SkykiteError:
            self._stack_event(desired.name, "failed", start)
            raise
        self._stack_event(desired.name, applied.result, start)
        return applied.state

    async def _remove(self, stack: _Leaving) -> Removed:
        start = self._clock.monotonic()
        name = StackName(stack.state.name)
        try:
            removed = await self._operator.remove(stack.state, stack.paths, may_empty=True)
        except SkykiteError:
            self._stack_event(name, "failed", start)
            raise
        self._stack_event(name, "removed", start)
        return removed

    async def _leaving(
        self, states: Iterable[StackState], roots: Mapping[StackName, ConstructPath]
    ) -> dict[StackName, _Leaving]:
        """What is in the stacks that are to go. `roots` are the stacks' construct paths, as far as they are known."""

        async def look(state: StackState) -> _Leaving:
            template: Mapping[str, Any] | None = {}
            if state.status != "REVIEW_IN_PROGRESS":
                template = await self._session.run(self._session.cloudformation.template, state.id)
            name = StackName(state.name)
            if template is not None:
                resources = deployed_resources(template, name)
            else:
                listed = await self._session.run(self._session.cloudformation.resources, state.id)
                resources = tuple(
                    DeployedResource(
                        logical_id=LogicalId(resource.logical_id),
                        path=ConstructPath(f"{name}/{resource.logical_id}"),
                        type=resource.type,
                        policy="Delete",
                    )
                    for resource in listed
                )
            paths = StackPaths(
                root=roots.get(name) or ConstructPath(name),
                paths={resource.logical_id: resource.path for resource in resources},
            )
            return _Leaving(state=state, paths=paths, resources=resources)

        found = await asyncio.gather(*(look(state) for state in states))
        return {StackName(stack.state.name): stack for stack in found}

    async def _physical(self, states: Sequence[StackState], files: StageFiles) -> dict[StackName, dict[LogicalId, str]]:
        """Physical ids of all resources, listed only where a stack changed since they were noted."""
        known = await asyncio.to_thread(files.read_resources)

        async def look(state: StackState) -> KnownResources:
            noted = known.get(StackName(state.name))
            if noted is not None and (noted.stack_id, noted.updated) == (state.id, freshness(state)):
                return noted
            listed = await self._session.run(self._session.cloudformation.resources, state.id)
            return KnownResources(
                stack_id=state.id,
                updated=freshness(state),
                physical={LogicalId(resource.logical_id): resource.physical_id for resource in listed},
            )

        found = await asyncio.gather(*(look(state) for state in states))
        current = {StackName(state.name): resources for state, resources in zip(states, found, strict=True)}
        if current != known:
            await asyncio.to_thread(files.write_resources, current)
        return {name: resources.physical for name, resources in current.items()}

    def _say_unchanged(self, plan: Plan) -> None:
        if plan.unchanged:
            self._events.emit(DeployPlanned(changes=(), unchanged=plan.unchanged))
        for name in plan.unchanged:
            self._events.emit(DeployStack(stack=name, result="unchanged", elapsed_ms=0))

    def _raise_failure(self, plan: Plan, results: Mapping[StepId, Done[Any] | Broken | Skipped]) -> None:
        """Put the first cause on top, and say what became of everything else."""
        broken = [(step, result.error) for step in plan.steps if isinstance(result := results[step.id], Broken)]
        skipped = [step for step in plan.steps if isinstance(results[step.id], Skipped)]
        for step in skipped:
            self._events.emit(DeployStack(stack=step.stack, result="skipped", elapsed_ms=0))
        if not broken:
            return
        (_, first), *others = sorted(broken, key=lambda item: _order(item[1]))
        lines = [first.context] if first.context else []
        lines += [f"also: {error.message}" for _, error in others]
        done = [step for step in plan.steps if isinstance(results[step.id], Done)]
        if done:
            lines.append(f"done: {', '.join(dict.fromkeys(f'`{step.stack}`' for step in done))}")
        if skipped:
            lines.append(f"not begun: {', '.join(dict.fromkeys(f'`{step.stack}`' for step in skipped))}")
        raise SkykiteError(
            first.code,
            first.message,
            context="\n".join(lines) or None,
            hint=first.hint,
            link=first.link,
            blame=first.blame,
        ) from first

    def _stack_event(
        self, stack: StackName, result: Literal["created", "updated", "unchanged", "removed", "failed"], start: float
    ) -> None:
        self._events.emit(DeployStack(stack=stack, result=result, elapsed_ms=self._elapsed(start)))

    def _elapsed(self, start: float) -> float:
        return (self._clock.monotonic() - start) * 1000


def _read_stacks(manifest: Manifest, assembly: Path, transform: Transform | None) -> tuple[DesiredStack, ...]:
    written = {entry.name: _read(assembly / entry.template) for entry in manifest.stacks}
    if transform is not None:
        written = _transformed(manifest, written, transform)
    developed = developed_stacks(manifest)
    return tuple(
        desired_stack(
            entry,
            written[entry.name],
            app=manifest.app,
            stage=manifest.stage,
            mode=manifest.mode if entry.name in developed else "deploy",
        )
        for entry in manifest.stacks
    )


def _transformed(
    manifest: Manifest, written: Mapping[StackName, bytes], transform: Transform
) -> dict[StackName, bytes]:
    """A template that stays what it is stays so to the byte: its stack is unchanged then, whoever deployed it."""
    given = {entry.name: decode_template(written[entry.name], source=entry.template) for entry in manifest.stacks}
    made = transform(given)
    return {
        name: written[name] if made[name] == template else msgspec.json.encode(made[name])
        for name, template in given.items()
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SkykiteError(
            "assembly-incomplete",
            f"the template `{path.name}` of the assembly cannot be read: {error.strerror}",
            hint="run `kite synth` to write it again",
        ) from error


def _outputs(state: StackState) -> dict[str, str]:
    """What a stack's author put out: not what CDK puts out for other stacks to import."""
    return {
        output.key: output.value
        for output in state.outputs
        if output.key != MARK
        and not (output.key.startswith(_CDK_EXPORT) and (output.export_name or "").endswith(f":{output.key}"))
    }


def _order(error: SkykiteError) -> tuple[bool, float]:
    """Failures of resources come before refusals and the like, the earliest first."""
    if isinstance(error, StackFailedError) and error.causes:
        return (False, error.causes[0].at.timestamp())
    return (True, 0.0)


def _sent(files: int, images: int) -> str:
    told = f"{files} file{'s' if files != 1 else ''} sent"
    return f"{told}, {images} image{'s' if images != 1 else ''} pushed" if images else told
