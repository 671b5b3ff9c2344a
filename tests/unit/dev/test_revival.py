"""When a session stops bringing its embedded cloud back."""

from __future__ import annotations

from skykite.dev.revival import Revival


def test_one_that_dies_right_after_its_start_gets_another_chance() -> None:
    revival = Revival()
    assert revival.after(0.1)
    assert revival.after(9.9)


def test_three_such_deaths_in_a_row_are_enough() -> None:
    revival = Revival()
    assert [revival.after(0.1) for _ in range(3)] == [True, True, False]


def test_one_that_lived_makes_the_earlier_deaths_forgotten() -> None:
    revival = Revival()
    assert [revival.after(lived) for lived in (0.1, 0.1, 10.0, 0.1, 0.1, 0.1)] == [True, True, True, True, True, False]
