"""Whether what is installed here is what would be deployed, and what to say if not. Pure.

In: versions that are installed, versions that a lock file has. Out: differences, and one `Notice` a lock file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from skykite.dev.environments import Keeper
from skykite.model.events import Notice
from skykite.model.packages import Kind

_NAMED: Final = 3  # differences that a line names


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    """A package that is here in another version than it would be on AWS, or not at all."""

    name: str
    locked: str | None
    here: str | None

    def __str__(self) -> str:
        if self.here is None:
            return f"`{self.name}` is not installed"
        return f"`{self.name}` is {self.here} instead of {self.locked}"


def compare(installed: Mapping[str, str], locked: Mapping[str, frozenset[str]]) -> tuple[Difference, ...]:
    """Sorted: other versions first, for those are what nobody notices."""
    found = []
    for name, versions in sorted(locked.items()):
        here = installed.get(name)
        if here is None or (versions and not any(_same(here, version) for version in versions)):
            found.append(Difference(name=name, locked=" or ".join(sorted(versions)) or None, here=here))
    return tuple(sorted(found, key=lambda one: (one.here is None, one.name)))


def differences_notice(differences: Sequence[Difference], *, lock: str, environment: str, remedy: str) -> Notice | None:
    """`lock` and `environment` as people call them."""
    if not differences:
        return None
    shown = [str(one) for one in differences[:_NAMED]]
    more = len(differences) - len(shown)
    shown += [f"{more} more differ"] if more else []
    listed = ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else shown[0]
    return Notice(
        notice="packages-differ",
        message=f"{environment} is not what `{lock}` would deploy: {listed}",
        hint=f"run `{remedy}`",
    )


def remedy_for(
    kind: Kind,
    *,
    file: str,
    keeper: Keeper,
    pip: str,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    shared: bool = False,
    beside: str = "",
    given: str = "",
) -> str:
    """The command that makes them the same, for a shell in the project's folder. `file` is what lists the packages, and
    is in the folder `beside`; `shared` says that several members of a workspace have their packages in one environment;
    `pip` is how packages get into an environment of no tool's; one that is `given` on the command line is not where uv
    and pip would look for one themselves."""
    into = f"cd {beside} && " if beside else ""
    fresh = "uv venv && " if keeper == "own" else ""
    uv = f"uv pip install --python {given}" if given else "uv pip install"
    match kind:
        case "uv":
            chosen = [*(f"--extra {one}" for one in extras), *(f"--group {one}" for one in groups)]
            # uv would make an environment of its own, in `.venv`, whatever is active.
            active = ["--active"] if keeper in ("active", "conda") else []
            return into + " ".join(["uv sync", *(["--all-packages"] if shared else []), *chosen, *active])
        case "poetry":
            chosen = [*(f"--extras {one}" for one in extras), *(f"--with {one}" for one in groups)]
            return into + " ".join(["poetry install", *chosen])
        case "pdm":
            return into + " ".join(["pdm install", *(f"--group {one}" for one in (*extras, *groups))])
        case "requirements":
            return f"{fresh}{uv if fresh or given else f'{pip} install'} -r {file}"
        case "pyproject" if keeper in ("poetry", "pdm"):
            return f"{into}{keeper} install"
        case "pyproject" | "pylock":
            return f"{fresh}{uv} -r {file}"


def _same(one: str, other: str) -> bool:
    return one == other or _canonical(one) == _canonical(other)


def _canonical(version: str) -> str:
    """As PEP 440 compares: `1.0` is `1.0.0`, `1.0-rc.1` is `1.0rc1`, `+CPU_1` is `+cpu.1`."""
    public, plus, local = version.lower().strip().removeprefix("v").partition("+")
    public = re.sub(r"[-_.]*(alpha|beta|preview|post|dev|pre|rev|rc|a|b|c|r)[-_.]*(\d*)", _phase, public)
    public = re.sub(r"(\.0)+(?=$|[a-z])", "", public)
    return public + (plus + re.sub(r"[-_]", ".", local) if plus else "")


def _phase(found: re.Match[str]) -> str:
    name = {"alpha": "a", "beta": "b", "c": "rc", "preview": "rc", "pre": "rc", "rev": "post", "r": "post"}
    return name.get(found[1], found[1]) + (found[2] or "0")
