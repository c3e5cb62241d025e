"""Prometheus figures, gathered when they are asked for; one registry per application."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from web.services import Services

PBX_STATES = ("disconnected", "refused", "syncing", "ready", "fenced")
QUEUE_FIGURES = ("waiting", "ready", "offered", "talking", "wrap_up", "not_ready", "signed_in")
TODAY_FIGURES = ("offered", "answered", "abandoned")


class Metrics:
    """What /metrics shows."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Figures(services))
        self.requests = Histogram(
            "zuoxi_http_request_seconds",
            "Time to answer, by route, method and status",
            ("route", "method", "status"),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class _Figures(Collector):
    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterator[Metric]:
        """Nothing up front: figures are made when they are collected."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield from self._link()
        yield from self._journal()
        yield from self._queues()
        yield from self._browsers()
        for name, value in self._services.gauges().items():
            yield _gauge(name, "Figure of the process", value)

    def _link(self) -> Iterator[Metric]:
        link = self._services.link()
        state = GaugeMetricFamily("zuoxi_pbx_state", "1 for the link's state", labels=["state"])
        for name in PBX_STATES:
            state.add_metric([name], float(link.state == name))
        yield state
        if link.lag_seconds is not None:
            yield _gauge("pbx_lag_seconds", "Age of the last event at arrival", link.lag_seconds)
        yield _gauge("pbx_queue_depth", "Events that wait to be consumed", link.queue_depth)
        events = CounterMetricFamily("zuoxi_pbx_events", "AMI events read", labels=["event"])
        for name, count in link.events.items():
            events.add_metric([name], count)
        yield events
        yield _counter("pbx_malformed", "AMI frames that were none", link.malformed)
        yield _counter("pbx_reconnects", "Times the link was made anew", link.reconnects)

    def _journal(self) -> Iterator[Metric]:
        journal = self._services.journal()
        behind = journal.last_seq - journal.stored_seq
        yield _gauge("journal_behind", "Events not yet in the database", behind)
        yield _gauge("journal_last_seq", "The last event's number", journal.last_seq)
        yield _gauge("journal_spool_bytes", "Size of the spool on disk", journal.spool_bytes)
        yield _gauge(
            "journal_disk_ok", "1 while the spool's disk takes writes", journal.disk == "ok"
        )
        yield _counter("journal_lost", "Events that could not be kept", journal.lost_records)
        yield _gauge("database_up", "1 while the database answers", journal.database == "up")

    def _queues(self) -> Iterator[Metric]:
        rows = self._services.hub.view.figures()
        for figure in QUEUE_FIGURES:
            gauge = GaugeMetricFamily(f"zuoxi_queue_{figure}", "Of a queue, now", labels=["queue"])
            for name, row in rows.items():
                gauge.add_metric([name], float(str(row[figure])))
            yield gauge
        for figure in TODAY_FIGURES:
            gauge = GaugeMetricFamily(
                f"zuoxi_queue_{figure}_today", "Calls since the centre's midnight", labels=["queue"]
            )
            for name, row in rows.items():
                gauge.add_metric([name], float(str(row[f"{figure}_today"])))
            yield gauge

    def _browsers(self) -> Iterator[Metric]:
        hub = self._services.hub
        yield _gauge("panels", "Agents whose panel is alive", len(hub.panels))
        yield _gauge("live_clients", "Browsers on the live connection", len(hub))
        yield _counter("live_dropped", "Browsers set back to a snapshot", hub.dropped)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"zuoxi_{name}", words, value=float(value))


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(f"zuoxi_{name}", words, value=float(value))
