"""What others suffered: failures that were reported of feature stores and model runtimes, tried on the post fraud."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from lockstep.errors import LockstepError
from posts.fraud.batch import features
from posts.fraud.data import DAY, simulate, transactions
from posts.fraud.features import NAMES, finish
from posts.fraud.load import EPOCH
from posts.fraud.model import Settings, fit, predict
from posts.fraud.service.app import PAYMENT
from posts.fraud.service.scorer import Scorer
from posts.fraud.studies import ensemble
from posts.fraud.trees import from_model
from posts.fraud.windows import Windows

WEEK = 7 * DAY


@pytest.fixture(scope="module")
def world():
    return transactions(simulate(0, customers=200, terminals=400, days=60))


@pytest.fixture(scope="module")
def scorer(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.txt"
    path.write_text(fit(features(world, WEEK), world.fraud_N, Settings(20, 7, 0.1, 20), 0))
    return Scorer(path)


def seconds(text: str) -> int:
    one = {"id": 1, "time": text, "card": 1, "terminal": 1, "cents": 1}
    return int(PAYMENT.decode(msgspec.json.encode(one)).time.timestamp()) - int(EPOCH.timestamp())


def test_an_instant_is_the_same_in_every_time_zone_and_none_is_guessed():
    """Feast took times without a zone for local ones in one place and for UTC in another (feast 1475)."""
    at = datetime(2018, 6, 1, 1, 30, tzinfo=UTC)
    zones = [UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-9, minutes=-30))]
    assert {seconds(at.astimezone(zone).isoformat()) for zone in zones} == {61 * DAY + 5400}
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        seconds("2018-06-01T01:30:00")


def test_a_label_that_is_written_late_about_an_early_payment_counts_from_then_on_only():
    """Backfilled rows, created long after their event, showed up in the past of training sets (feast 6615)."""
    risk = NAMES.index("terminal_risk_7d")
    windows = Windows(WEEK)
    windows.observe(1, 0, 1, 1, 100)
    before = windows.observe(2, WEEK + 100, 2, 1, 100)
    windows.label(1, True)
    after = windows.observe(3, WEEK + 100, 3, 1, 100)
    assert (before[risk], after[risk]) == (0, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_training_never_saw_is_refused_and_not_taken_for_zero(scorer, world, bad):
    """A missing value that training never saw is read as zero without a word (LightGBM 6139, 4040)."""
    row = features(world, WEEK)[100]
    row[7] = bad
    with pytest.raises(ValueError, match="card_mean_7d is not a finite number"):
        scorer.score(row)
    assert np.isfinite(features(world, WEEK)).all(), "and counting never makes one"


def test_rows_scored_at_the_same_time_do_not_mix(scorer, world):
    """Single-row predictions from several threads came out wrong (LightGBM 6021)."""
    rows = features(world, WEEK)[::20]
    expected = predict(scorer.booster.model_to_string(), rows)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(scorer.score, rows))
    np.testing.assert_allclose(found, expected, atol=1e-15)
    assert np.ptp(expected) > 0.1


def test_a_row_on_a_threshold_goes_the_right_way_in_float64_and_the_wrong_one_in_float32(scorer, world):
    """Rounded to float32, a value just above a threshold is no longer above it (onnxmltools 728, treelite 115)."""
    trees, rows = from_model(scorer.booster.dump_model()), features(world, WEEK)[:2000:10]
    near = np.repeat(rows, 5, axis=0)
    splits = dict(zip(trees.feature, trees.threshold, strict=True))
    for feature, threshold in splits.items():
        near[:, feature] = np.resize([threshold, np.nextafter(threshold, np.inf)], len(near))
    expected = predict(scorer.booster.model_to_string(), near)
    wide, narrow = (ensemble.scorer(trees, kind)(near) for kind in ("float64", "float32"))
    np.testing.assert_allclose(wide, expected, atol=1e-15)
    assert np.abs(narrow - expected).max() > 1e-3


def test_cards_and_terminals_that_nobody_has_seen_get_a_score(scorer):
    counts = Windows(WEEK).observe(1, 40 * DAY, 987_654_321, (1 << 53) - 1, 5000)
    row = finish(np.array(counts))
    assert np.isfinite(row).all()
    assert 0 <= scorer.score(row) <= 1


def test_a_model_of_other_features_is_refused(world, tmp_path):
    """Columns in another order give another model's scores, without an error."""
    text = fit(features(world, WEEK)[:, :5], world.fraud_N, Settings(2, 4, 0.1, 20), 0)
    path = tmp_path / "model.txt"
    path.write_text(text.replace("amount weekend", "weekend amount"))
    with pytest.raises(LockstepError, match="trained on other features"):
        Scorer(path)
    path.write_text("not a model")
    with pytest.raises(LockstepError, match="no LightGBM model"):
        Scorer(path)
