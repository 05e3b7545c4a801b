"""What a person's pauses say about where sessions end: how much the timeout matters, and whether there are two kinds.

A gap is the time between two stretches of activity of one conversation, each without a pause over five minutes. The
timeout decides which gaps are breaks and which end a session, and nothing else about time: so what any timeout would
make of the same activity follows from the gaps alone.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from kioku import times

TIMEOUTS: Final = tuple(minutes * times.MINUTE for minutes in (5, 10, 15, 20, 30, 45, 60, 90, 120))

ENOUGH: Final = 500  # gaps; fewer can look like anything
SEPARATION: Final = 2.0  # Ashman's D above which two components are apart
LEAST_WEIGHT: Final = 0.05  # a component with less is an accident
# How deep the valley between them must be, as a share of the lower peak: two components fitted to one broad kind (log
# uniform, exponential, evenly spread) pass Ashman's test in most samples, and none of them had less than half.
SHALLOWEST: Final = 1 / 3

_LONGEST: Final = 1 << 53  # ms; nothing longer is an instant of ours
_BINS: Final = 128
_ROUNDS: Final = 300
_STEADY: Final = 1e-7  # gain in log likelihood a gap at which another round is not worth it
_NARROWEST: Final = 0.02  # spread; a component on one value would be infinitely likely


class Row(msgspec.Struct, frozen=True):
    """How many sessions a timeout gives, and the sum of their lengths from start to last activity."""

    timeout_ms: int
    sessions: int
    span_ms: int


def sensitivity(
    gaps_ms: Iterable[int], streams: int, timeouts: Iterable[int] = TIMEOUTS, *, active_ms: int = 0
) -> list[Row]:
    """Return what each timeout makes of the same activity.

    `streams` conversations with `active_ms` of activity, and all gaps in them, each longer than five minutes. A gap
    that reaches the timeout divides, any other is part of the session around it:

        sessions(t) = streams + number of gaps >= t
        span(t) = active + sum of gaps < t
    """
    gaps = sorted(gaps_ms)
    rows = {}
    before, span_ms = 0, active_ms
    wanted = list(timeouts)
    for timeout in sorted(set(wanted)):
        inside = bisect_left(gaps, timeout)
        span_ms += sum(gaps[before:inside])
        before = inside
        rows[timeout] = Row(timeout, streams + len(gaps) - inside, span_ms)
    return [rows[timeout] for timeout in wanted]


class Component(msgspec.Struct, frozen=True):
    """One kind of gap: a normal distribution of the natural logarithm of gaps in ms, and its share of all gaps."""

    mean: float
    spread: float
    weight: float

    @property
    def typical_ms(self) -> int:
        """Return the gap in its middle: half of this kind are shorter."""
        return round(math.exp(self.mean))

    @property
    def usual_ms(self) -> tuple[int, int]:
        """Return the lengths between which two thirds of this kind lie: one spread to either side."""
        return round(math.exp(self.mean - self.spread)), round(math.exp(self.mean + self.spread))

    def density(self, at: float) -> float:
        """Return the share of gaps, a unit of the logarithm, that are of this kind and of that length."""
        return self.weight * math.exp(-(((at - self.mean) / self.spread) ** 2) / 2) / (self.spread * _ROOT)


_ROOT: Final = math.sqrt(2 * math.pi)


class Mixture(msgspec.Struct, frozen=True):
    """Two kinds of gap, and the length at which one is as likely of either kind."""

    short: Component
    long: Component
    crossing_ms: int
    gaps: int  # that it was found in

    @property
    def separation(self) -> float:
        """Return Ashman's D: the distance of the means in units of the components' mean spread."""
        return _separation(self.short, self.long)


def mixture(gaps_ms: Iterable[int]) -> Mixture | None:
    """Find two kinds of gap: a mixture of two normal distributions of log gaps, by expectation maximisation.

    None where nothing can be said: fewer than 500 gaps, or components that do not separate. They do when Ashman's D,
    sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2), is above 2, each holds at least 5 % of the gaps, and between their means the
    density falls to a third of the lower peak or less. Gaps of no length are left out.

    The answer depends on the set of gaps alone. They are put in 128 bins first, equally wide in their logarithm, and
    each of these stands by its mean gap: so the work of a round does not grow with their number.

    Source: K. Ashman, C. Bird, S. Zepf, "Detecting bimodality in astronomical datasets", AJ 108 (1994).
    """
    gaps = sorted(gaps_ms)
    gaps = gaps[bisect_right(gaps, 0) : bisect_right(gaps, _LONGEST)]
    if len(gaps) < ENOUGH or math.log(gaps[-1] / gaps[0]) < _NARROWEST:
        return None
    bins = _binned(gaps)
    fits = [_fit(bins, start) for start in _starts(bins, len(gaps))]
    if not fits:
        return None
    _, one, other = max(fits, key=lambda fit: fit[0])
    short, long = sorted((one, other), key=lambda component: component.mean)
    if _separation(short, long) <= SEPARATION or min(short.weight, long.weight) < LEAST_WEIGHT:
        return None
    crossing = _crossing(short, long)
    return None if crossing is None else Mixture(short, long, round(math.exp(crossing)), len(gaps))


_Bins = Sequence[tuple[float, int]]  # (mean, number) of each that is not empty


def _binned(gaps: Sequence[int]) -> _Bins:
    """Divide ordered gaps into bins that are equally wide in their logarithm."""
    ratio = (gaps[-1] / gaps[0]) ** (1 / _BINS)
    found, since = [], 0
    for number in range(1, _BINS + 1):
        until = len(gaps) if number == _BINS else bisect_left(gaps, gaps[0] * ratio**number, since)
        if until > since:
            found.append((math.log(sum(gaps[since:until]) / (until - since)), until - since))
        since = until
    return found


def _starts(bins: _Bins, total: int) -> list[int]:
    """Return the bins in which the quarters of all gaps end, other than the first."""
    sums = list(accumulate(number for _, number in bins))
    return sorted({bisect_left(sums, total * quarter // 4 + 1) for quarter in (1, 2, 3)} - {0})


def _fit(bins: _Bins, start: int) -> tuple[float, Component, Component]:
    """Return the log likelihood a gap and the components that are found from a division before the bin `start`."""
    total = sum(number for _, number in bins)
    shares = [float(index >= start) for index in range(len(bins))]  # how much of each bin is of the second kind
    reached = -math.inf
    one = other = _component(bins, [1.0] * len(bins), total)
    for _ in range(_ROUNDS):
        one = _component(bins, [1 - share for share in shares], total)
        other = _component(bins, shares, total)
        likelihood = 0.0
        for index, (at, number) in enumerate(bins):
            first, second = one.density(at), other.density(at)
            both = first + second
            # Far from both, the wider of the two is the nearer one.
            shares[index] = second / both if both > 0 else float(other.spread > one.spread)
            likelihood += number * (math.log(both) if both > 0 else _FAR)
        if likelihood - reached < _STEADY * total:
            break
        reached = likelihood
    return likelihood / total, one, other


_FAR: Final = -745.0  # log of the smallest float


def _component(bins: _Bins, shares: Sequence[float], total: int) -> Component:
    weight = math.fsum(number * share for (_, number), share in zip(bins, shares, strict=True))
    if weight <= 0:
        return Component(bins[0][0], _NARROWEST, 0.0)
    mean = math.fsum(at * number * share for (at, number), share in zip(bins, shares, strict=True)) / weight
    square = math.fsum(number * share * (at - mean) ** 2 for (at, number), share in zip(bins, shares, strict=True))
    return Component(mean, max(_NARROWEST, math.sqrt(square / weight)), weight / total)


def _separation(one: Component, other: Component) -> float:
    return math.sqrt(2) * abs(one.mean - other.mean) / math.hypot(one.spread, other.spread)


def _crossing(short: Component, long: Component) -> float | None:
    """Return where both are equally likely, if there is a valley between their means."""

    def density(at: float) -> float:
        return short.density(at) + long.density(at)

    low, high = short.mean, long.mean
    valley = min(density(low + (high - low) * step / 100) for step in range(101))
    if valley > SHALLOWEST * min(density(low), density(high)):
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if short.density(middle) > long.density(middle) else (low, middle)
    return (low + high) / 2
