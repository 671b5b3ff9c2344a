"""What `kite invoke` says besides the answer."""

from __future__ import annotations

from skykite.cli.invoking import shown_log

_ID = "5ab07f41-9ff0-430d-a7bb-f1acc28ea9e0"
TEXT = f"""\
START RequestId: {_ID} Version: $LATEST
LiveDevOffline: nobody is there
END RequestId: {_ID}
REPORT RequestId: {_ID}\tDuration: 574.71 ms\tMemory Size: 1024 MB\tMax Memory Used: 16 MB\t
""".encode()
JSON = f"""\
{{"time":"2026-11-28T20:00:00Z","type":"platform.start","record":{{"requestId":"{_ID}","version":"$LATEST"}}}}
{{"timestamp":"2026-11-28T20:00:00Z","message":"LiveDevOffline: nobody is there"}}
{{"time":"2026-11-28T20:00:00Z","type":"platform.report","record":{{"requestId":"{_ID}","metrics":{{"durationMs":5}}}}}}
""".encode()
SAID = (f"`S/Outer` is live: `kite dev` runs it, and shows what it prints and takes, under request {_ID}\n").encode()


def test_the_log_of_a_function_that_runs_as_deployed_is_shown_as_it_is() -> None:
    assert shown_log(TEXT, function="S/Outer", live=False) == TEXT


def test_what_lambda_measured_of_a_stub_is_not_shown_as_the_functions() -> None:
    assert shown_log(TEXT, function="S/Outer", live=True) == b"LiveDevOffline: nobody is there\n" + SAID
    shown = shown_log(JSON, function="S/Outer", live=True)
    assert shown.endswith(SAID)
    assert shown.count(b"\n") == 2
    assert b"nobody is there" in shown


def test_without_a_log_it_says_whose_the_run_was_all_the_same() -> None:
    assert shown_log(b"", function="F", live=True) == (
        b"`F` is live: `kite dev` runs it, and shows what it prints and takes\n"
    )
