"""How instants and lengths of time are written."""

import pytest

from kioku import times


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (None, "–"), (0, "0 ms"), (999, "999 ms"), (1_000, "1 s"), (59_999, "59 s"), (60_000, "1 min"),
        (times.HOUR, "1 h"), (times.HOUR + 12 * times.MINUTE, "1 h 12 min"), (47 * times.HOUR, "47 h"),
        (48 * times.HOUR, "2 d"), (53 * times.HOUR, "2 d 5 h"), (-61_000, "-1 min"),
    ],
)  # fmt: skip
def test_durations_have_at_most_two_units(length: int | None, text: str) -> None:
    assert times.duration_text(length) == text


def test_instants_are_written_in_the_persons_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    instant = 1_795_388_043_249  # 2026-11-22T22:54:03.249Z
    for zone, text in (
        ("UTC", "2026-11-22 22:54"),
        ("Asia/Tokyo", "2026-11-23 07:54"),
        ("America/New_York", "2026-11-22 17:54"),
    ):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert times.local_text(instant) == text
    monkeypatch.delenv("TZ")
    time.tzset()
    assert times.iso_text(instant) == "2026-11-22T22:54:03.249Z"


@pytest.mark.parametrize("instant", [-1, 10**18, -(10**18)])
def test_instants_beyond_the_calendar_are_written_all_the_same(instant: int) -> None:
    assert str(instant) in times.local_text(instant)
    assert times.iso_text(instant) == str(instant)


def test_how_long_ago() -> None:
    assert times.ago_text(0, 5_000) == "just now"
    assert times.ago_text(0, 12 * times.MINUTE) == "12 min ago"
    assert times.ago_text(3 * times.HOUR, 0) == "in 3 h"
