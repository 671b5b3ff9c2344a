"""Every `kite` command in the guides is one, with options that it takes; so are those of the workflow."""

from __future__ import annotations

import re
import shlex

import click
import pytest
import yaml

from kit.guides import GUIDES
from skykite.cli.application import make_application

BLOCK = re.compile(r"^```(?:sh|bash|console|yaml|)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^(?:\s*- run: |\$ )?(kite [a-z].*)$", re.MULTILINE)
PLACEHOLDER = re.compile(r"[A-Z]+=|…|\|")


def commands(text: str) -> list[str]:
    found = [line for block in BLOCK.findall(text) for line in COMMAND.findall(block)]
    return [re.split(r"\s{2,}|\s#", line)[0].strip() for line in found]


CASES = [
    pytest.param(command, id=f"{guide.name}-{command}")
    for guide in sorted(GUIDES.glob("*.md"))
    for command in commands(guide.read_text(encoding="utf-8"))
    if not PLACEHOLDER.search(command)
]


def parse(command: click.Command, name: str, arguments: list[str], parent: click.Context | None) -> None:
    context = command.make_context(name, arguments, parent=parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        found, child, rest = command.resolve_command(context, rest)
        assert child is not None
        parse(child, str(found), rest, context)


@pytest.mark.parametrize("command", CASES)
def test_a_command_in_a_guide_is_taken(command: str) -> None:
    _, *arguments = shlex.split(re.sub(r" [<>] ?\S+", "", command))
    parse(make_application(), "kite", arguments, None)


def test_the_deploying_guide_has_commands() -> None:
    assert len(commands((GUIDES / "deploying.md").read_text(encoding="utf-8"))) >= 8


def test_each_job_of_the_workflow_deploys_what_another_built() -> None:
    text = (GUIDES / "deploying.md").read_text(encoding="utf-8")
    (workflow,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    jobs = yaml.safe_load(workflow)["jobs"]
    ran = {name: " ; ".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    for name in ("staging", "prod"):
        assert f"kite build --stage {name} --out dist/{name}" in ran["build"]
        assert f"kite deploy --from dist/{name}" in ran[name]
        assert "needs" in jobs[name]
