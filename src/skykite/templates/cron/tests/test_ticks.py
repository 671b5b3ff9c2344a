import json

from functions import ticks


def tick(time):
    ticks.tick({"detail-type": "Scheduled Event", "time": time}, None)


def test_the_last_ticks_come_first():
    for minute in range(ticks.PAGE + 5):
        tick(f"2026-03-12T19:{minute:02}:00Z")

    shown = json.loads(ticks.browse({}, None)["body"])["ticks"]

    assert len(shown) == ticks.PAGE
    assert shown[:2] == ["2026-03-12T19:14:00+00:00", "2026-03-12T19:13:00+00:00"]


def test_a_tick_that_comes_twice_is_one(table):
    tick("2026-03-12T19:00:00Z")
    tick("2026-03-12T19:00:00Z")

    assert len(table.items) == 1


def test_a_tick_goes_after_a_day(table):
    tick("1970-01-01T00:00:00Z")

    [item] = table.items.values()
    assert item["expires"] == 24 * 60 * 60
