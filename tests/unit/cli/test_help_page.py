from __future__ import annotations

import importlib
import re

import click
import pytest

from skykite.cli.application import make_application
from skykite.cli.help_page import OPTION_HELP, help_page
from skykite.cli.registry import COMMANDS


def test_the_page_shows_the_options_the_parser_takes() -> None:
    application = make_application()
    context = click.Context(application, info_name="kite", help_option_names=["-h", "--help"])
    records = [record for option in application.get_params(context) if (record := option.get_help_record(context))]
    assert dict(records) == OPTION_HELP


def test_colour_adds_nothing_but_colour() -> None:
    assert re.sub(r"\x1b\[\d+m", "", help_page(colour=True)) == help_page(colour=False)


def test_the_page_fits_a_terminal() -> None:
    assert max(len(line) for line in help_page(colour=False).splitlines()) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_page_can_be_called_and_explains_itself(name: str) -> None:
    command = importlib.import_module(COMMANDS[name].module).command
    assert isinstance(command, click.Command)
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_global_options(name: str) -> None:
    application = make_application()
    context = click.Context(application, info_name="kite")
    command = application.get_command(context, name)
    assert command is not None
    taken = {option for parameter in command.params for option in parameter.opts}
    assert {"--stage", "--output", "--yes", "--project", "--debug"} <= taken
