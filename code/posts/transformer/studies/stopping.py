"""Where the recipe's rule would have ended a training that went on to its last update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.run import Run

PATIENCE = 10  # epochs without a lower validation loss; README-baseline.md of Wu et al.'s repository Revisit-MMT


def stopping(losses: Sequence[tuple[float, float]], patience: float) -> float:
    """The update at which a training ends that waits `patience` updates for a lower loss.

    `losses` are pairs of update and validation loss in order. The rule looks only where a loss was read; if it never
    strikes, the last update is returned. There is at least one: training reads the loss after its last update.
    """
    best, lowest = losses[0]
    for update, loss in losses:
        if loss < lowest:
            best, lowest = update, loss
        elif update - best >= patience:
            return update
    return losses[-1][0]


def stop(run: Run) -> dict[str, Any]:
    """The update at which the recipe's rule ends one training, by the validation losses of its curve.csv."""
    curve = run.inputs[0].csv("curve.csv")
    losses = [(row["update"], row["validation_loss"]) for row in curve]
    return {"stopping_update": stopping(losses, PATIENCE * run.config.average_every)}
