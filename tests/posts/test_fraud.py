"""The data, the windows, the protocol and the limit of the post fraud."""

import os
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lockstep.catalogue import fraud_handbook, pickled_columns
from lockstep.datasets import digest_arrays
from lockstep.errors import DataError
from posts.fraud import batch, data, protocol
from posts.fraud.data import DAY, LARGE, Transactions, simulate, transactions
from posts.fraud.features import NAMES, SETS, finish
from posts.fraud.limit import Evidence, density, rates
from posts.fraud.studies.beaten import Ranking, interval
from posts.fraud.windows import CHUNK, Windows, replay
from sklearn.metrics import average_precision_score, roc_auc_score

msgspec.json.Decoder(Windows)  # reads its annotations now: tests of other projects take the posts' modules away

WEEK = 7 * DAY


@pytest.fixture(scope="module")
def world() -> Transactions:
    return transactions(simulate(3, customers=60, terminals=100, days=80))


def rows_of(world: Transactions) -> list[tuple[int, ...]]:
    columns = (world.time_N, world.customer_N, world.terminal_N, world.cents_N)
    return list(zip(range(len(world)), *(column.tolist() for column in columns), strict=True))


def online(world: Transactions, delay: int) -> np.ndarray:
    return np.array(list(replay(Windows(delay), rows_of(world), world.fraud_N.tolist())))


@pytest.mark.parametrize("delay", [0, 1, WEEK, 14 * DAY])
def test_row_by_row_and_by_columns_count_the_same(world, delay):
    assert len(world) > 40 * CHUNK, "rows are forgotten on the way"
    np.testing.assert_array_equal(online(world, delay), batch.counts(world, delay))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 120), st.sampled_from([0, 30, DAY]))
def test_they_agree_where_many_share_a_second(seed, number, delay):
    rng = np.random.default_rng(seed)
    time_N = np.sort(rng.integers(0, 50, number) * rng.choice([1, DAY]))
    made = Transactions(
        time_N,
        rng.integers(0, 3, number),
        rng.integers(0, 3, number),
        rng.integers(1, 60_000, number),
        rng.integers(0, 2, number) * 2,
        np.full(3, 5000.0),
    )
    np.testing.assert_array_equal(online(made, delay), batch.counts(made, delay))


def test_the_order_of_rows_within_a_second_counts():
    """Two payments of one second: the second sees the first, and not the other way round."""
    two = Transactions(*(np.array(column) for column in ([9, 9], [0, 0], [0, 0], [100, 900], [0, 0], [5000.0])))
    counts = batch.counts(two, WEEK)
    assert counts[:, NAMES.index("card_count_1d")].tolist() == [1, 2]
    assert counts[:, NAMES.index("card_mean_1d")].tolist() == [100, 1000], "sums, until they are finished"
    assert finish(counts)[:, NAMES.index("card_mean_1d")].tolist() == [100, 500]


def test_no_feature_sees_a_label_before_its_time(world):
    """Turning round every label that is younger than the delay changes nothing of the last row."""
    last = len(world) - 1
    young = world.time_N > world.time_N[last] - WEEK
    assert young.sum() > 100
    turned = Transactions(
        **{**vars(world), "scenario_N": np.where(young, 2 - world.scenario_N.clip(0, 2), world.scenario_N)}
    )
    np.testing.assert_array_equal(batch.counts(world, WEEK)[last], batch.counts(turned, WEEK)[last])
    old = Transactions(**{**vars(world), "scenario_N": np.where(young, world.scenario_N, 2)})
    assert (batch.counts(world, WEEK)[last] != batch.counts(old, WEEK)[last]).any(), "older labels do count"


