"""How Go and Rust are told to make a `bootstrap`, for Lambda or for this machine. Pure, but for finding programs.

In: an `ExecutableBuild`, and for which machine. Out: a `Recipe`: a command, its environment, where to find what it
makes. https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
https://docs.aws.amazon.com/lambda/latest/dg/rust-package.html
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from skykite.errors import SkykiteError
from skykite.model.executable import BOOTSTRAP, ExecutableBuild

Architecture = Literal["x86_64", "arm64"]
_GO_MACHINES: Final = {"x86_64": "amd64", "arm64": "arm64"}
_RUST_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_SYSTEMS: Final = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_INSTALL_GO: Final = "install Go: https://go.dev/dl/"
_INSTALL_RUST: Final = "install Rust: https://rustup.rs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """For what is built; `lambda_` if it is to be deployed."""

    system: str
    architecture: Architecture
    lambda_: bool

    @property
    def shown(self) -> str:
        return f"{self.system} on {self.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`command` is a line of the shell, or a program and its arguments. `output` is what it leaves: a file, a folder
    with `bootstrap`, or None if the program tells in its output, as Cargo does."""

    command: str | Sequence[str]
    output: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        return self.command if isinstance(self.command, str) else " ".join(map(str, self.command))


def this_machine() -> Machine:
    """Where `kite` runs."""
    architecture: Architecture = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    return Machine(system=_SYSTEMS.get(sys.platform, sys.platform), architecture=architecture, lambda_=False)


def lambda_machine(architecture: Architecture) -> Machine:
    """Where a function runs when it is deployed."""
    return Machine(system="linux", architecture=architecture, lambda_=True)


def recipe_of(
    build: ExecutableBuild, machine: Machine, *, folder: Path, work: Path, environment: Mapping[str, str], shown: str
) -> Recipe:
    """`folder` is the import root, `work` an empty folder for what is made. Raises `toolchain-missing`."""
    told = {
        "KITE_ARCHITECTURE": machine.architecture,
        "KITE_SYSTEM": machine.system,
        "GOOS": machine.system,
        "GOARCH": _GO_MACHINES[machine.architecture],
    }
    if build.command is not None:
        own = not machine.lambda_ and build.local_command is not None
        command = build.local_command if own and build.local_command is not None else build.command
        output = (build.local_output or build.output) if not machine.lambda_ else build.output
        return Recipe(command=command, output=folder / output, environment=told)
    path = environment.get("PATH")
    if build.preset == "go":
        return _go(machine, work, told, path, shown)
    return _rust(machine, work, path, shown)


def _go(machine: Machine, work: Path, told: Mapping[str, str], path: str | None, shown: str) -> Recipe:
    go = shutil.which("go", path=path)
    if go is None:
        raise _missing("go", shown, _INSTALL_GO)
    output = work / (f"{BOOTSTRAP}.exe" if machine.system == "windows" else BOOTSTRAP)
    command = [go, "build", "-tags", "lambda.norpc", "-o", str(output)]
    if not machine.lambda_:
        return Recipe(command=[*command, "."], output=output, environment=told)
    smaller = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
    return Recipe(command=[*command, *smaller, "."], output=output, environment={**told, "CGO_ENABLED": "0"})


def _rust(machine: Machine, work: Path, path: str | None, shown: str) -> Recipe:
    cargo = shutil.which("cargo", path=path)
    if cargo is None:
        raise _missing("cargo", shown, _INSTALL_RUST)
    tell = "--message-format=json-render-diagnostics"
    if not machine.lambda_:
        return Recipe(command=[cargo, "build", tell], output=None)
    if shutil.which("cargo-lambda", path=path) is not None:
        target = "--arm64" if machine.architecture == "arm64" else "--x86-64"
        return Recipe(command=[cargo, "lambda", "build", "--release", target, "--lambda-dir", str(work)], output=work)
    triple = f"{_RUST_MACHINES[machine.architecture]}-unknown-linux-musl"
    return Recipe(
        command=[cargo, "build", "--release", "--target", triple, tell],
        output=None,
        # Rust brings what it takes to link for another machine, as long as no C is in it.
        environment={f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER": "rust-lld"},
    )


def rust_hint(said: str) -> str | None:
    """What to do if Rust itself lacks something."""
    if "can't find crate for `std`" in said or "target may not be installed" in said:
        return (
            "install cargo-lambda (`uv tool install cargo-lambda`), or the target that the message names: "
            "`rustup target add …`"
        )
    return None


def executables_in(said: str) -> tuple[Path, ...]:
    """What Cargo says it has made."""
    found: list[Path] = []
    for line in said.splitlines():
        if not line.startswith("{"):
            continue
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            found.append(Path(message["executable"]))
    return tuple(dict.fromkeys(found))


def _missing(program: str, shown: str, hint: str) -> SkykiteError:
    return SkykiteError("toolchain-missing", f"`{shown}` is built with `{program}`, which is not on PATH", hint=hint)
