"""The back of the envelope: what a number of payments a day asks of the service. Arithmetic on stated assumptions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.run import Run

SECONDS = 86_400
PEAK = SECONDS / (20_000 * math.sqrt(2 * math.pi))  # busiest second over the mean: the handbook's times of day
KEPT_DAYS = 37  # a window of thirty days, and the delay of labels
ROW_BYTES = 650  # of one payment in the lists of its card and its terminal, as Python keeps integers
RECORD_BYTES = 190  # of a payment with its answer, and of its label, in the journal
PROCESS = 1000  # payments a second that one process answers: the higher rate of the load stage


def size(run: Run) -> list[dict[str, Any]]:
    """Peak rate, memory, journal and processes at one number of payments a day."""
    payments = run.config.payments
    peak = payments / SECONDS * PEAK
    return [
        {
            "rate_needed": peak,
            "memory": payments * KEPT_DAYS * ROW_BYTES / 1e9,
            "journal_growth": payments * RECORD_BYTES / 1e9,
            "processes": float(math.ceil(peak / PROCESS)),
        }
    ]
