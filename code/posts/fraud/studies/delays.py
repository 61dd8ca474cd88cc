"""What late labels cost: the limit and the model with labels that come at once, and up to two weeks late.

The test rows are the same for every delay, those of the protocol with a week: otherwise cards would be taken out of
the test sooner where labels come sooner, and the delays would be compared on different transactions. The model is
trained once, before the first test week, on what was labelled by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, transactions
from posts.fraud.limit import Evidence, rates
from posts.fraud.model import fit, predict, settings_of
from posts.fraud.protocol import measure, split
from posts.fraud.weeks import mean

if TYPE_CHECKING:
    from lockstep.run import Run


def score(run: Run) -> list[dict[str, Any]]:
    """Limit and model at one delay, each the mean over the test weeks."""
    config = run.config
    world, delay = transactions(run.data("transactions")), config.delay * DAY
    tests = [split(world, start) for start in config.weeks]
    evidence = Evidence(world, rates())
    limit = [
        measure(world, t.test_N, evidence.posterior(np.flatnonzero(t.test_N), delay), config.top_cards) for t in tests
    ]
    del evidence
    x_NF = features(world, delay).astype(np.float32)
    train_N = (world.day_N >= config.since) & (world.day_N < tests[0].first_day - config.delay)
    model = fit(x_NF[train_N], world.fraud_N[train_N], settings_of(config), run.seed)
    reached = [measure(world, t.test_N, predict(model, x_NF[t.test_N]), config.top_cards) for t in tests]
    rows = []
    for name, found in (("limit", limit), ("trees", reached)):
        row = mean([{"week": test.first_day} | one for test, one in zip(tests, found, strict=True)])
        del row["week"]
        rows.append({"model": name} | row)
    rows[1]["of_limit"] = rows[1]["average_precision"] / rows[0]["average_precision"]
    return rows
