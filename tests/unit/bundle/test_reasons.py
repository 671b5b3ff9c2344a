from __future__ import annotations

import itertools

from skykite.bundle.markers import machine, parse_requirement
from skykite.bundle.reasons import Asked, Package, Reason, reasons
from skykite.bundle.target import target_of

LAMBDA = machine(target_of("python3.13", "x86_64"))


def asked(*texts: str, by: str = "requirements.txt") -> list[Asked]:
    found = []
    for text in texts:
        requirement = parse_requirement(text)
        assert requirement is not None
        found.append(Asked(requirement=requirement, by=by))
    return found


def test_who_asks_is_a_file_or_a_package_or_both() -> None:
    packages = [
        Package(
            name="pandas", requires=("numpy>=1.26", "tzdata; sys_platform == 'win32'", "pyarrow; extra == 'arrow'")
        ),
        Package(name="numpy"),
        Package(name="tzdata"),
        Package(name="pyarrow"),
    ]
    found = reasons(packages, asked("Pandas>=2", "numpy") + asked("numpy", by="base.txt"), LAMBDA, otherwise="lock")
    assert found == {
        "pandas": Reason(direct=("requirements.txt",)),
        "numpy": Reason(direct=("requirements.txt", "base.txt"), via=("pandas",)),
        "tzdata": Reason(direct=("lock",)),
        "pyarrow": Reason(direct=("lock",)),
    }


def test_an_extra_brings_its_packages_also_if_another_package_asks_for_it() -> None:
    packages = [
        Package(name="binary"),
        Package(name="driver", requires=("binary; extra == 'fast'",)),
        Package(name="orm", requires=("Driver[fast]",)),
    ]
    for ordered in itertools.permutations(packages):
        found = reasons(ordered, asked("orm"), LAMBDA, otherwise="lock")
        assert found["binary"] == Reason(via=("driver",))
    direct = reasons(packages[:2], asked("driver[fast]"), LAMBDA, otherwise="lock")
    assert direct["binary"] == Reason(via=("driver",))


def test_names_are_compared_as_indexes_do_and_shown_as_packages_write_them() -> None:
    packages = [Package(name="typing_extensions"), Package(name="pydantic_core", requires=("Typing.Extensions",))]
    found = reasons(packages, asked("Pydantic-Core"), LAMBDA, otherwise="lock")
    assert found["typing_extensions"] == Reason(via=("pydantic_core",))


def test_packages_that_need_each_other_are_no_loop() -> None:
    packages = [Package(name="a", requires=("b[x]",)), Package(name="b", requires=("a[y]", "b"))]
    assert reasons(packages, asked("a"), LAMBDA, otherwise="lock") == {
        "a": Reason(direct=("requirements.txt",), via=("b",)),
        "b": Reason(via=("a",)),
    }
