"""What the service tells Prometheus: declared once, and the dashboard is made from the same list."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCIES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # seconds; 10 ms is the aim


class Metrics:
    """The instruments of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of: Any = {"registry": self.registry}
        self.decisions = Counter("fraud_decisions", "Transactions decided", ["decision", "model"], **of)
        self.latency = Histogram("fraud_decision_seconds", "From request to durable answer", buckets=LATENCIES, **of)
        sizes = (1, 2, 5, 10, 20, 50, 100)
        self.batch = Histogram("fraud_commit_records", "Records in one commit", buckets=sizes, **of)
        self.labels = Counter("fraud_labels", "Labels that found their transaction", ["fraud"], **of)
        self.refused = Counter("fraud_refused", "Events that were not taken", **of)
        self.late = Counter("fraud_late", "Transactions older than the newest one seen", **of)
        self.degraded = Gauge("fraud_degraded", "1 while the store takes nothing and rules decide", **of)
        self.silence = Gauge("fraud_transactions_since_label", "Transactions since the last label", **of)
        self.drift = Gauge("fraud_drift_index", "Population stability index of the last window", ["feature"], **of)
        self.rollbacks = Gauge("fraud_rollbacks", "Models taken back since the journal began", **of)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def names(self) -> dict[str, str]:
        """Every metric as Prometheus stores it, and what it means."""
        found = {}
        for metric in self.registry.collect():
            found[metric.name + ("_total" if metric.type == "counter" else "")] = metric.documentation
        return found


def dashboard(metrics: Metrics) -> dict[str, Any]:
    """A Grafana dashboard: one panel a metric, rates of what only grows, quantiles of what is a histogram."""
    panels = []
    for place, metric in enumerate(metrics.registry.collect()):
        if metric.type == "histogram":
            shown = f"histogram_quantile(0.99, sum by (le) (rate({metric.name}_bucket[5m])))"
        else:
            shown = f"rate({metric.name}_total[5m])" if metric.type == "counter" else metric.name
        at = {"x": 12 * (place % 2), "y": 8 * (place // 2), "w": 12, "h": 8}
        panels.append(
            {"id": place + 1, "type": "timeseries", "title": metric.documentation, "gridPos": at}
            | {"targets": [{"expr": shown, "refId": "A"}]}
        )
    return {"title": "fraud", "uid": "fraud", "schemaVersion": 39, "panels": panels, "refresh": "10s"}
