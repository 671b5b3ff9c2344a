"""Channel paths of Event APIs, and the index of who listens."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_cloud.events.channels import Subscriptions, parse_channel

SEGMENTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/kite-requests/0f", ("kite-requests", "0f")),
        ("kite-requests/0f/", ("kite-requests", "0f")),
        ("/a", ("a",)),
        ("/a/b/c/d/e", ("a", "b", "c", "d", "e")),
        ("/" + "x" * 50, ("x" * 50,)),
    ],
)
def test_a_path_is_its_segments(text: str, path: tuple[str, ...]) -> None:
    assert parse_channel(text, wildcard=False) == path


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "//a", "/a//b", "/a/b/c/d/e/f", "/a_b", "/a.b", "/-a", "/a-", "/a b", "/é", "/" + "x" * 51, "/a/*",
        "*", "/a\n", None, 7, ["a"],
    ],
)  # fmt: skip
def test_what_is_no_channel_is_refused(text: object) -> None:
    assert parse_channel(text, wildcard=False) is None


@pytest.mark.parametrize(("text", "allowed"), [("/a/*", True), ("/*", False), ("/*/a", False), ("/a/*/b", False)])
def test_a_wildcard_stands_at_the_end_below_a_namespace(text: str, allowed: bool) -> None:
    assert (parse_channel(text, wildcard=True) is not None) is allowed


@given(text=st.text(alphabet=string.ascii_letters + string.digits + "-/*._ é\n", max_size=60))
def test_whatever_is_accepted_has_one_to_five_plain_segments(text: str) -> None:
    path = parse_channel(text, wildcard=True)

    if path is not None:
        assert 1 <= len(path) <= 5
        assert "/".join(path) == text.removeprefix("/").removesuffix("/")
        for segment in path[:-1]:
            assert segment.replace("-", "").isalnum()
            assert segment.isascii()


@given(
    listening=st.lists(st.tuples(SEGMENTS, st.booleans()), max_size=20),
    published=SEGMENTS,
)
def test_exactly_those_hear_it_who_listen_to_the_channel_or_above_it(
    listening: list[tuple[list[str], bool]], published: list[str]
) -> None:
    subscriptions: Subscriptions[int] = Subscriptions()
    for number, (path, wildcard) in enumerate(listening):
        subscriptions.add("api", (*path, "*") if wildcard else tuple(path), number)

    expected = {
        number
        for number, (path, wildcard) in enumerate(listening)
        if (published[: len(path)] == path and len(published) > len(path) if wildcard else published == path)
    }
    heard = list(subscriptions.of("api", tuple(published)))
    assert set(heard) == expected
    assert len(heard) == len(expected)
    assert list(subscriptions.of("other", tuple(published))) == []


def test_who_leaves_leaves_nothing_behind() -> None:
    subscriptions: Subscriptions[str] = Subscriptions()
    subscriptions.add("api", ("a", "b"), "one")
    subscriptions.add("api", ("a", "b"), "two")

    subscriptions.remove("api", ("a", "b"), "one")
    assert list(subscriptions.of("api", ("a", "b"))) == ["two"]
    subscriptions.remove("api", ("a", "b"), "two")
    assert len(subscriptions) == 0
    assert subscriptions._by_path == {}
