"""PyPA's and Poetry's own readings are the oracles: what we say is outside is outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from skykite.model.version_ranges import is_outside, is_outside_poetrys

NUMBERS = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
ENDINGS = st.sampled_from(["", "", "", "", "rc1", ".post1", ".dev1", "+local"])
VERSIONS = st.builds(str.__add__, NUMBERS, ENDINGS)
CLAUSES = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), NUMBERS),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), NUMBERS),
    st.builds("~={}.{}".format, NUMBERS, st.integers(0, 3)),
    st.builds("{}{}rc1".format, st.sampled_from(["==", "<", ">="]), NUMBERS),
)
SPECIFIERS = st.lists(CLAUSES, max_size=3).map(",".join)


@given(VERSIONS, SPECIFIERS)
def test_what_is_outside_is_outside_for_everybody(version: str, specifier: str) -> None:
    if is_outside(version, specifier):
        assert not SpecifierSet(specifier).contains(version, prereleases=True)


@given(NUMBERS, st.lists(CLAUSES.filter(lambda clause: "rc" not in clause), max_size=3).map(", ".join))
def test_plain_versions_are_always_judged(version: str, specifier: str) -> None:
    assert is_outside(version, specifier) is not SpecifierSet(specifier).contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        ("^1.2.3", ["1.2.3", "1.9", "1.2.10"], ["1.2.2", "2.0", "2"]),
        ("^1.2", ["1.2", "1.9.9"], ["1.1", "2.0.0"]),
        ("^1", ["1.0", "1.9"], ["0.9", "2.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2"]),
        ("^0.0", ["0.0.9"], ["0.1.0"]),
        ("^0", ["0.9"], ["1.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
        ("~1.2", ["1.2.9"], ["1.3"]),
        ("~1", ["1.9"], ["2.0"]),
        ("~=1.2", ["1.9"], ["2.0"]),
        ("1.2.*", ["1.2.0", "1.2.7"], ["1.3.0"]),
        ("1.2", ["1.2", "1.2.0"], ["1.2.1"]),
        ("=1.2", ["1.2"], ["1.3"]),
        (">=1.2,<2", ["1.5"], ["2.0"]),
        (">= 1.2 < 2", ["1.5"], ["1.1", "2.0"]),
        ("^1.0 || ^3.0", ["1.5", "3.1"], ["2.0"]),
        ("!=1.5", ["1.4"], ["1.5"]),
        ("*", ["0.1", "9"], []),
        ("^2.0rc1", ["1.0", "9.0"], []),  # read by nobody here
        (">=1.0,^x", ["0.1"], []),
        ("^1.0", ["2.0rc1", "0.9.dev1"], []),
    ],
)
def test_poetrys_constraints_mean_what_its_documentation_says(
    constraint: str, inside: list[str], outside: list[str]
) -> None:
    assert {version: is_outside_poetrys(version, constraint) for version in (*inside, *outside)} == {
        **dict.fromkeys(inside, False),
        **dict.fromkeys(outside, True),
    }
