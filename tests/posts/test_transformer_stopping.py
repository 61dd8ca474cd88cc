"""The recipe's stopping rule, on losses whose end can be counted by hand."""

from __future__ import annotations

from types import SimpleNamespace

from posts.transformer.studies.stopping import PATIENCE, stop, stopping


def test_a_training_ends_when_patience_does():
    falls = [(250.0, 3.0), (500.0, 2.0), (750.0, 1.0)]
    assert stopping(falls, patience=500) == 750  # it fell to the end
    waits = [*falls, (1000.0, 1.1), (1250.0, 1.0), (1500.0, 0.5)]
    assert stopping(waits, patience=500) == 1250  # as low is not lower, and what comes after is not seen
    assert stopping(waits, patience=501) == 1500


def test_patience_is_counted_in_epochs_of_updates():
    losses = [2.0, 1.0, *[1.5] * 30]
    curve = [{"update": float(25 * number), "validation_loss": loss} for number, loss in enumerate(losses, start=1)]
    config, made = SimpleNamespace(average_every=69), SimpleNamespace(csv=lambda name: curve)
    found = stop(SimpleNamespace(config=config, inputs=[made]))  # pyright: ignore
    assert found == {"stopping_update": 750} and 50 + PATIENCE * 69 == 740  # the first reading from there on
