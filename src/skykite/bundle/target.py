"""For which machine packages are chosen. In: a Lambda runtime and architecture. Out: what uv is told. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from skykite.errors import SkykiteError

_RUNTIME: Final = re.compile(r"python(3\.\d+)")
_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_FIRST_ON_AL2023: Final = (3, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`platform` is uv's `--python-platform`, `python` its `--python-version`."""

    python: str
    platform: str

    @property
    def options(self) -> tuple[str, str]:
        """For `uv pip`."""
        return f"--python-platform={self.platform}", f"--python-version={self.python}"


def target_of(runtime: str, architecture: Literal["x86_64", "arm64"]) -> Target:
    """Python 3.12 and later run on Amazon Linux 2023 with glibc 2.34, those before on Amazon Linux 2 with 2.26; what
    is built for an older glibc runs on a newer one."""
    found = _RUNTIME.fullmatch(runtime)
    if not found:
        raise SkykiteError(
            "runtime-unknown",
            f"packages cannot be chosen for the runtime `{runtime}`",
            hint="use one of Lambda's Python runtimes, for instance python3.13",
        )
    version = tuple(int(part) for part in found[1].split("."))
    glibc = "manylinux_2_34" if version >= _FIRST_ON_AL2023 else "manylinux2014"
    return Target(python=found[1], platform=f"{_MACHINES[architecture]}-{glibc}")
