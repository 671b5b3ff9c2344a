"""What `kite --help` prints. Pure, and imports nothing heavy: it is shown without loading click.

`application` builds its options from the same texts; a test holds the page to what the parser really takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from skykite.cli.registry import COMMANDS, SECTIONS

TITLE: Final = "Full-stack serverless for Python: define it with AWS CDK, run every function on your machine."

OPTION_HELP: Final = {
    "--stage NAME": "Your own copy of the app; without it, the one the first run asked for.",
    "--output [auto|plain|json]": "How to show what happens: `json` is one object a line.",
    "-y, --yes": "Answer yes to every question.",
    "--project DIR": "Where kite.toml is; else here or above.",
    "--debug": "Show tracebacks with errors.",
    "--version": "Print the version and stop.",
    "-h, --help": "Show this message and exit.",
}
"""By how click writes the option."""

_EXAMPLES: Final = {
    "kite init notes --template api": "a project that runs at once",
    "kite dev --local": "everything on this machine, no AWS account",
    "kite deploy --stage prod": "the same, on AWS",
}


def help_page(*, colour: bool) -> str:
    """The page, with its last line's end."""
    heading, name = ("\x1b[1m", "\x1b[36m") if colour else ("", "")
    end = "\x1b[0m" if colour else ""
    lines = [TITLE, "", f"{heading}Usage{end}  kite COMMAND [OPTIONS]"]

    def table(title: str, rows: Iterable[tuple[str, str]], width: int) -> None:
        lines.extend(["", f"{heading}{title}{end}"])
        lines.extend(f"  {name}{left.ljust(width)}{end}  {right}" for left, right in rows)

    width = max(map(len, COMMANDS))
    for section in SECTIONS:
        table(section.title, ((entry.name, entry.help) for entry in section.commands), width)
    table("Options of every command", OPTION_HELP.items(), max(map(len, OPTION_HELP)))
    table("Examples", _EXAMPLES.items(), max(map(len, _EXAMPLES)))
    lines.extend(["", f"{name}kite COMMAND --help{end} tells more about one command.", ""])
    return "\n".join(lines)
