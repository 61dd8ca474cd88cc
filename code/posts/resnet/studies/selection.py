"""What does it gain to report the best epoch on the test images? Measured, on networks that nothing was selected for.

Each watched training has looked at validation and test images at the same updates. Three ways to report it: the last
weights, those with the lowest validation error, and those with the lowest test error, which nobody may do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.run import Run


def reported(looks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The test error that each way to report would name; of equal validation errors the earliest counts."""
    by_validation = min(looks, key=lambda look: look["validation_error"])
    return {
        "last": looks[-1]["test_error"],
        "best on validation": by_validation["test_error"],
        "best on test": min(look["test_error"] for look in looks),
    }


def measure(run: Run) -> list[dict[str, Any]]:
    """The test error in per cent by the way it is chosen."""
    looks = run.inputs[0].csv("held-out.csv")
    return [{"chosen": how, "chosen_error": error} for how, error in reported(looks).items()]
