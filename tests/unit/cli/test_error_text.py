from __future__ import annotations

from skykite.cli.error_text import format_error
from skykite.model.events import ErrorRaised

ERROR = ErrorRaised(
    error="handler-not-found",
    message="function `Api/Orders` points to `orders.main`, but"
    " `functions/orders.py` defines `handler` and `healthcheck`",
    hint='set handler="functions/orders.handler"',
)


def test_an_error_reads_as_the_style_says() -> None:
    assert format_error(ERROR, width=72) == (
        "error: handler-not-found\n"
        "\n"
        "  function `Api/Orders` points to `orders.main`, but\n"
        "  `functions/orders.py` defines `handler` and `healthcheck`\n"
        "\n"
        'hint: set handler="functions/orders.handler"'
    )


def test_off_a_terminal_a_line_stays_one_to_be_searched() -> None:
    assert format_error(ERROR).splitlines()[2] == f"  {ERROR.message}"


def test_context_keeps_its_shape() -> None:
    error = ErrorRaised(
        error="synth-failed",
        message="`stacks/app.py` raised `KeyError`\n  and this line is laid out",
        context="stacks/app.py:2 in main\n\n> 2 |     x = {}['a very long line that goes on and on']\n",
        link="https://example.org/why",
    )
    assert format_error(error, width=40) == (
        "error: synth-failed\n"
        "\n"
        "  `stacks/app.py` raised `KeyError`\n"
        "    and this line is laid out\n"
        "\n"
        "  stacks/app.py:2 in main\n"
        "\n"
        "  > 2 |     x = {}['a very long line th…\n"
        "\n"
        "more: https://example.org/why"
    )
