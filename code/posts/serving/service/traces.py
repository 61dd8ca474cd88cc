"""A span a request, as OpenTelemetry writes them, to a file that a collector reads. Nothing where no file is set.

The SDK is an extra: a server without it that is asked for traces says so at its start.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posts.serving.service.settings import BadSettings

if TYPE_CHECKING:
    from posts.serving.service.loop import Stream


class Traces:
    """Writes spans while it is open. Raises BadSettings where the file cannot be, or the SDK is missing."""

    def __init__(self, path: str):
        self.tracer: Any = None
        if not path:
            return
        try:
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
        except ImportError:
            raise BadSettings("SERVING_TRACES needs OpenTelemetry: pip install opentelemetry-sdk") from None
        try:
            self.file = Path(path).open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise BadSettings(f"SERVING_TRACES={path}: {error.strerror}") from None
        exporter = ConsoleSpanExporter(out=self.file, formatter=lambda span: (span.to_json(indent=None) or "") + "\n")
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(exporter))
        self.tracer = self.provider.get_tracer("posts.serving")

    def record(self, stream: Stream, reason: str) -> None:
        """The span of a request that has ended, by the names of OpenTelemetry's conventions for generative models."""
        if self.tracer is None:
            return
        ended, wall = time.monotonic(), time.time_ns()
        span = self.tracer.start_span("chat", start_time=wall - int((ended - stream.began) * 1e9))
        written = len(stream.request.prompt) + stream.request.sampling.max_tokens - stream.to_come
        span.set_attribute("gen_ai.request.max_tokens", stream.request.sampling.max_tokens)
        span.set_attribute("gen_ai.usage.input_tokens", len(stream.request.prompt))
        span.set_attribute("gen_ai.usage.output_tokens", max(0, written - len(stream.request.prompt)))
        span.set_attribute("gen_ai.response.finish_reasons", [reason])
        span.end(end_time=wall)

    def close(self) -> None:
        if self.tracer is not None:
            self.provider.shutdown()
            self.file.close()
