"""Local days: they tile time in every zone, and ranges of them are what a person means."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku import days, times
from kioku.days import Calendar
from kioku.errors import UsageError

ZONES = sorted(available_timezones())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER = 15 * times.MINUTE

zones = st.sampled_from(ZONES)
starts = st.integers(0, 95).map(lambda quarter: quarter * 15)
dates = st.dates(date(1970, 1, 3), date(2040, 12, 31))
instants = st.integers(3 * times.DAY, 71 * 365 * times.DAY)


def ms(text: str, zone: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def wall(instant: int, zone: str) -> datetime:
    return (EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(zones, starts, dates)
def test_a_day_begins_when_the_local_clock_first_shows_its_start_or_later(zone: str, minutes: int, day: date) -> None:
    begin = Calendar(zone, minutes).day(day)[0]
    wanted = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001 - what a clock shows
    assert wall(begin, zone) >= wanted
    earlier = [begin - 1, *(begin - steps * QUARTER for steps in range(1, 150))]
    assert all(wall(instant, zone) < wanted for instant in earlier)


@given(zones, starts, dates)
def test_days_follow_each_other_without_gap_or_overlap(zone: str, minutes: int, day: date) -> None:
    calendar = Calendar(zone, minutes)
    (since, until), following = calendar.day(day), calendar.day(day + timedelta(days=1))
    assert since <= until == following[0]


@given(zones, starts, instants)
def test_an_instant_counts_to_the_day_in_which_it_lies(zone: str, minutes: int, instant: int) -> None:
    calendar = Calendar(zone, minutes)
    since, until = calendar.day(calendar.date_of(instant))
    assert since <= instant < until


@given(zones, starts, dates)
def test_the_first_and_the_last_instant_of_a_day_count_to_it(zone: str, minutes: int, day: date) -> None:
    calendar = Calendar(zone, minutes)
    since, until = calendar.day(day)
    if since < until:
        assert calendar.date_of(since) == calendar.date_of(until - 1) == day


def test_days_of_every_zone_there_is_tile_time_and_hold_their_own_instants() -> None:
    for zone in ZONES:
        calendar = Calendar(zone, 240)
        for number in range(0, 71 * 365, 389):
            day = date(1970, 1, 3) + timedelta(days=number)
            since, until = calendar.day(day)
            assert until == calendar.day(day + timedelta(days=1))[0], (zone, day)
            assert since == until or calendar.date_of(since) == calendar.date_of(until - 1) == day, (zone, day)


@pytest.mark.parametrize(
    ("zone", "day", "minutes", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 0, 23), ("Europe/Berlin", "2026-10-25", 0, 25),
        ("Europe/Berlin", "2026-03-28", 240, 23), ("Europe/Berlin", "2026-03-29", 240, 24),
        ("Europe/Berlin", "2026-10-24", 240, 25), ("Asia/Beirut", "2026-03-29", 0, 23),
        ("America/Havana", "2026-11-01", 0, 25), ("Australia/Lord_Howe", "2026-10-04", 0, 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 0, 24.5), ("Pacific/Apia", "2011-12-30", 0, 0),
        ("Pacific/Apia", "2011-12-29", 0, 24), ("Pacific/Apia", "2011-12-31", 0, 24),
        ("Pacific/Apia", "2011-12-30", 240, 4), ("Pacific/Apia", "2011-12-29", 240, 20),
        ("Pacific/Kwajalein", "1993-08-21", 0, 0), ("Asia/Tokyo", "2026-03-29", 0, 24),
    ],
)  # fmt: skip
def test_days_are_as_long_as_the_local_clock_makes_them(zone: str, day: str, minutes: int, hours: float) -> None:
    since, until = Calendar(zone, minutes).day(date.fromisoformat(day))
    assert until - since == hours * times.HOUR


def test_a_start_that_does_not_exist_is_the_change_and_one_that_exists_twice_the_first() -> None:
    beirut = Calendar("Asia/Beirut").day(date(2026, 3, 29))[0]  # at midnight it became one o'clock
    assert wall(beirut, "Asia/Beirut") == datetime(2026, 3, 29, 1)  # noqa: DTZ001
    havana = Calendar("America/Havana", 30).day(date(2026, 11, 1))[0]  # half past midnight came twice
    assert havana == ms("2026-11-01T00:30", "America/Havana")
    assert wall(havana + times.HOUR, "America/Havana") == datetime(2026, 11, 1, 0, 30)  # noqa: DTZ001


def test_what_is_done_before_the_start_of_day_counts_to_the_day_before() -> None:
    calendar = Calendar("Europe/Berlin", 240)
    assert calendar.date_of(ms("2026-11-24T03:59:59.999", "Europe/Berlin")) == date(2026, 11, 23)
    assert calendar.date_of(ms("2026-11-24T04:00", "Europe/Berlin")) == date(2026, 11, 24)


@given(instants)
def test_the_offset_is_what_the_local_clock_is_ahead_of_utc(instant: int) -> None:
    shown = wall(instant, "Africa/Casablanca").replace(tzinfo=UTC) - EPOCH
    assert shown / timedelta(milliseconds=1) == instant + Calendar("Africa/Casablanca").offset(instant)


@given(zones, starts, instants, st.integers(1, 60 * times.HOUR))
def test_hours_tile_the_time_and_each_shows_one_hour_of_one_day(
    zone: str, minutes: int, since: int, length: int
) -> None:
    calendar, at = Calendar(zone, minutes), since
    for hour in calendar.hours(since, since + length):
        assert hour.since == at < hour.until
        for instant in (hour.since, hour.until - 1):
            assert wall(instant, zone).hour == hour.hour
            assert calendar.date_of(instant) == hour.date
        at = hour.until
    assert at == since + length


@pytest.mark.parametrize("instant", [-(10**18), -1, 10**18])
def test_instants_beyond_the_calendar_count_to_a_day_of_it(instant: int) -> None:
    for zone in (None, "Europe/Berlin", "Pacific/Apia"):
        assert date.min <= Calendar(zone).date_of(instant) <= date.max
        Calendar(zone).day(date.min)
        Calendar(zone).day(date.max)


@pytest.fixture
def system_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.delenv("TZ", raising=False)
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"])
def test_without_a_named_zone_days_are_the_systems(zone: str, system_zone: pytest.MonkeyPatch) -> None:
    system_zone.setenv("TZ", zone)
    time.tzset()
    systems, named = Calendar(None, 15), Calendar(zone, 15)
    for year in (1975, 2011, 2026):
        for number in range(366):
            day = date(year, 1, 1) + timedelta(days=number)
            assert systems.day(day) == named.day(day)


NOW = ms("2026-11-24T14:05", "Europe/Berlin")  # a Tuesday


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("today", "2026-11-24", "2026-11-24"), ("yesterday", "2026-11-23", "2026-11-23"),
        ("week", "2026-11-23", "2026-11-24"), ("last week", "2026-11-16", "2026-11-22"),
        ("month", "2026-11-01", "2026-11-24"), ("last month", "2026-10-01", "2026-10-31"),
        ("year", "2026-01-01", "2026-11-24"), ("last year", "2025-01-01", "2025-12-31"),
        ("all", "2025-02-03", "2026-11-24"), ("2026-03-01", "2026-03-01", "2026-03-01"),
        ("2026-03-01..2026-03-14", "2026-03-01", "2026-03-14"), ("2026-03", "2026-03-01", "2026-03-31"),
        ("2024-02", "2024-02-01", "2024-02-29"), ("2025-12", "2025-12-01", "2025-12-31"),
        ("2025", "2025-01-01", "2025-12-31"), ("2026", "2026-01-01", "2026-11-24"),
        ("2026-11", "2026-11-01", "2026-11-24"), ("2026-03..2026-05", "2026-03-01", "2026-05-31"),
        ("2026-11-20..today", "2026-11-20", "2026-11-24"), ("  Last   WEEK ", "2026-11-16", "2026-11-22"),
        ("2026-11-01 .. 2099-12-31", "2026-11-01", "2026-11-24"), ("last month..yesterday", "2026-10-01", "2026-11-23"),
    ],
)  # fmt: skip
def test_a_range_is_what_a_person_means_by_it(words: str, first: str, last: str) -> None:
    calendar = Calendar("Europe/Berlin")
    found = calendar.range(words, NOW, ms("2025-02-03T10:00", "Europe/Berlin"))
    assert (str(found.first), str(found.last)) == (first, last)
    assert found.since == calendar.day(found.first)[0]
    assert found.until == calendar.day(found.last)[1]


def test_before_the_start_of_day_today_is_still_the_day_before() -> None:
    night = ms("2026-11-01T01:30", "Europe/Berlin")
    calendar = Calendar("Europe/Berlin", 240)
    assert calendar.range("today", night).first == date(2026, 10, 31)
    assert calendar.range("month", night).first == date(2026, 10, 1)


@pytest.mark.parametrize(
    ("earliest", "first"), [(None, "2026-11-24"), (-(10**18), "1970-01-01"), (10**18, "2026-11-24"), (0, "1970-01-01")]
)
def test_all_begins_with_the_earliest_whatever_that_is(earliest: int | None, first: str) -> None:
    found = Calendar("Europe/Berlin").range("all", NOW, earliest)
    assert (str(found.first), found.last) == (first, date(2026, 11, 24))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("2026-03-14..2026-03-01", "ends before it begins (turn it round: 2026-03-01..2026-03-14)"),
        ("2026-05..2026-03", "turn it round: 2026-03..2026-05"), ("", "an empty text is no range of days (say today"),
        ("   ", "an empty text is no range of days"), ("..", "'..' lacks an end (say today"),
        ("2026-03-01..", "'2026-03-01..' lacks an end"), ("..today", "'..today' lacks an end"),
        ("2026-11-25", "'2026-11-25' is in the future (today is 2026-11-24"), ("2027", "'2027' is in the future"),
        ("2026-12..2027-01", "is in the future"), ("2026-02-30", "'2026-02-30' is no date of the calendar (say today"),
        ("2026-13", "'2026-13' is no date of the calendar"), ("0000", "'0000' is no date of the calendar"),
        ("1969-12-31", "'1969-12-31' is before 1970"), ("0001..today", "'0001' is before 1970"),
        ("yesterdya", "did you mean 'yesterday'?"), ("soon", "'soon' is no range of days (say today"),
        ("2026-3-1", "'2026-3-1' is no range of days"), ("２０２６", "is no range of days"),
        ("today..2026-11-20..2026-11-21", "'2026-11-20..2026-11-21' is no range of days"),
        ("1" * 500, f"'{'1' * 59}…' is no range of days"), ("2026-11-24T10:00", "is no range of days"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_an_error_that_names_it_and_the_next_step(words: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        Calendar("Europe/Berlin").range(words, NOW)
    assert says in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_range_or_an_error_of_usage(words: str) -> None:
    try:
        found = Calendar("Europe/Berlin").range(words, NOW)
    except UsageError:
        return
    assert found.since < found.until


@given(dates, dates)
def test_two_dates_are_all_days_from_the_one_to_the_other(one: date, other: date) -> None:
    calendar = Calendar("America/St_Johns", 240)
    first, last = sorted((one, other))
    found = calendar.range(f"{first}..{last}", ms("2041-01-01T12:00", "UTC"))
    assert found == (first, last, calendar.day(first)[0], calendar.day(last)[1])


@pytest.mark.parametrize(
    "name", ["", "Nowhere/City", "../../etc/passwd", "/etc/passwd", "America", "Europe/Berlin\0", "é", "x" * 5000]
)
def test_a_zone_that_does_not_exist_is_named(name: str) -> None:
    assert not days.is_zone(name)
    with pytest.raises(UsageError, match="there is no time zone"):
        Calendar(name)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("00:00", 0), ("04:00", 240), ("23:45", 1425), ("4:00", None), ("24:00", None), ("04:10", None), ("04:00\n", None),
     ("", None), ("０4:00", None)],
)  # fmt: skip
def test_a_start_of_day_is_a_time_on_a_quarter_of_an_hour(text: str, minutes: int | None) -> None:
    assert days.minutes_of(text) == minutes
