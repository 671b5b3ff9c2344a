"""From arguments to an exit code: runs the application and says what failed.

In: arguments without the program's name. Out: the exit code. I/O: errors on stderr, or on stdout as JSON lines with
`--output json`.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from skykite.errors import SkykiteError

if TYPE_CHECKING:
    import click

    from skykite.cli.settings import Settings

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
BUG: Final = 70  # EX_SOFTWARE
INTERRUPTED: Final = 130  # 128 + SIGINT


def run(arguments: Sequence[str]) -> int:
    """Never raises for what the command did."""
    if not arguments or list(arguments) in (["--help"], ["-h"]):
        return _print_help_page()
    return _run_application(arguments)


def _print_help_page() -> int:
    """Without click, whose import takes most of the time people would wait for this page."""
    from skykite.cli.help_page import help_page

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    sys.stdout.write(help_page(colour=colour))
    return OK


def _run_application(arguments: Sequence[str]) -> int:
    import click

    from skykite.cli.application import make_application
    from skykite.cli.settings import read_settings

    for stream in (sys.stdout, sys.stderr):
        _write_anything(stream)
    chosen: dict[str, object] = {}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = make_application().main(
            args=list(arguments),
            prog_name="kite",
            standalone_mode=False,
            obj=chosen,
            color=False if os.environ.get("NO_COLOR") else None,
        )
        sys.stdout.flush()
    except click.Abort:
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.ClickException as error:
        return _report_usage(error, arguments)
    except BrokenPipeError:
        _silence_stdout()
        return FAILED
    except BaseExceptionGroup as group:
        return _report_all(list(_leaves(group)), group, read_settings(chosen))
    except Exception as error:  # noqa: BLE001  # whatever got here is a bug of ours, and shown as one
        return _report_all([error], error, read_settings(chosen))
    return result if isinstance(result, int) else OK


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _report_all(errors: Sequence[BaseException], whole: BaseException, settings: Settings) -> int:
    from skykite.model.full_disk import explain_full_disk

    errors = [explain_full_disk(error) or error for error in errors]
    foreseen = [error for error in errors if isinstance(error, SkykiteError)]
    unforeseen = [error for error in errors if not isinstance(error, SkykiteError | KeyboardInterrupt)]
    if not foreseen and not unforeseen:
        return INTERRUPTED
    code = FAILED
    if unforeseen or any(error.blame == "skykite" for error in foreseen):
        code = BUG
    if code == BUG or settings.debug:
        import traceback

        sys.stderr.write("".join(traceback.format_exception(whole)) + "\n")
    reported: set[tuple[str, str]] = set()
    for error in (*foreseen, *map(_bug, unforeseen)):
        if (error.code, error.message) not in reported:
            reported.add((error.code, error.message))
            _report(error, as_json=settings.output == "json")
    return code


def _bug(error: BaseException) -> SkykiteError:
    from skykite.cli.error_text import REPORT_HINT

    return SkykiteError(
        "internal",
        f"this is a bug in Skykite: `{type(error).__name__}: {error}`",
        hint=REPORT_HINT,
        blame="skykite",
    )


def _report_usage(error: click.ClickException, arguments: Sequence[str]) -> int:
    as_json = "--output=json" in arguments or ("--output", "json") in itertools.pairwise(arguments)
    _report(_usage_error(error), as_json=as_json)
    return USAGE


def _usage_error(error: click.ClickException) -> SkykiteError:
    """click's complaint in our words."""
    import click

    context = getattr(error, "ctx", None)
    hint = getattr(error, "hint", None) or f"`{context.command_path if context else 'kite'} --help` lists what it takes"
    if isinstance(error, click.NoSuchOption):
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), n=1)
        return SkykiteError(
            "usage", f"there is no option `{error.option_name}`", hint=f"did you mean `{near[0]}`?" if near else hint
        )
    message = re.sub(r"'([^']*)'", r"`\1`", error.format_message().rstrip("."))
    return SkykiteError("usage", message[:1].lower() + message[1:], hint=hint)


def _report(error: SkykiteError, *, as_json: bool) -> None:
    from datetime import UTC, datetime

    from skykite.cli.error_text import format_error
    from skykite.cli.render.lines import symbols_for
    from skykite.model.events import ErrorRaised, encode_event

    event = ErrorRaised.of(error)
    if as_json:
        try:
            sys.stdout.buffer.write(encode_event(event, datetime.now(UTC)) + b"\n")
            sys.stdout.flush()
        except OSError:  # a full disk, or nobody reads it: told where people look
            _silence_stdout()
        else:
            return
    terminal = sys.stderr.isatty()
    text = format_error(event, width=_width() if terminal else None, mark=symbols_for(sys.stderr.encoding).cut)
    if terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        text = _coloured(text)
    with contextlib.suppress(OSError):  # where nothing can be said the exit code has to do
        sys.stderr.write(f"{text}\n")


def _coloured(text: str) -> str:
    import click

    head, _, rest = text.partition("\n")
    head = click.style("error", fg="red", bold=True) + head.removeprefix("error")
    before, hint, after = rest.rpartition("\nhint:")
    if hint:
        rest = before + "\n" + click.style("hint:", fg="cyan", bold=True) + after
    return f"{head}\n{rest}"


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size().columns, 100)


def _write_anything(stream: TextIO) -> None:
    """A console that cannot show a character gets a stand-in, not a UnicodeEncodeError."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _silence_stdout() -> None:
    """Whoever read our output has gone: keep the interpreter's last flush from complaining."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
