"""The same fine-tuning on GeoQuery's questions, whose queries join and nest, over the seven tables of its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posts.asksql import geoquery
from posts.asksql.train import learn

if TYPE_CHECKING:
    from lockstep.run import Run


def fit(run: Run) -> list[dict[str, Any]] | None:
    """Fine-tune the base; returns and keeps what `posts.asksql.train.learn` does."""
    return learn(run, geoquery.read(run.data("geoquery")))
