"""Settings and durations as prose writes them."""

from __future__ import annotations

from typing import Any


def config_text(value: Any) -> str:
    """A setting as prose writes it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(config_text(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}".replace("-", "−") if isinstance(value, int) else f"{value:.10g}".replace("-", "−")


def duration(seconds: float) -> str:
    """Time as people say it."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
