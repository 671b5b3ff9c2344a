"""What is said of an embedded cloud that is kept running. Pure: events in, blocks out."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from skykite.cli.render.lines import Block, Panel, Span, Symbols, duration, line
from skykite.model.events import CloudStarted, CloudStatus, CloudStopped


def started(event: CloudStarted, symbols: Symbols) -> list[Block]:
    if event.already:
        said = f"the embedded cloud of `{event.app}` is kept running already, at {event.url}"
        return [line(said, Span(f"  process {event.pid} since {_time(event.since)}", "dim"))]
    rows = [("address", event.url), ("process", str(event.pid))]
    if event.log:
        rows.append(("log", event.log))
    footer = f"ready in {duration(event.elapsed_ms)}; `kite deploy --local` deploys to it, `kite cloud stop` ends it"
    return [Panel(title=_title(event.app, symbols), rows=tuple(rows), data=(), footer=footer)]


def stopped(event: CloudStopped, symbols: Symbols) -> list[Block]:
    match event.result:
        case "stopped":
            mark = Span(f"{symbols.good} ", "good")
            took = Span(f"  {duration(event.elapsed_ms)}", "dim")
            return [line(mark, f"the embedded cloud of `{event.app}` is stopped, its data is kept", took)]
        case "killed":
            said = f"process {event.pid} did not end when asked and was killed; the embedded cloud keeps what it saved"
            return [line(Span("! ", "warn"), said), *_log(event.log)]
        case "died":
            said = f"the embedded cloud of `{event.app}` had ended by itself before: process {event.pid} is gone"
            return [line(Span("! ", "warn"), said), *_log(event.log)]
        case "not-running":
            return [line(f"no embedded cloud is kept running for `{event.app}`: there is nothing to stop")]
        case _:
            assert_never(event.result)


def status(event: CloudStatus, symbols: Symbols) -> list[Block]:
    match event.state:
        case "kept":
            rows = _rows(event)
            since = f"since {_time(event.since)}" if event.since else ""
            return [Panel(title=_title(event.app, symbols), rows=rows, data=rows, footer=f"kept running {since}")]
        case "starting":
            return [line(f"the embedded cloud of `{event.app}` is being started by process {event.pid}")]
        case "unresponsive":
            said = f"process {event.pid} keeps the embedded cloud of `{event.app}`, but does not answer"
            return [line(Span("! ", "warn"), said), _hint("`kite cloud stop` ends it"), *_log(event.log)]
        case "died":
            said = f"the embedded cloud of `{event.app}` ended by itself: process {event.pid} is gone"
            return [line(Span("! ", "bad"), said), _hint("`kite cloud start` starts it again"), *_log(event.log)]
        case "dev":
            said = f"process {event.pid} runs the embedded cloud of `{event.app}` for as long as it runs itself"
            return [line(said, Span(f"  {event.url}" if event.url else "", "dim"))]
        case "stopped":
            return [line(f"no embedded cloud runs for `{event.app}`"), _hint("`kite cloud start` keeps one running")]
        case _:
            assert_never(event.state)


def _rows(event: CloudStatus) -> tuple[tuple[str, str], ...]:
    rows = [("address", event.url or ""), ("process", str(event.pid)), ("functions", f"{event.functions} deployed")]
    if event.running:
        rows.append(("running", f"{event.running} {'invocation' if event.running == 1 else 'invocations'}"))
    if event.memory_mb is not None:
        rows.append(("memory", f"{event.memory_mb} MB"))
    rows += [(api.name, api.url) for api in event.apis]
    if event.log:
        rows.append(("log", event.log))
    return tuple(rows)


def _title(app: str, symbols: Symbols) -> str:
    return f"{app} {symbols.dot} embedded cloud"


def _hint(text: str) -> Block:
    return line(Span("hint: ", "accent"), text)


def _log(log: str | None) -> list[Block]:
    return [line(Span("log: ", "accent"), log)] if log else []


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
