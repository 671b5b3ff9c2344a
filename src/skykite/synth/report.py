"""What `kite` and the synth process tell each other: data, its JSON, and nothing else. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from skykite.errors import Blame, SkykiteError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedError:
    """A SkykiteError, field for field."""

    code: str
    message: str
    context: str | None = None
    hint: str | None = None
    link: str | None = None
    blame: Blame = "user"

    @classmethod
    def of(cls, error: SkykiteError) -> ReportedError:
        return cls(
            code=error.code,
            message=error.message,
            context=error.context,
            hint=error.hint,
            link=error.link,
            blame=error.blame,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What a run of the user's program depended on. Paths are absolute.

    `files` were opened or asked about, whether or not they were there, before the program made them itself; `written`
    are those it wrote. `listings` are folders whose names mattered,
    `modules` those that only an import looked through. `trees` are folders that CDK copied as assets. `variables` were
    read from the environment, with their values. `unrepeatable` says why a run can never be skipped, if so.
    """

    files: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    variables: dict[str, str | None] = field(default_factory=dict)
    unrepeatable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run of the user's program ended: well if `error` is None. Its reads are told in either case; `sought` are
    further files that would have kept it from failing: the handler that is wrong or missing, a module that is not
    there."""

    reads: Reads
    error: ReportedError | None = None
    sought: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `kite` tells the synth process to do, once: a `Synthesis` as text, and the file for its `Report`."""

    synthesis: str
    report: str


def encode_order(order: Order) -> bytes:
    """One line."""
    return msgspec.json.encode(order) + b"\n"


def decode_order(line: bytes) -> Order:
    return msgspec.json.decode(line, type=Order)


def encode_report(report: Report) -> bytes:
    return msgspec.json.encode(report)


def decode_report(data: bytes) -> Report:
    return msgspec.json.decode(data, type=Report)