def test_an_early_label_waits_and_a_late_one_takes_its_place(world):
    """Fed at once, or a week later than due in the end, labels leave the same counts once all of them are there."""
    rows, fraud = rows_of(world), world.fraud_N.tolist()
    cut = len(rows) - 200
    early, late = Windows(WEEK), Windows(WEEK)
    for row in rows[:cut]:
        early.observe(*row)
        early.label(row[0], bool(fraud[row[0]]))
        late.observe(*row)
    for number in random.Random(0).sample(range(cut), cut):
        late.label(number, bool(fraud[number]))
    reference = online(world, WEEK)
    within = [NAMES.index(name) for name in NAMES if "terminal" in name or "card_known" in name]
    for row in rows[cut : cut + 50]:  # labels of these are not due yet
        expected = reference[row[0]]
        assert (np.array(early.observe(*row)) == expected).all()
        found = np.array(late.observe(*row))
        assert (found[within] == expected[within]).mean() > 0.99, "but for rows that were forgotten before their label"


def test_a_snapshot_in_the_middle_changes_nothing(world):
    rows = rows_of(world)[:3000]
    straight, half = Windows(WEEK), Windows(WEEK)
    for row in rows[:1500]:
        straight.observe(*row)
        half.observe(*row)
    half = msgspec.msgpack.decode(msgspec.msgpack.encode(half), type=Windows)
    assert [straight.observe(*row) for row in rows[1500:]] == [half.observe(*row) for row in rows[1500:]]


def test_the_clock_never_goes_back():
    windows = Windows(WEEK)
    windows.observe(0, 5000, 1, 1, 100)
    counts = windows.observe(1, 10, 1, 1, 100)
    assert windows.clock == 5000
    assert counts[NAMES.index("card_count_1d")] == 2


def test_groups_of_features_nest_and_cover_all():
    assert list(SETS.values()) == sorted(SETS.values())
    assert SETS["all"] == len(NAMES) == len(set(NAMES))


def test_a_world_follows_the_published_rules():
    made = simulate(1, customers=400, terminals=800, days=60)
    world = transactions(made)
    assert digest_arrays(made) == digest_arrays(simulate(1, customers=400, terminals=800, days=60))
    assert digest_arrays(made) != digest_arrays(simulate(2, customers=400, terminals=800, days=60))
    assert ((world.cents_N > LARGE) <= (world.fraud_N == 1)).all(), "above 220 everything is a fraud"
    assert (world.cents_N[world.scenario_N == 3] % 5 == 0).all()
    assert set(np.unique(world.scenario_N)) == {0, 1, 2, 3}
    genuine = world.scenario_N == 0
    spent = np.bincount(world.customer_N[genuine], world.cents_N[genuine]) / np.bincount(world.customer_N[genuine])
    assert np.corrcoef(spent[:400], world.mean_C[: len(spent)])[0, 1] > 0.98


def test_rows_out_of_order_and_parts_of_cents_are_refused():
    made = simulate(1, customers=20, terminals=40, days=20)
    turned = made | {"TX_TIME_SECONDS": made["TX_TIME_SECONDS"][::-1]}
    with pytest.raises(DataError, match="order of time"):
        transactions(turned)
    parts = {**{name: made[name] for name in made if name != "cents"}, "TX_AMOUNT": made["cents"] / 100 + 0.001}
    with pytest.raises(DataError, match="whole number of cents"):
        transactions(parts)


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    fraud, score = rng.integers(0, 2, 500), rng.integers(0, 40, 500) / 40  # with many ties
    assert protocol.average_precision(fraud, score) == pytest.approx(average_precision_score(fraud, score), abs=1e-12)
    assert protocol.area_under_roc(fraud, score) == pytest.approx(roc_auc_score(fraud, score), abs=1e-12)


def test_a_card_that_was_found_is_not_counted_on_the_next_day():
    day, card = np.array([0, 0, 1, 1]), np.array([7, 8, 7, 9])
    fraud, score = np.array([1, 0, 1, 1]), np.array([0.9, 0.1, 0.8, 0.7])
    assert protocol.card_precision(day, card, fraud, score, top=1) == 1.0
    assert protocol.card_precision(day, card, fraud, 1 - score, top=1) == 0.5


