"""Several sources tell of one thing: which of their reports stands for it.

Where a thing has an id of the client's, its reports share a key and the preferred source is believed. A hook's report
without one is replaced by what a transcript tells: anywhere inside the stretch that the transcript covers, and close by
its ends one for one. Reports of Kioku's own tools by others are echoes of what the server recorded. All of it depends
on the set of reports alone, never on the order in which they came.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from kioku import times
from kioku.models import (
    ECHO,
    EVIDENCE,
    FILE_READ,
    HOOK,
    MARKS,
    PROMPT,
    TOOL_CALL,
    TRANSCRIPT,
    TURN_END,
    Report,
)
from kioku.redaction import Redacted
from kioku.store.barred import SLACK

TWICE: Final = 2 * times.SECOND  # nobody types two prompts, and no model ends two turns, within this
LONGEST_CALL: Final = 30 * times.MINUTE  # what seems to have run longer has as likely waited for a machine asleep


class Canonical(NamedTuple):
    """One report a thing, by start; and the (key, source) of preferred reports that stand for nothing themselves."""

    reports: list[Report]
    hidden: set[tuple[int, int]]


def canonical(reports: Iterable[Report], *, served: bool) -> Canonical:
    """Choose the report that stands for each thing.

    `served` tells that a server records in this store: it has told of every call of Kioku's own tools itself.
    """
    chosen: dict[int, Report] = {}
    for report in reports:
        other = chosen.get(report.key)
        if other is None or report.preference < other.preference:
            chosen[report.key] = report
    found = sorted(chosen.values(), key=lambda report: (report.at, report.key))
    hidden = _replaced(found)
    kept: list[Report] = []
    for report in found:
        if report.kind == ECHO and served:
            hidden.add((report.key, report.source))
        elif report.kind == ECHO:
            kind = FILE_READ if report.tool == "read_file" else TOOL_CALL
            kept.append(msgspec.structs.replace(report, kind=kind))
            continue
        elif (report.key, report.source) in hidden and report.kind != TURN_END:
            continue  # the end of a turn stays as evidence: not every transcript tells of it
        if is_doubtful(report):
            kept.append(msgspec.structs.replace(report, took=None))
        else:
            kept.append(report)
    return Canonical(kept, hidden)


def is_doubtful(report: Report) -> bool:
    """Tell whether nobody measured a call that seems to have been long: its start is certain, and no more.

    A permission that was asked for in the evening and given in the morning is no night of work.
    """
    return report.source in (HOOK, TRANSCRIPT) and (report.took or 0) > LONGEST_CALL


# How long before a hook's report a transcript's may begin that stands for it.
REACH: Final = SLACK + LONGEST_CALL


def is_replaceable(report: Report) -> bool:
    """Tell whether a transcript's report may stand for it without sharing its key."""
    return report.is_loose and _sort(report) is not None


def _replaced(found: Sequence[Report]) -> set[tuple[int, int]]:
    """Return the hooks' reports without ids that a transcript's stand for."""
    told = [report for report in found if report.source == TRANSCRIPT]
    loose = [report for report in found if is_replaceable(report)]
    replaced = _told_twice(loose)
    if not told or not loose:
        return replaced
    start, end = told[0].at, max(report.at if is_doubtful(report) else report.until for report in told)
    replaced |= {(report.key, report.source) for report in loose if start <= report.at <= end}
    for sort in (PROMPT, TURN_END, TOOL_CALL):
        theirs = [report.at for report in told if _sort(report) == sort]
        position = 0
        for report in (report for report in loose if _sort(report) == sort):
            while position < len(theirs) and theirs[position] < report.at - SLACK:
                position += 1
            if position < len(theirs) and theirs[position] <= report.at + SLACK:
                replaced.add((report.key, report.source))
                position += 1
    return replaced


def _told_twice(loose: Sequence[Report]) -> set[tuple[int, int]]:
    """Return prompts and ends of turns that follow another at once: the client ran the hook twice, registered twice."""
    twice: set[tuple[int, int]] = set()
    last: dict[Redacted, int] = {}
    for report in loose:
        if not may_be_twice(report):
            continue
        if report.kind in last and report.at - last[report.kind] < TWICE:
            twice.add((report.key, report.source))
        else:
            last[report.kind] = report.at
    return twice


def may_be_twice(report: Report) -> bool:
    """Tell whether another report may tell of the same thing under a key of its own: neither has an id."""
    return report.is_loose and report.kind in (PROMPT, TURN_END)


def _sort(report: Report) -> Redacted | None:
    """Return what sort of thing a report tells of, if two reports of that sort can be one thing: a call is a call."""
    if report.kind in (PROMPT, TURN_END):
        return report.kind
    return None if report.kind in EVIDENCE or report.kind in MARKS else TOOL_CALL
