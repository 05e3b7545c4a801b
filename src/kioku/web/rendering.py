"""Turning figures into pages: templates that escape whatever they are given, and the words that they use."""

from typing import Any, Final

import jinja2
from markupsafe import Markup

from kioku import times
from kioku.dates import day_text, range_text
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


_TEMPLATES.filters.update(
    ago=times.ago_text, clock=times.local_text, counted=counted, duration=times.duration_text, range=range_text,
    date=lambda day: day_text(day, year=True), work=times.work_text,
)  # fmt: skip
