"""Whether Lambda can start a `bootstrap`. In: the file, and for which machine. Out: nothing, or an error that says what
it is instead. I/O: reads the file.
"""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import Final, Literal

from skykite.errors import SkykiteError

_MACHINES: Final = {0x3E: "x86_64", 0xB7: "arm64", 0x03: "32-bit x86", 0x28: "32-bit ARM", 0xF3: "RISC-V"}
_OTHERS: Final = {
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"\xfe\xed\xfa\xcf": "macOS",
    b"MZ": "Windows",
}
_GLIBC: Final = {"provided.al2023": 34, "provided.al2": 26}
_VERSION: Final = re.compile(rb"\0GLIBC_2\.(\d+)(?=\0)")
_MUSL_LOADER: Final = b"/lib/ld-musl-"


def check_bootstrap(
    file: Path, *, runtime: str, architecture: Literal["x86_64", "arm64"], shown: str, executable: bool | None = None
) -> None:
    """Raises `bootstrap-…`. `shown` is how the user knows the file; `executable` whether it may be run, if the file
    itself does not tell."""
    try:
        mode, data = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise SkykiteError(
            "bootstrap-missing",
            f"`{shown}` is what Lambda would start, and cannot be read: {error.strerror}",
            hint="an executable function is a folder that holds `bootstrap`, or has a `build` that makes it",
        ) from error
    if sys.platform != "win32" and not (mode & stat.S_IXUSR if executable is None else executable):
        raise SkykiteError(
            "bootstrap-mode", f"`{shown}` is not executable", hint=f"`chmod +x {shown}`, and keep it so in git"
        )
    if data.startswith(b"#!"):
        _check_script(data, shown)
    elif data.startswith(b"\x7fELF"):
        _check_elf(data, runtime, architecture, shown)
    else:
        system = next((name for magic, name in _OTHERS.items() if data.startswith(magic)), None)
        what = f"built for {system}" if system else "neither a Linux executable nor a script that begins with `#!`"
        raise SkykiteError(
            "bootstrap-format",
            f"`{shown}` is {what}; Lambda runs Linux",
            hint=f"build it for linux on {architecture}" if system else "a shell script begins with `#!/bin/sh`",
        )


def _check_script(data: bytes, shown: str) -> None:
    first = data.partition(b"\n")[0]
    if first.endswith(b"\r"):
        program = first[2:].strip().decode(errors="replace")
        raise SkykiteError(
            "bootstrap-format",
            f"`{shown}` has Windows line ends, so that Linux looks for `{program}\\r`",
            hint="save it with line ends of `\\n`; in git, `* text eol=lf` in .gitattributes keeps them",
        )


def _check_elf(data: bytes, runtime: str, architecture: str, shown: str) -> None:
    order: Literal["little", "big"] = "little" if data[5:6] == b"\x01" else "big"
    machine = _MACHINES.get(int.from_bytes(data[18:20], order), "another machine")
    if machine != architecture:
        raise SkykiteError(
            "bootstrap-architecture",
            f"`{shown}` is built for {machine}, and the function's architecture is {architecture}",
            hint=f'build it for {architecture}, or give the function architecture="{machine}"'
            if machine in ("x86_64", "arm64")
            else f"build it for {architecture}",
        )
    if _MUSL_LOADER in data[:8192]:
        raise SkykiteError(
            "bootstrap-libc",
            f"`{shown}` needs musl's loader, which Lambda does not have",
            hint="link it statically: `-static`, or `-C target-feature=+crt-static` in Rust",
        )
    needed = max((int(found) for found in _VERSION.findall(data)), default=0)
    if needed > _GLIBC.get(runtime, needed):
        raise SkykiteError(
            "bootstrap-libc",
            f"`{shown}` needs glibc 2.{needed}; `{runtime}` has 2.{_GLIBC[runtime]}",
            hint="build it on Amazon Linux, link it statically, or use `CGO_ENABLED=0` for Go and cargo-lambda or the "
            "musl target for Rust",
        )
