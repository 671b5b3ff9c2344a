from __future__ import annotations

import pytest

from skykite.bundle.markers import Requirement, holds, machine, parse_requirement
from skykite.bundle.target import target_of

LAMBDA = machine(target_of("python3.13", "arm64"))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("pandas", Requirement(name="pandas")),
        ("httpx[http2, socks] >=0.27,<1", Requirement(name="httpx", extras=("http2", "socks"))),
        ("numpy>=2; python_version >= '3.11'", Requirement(name="numpy", marker="python_version >= '3.11'")),
        ("Flask-SQLAlchemy (>=3)", Requirement(name="Flask-SQLAlchemy")),
        ("mine @ file:///x/mine-1-py3-none-any.whl", Requirement(name="mine")),
        ("-r base.txt", None),
        ("./folder", None),
        ("https://example.com/mine.whl", None),
        ("", None),
    ],
)
def test_a_requirement_is_read(text: str, parsed: Requirement | None) -> None:
    assert parse_requirement(text) == parsed


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", True),
        ("sys_platform == 'win32'", False),
        ('sys_platform != "win32" and python_version < "3.14"', True),
        ("python_version >= '3.9'", True),  # as a version, not as text
        ("python_full_version < '3.13'", False),
        ("python_version == '3.13.0'", True),
        ("platform_machine == 'x86_64'", False),
        ("platform_machine in 'x86_64 aarch64'", True),
        ("platform_machine not in 'x86_64 aarch64'", False),
        ("'linux' in sys_platform", True),
        ("(os_name == 'nt' or os_name == 'posix') and implementation_name == 'cpython'", True),
        ("os_name == 'nt' or os_name == 'posix' and sys_platform == 'win32'", False),
        ("platform_python_implementation == 'PyPy' or platform_system == 'Linux'", True),
    ],
)
def test_a_marker_holds_as_on_the_functions_machine(marker: str, expected: bool) -> None:
    assert holds(marker, LAMBDA) is expected


def test_an_extra_counts_once_it_is_chosen() -> None:
    marker = "extra == 'binary' and python_version >= '3.9'"
    assert not holds(marker, LAMBDA)
    assert not holds(marker, LAMBDA, ["pool"])
    assert holds(marker, LAMBDA, ["pool", "binary"])


@pytest.mark.parametrize("marker", ["sys_platform ==", "&&", "(os_name == 'nt'", "os_name ~ 'x'", "os_name == 'a' 'b'"])
def test_what_cannot_be_read_holds_since_the_package_is_there(marker: str) -> None:
    assert holds(marker, LAMBDA)
