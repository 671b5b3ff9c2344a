"""What is told of what happened in the embedded cloud, and of calls that were not allowed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from skykite.cloud import Denied
from skykite.dev.reports import CloudReports
from skykite.model.events import Event, Notice

TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/app-Notes-1A2B"


class Sink:
    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []

    def emit(self, event: Event) -> None:
        assert isinstance(event, Notice)
        assert event.notice == "permission-missing"
        self.told.append((event.message, event.hint))


def denied(action: str = "dynamodb:PutItem", resource: str | None = TABLE, **more: Any) -> Denied:
    given = {"by": "identity-based policy", "explicit": False, **more}
    principal = "arn:aws:sts::000000000000:assumed-role/app-Role/app-Api-" + "x" * 56
    return Denied(principal=principal, action=action, resource=resource, **given)


def make() -> tuple[CloudReports, Sink]:
    sink = Sink()
    missing = CloudReports(sink)
    missing.know(functions={"app-Api-" + "x" * 60: "Api/POST"}, resources={"app-Notes-1A2B": "Notes"})
    return missing, sink


def test_function_and_resource_have_the_names_that_their_user_knows() -> None:
    missing, sink = make()

    missing.denied(denied(resource=f"{TABLE}/index/by-author"))

    assert sink.told == [
        (
            "`Api/POST` is not allowed `dynamodb:PutItem` on `Notes`",
            'give it `permissions=["dynamodb:PutItem"]`, or link it to `Notes` with `link=[…]`',
        )
    ]


def test_each_is_told_once_until_something_is_deployed() -> None:
    missing, sink = make()

    for _ in range(3):
        missing.denied(denied())
        missing.denied(denied("dynamodb:Scan"))
    assert len(sink.told) == 2
    missing.know(functions={}, resources={})
    missing.denied(denied())

    assert sink.told[2][0].startswith("`app-Api-xxx")
    assert sink.told[2][0].endswith(f"`dynamodb:PutItem` on `{TABLE}`")


def test_what_no_permission_mends_is_not_mended_by_one() -> None:
    missing, sink = make()

    missing.denied(denied("a:B", "*", explicit=True))
    missing.denied(denied("c:D", None, by="permissions boundary"))

    assert sink.told == [
        (
            "`Api/POST` is not allowed `a:B`",
            "a statement of its identity-based policy denies it, which no permission lifts",
        ),
        (
            "`Api/POST` is not allowed `c:D`",
            "no statement of its permissions boundary allows it, which no permission replaces",
        ),
    ]


def test_what_happened_in_the_cloud_is_told_in_construct_paths() -> None:
    told: list[Event] = []
    reports = CloudReports(SimpleNamespace(emit=told.append))
    reports.know(functions={"app-Orders-Consumer-9F": "Orders/Consumer"}, resources={"app-Failed-7C": "Failed"})

    reports.noticed(
        Notice(
            notice="records-given-up",
            message="`app-Orders-Consumer-9F` gave up 1 record of `of-another-app` (RetryAttemptsExhausted)",
            hint="`arn:aws:sqs:eu-west-1:000000000000:app-Failed-7C` was told",
        )
    )
    reports.noticed(Notice(notice="plain", message="`Failed`, app-Failed-7C and `on_failure` stay"))

    assert told == [
        Notice(
            notice="records-given-up",
            message="`Orders/Consumer` gave up 1 record of `of-another-app` (RetryAttemptsExhausted)",
            hint="`Failed` was told",
        ),
        Notice(notice="plain", message="`Failed`, app-Failed-7C and `on_failure` stay"),
    ]
