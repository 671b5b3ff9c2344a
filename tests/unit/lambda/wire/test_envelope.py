"""The outside of datagrams."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.wire.envelope import (
    ANYONE,
    DEV,
    DEVS,
    HEADER,
    MAC_SIZE,
    OVERHEAD,
    STUB,
    Envelope,
    ReplayWindow,
    StageKey,
    other_protocol,
    seal,
    spoken_protocol,
    unseal,
)
from skykite_lambda.wire.limits import LARGEST_DATAGRAM, REPLAY_WINDOW

KEY, OTHER_KEY = StageKey(b"k" * 32), StageKey(b"o" * 32)
ALICE, BOB, CAROL = b"a" * 16, b"b" * 16, b"c" * 16
LISTENS = frozenset((STUB, DEVS))


def sealed(*, key: StageKey = KEY, says: int = STUB, sender: bytes = ALICE, to: bytes = BOB) -> bytes:
    return seal(key, Envelope(1, says, sender, to, 7, b"payload"))


def test_what_was_sealed_is_read() -> None:
    for to in (BOB, ANYONE):
        assert unseal(KEY, sealed(to=to), BOB, LISTENS) == Envelope(1, STUB, ALICE, to, 7, b"payload")


@pytest.mark.parametrize("position", range(len(sealed())))
def test_no_byte_of_a_frame_can_be_changed(position: int) -> None:
    datagram = bytearray(sealed())
    datagram[position] ^= 1
    assert unseal(KEY, bytes(datagram), BOB, LISTENS) in (
        "malformed",
        "other_stage",
        "reflected",
        "elsewhere",
        "forged",
    )


def test_a_frame_without_the_key_is_forged_even_under_the_name_of_the_key() -> None:
    wrong = StageKey(b"w" * 32)
    wrong.name = KEY.name
    assert unseal(KEY, sealed(key=wrong), BOB, LISTENS) == "forged"


def test_a_frame_of_another_stage_is_told_from_a_forged_one() -> None:
    assert unseal(KEY, sealed(key=OTHER_KEY), BOB, LISTENS) == "other_stage"


def test_a_stub_does_not_take_its_own_frames_for_those_of_a_dev_session() -> None:
    """Somebody who can publish on its channel sends back what it said, or what another stub said."""
    assert unseal(KEY, sealed(says=STUB, to=ANYONE), ALICE, frozenset((DEV,))) == "reflected"
    assert unseal(KEY, sealed(says=STUB, to=ANYONE), CAROL, frozenset((DEV,))) == "reflected"


def test_a_frame_to_somebody_else_is_not_for_us() -> None:
    assert unseal(KEY, sealed(to=BOB), CAROL, LISTENS) == "elsewhere"
    assert unseal(KEY, sealed(says=DEVS, to=ANYONE), ALICE, LISTENS) == "elsewhere", "its own broadcast"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_not_an_exception(data: bytes) -> None:
    assert isinstance(unseal(KEY, data, BOB, LISTENS), str)


@given(st.integers(0, OVERHEAD + 6))
def test_a_frame_cut_short_is_none(length: int) -> None:
    assert isinstance(unseal(KEY, sealed()[:length], BOB, LISTENS), str)


def test_a_datagram_larger_than_any_of_ours_is_not_even_checked() -> None:
    huge = seal(KEY, Envelope(1, STUB, ALICE, BOB, 7, bytes(LARGEST_DATAGRAM)))
    assert unseal(KEY, huge, BOB, LISTENS) == "malformed"


def test_the_envelope_stays_as_it_is() -> None:
    """Stubs that were deployed years ago must still understand why they are refused. Never change what is here."""
    key = StageKey(bytes(range(32)))
    datagram = seal(key, Envelope(0, DEV, ALICE, BOB, 258, other_protocol(9)))
    secret = hmac.digest(bytes(range(32)), b"skykite wire: mac", "sha256")
    name = hmac.digest(bytes(range(32)), b"skykite wire: name", "sha256")[:4]
    written = b"KW\x00\x02" + name + ALICE + BOB + b"\0\0\0\0\0\0\1\2" + b"\x01\x09"
    assert datagram == written + hmac.digest(secret, written, "sha256")
    assert (HEADER.size, MAC_SIZE) == (48, 32)


@pytest.mark.parametrize(
    ("payload", "speaks"),
    [(b"\x01\x09", 9), (b"\x01\x09 and what later versions add", 9), (b"\x02\x09", None), (b"", None)],
)
def test_a_universal_frame_says_what_its_sender_speaks(payload: bytes, speaks: int | None) -> None:
    assert spoken_protocol(payload) == speaks


def test_a_key_is_no_word() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        StageKey(b"secret")


def test_a_number_is_admitted_once_in_any_order() -> None:
    window = ReplayWindow()
    assert [window.admit(n) for n in (5, 3, 5, 4, 3, 9, 4, 6)] == [True, True, False, True, False, True, False, True]


def test_what_is_far_behind_is_refused_though_it_was_never_here() -> None:
    window = ReplayWindow()
    assert window.admit(10_000)
    assert window.admit(10_000 - REPLAY_WINDOW + 1)
    assert not window.admit(10_000 - REPLAY_WINDOW)
    assert not window.admit(0)


def test_a_peer_that_was_forgotten_and_met_again_goes_on_above() -> None:
    window = ReplayWindow()
    assert window.admit((1 << 32) + 40)
    assert window.admit((2 << 32) + 1)
    assert not window.admit((1 << 32) + 41)


@given(st.lists(st.integers(0, 3000)))
def test_a_window_never_admits_twice_and_admits_all_that_is_new_and_near(numbers: list[int]) -> None:
    window, seen = ReplayWindow(), set[int]()
    for number in numbers:
        newest = max(seen, default=-1)
        expected = number not in seen and number > newest - REPLAY_WINDOW
        assert window.admit(number) is expected
        if expected:
            seen.add(number)
