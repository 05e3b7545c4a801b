"""Sessions and active time by comparing each activity with each: slow, and written from the definitions alone.

It shares nothing with the program but the reports: a session is a connected part of "starts while the other one still
holds the session open", active time a connected part of "at most five minutes apart".
"""

from collections.abc import Callable, Sequence
from itertools import combinations

from kioku.models import Report
from kioku.sessions.derive import Timeouts
from tests.sessions.stage import MINUTE


def parts(found: Sequence[Report], are_near: Callable[[Report, Report], bool]) -> list[list[Report]]:
    """Divide activities into the connected parts of a relation, comparing each with each."""
    part = {index: {index} for index in range(len(found))}
    for one, other in combinations(range(len(found)), 2):
        if are_near(found[one], found[other]) and part[one] is not part[other]:
            part[one] |= part[other]
            for member in part[other]:
                part[member] = part[one]
    different = {id(members): members for members in part.values()}
    return sorted(
        ([found[index] for index in members] for members in different.values()),
        key=lambda members: min(member.at for member in members),
    )


def end(activity: Report) -> int:
    return activity.at + (activity.took if activity.took is not None else 0)


def gap(one: Report, other: Report) -> int:
    """Return the time between two activities; parallel ones have none."""
    return max(0, other.at - end(one), one.at - end(other))


def sessions(found: Sequence[Report], timeout: Callable[[int], int]) -> list[list[Report]]:
    def in_one_session(one: Report, other: Report) -> bool:
        first, second = sorted((one, other), key=lambda activity: activity.at)
        return second.at - end(first) < timeout(first.at)

    return parts(found, in_one_session)


def active(session: Sequence[Report]) -> int:
    stretches = parts(session, lambda one, other: gap(one, other) <= 5 * MINUTE)
    return sum(max(map(end, stretch)) - min(activity.at for activity in stretch) for stretch in stretches)


def step(timeouts: Timeouts) -> Callable[[int], int]:
    def at(instant: int) -> int:
        earlier = [length for since, length in timeouts.steps if since <= instant]
        return earlier[-1] if earlier else timeouts.steps[0][1]

    return at
