"""What the server tells Prometheus, by vLLM's names, so that its dashboards and alerts fit; and a dashboard made of
them."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

FIRST = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
EACH = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5, 1.0)
TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The instruments of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of: Any = {"registry": self.registry}
        self.running = Gauge("vllm:num_requests_running", "Requests that are computed", **of)
        self.waiting = Gauge("vllm:num_requests_waiting", "Requests that wait", **of)
        self.cache = Gauge("vllm:kv_cache_usage_perc", "Share of pages in use, 0 to 1", **of)
        self.queued = Gauge("serving:queued_tokens", "Tokens that may still have to be computed", **of)
        self.draining = Gauge("serving:draining", "1 while the server takes nothing new", **of)
        self.prompt = Counter("vllm:prompt_tokens", "Tokens of prompts", **of)
        self.generation = Counter("vllm:generation_tokens", "Tokens written", **of)
        self.queries = Counter("vllm:prefix_cache_queries", "Tokens looked up among kept pages", **of)
        self.hits = Counter("vllm:prefix_cache_hits", "Tokens found among kept pages", **of)
        self.preemptions = Counter("vllm:num_preemptions", "Requests sent back to wait", **of)
        self.ended = Counter("vllm:request_success", "Requests that ended", ["finished_reason"], **of)
        self.refused = Counter("serving:requests_refused", "Requests turned away", ["reason"], **of)
        self.first = Histogram("vllm:time_to_first_token_seconds", "Time to the first token", buckets=FIRST, **of)
        self.each = Histogram("vllm:inter_token_latency_seconds", "Time between tokens", buckets=EACH, **of)
        self.whole = Histogram("vllm:e2e_request_latency_seconds", "Time of a request", buckets=FIRST, **of)
        self.step = Histogram("vllm:iteration_tokens", "Tokens of a step", buckets=TOKENS, **of)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def names(self) -> set[str]:
        """Every name that Prometheus stores."""
        return {sample.name for metric in self.registry.collect() for sample in metric.samples} | {
            metric.name + "_total" for metric in self.registry.collect() if metric.type == "counter"
        }


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
    return {"title": "serving", "uid": "serving", "schemaVersion": 39, "panels": panels, "refresh": "10s"}
