"""Figures for Prometheus, read from the stores when they are asked for; how long requests took is counted meanwhile."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from kioku import times
from kioku.capture import spool
from kioku.errors import KiokuError
from kioku.reports import health
from kioku.settings import user_folder
from kioku.web.shelf import Place, Shelf

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5)


class Metrics:
    """What is measured of one instance."""

    def __init__(self, shelf: Shelf) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Stores(shelf))
        self._took = Histogram(
            "kioku_request_seconds", "How long a request of the page took.", ("status",), buckets=_BUCKETS,
            registry=self._registry,
        )  # fmt: skip

    def took(self, status: int, seconds: float) -> None:
        """Count a request."""
        self._took.labels(f"{status // 100}xx").observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Stores:
    """Reads the stores at each scrape."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def collect(self) -> Iterable[Metric]:
        """Return the figures of every project that can be read."""
        sessions = GaugeMetricFamily("kioku_sessions", "Sessions by state.", labels=("project", "state"))
        ended = GaugeMetricFamily("kioku_sessions_ended", "Sessions by why they ended.", labels=("project", "reason"))
        activities = GaugeMetricFamily("kioku_activities", "Recorded activities.", labels=("project",))
        size = GaugeMetricFamily("kioku_store_bytes", "Size of a store with its log.", labels=("project",))
        read = GaugeMetricFamily("kioku_store_readable", "1 where a store can be read.", labels=("project",))
        imported = GaugeMetricFamily("kioku_imported_bytes", "Bytes of transcripts taken in.")
        backlog = GaugeMetricFamily("kioku_spool_bytes", "Bytes of events that wait to be recorded.")
        for place in self._shelf.places():
            try:
                found = self._of(place)
            except KiokuError:
                read.add_metric([place.name], 0)
                continue
            read.add_metric([place.name], 1)
            for state, number in found.states.by_status.items():
                sessions.add_metric([place.name, state], number)
            for reason, number in found.states.by_reason.items():
                ended.add_metric([place.name, reason], number)
            activities.add_metric([place.name], found.activities)
            size.add_metric([place.name], sum(health.sizes(place.where.store_path).values()))
            if place.own:
                imported.add_metric([], found.imported)
        backlog.add_metric([], sum(folder.bytes for folder in spool.pending(user_folder("state"))))
        return [sessions, ended, activities, size, read, imported, backlog]

    def _of(self, place: Place) -> "_Found":
        with self._shelf.opened(place) as store:
            return _Found(
                store.read(lambda db: health.states(db, times.now_ms(), place.judge)),
                store.read(health.totals).activities,
                store.read(health.imported),
            )


class _Found(NamedTuple):
    """What one store says."""

    states: health.States
    activities: int
    imported: int
