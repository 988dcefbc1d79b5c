"""Every Prometheus metric of the bot, with few labels: no repository, package or token name is ever one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FAST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One set of metrics on a registry of its own, so that tests can make fresh ones."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter(
            "tokenwatch_deliveries_received", "Webhook requests by answer.", ["status"], registry=self.registry
        )
        self.worked = Counter(
            "tokenwatch_deliveries_worked",
            "Deliveries by event and how they ended.",
            ["event", "reason"],
            registry=self.registry,
        )
        self.work_seconds = Histogram(
            "tokenwatch_delivery_work_seconds",
            "Time one try of a delivery took.",
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.unfinished = Gauge(
            "tokenwatch_deliveries_unfinished", "Deliveries stored and not worked yet.", registry=self.registry
        )
        self.oldest_seconds = Gauge(
            "tokenwatch_deliveries_oldest_seconds", "Age of the oldest unfinished delivery.", registry=self.registry
        )
        self.dead = Gauge("tokenwatch_deliveries_dead", "Deliveries given up.", registry=self.registry)
        self.sweep_found = Counter(
            "tokenwatch_sweep_found",
            "Lost deliveries and runs that the sweep fetched, by where.",
            ["where"],
            registry=self.registry,
        )
        self.unsent = Gauge("tokenwatch_messages_unsent", "Slack messages that wait.", registry=self.registry)
        self.unsent_seconds = Gauge(
            "tokenwatch_messages_oldest_seconds", "Age of the oldest Slack message that waits.", registry=self.registry
        )
        self.dead_messages = Gauge("tokenwatch_messages_dead", "Slack messages given up.", registry=self.registry)
        self.needs = Gauge(
            "tokenwatch_operators_needed",
            "What needs an operator now, and how many of it there are.",
            ["what"],
            registry=self.registry,
        )
        self.slack_calls = Counter(
            "tokenwatch_slack_calls",
            "Calls of chat methods by outcome.",
            ["method", "outcome"],
            registry=self.registry,
        )
        self.diagnoses = Counter(
            "tokenwatch_diagnoses", "Diagnosed job logs by cause.", ["cause"], registry=self.registry
        )
        self.evidence_seconds = Histogram(
            "tokenwatch_evidence_seconds",
            "Time until a source of evidence answered or was given up.",
            ["source"],
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.evidence_missing = Counter(
            "tokenwatch_evidence_missing", "Evidence that could not be read.", ["source"], registry=self.registry
        )
        self.open_incidents = Gauge("tokenwatch_incidents_open", "Unresolved incidents.", registry=self.registry)
        self.loop_lag_seconds = Gauge(
            "tokenwatch_loop_lag_seconds",
            "How late the event loop last came back from a nap.",
            registry=self.registry,
        )
        self.secrets_masked = Counter(
            "tokenwatch_secrets_masked", "Things shaped like credentials masked in job logs.", registry=self.registry
        )


METRICS = Metrics()
