"""The tables of the page: what each row shows, and under which name.

Each takes `measured` and `reported`, which find values of the ledger and of paper.toml, and returns rows of cells.
"""

from __future__ import annotations

from typing import Any

from lockstep.experiment import Metric
from lockstep.statistics import compare

DEPTHS = (20, 32, 44, 56, 110)  # of table 6
GRID = (20, 32, 44, 56)  # of the networks in small
PARAMETERS = {20: "0.27 M", 32: "0.46 M", 44: "0.66 M", 56: "0.85 M", 110: "1.7 M"}
TEST_ERROR = Metric(  # another processor rounds otherwise and trains another network: the margin is the tolerance
    "test_error", unit="%", digits=2, better="lower", title="test error", tolerance=0.5
)
CHOICES = {
    "last": "the last weights",
    "best on validation": "best on validation images",
    "best on test": "best on test",
}


def reported_and_reproduced(measured, reported) -> list[dict[str, Any]]:
    """Test error of CIFAR-10 in per cent by the paper's protocol, reported and reproduced."""
    ours, margin = measured("test_error", stage="evaluate"), reported.margin("test_error")
    rows = []
    for depth in DEPTHS:
        published = reported("test_error", depth=depth)
        row = {"layers": str(depth), "parameters": PARAMETERS[depth], "reported": published}
        if depth == 20:
            differences = [value - published.value for value in ours.values.values()]
            within = len(differences) > 1 and compare(differences, margin).verdict == "equivalent"
            mean = sum(differences) / len(differences)
            row |= {
                "ours": ours,
                "n": str(len(differences)),
                "difference": TEST_ERROR.format(mean).removesuffix(" %"),
                "margin": f"± {margin:g}",
                "verdict": "reproduced" if within else "one run" if len(differences) == 1 else "not shown to be equal",
            }
        rows.append(row if depth == 20 else row | {"ours": "not run at this size"})
    return rows


def others(measured, reported) -> list[dict[str, Any]]:
    """What a widely used implementation reports, under another protocol: its numbers stand apart from ours."""
    return [{"layers": str(depth), "reported there": reported("other_test_error", depth=depth)} for depth in DEPTHS]


def depth_in_small(measured, reported) -> list[dict[str, Any]]:
    """The networks in small: training error of the last updates, and test error of the last weights."""
    rows = []
    for depth in GRID:
        row: dict[str, Any] = {"layers": str(depth)}
        for network in ("plain", "residual"):
            at = {"network": network, "depth": depth}
            row[f"{network}, training"] = measured("train_error", stage="degradation", **at)
            row[f"{network}, test"] = measured("test_error", stage="evaluate-degradation", **at)
        rows.append(row)
    return rows


def gradients_by_depth(measured, reported) -> list[dict[str, Any]]:
    """By how many powers of ten the gradient grows from the last block to the first."""
    return [
        {"layers": str(depth)}
        | {
            f"{network}, {when}": measured("signal_gain", network=network, depth=depth, when=when)
            for network in ("plain", "residual")
            for when in ("start", "end")
        }
        for depth in GRID
    ]


def lesions_at_56(measured, reported) -> list[dict[str, Any]]:
    """Validation error of networks of 56 layers after a lesion, mean over the places."""
    named = {
        "none": "unharmed",
        "deleted": "one block left out",
        "swapped": "two blocks in each other’s place",
        "cut": "one shortcut cut",
        "all cut": "every shortcut cut",
    }
    rows = []
    for lesion, text in named.items():
        at = {"stage": "lesions", "depth": 56, "lesion": lesion}
        plain = "—" if "cut" in lesion else measured("lesion_error", network="plain", **at)
        rows.append({"lesion": text, "residual": measured("lesion_error", network="residual", **at), "plain": plain})
    return rows


def scaled_shortcuts(measured, reported) -> list[dict[str, Any]]:
    """Networks of 56 layers by what their shortcuts are multiplied by."""
    rows = []
    for alpha in ("0", "0.25", "0.5", "0.75", "1"):
        at: dict[str, Any] = {"stage": "scaled", "alpha": alpha}
        if alpha in ("0", "1"):
            at = {"stage": "degradation", "network": "residual" if alpha == "1" else "plain", "depth": 56}
        row = {"α": alpha, "training error": measured("train_error", **at)}
        rows.append(row | {"validation error": measured("validation_error", **at)})
    return rows


def one_change_at_a_time(measured, reported) -> list[dict[str, Any]]:
    """Residual networks in small, one thing changed: training and validation error."""
    rows = []
    changes = [("as in the paper", "degradation", (20, 56)), ("projections (option B)", "projected", (20,))]
    changes += [("norms spared from decay", "undecayed", (20,)), ("last γ begins at 0", "zeroed", (56,))]
    for text, stage, depths in changes:
        for depth in depths:
            at = {"stage": stage, "depth": depth} | ({"network": "residual"} if stage == "degradation" else {})
            row = {"change": text, "layers": str(depth), "training error": measured("train_error", **at)}
            rows.append(row | {"validation error": measured("validation_error", **at)})
    return rows


def ways_to_choose(measured, reported) -> list[dict[str, Any]]:
    """The test error that one and the same training would report, by how its epoch is chosen."""
    return [
        {"epoch": text, "test error": measured("chosen_error", stage="selection", chosen=how, depth=20)}
        for how, text in CHOICES.items()
    ]


def where_the_time_goes(measured, reported) -> list[dict[str, Any]]:
    """Share of an update’s time, by part."""
    parts = ("convolutions", "norms", "rectifiers", "shortcuts and sums", "crops", "optimiser", "everything else")
    return [{"part": part, "share": measured("share", part=part)} for part in parts]


TABLES = (
    *(reported_and_reproduced, others, depth_in_small, gradients_by_depth, lesions_at_56),
    *(scaled_shortcuts, one_change_at_a_time, ways_to_choose, where_the_time_goes),
)
