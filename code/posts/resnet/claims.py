"""What the page says about the results: each claim names the two sides, and the verdict that its author expects.

Sides that share seeds are compared seed by seed. Claims say what the paper says, or, where it is silent, what we
expected before the runs; a verdict of the data that differs fails the build until the text says what came out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

GRID = {"stage": "degradation"}
RESIDUAL, PLAIN = {**GRID, "network": "residual"}, {**GRID, "network": "plain"}


@dataclass(frozen=True)
class Declared:
    """A function that returns both sides of a comparison, and what comes out of it by its author's expectation."""

    compare: Callable[..., Any]
    verdict: str
    margin: str | None


CLAIMS: list[Declared] = []


def claim(verdict: str, *, margin: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """To be declared by experiment.py."""

    def declare(compare: Callable[..., Any]) -> Callable[..., Any]:
        CLAIMS.append(Declared(compare, verdict, margin))
        return compare

    return declare


@claim("equivalent", margin="test_error")
def the_published_error_is_reproduced(measured, reported):
    """ResNet-20, trained by the paper's protocol, has the published test error within the margin."""
    return measured("test_error", stage="evaluate"), reported("test_error", depth=20)


@claim("greater")
def deeper_plain_networks_fit_worse(measured):
    """The plain network of 56 layers has a higher training error than that of 20."""
    return measured("train_error", depth=56, **PLAIN), measured("train_error", depth=20, **PLAIN)


@claim("greater")
def twelve_more_plain_layers_fit_worse(measured):
    """The plain network of 56 layers has a higher training error than that of 44."""
    return measured("train_error", depth=56, **PLAIN), measured("train_error", depth=44, **PLAIN)


@claim("greater")
def deeper_plain_networks_predict_worse(measured):
    """The plain network of 56 layers has a higher test error than that of 20."""
    at = {"stage": "evaluate-degradation", "network": "plain"}
    return measured("test_error", depth=56, **at), measured("test_error", depth=20, **at)


@claim("less")
def shortcuts_let_the_deep_network_fit(measured):
    """At 56 layers the residual network has a lower training error than the plain one with the same parameters."""
    return measured("train_error", depth=56, **RESIDUAL), measured("train_error", depth=56, **PLAIN)


@claim("less")
def shortcuts_help_the_shallow_network(measured):
    """At 20 layers the residual network has a lower training error than the plain one."""
    return measured("train_error", depth=20, **RESIDUAL), measured("train_error", depth=20, **PLAIN)


@claim("less")
def deeper_residual_networks_fit_better(measured):
    """The residual network of 56 layers has a lower training error than that of 20."""
    return measured("train_error", depth=56, **RESIDUAL), measured("train_error", depth=20, **RESIDUAL)


@claim("less")
def deeper_residual_networks_predict_better(measured):
    """The residual network of 56 layers has a lower test error than that of 20."""
    at = {"stage": "evaluate-degradation", "network": "residual"}
    return measured("test_error", depth=56, **at), measured("test_error", depth=20, **at)


@claim("greater")
def the_gradient_of_plain_networks_does_not_vanish(measured):
    """Before training, the gradient at the first block of a plain network of 56 layers is above that at the last."""
    return measured("signal_gain", network="plain", depth=56, when="start"), 0


@claim("greater")
def nor_does_it_after_training(measured):
    """After training, the gradient at the first block of a plain network of 56 layers is above that at the last."""
    return measured("signal_gain", network="plain", depth=56, when="end"), 0


@claim("greater")
def the_gradient_explodes_with_depth(measured):
    """Before training, the gradient grows by more powers of ten on its way through 56 plain layers than through 20."""
    at = {"network": "plain", "when": "start"}
    return measured("signal_gain", depth=56, **at), measured("signal_gain", depth=20, **at)


@claim("less")
def shortcuts_keep_the_gradient_level(measured):
    """Before training, the gradient grows less on its way through a residual network of 56 layers than a plain one."""
    at = {"depth": 56, "when": "start"}
    return measured("signal_gain", network="residual", **at), measured("signal_gain", network="plain", **at)


@claim("less")
def residual_layers_respond_less(measured):
    """The layers of the residual network of 56 layers respond less than those of the plain one."""
    return measured("response", network="residual", depth=56), measured("response", network="plain", depth=56)


@claim("less")
def the_deeper_the_less_each_layer_changes(measured):
    """The layers of a residual network of 56 layers respond less than those of one of 20."""
    return measured("response", network="residual", depth=56), measured("response", network="residual", depth=20)


@claim("less")
def residual_networks_survive_a_missing_block(measured):
    """Without one block, the residual network of 56 layers errs less than the plain one without one."""
    at = {"stage": "lesions", "depth": 56, "lesion": "deleted"}
    return measured("lesion_error", network="residual", **at), measured("lesion_error", network="plain", **at)


@claim("less")
def residual_networks_survive_a_swap(measured):
    """With two blocks in each other's place, the residual network of 56 layers errs less than the plain one."""
    at = {"stage": "lesions", "depth": 56, "lesion": "swapped"}
    return measured("lesion_error", network="residual", **at), measured("lesion_error", network="plain", **at)


@claim("greater")
def a_cut_shortcut_costs_more_than_a_missing_block(measured):
    """In the residual network of 56 layers, cutting one shortcut costs more than leaving out one block."""
    at = {"stage": "lesions", "depth": 56, "network": "residual"}
    return measured("lesion_error", lesion="cut", **at), measured("lesion_error", lesion="deleted", **at)


@claim("greater")
def half_a_shortcut_fits_worse(measured):
    """With its shortcuts halved, the network of 56 layers has a higher training error than with whole ones."""
    return measured("train_error", stage="scaled", alpha=0.5), measured("train_error", depth=56, **RESIDUAL)


@claim("less")
def half_a_shortcut_is_better_than_none(measured):
    """With its shortcuts halved, the network of 56 layers has a lower training error than the plain one."""
    return measured("train_error", stage="scaled", alpha=0.5), measured("train_error", depth=56, **PLAIN)


@claim("undecided")
def projections_are_undecided(measured):
    """Whether projections (option B) lower the validation error at 20 layers, five seeds do not tell."""
    other = measured("validation_error", stage="projected", depth=20)
    return other, measured("validation_error", depth=20, **RESIDUAL)


@claim("less")
def a_zero_start_helps_the_deepest(measured):
    """At 56 layers, the most that we trained, blocks that begin as their shortcuts lead to a lower training error."""
    return measured("train_error", stage="zeroed", depth=56), measured("train_error", depth=56, **RESIDUAL)


@claim("undecided")
def decay_on_norms_is_undecided(measured):
    """Whether sparing norms and biases from the decay lowers the validation error at 20 layers, seeds do not tell."""
    other = measured("validation_error", stage="undecayed", depth=20)
    return other, measured("validation_error", depth=20, **RESIDUAL)


@claim("less")
def choosing_by_test_images_flatters(measured):
    """The best test error of a training of 20 layers is below that of its last weights."""
    at = {"stage": "selection", "depth": 20}
    return measured("chosen_error", chosen="best on test", **at), measured("chosen_error", chosen="last", **at)


@claim("less")
def the_validation_images_would_have_helped(measured):
    """At 20 layers, learning from the validation images as well leads to a lower test error."""
    base = measured("test_error", stage="evaluate-degradation", network="residual", depth=20)
    return measured("test_error", stage="evaluate-whole"), base


@claim("equivalent", margin="speed_ratio")
def our_update_is_as_fast_as_torchvisions(measured):
    """An update of ours takes as long as one of torchvision's blocks arranged as the same network."""
    return measured("speed_ratio"), 1