def test_known_cards_leave_the_test_and_nothing_else_does():
    world = transactions(simulate(0, customers=200, terminals=400, days=62))
    rows = protocol.split(world, 40)
    days = world.day_N[rows.test_N]
    assert (days.min(), days.max()) == (54, 60)
    bad = set(world.customer_N[rows.train_N & (world.fraud_N == 1)].tolist())
    assert bad and not bad & set(world.customer_N[rows.test_N].tolist())
    taken = (world.day_N >= 54) & (world.day_N < 61) & ~rows.test_N
    for card in np.unique(world.customer_N[taken]):
        its = (world.customer_N == card) & (world.fraud_N == 1) & (world.day_N >= 40) & (world.day_N < 53)
        assert its.any()


def test_the_density_of_amounts_sums_to_one_and_is_what_is_drawn():
    cents = np.arange(0, 60_000)
    assert density(cents, np.full(len(cents), 4000.0)).sum() == pytest.approx(1, abs=1e-3)


def test_the_limit_knows_what_is_certain_and_is_calibrated():
    world = transactions(simulate(5, customers=500, terminals=1000, days=80))
    rows = np.flatnonzero((world.day_N >= 50) & (world.day_N < 78))
    score = Evidence(world, rates()).posterior(rows, WEEK)
    fraud = world.fraud_N[rows]
    assert (score[world.cents_N[rows] > LARGE] == 1).all()
    assert abs(score.sum() - fraud.sum()) < 4 * np.sqrt(fraud.sum()), "as many frauds come as it expects"
    likely = score > 0.5
    assert fraud[likely].mean() > 0.75 > 10 * fraud[~likely].mean()


def test_late_labels_cost_the_limit_something():
    world = transactions(simulate(5, customers=300, terminals=600, days=80))
    rows = np.flatnonzero((world.day_N >= 50) & (world.day_N < 78))
    evidence, fraud = Evidence(world, rates()), world.fraud_N[rows]
    at = [protocol.average_precision(fraud, evidence.posterior(rows, days * DAY)) for days in (0, 7, 21)]
    assert at[0] > at[1] > at[2]


def test_a_pickle_that_names_anything_else_is_refused():
    import pickle

    with pytest.raises(ValueError, match=r"names posix\.system"):
        pickled_columns(pickle.dumps(os.system, protocol=4))


HERE = any(
    (Path(part) / "fraud_handbook_simulated").is_dir()
    for part in os.environ.get("LOCKSTEP_DATA", "").split(":")
    if part
)


@pytest.mark.skipif(
    not HERE, reason="the handbook's transactions are not in LOCKSTEP_DATA: not read through the loader"
)
def test_the_published_transactions_are_read_whole():
    world = transactions(fraud_handbook.load())
    assert np.bincount(world.scenario_N).tolist() == [1_739_474, 973, 9077, 4631]
    genuine = world.scenario_N == 0
    number = np.bincount(world.customer_N[genuine], minlength=data.PUBLISHED_CUSTOMERS)
    spent = np.bincount(world.customer_N[genuine], world.cents_N[genuine], minlength=data.PUBLISHED_CUSTOMERS)
    often = number > 100
    assert np.corrcoef(spent[often] / number[often], world.mean_C[often])[0, 1] > 0.995
    assert protocol.split(world, 115).test_N.sum() == 58_264


def test_areas_under_weights_are_those_of_repeated_rows_and_resampling_groups_is_wider():
    rng = np.random.default_rng(0)
    fraud, score = rng.integers(0, 2, 300), rng.integers(0, 30, 300) / 30
    times = rng.integers(0, 3, 300)
    ranking = Ranking(fraud, score)
    repeated = protocol.area_under_roc(np.repeat(fraud, times), np.repeat(score, times))
    assert ranking.area(times.astype(float)) == pytest.approx(repeated, abs=1e-12)
    group = np.repeat(np.arange(15), 20)
    fraud, noise = (group % 3 == 0).astype(int), rng.normal(size=15)[group]
    first, second = Ranking(fraud, noise), Ranking(fraud, rng.normal(size=300))
    alone, together = (interval(first, second, by, 200, rng) for by in (np.arange(300), group))
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])
