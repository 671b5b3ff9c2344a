"""Turns the event stream into what a person reads. Pure: events and ticks in, blocks out.

`live` says that running steps show elsewhere (a spinner), so that only what stays is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from skykite.cli.error_text import format_error
from skykite.cli.output_rows import output_rows
from skykite.cli.render import bundles, kept
from skykite.cli.render.invocations import Invocations
from skykite.cli.render.lines import Block, Line, Panel, Span, Symbols, Tone, duration, line, shortened, size
from skykite.model.events import (
    BridgeConnected,
    BridgeDisconnected,
    BridgeTakenOver,
    BuildFinished,
    BundleInspected,
    CloudStarted,
    CloudStatus,
    CloudStopped,
    DebuggerAttached,
    DeployFinished,
    DeployPlanned,
    DeployResource,
    DeployStack,
    DevReady,
    DevStarted,
    DevStopped,
    DoctorChecked,
    ErrorRaised,
    Event,
    HttpFinished,
    InvocationDropped,
    InvocationFinished,
    InvocationLog,
    InvocationStarted,
    Notice,
    OutputsShown,
    QuestionAnswered,
    QuestionAsked,
    ReloadFailed,
    ReloadFinished,
    ReloadStarted,
    ResourceChange,
    StepFinished,
    StepProgress,
    StepStarted,
    SynthFinished,
)

_WHOLE_STACK: Final = 6
"""A new stack with more resources than this is one line of the diff."""
STEP_WIDTH: Final = 7
_STACK_TONES: Final[Mapping[str, Tone]] = {"failed": "bad", "unchanged": "dim", "skipped": "dim"}


class Transcript:
    """Feed it every event in order; it remembers what it must to say nothing twice."""

    def __init__(self, *, width: int | None, symbols: Symbols, live: bool, colour: bool) -> None:
        self._invocations = Invocations(width=width, symbols=symbols, colour=colour)
        self._symbols = symbols
        self._live = live
        self._dev = False
        self._ready: DevReady | None = None
        self._statuses: dict[tuple[str, str], str] = {}

    @property
    def width(self) -> int | None:
        return self._invocations.width

    @width.setter
    def width(self, width: int | None) -> None:
        self._invocations.width = width

    @property
    def waiting(self) -> bool:
        """Whether a tick could show something."""
        return self._invocations.waiting

    def tick(self, at: float) -> list[Block]:
        return [*self._invocations.tick(at)]

    def feed(self, event: Event, at: float) -> list[Block]:
        match event:
            case InvocationStarted():
                return [*self._invocations.started(event, at)]
            case InvocationLog():
                return [*self._invocations.log(event, at)]
            case InvocationFinished():
                return [*self._invocations.finished(event, at)]
            case HttpFinished():
                return [*self._invocations.http(event, at)]
            case InvocationDropped():
                return [self._dropped(event)]
            case BridgeConnected():
                return [self._connected(event)]
            case BridgeDisconnected():
                return [*self._disconnected(event)]
            case BridgeTakenOver():
                return [self._taken_over(event)]
            case StepStarted() | StepProgress():
                return [] if self._live else [line(Span(f"{event.step}: ", "dim"), sentence_part(event.message))]
            case StepFinished():
                return [self._step_finished(event)]
            case DevStarted():
                self._dev = True
                return [line(Span(self._place(event), "bold"), Span(f"  {event.mode}, process {event.pid}", "dim"))]
            case DevReady():
                return self._dev_ready(event)
            case DevStopped():
                if self._ready is None:  # it never came up, and an error says why
                    return []
                start = "\r" if self._live else ""  # over the ^C that the terminal shows
                return [line(Span(f"{start}stopped in {duration(event.elapsed_ms)}", "dim"))]
            case ReloadStarted() | OutputsShown() | SynthFinished():
                return []
            case ReloadFinished():
                return [self._reload_finished(event)]
            case ReloadFailed():
                return [line(self._bad(), _files(event.files), Span(f"  {event.reason}", "bad"))]
            case BuildFinished():
                return [*self._built(event)]
            case BundleInspected():
                return bundles.inspected(event)
            case DeployPlanned():
                return [*self._planned(event)]
            case DeployResource():
                return [*self._resource(event)]
            case DeployStack():
                return [self._stack(event)]
            case DeployFinished():
                return [] if self._dev else [*self._deployed(event)]
            case QuestionAsked():
                return [line(Span("? ", "accent"), event.message)]
            case QuestionAnswered():
                if event.by == "user" and self._live:
                    return []  # it is there to see, as it was typed
                by = {"user": "", "yes": " (--yes)", "default": " (nobody to ask)"}[event.by]
                return [line(Span("  answered ", "dim"), ("yes" if event.answer else "no") + by)]
            case CloudStarted():
                return kept.started(event, self._symbols)
            case CloudStopped():
                return kept.stopped(event, self._symbols)
            case CloudStatus():
                return kept.status(event, self._symbols)
            case DebuggerAttached():
                what = f"debugger attached to process {event.pid}"
                return [line(Span(f"{what}, {event.function}" if event.function else what, "dim"))]
            case DoctorChecked():
                return [*self._checked(event)]
            case Notice():
                return [*self._notice(event)]
            case ErrorRaised():
                return [*self._error(event)]
            case _:
                assert_never(event)

    def _good(self) -> Span:
        return Span(f"{self._symbols.good} ", "good")

    def _bad(self) -> Span:
        return Span(f"{self._symbols.bad} ", "bad")

    def _place(self, event: DevStarted | DevReady) -> str:
        return f"{event.app} {self._symbols.dot} {event.stage}"

    def _step_finished(self, event: StepFinished) -> Line:
        tone: Tone = "dim" if event.skipped else ""
        message = Span(sentence_part(event.message), tone)
        took = Span(f"  {duration(event.elapsed_ms)}", "dim")
        if not self._live:
            return line(Span(f"{event.step}: ", "dim"), message, took)
        mark = Span(f"{self._symbols.good} ", tone or "good")
        return line(mark, Span(f"{event.step.ljust(STEP_WIDTH)} ", "dim"), message, took)

    def _dev_ready(self, event: DevReady) -> list[Block]:
        before, self._ready = self._ready, event
        self._invocations.expect(event.functions)
        if before is not None and (before.endpoints, before.outputs) == (event.endpoints, event.outputs):
            return []
        urls = {endpoint.url.rstrip("/") for endpoint in event.endpoints}
        rows: list[tuple[str, str]] = [(endpoint.path, endpoint.url) for endpoint in event.endpoints]
        outputs = output_rows(event.outputs)
        rows += outputs
        named = {value.rstrip("/") for _, value in outputs}
        if urls <= named:  # the outputs say it all, under the names the user gave
            rows = outputs
        footer = f"ready in {duration(event.elapsed_ms)}, Ctrl-C stops"
        return [Panel(title=self._place(event), rows=tuple(rows), data=tuple(outputs), footer=footer)]

    def _reload_finished(self, event: ReloadFinished) -> Line:
        count = len(event.functions)
        what = f"  {count} {'function' if count == 1 else 'functions'}" if event.kind == "code" else ""
        return line(
            Span(f"{self._symbols.reload} ", "accent"),
            _files(event.files),
            Span(f"{what}  {duration(event.elapsed_ms)}", "dim"),
        )

    def _connected(self, event: BridgeConnected) -> Line:
        after = "" if event.outage_ms is None else f" again, after {duration(event.outage_ms)}"
        return line(self._good(), "connected", Span(after, "dim"))

    def _disconnected(self, event: BridgeDisconnected) -> list[Line]:
        lines = [line(Span("! ", "warn"), "disconnected", Span(f"  {event.message}", "dim"))]
        if event.hint:
            lines.append(line(Span("  hint: ", "accent"), event.hint))
        return lines

    def _dropped(self, event: InvocationDropped) -> Line:
        what = Span(f"  {event.reason}", "bad")
        return line(
            self._bad(), event.function, what, f"  {event.message}", Span(f"  request {event.request_id}", "dim")
        )

    def _taken_over(self, event: BridgeTakenOver) -> Line:
        rest = f", {event.running} still running here" if event.running else ""
        return line(Span("! ", "warn"), f"taken over by {event.by}", Span(rest, "dim"))

    def _built(self, event: BuildFinished) -> list[Line]:
        what = f"built `{event.app}` for stage {event.stage} in {event.region}"
        of = f"  {event.files} files, {size(event.size)}, {event.digest[:12]}  {duration(event.elapsed_ms)}"
        return [line(self._good(), what, Span(of, "dim")), Line((Span(event.path),), data=True)]

    def _planned(self, event: DeployPlanned) -> list[Line]:
        by_stack: dict[str, list[ResourceChange]] = {}
        lines = [self._change(change) for change in event.changes if change.destructive]
        for change in event.changes:
            if not change.destructive:
                by_stack.setdefault(change.stack, []).append(change)
        for stack, changes in by_stack.items():
            if len(changes) > _WHOLE_STACK and all(change.action == "add" for change in changes):
                lines.append(line(Span("  + ", "good"), stack, Span(f"  {len(changes)} new resources", "dim")))
                continue
            folded = [change for change in changes if change.consequence]
            lines.extend(self._change(change) for change in changes if not change.consequence)
            if folded:
                refer = "resource that refers" if len(folded) == 1 else "resources that refer"
                lines.append(line(Span(f"  {self._symbols.cut} and {len(folded)} {refer} to them", "dim")))
        return lines

    def _change(self, change: ResourceChange) -> Line:
        marks: dict[str, Span] = {
            "add": Span("  + ", "good"),
            "modify": Span("  ~ ", "accent"),
            "replace": Span(f"  {self._symbols.replace} ", "warn"),
            "remove": Span("  - ", "bad"),
        }
        changed = ", ".join(_changed(change))
        properties = Span(f"  {changed}" if changed else "", "dim")
        what = properties if change.environment else Span(f"  {change.type}{properties.text}", "dim")
        if not change.destructive:
            whole = line(marks[change.action], change.path, what)
            if self.width is not None and len(whole.text) > self.width and changed:
                whole = line(marks[change.action], change.path, properties)  # rather than the type, what changes
            return shortened(whole, self.width, mark=self._symbols.cut)
        lost = {"replace": "  replaced, its data is lost", "remove": "  its data is lost"}
        warning = Span(lost.get(change.action, "  may be replaced, its data would be lost"), "bad")
        return line(Span(marks[change.action].text, "bad"), Span(change.path, "bad"), what, warning)

    def _resource(self, event: DeployResource) -> list[Line]:
        key = (event.stack, event.logical_id)
        if self._statuses.get(key) == event.status:
            return []
        self._statuses[key] = event.status
        failed = event.status.endswith("_FAILED")
        if self._live and not failed:
            return []
        status = Span(f"  {event.status}", "bad" if failed else "dim")
        lines = [line("  ", event.path, Span(f"  {event.type}", "dim"), status)]
        if failed and event.reason:
            lines.append(line("    ", Span(event.reason, "bad")))
        return lines

    def _stack(self, event: DeployStack) -> Line:
        tone = _STACK_TONES.get(event.result, "good")
        mark = self._bad() if event.result == "failed" else Span(f"{self._symbols.good} ", tone)
        took = "" if event.result in ("unchanged", "skipped") else f"  {duration(event.elapsed_ms)}"
        return line(mark, event.stack, Span(f"  {event.result}", tone), Span(took, "dim"))

    def _deployed(self, event: DeployFinished) -> list[Line]:
        self._statuses.clear()
        done = line(self._good(), "deployed", Span(f"  {duration(event.elapsed_ms)}", "dim"))
        outputs = output_rows(event.outputs)
        return [done, *(Line((Span(f"{name}={value}"),), data=True) for name, value in outputs)]

    def _checked(self, event: DoctorChecked) -> list[Line]:
        marks = {"ok": self._good(), "warn": Span("! ", "warn"), "fail": self._bad()}
        lines = [line(marks[event.status], event.message)]
        if event.hint:
            lines.append(line(Span("  hint: ", "accent"), event.hint))
        return lines

    def _notice(self, event: Notice) -> list[Line]:
        lines = [line(Span("note: ", "accent"), event.message)]
        if event.hint:
            lines.append(line(Span("hint: ", "accent"), event.hint))
        return lines

    def _error(self, event: ErrorRaised) -> list[Line]:
        lines = [line("")]
        for text in format_error(event, width=self.width, mark=self._symbols.cut).split("\n"):
            label, colon, rest = text.partition(":")
            if colon and label in ("error", "hint", "more"):
                lines.append(line(Span(f"{label}:", "bad" if label == "error" else "accent"), rest))
            else:
                lines.append(line(text))
        return [*lines, line("")]


def sentence_part(message: str) -> str:
    """To stand after the name of its step: without the capital of a sentence, but with that of a name."""
    first = message.partition(" ")[0]
    return message[:1].lower() + message[1:] if first[1:].islower() else message


def _changed(change: ResourceChange) -> list[str]:
    """The properties, with the names of the environment variables in place of `Environment`."""
    if not change.environment:
        return list(change.properties)
    others = [name for name in change.properties if name != "Environment"]
    return [*others, f"environment {', '.join(change.environment)}"]


def _files(files: tuple[str, ...]) -> str:
    shown = ", ".join(files[:3])
    return shown if len(files) <= 3 else f"{shown} and {len(files) - 3} more"
