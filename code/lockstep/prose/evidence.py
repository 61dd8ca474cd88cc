"""What a page rests on: every measured value and claim that it shows, once each, with the places where it stands.

And what a reader can take away: the ledger of a post as a tidy table, and the provenance of its runs.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lockstep.depend.canonical import digest_value
from lockstep.judge.freshness import Freshness
from lockstep.judge.measured import keys_of
from lockstep.project.post import Post
from lockstep.record.ledger import Line

FIXED = ("stage", "metric", "value", "unit", "fingerprint", "grid")
_RUNS = ("owner", "stage", "hardware", "date", "commit", "dirty", "accepted", "again", "code", "code_url")


@dataclass(frozen=True)
class Place:
    """Where a page shows something: the anchor, and whether that is in the text, in a table or in a summary."""

    anchor: str
    where: str


@dataclass
class Evidence:
    """The rows of one post's page, by their readable identifiers."""

    slug: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, fields: Mapping[str, Any], place: Place) -> str:
        """Take in a value or claim as the resolver told it; returns the identifier of its row."""
        name = row_name(self.slug, fields)
        what = {key: fields[key] for key in ("kind", "owner", "name", "metric", "values") if key in fields}
        what["where"] = selection(fields)
        row = self.rows.setdefault(name, {**fields, **what, "row": name, "places": []})
        if any(row[key] != value for key, value in what.items()):  # two selections that read alike
            name = f"{name}-{digest_value(what)[:8]}"
            row = self.rows.setdefault(name, {**fields, **what, "row": name, "places": []})
        if place not in row["places"]:
            row["places"].append(place)
        return name

    @property
    def claims(self) -> list[dict[str, Any]]:
        return [row for row in self.rows.values() if row["kind"] == "claim"]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [row for row in self.rows.values() if row["kind"] == "measured"]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The measured values by what explains them: one entry for all that the same runs of a stage produced."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.values:
            groups.setdefault(json.dumps([row[name] for name in _RUNS]), []).append(row)
        return [{name: group[0][name] for name in _RUNS} | {"rows": group} for group in groups.values()]

    @property
    def newest(self) -> str:
        """The date of the newest run among them."""
        return max((row["date"] for row in self.rows.values()), default="")


def selection(fields: Mapping[str, Any]) -> dict[str, str]:
    """What a measured value selects, with its stage, in the order of the keys."""
    if fields["kind"] != "measured":
        return {}
    chosen = {str(key): str(value) for key, value in fields["where"].items()}
    return dict(sorted((chosen | {"stage": fields["stage"]}).items()))


def row_name(slug: str, fields: Mapping[str, Any]) -> str:
    """`gan-log_likelihood-source-gan-stage-evaluate`, `gan-claim-still_rising`."""
    parts = [slug, *([fields["owner"]] if fields["owner"] != slug else [])]
    if fields["kind"] == "claim":
        parts += ["claim", fields["name"]]
    else:
        parts += [fields["metric"], *(part for pair in selection(fields).items() for part in pair)]
    return "-".join(re.sub(r"\W+", "-", part, flags=re.ASCII).strip("-") for part in parts)


def ledger_csv(post: Post) -> str:
    """One row a measured value: what it was measured at, the run that gave it, and whether today's grid holds it."""
    experiment, retired = post.experiment, {line.identity for line in Freshness.of(post).retired()}
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for line in post.ledger.lines.values():
        for row in line.rows:
            keys = {**line.keys, **keys_of(experiment, row)}
            for metric in experiment.metrics:
                if metric.name in row:
                    value = {"stage": line.stage, "metric": metric.name, "value": row[metric.name], "unit": metric.unit}
                    of_run = {"fingerprint": line.fingerprint, "grid": _grid(line, retired)}
                    found.append((keys, value | of_run))
    names = sorted({name for keys, _ in found for name in keys})
    titles = {name: f"key.{name}" if name in FIXED else name for name in names}
    out = io.StringIO()
    writer = csv.DictWriter(out, [FIXED[0], *titles.values(), *FIXED[1:]], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**{titles[name]: value for name, value in keys.items()}, **row} for keys, row in found)
    return out.getvalue()


def provenance_json(post: Post) -> str:
    """Every run of the ledger, with what explains it."""
    retired = {line.identity for line in Freshness.of(post).retired()}
    runs = [_run(post, line, _grid(line, retired)) for line in post.ledger.lines.values()]
    return json.dumps({"post": post.slug, "runs": runs}, indent=1, ensure_ascii=False) + "\n"


def _run(post: Post, line: Line, grid: str) -> dict[str, Any]:
    run: dict[str, Any] = {"stage": line.stage, "keys": line.keys, "fingerprint": line.fingerprint}
    run |= {"status": line.status, "grid": grid}
    if (kept := post.ledger.provenance(line)) is None:
        return run
    explained = {name: value for name, value in vars(kept).items() if name != "host"}
    return run | explained


def _grid(line: Line, retired: set[tuple[str, str]]) -> str:
    return "retired" if line.identity in retired else "today"
