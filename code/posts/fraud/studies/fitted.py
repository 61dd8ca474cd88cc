"""The model that the service, its drills and the demo use: trained on all weeks before the first test week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, transactions
from posts.fraud.model import fit as train
from posts.fraud.model import predict, settings_of
from posts.fraud.protocol import measure, split
from posts.fraud.service.decide import Costs, threshold
from posts.fraud.service.train import card

if TYPE_CHECKING:
    from lockstep.run import Run


def fit(run: Run) -> list[dict[str, Any]]:
    """Train; score the first test week, and price it against approving everything. Artefacts: model.txt, card.json."""
    config = run.config
    world = transactions(run.data("transactions"))
    rows = split(world, config.weeks[0], since=config.since)
    x_NF = features(world, config.delay * DAY)
    model = train(x_NF[rows.train_N], world.fraud_N[rows.train_N], settings_of(config), run.seed)
    run.artefact("model.txt").write_text(model, encoding="utf-8")
    of_training = x_NF[rows.train_N], world.fraud_N[rows.train_N], world.time_N[rows.train_N]
    known = card(*of_training, settings_of(config))
    run.artefact("card.json").write_bytes(msgspec.json.encode(known))
    score_M, fraud_M, cents_M = (
        predict(model, x_NF[rows.test_N]),
        world.fraud_N[rows.test_N],
        world.cents_N[rows.test_N],
    )
    costs = Costs()
    blocked_M = score_M > np.array([threshold(int(cents), costs) for cents in cents_M])
    missed = float(((costs.fee + cents_M) * fraud_M)[~blocked_M].sum())
    annoyed = float(((costs.annoyance + costs.margin * cents_M) * (1 - fraud_M))[blocked_M].sum())
    everything = float(((costs.fee + cents_M) * fraud_M).sum())
    row = measure(world, rows.test_N, score_M, config.top_cards)
    row |= {"recall": 100 * float(blocked_M[fraud_M == 1].mean()), "saved": 100 * (1 - (missed + annoyed) / everything)}
    return [row | {"wrongly_blocked": 100 * float(blocked_M[fraud_M == 0].mean())}]
