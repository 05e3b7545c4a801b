"""Turning figures into pages: templates that escape whatever they are given, and the words that they use."""

import datetime
from typing import Any, Final

import jinja2
from markupsafe import Markup

from kioku import times
from kioku.web.pictures.heat import MONTHS, WEEKDAYS
from kioku.web.visible import visible
from kioku.words import counted


def _finalize(value: object) -> object:
    """Make what a template writes visible, whatever it is; pictures and marked text were when they were made."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("kioku.web"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
    lstrip_blocks=True, finalize=_finalize,
)  # fmt: skip


def render(template: str, values: dict[str, Any]) -> str:
    """Return a page as HTML."""
    return _TEMPLATES.get_template(template).render(values)


def date_text(date: datetime.date) -> str:
    """Write a date for people: `Tue 24 Nov 2026`."""
    return f"{WEEKDAYS[date.weekday()]} {date.day} {MONTHS[date.month - 1]} {date.year}"


_TEMPLATES.filters.update(
    ago=times.ago_text, clock=times.local_text, counted=counted, date=date_text, duration=times.duration_text,
    work=times.work_text,
)  # fmt: skip
