"""Ranks with fair ties, metrics by plain loops, and the ways to be misled."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from posts.recommender.data import Histories, leave_last_out
from posts.recommender.metrics import (
    Ranks,
    bootstrap,
    coverage,
    diversity,
    gini,
    miscalibration,
    place,
    popularity_lift,
    rank_all,
    top,
)
from posts.recommender.movielens import holdout, list_metrics
from posts.recommender.rerank import calibrate, diversify
from posts.recommender.studies.misleading import among_sampled, counts_before
from posts.recommender.tuning import SPACES, draw


def test_a_constant_scorer_gets_what_guessing_gets():
    ranks = place(np.zeros((4, 50), np.float32), np.array([0, 7, 20, 49]))
    gains = [1 / math.log2(p + 2) if p < 10 else 0.0 for p in range(50)]
    assert ranks.ndcg(10) == pytest.approx(np.mean(gains))
    assert ranks.recall(10) == pytest.approx(0.2)
    optimistic = Ranks(ranks.above, np.ones_like(ranks.tied))
    assert optimistic.ndcg(10).tolist() == [1.0] * 4  # what counting only higher scores would say


def test_expected_gain_of_ties_is_the_mean_over_all_orders():
    scores = np.array([[2.0, 1.0, 1.0, 1.0, 0.0]], np.float32)
    found = []
    for order in itertools.permutations(range(5)):
        ranked = sorted(range(5), key=lambda item: (-scores[0, item], order[item]))
        at = ranked.index(2)
        found.append(1 / math.log2(at + 2) if at < 3 else 0.0)
    assert place(scores, np.array([2])).ndcg(3)[0] == pytest.approx(np.mean(found))


def test_seen_items_are_no_rivals_and_a_seen_target_still_counts():
    scores = np.array([[5.0, 4.0, 3.0, 3.0]], np.float32)
    seen = sp.csr_matrix(np.array([[1.0, 0, 0, 1.0]]))
    ranks = place(scores, np.array([2]), seen)
    assert (ranks.above[0], ranks.tied[0]) == (1, 1)
    again = place(scores, np.array([3]), seen)  # its own being seen does not take it out
    assert (again.above[0], again.tied[0]) == (1, 2)


def test_places_equal_a_plain_loop_on_random_scores_with_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (30, 12)).astype(np.float32)
    targets, seen = rng.integers(0, 12, 30), sp.random_array((30, 12), density=0.3, rng=rng, format="csr")
    ranks, hidden = place(scores, targets, sp.csr_matrix(seen)), seen.toarray() > 0
    for user in range(30):
        rivals = [i for i in range(12) if i != targets[user] and not hidden[user, i]]
        own = scores[user, targets[user]]
        assert ranks.above[user] == sum(scores[user, i] > own for i in rivals)
        assert ranks.tied[user] == 1 + sum(scores[user, i] == own for i in rivals)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        place(np.array([[0.0, np.nan]], np.float32), np.array([0]))


def test_full_ranking_does_not_depend_on_the_batch():
    rng = np.random.default_rng(1)
    histories = Histories(rng.integers(0, 20, 60), np.arange(0, 61, 6), 20)
    table = rng.random((20, 20)).astype(np.float32)

    def scorer(some):
        return table[some.last()]

    targets = rng.integers(0, 20, 10)
    whole, small = (rank_all(scorer, histories, targets, batch) for batch in (512, 3))
    assert whole.above.tolist() == small.above.tolist()


def test_the_best_items_come_first_and_equal_ones_by_number():
    assert top(np.array([[1.0, 3.0, 3.0, 2.0]], np.float32), 3).tolist() == [[1, 2, 3]]
    seen = sp.csr_matrix(np.array([[0, 1.0, 0, 0]]))
    assert top(np.array([[1.0, 3.0, 3.0, 2.0]], np.float32), 3, seen).tolist() == [[2, 3, 0]]
    with pytest.raises(ValueError, match="fewer than 4"):
        top(np.array([[1.0, 3.0, 3.0, 2.0]], np.float32), 4, seen)


def test_a_bootstrap_interval_is_that_of_the_normal_approximation():
    values = np.random.default_rng(3).random(400)
    low, high = bootstrap(values, 4000, np.random.default_rng(0))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_gini_is_nothing_for_equals_and_nearly_one_for_a_monopoly():
    assert gini(np.ones(10)) == pytest.approx(0)
    assert gini(np.eye(1, 100)[0]) == pytest.approx(0.99)
    counts = np.array([1.0, 5.0, 2.0])
    pairs = sum(abs(a - b) for a in counts for b in counts) / (2 * 9 * counts.mean())
    assert gini(counts) == pytest.approx(pairs)


def test_measures_beyond_accuracy_on_lists_made_by_hand():
    genres = np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]], np.float32)
    lists, histories = np.array([[0, 1], [0, 2]]), Histories(np.array([0, 1, 2, 0]), np.array([0, 2, 4]), 4)
    assert coverage(lists, 4) == 0.75
    assert diversity(lists, genres) == pytest.approx([0.0, 1.0])
    assert miscalibration(lists, histories, genres) == pytest.approx([0.0, 0.0], abs=1e-6)
    worse = miscalibration(lists[::-1], histories, genres)
    assert worse[1] > 1 > worse[0] > 0  # one genre of two is missing; half of the list is another
    assert popularity_lift(np.array([[0, 0], [2, 2]]), histories)[0] > 0


def test_calibration_brings_the_wanted_shares_and_diversity_the_other_genre():
    genres = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)  # five of each, the first genre scored higher
    scores = np.linspace(1, 0, 10)
    plain = calibrate(scores, genres, np.array([0.5, 0.5]), 4, trade=0.0)
    half = calibrate(scores, genres, np.array([0.5, 0.5]), 4, trade=0.9)
    assert plain.tolist() == [0, 1, 2, 3]
    assert genres[half].sum(0).tolist() == [2, 2]
    assert diversify(scores, genres, 3, 0.0).tolist() == [0, 1, 2]
    assert 5 in diversify(scores, genres, 2, 0.9).tolist()


def test_sampled_negatives_are_the_same_for_the_same_seed_and_never_what_the_user_has():
    histories = Histories(np.arange(20), np.array([0, 10, 20]), 40)
    table = np.linspace(0, 1, 40, dtype=np.float32)

    def scorer(some):
        return np.tile(table, (len(some), 1))

    def ranks(seed):
        rng = np.random.default_rng(seed)
        return among_sampled(scorer, histories, np.array([39, 0]), np.ones(40), 15, rng)

    assert ranks(1).above.tolist() == ranks(1).above.tolist()
    assert ranks(1).above[0] == 0 and ranks(1).above[1] <= 15
    only_seen = np.zeros(40)
    only_seen[:10] = 1  # all that can be drawn is the first user's own
    found = among_sampled(scorer, histories, np.array([20, 0]), only_seen, 15, np.random.default_rng(0))
    assert found.above[0] == 0


def test_past_counts_know_nothing_of_the_moment_itself_and_after():
    from posts.recommender.data import Events

    times = np.array([10, 20, 20, 30])
    events = Events(np.zeros(4, np.int64), np.array([0, 1, 1, 0]), np.ones(4, np.float32), times, np.arange(2))
    assert counts_before(events, np.array([30, 20, 5])).tolist() == [[1, 2], [1, 0], [0, 0]]


def test_random_holdout_splits_every_event_once():
    histories = Histories(np.arange(60) % 15, np.arange(0, 61, 15), 15)
    train, validation, test = holdout(histories, np.random.default_rng(0))
    whole = train.matrix() + validation + test
    assert (whole.toarray() == histories.matrix().toarray()).all()
    assert train.lengths.min() >= 1 and validation.nnz and test.nnz
    split = leave_last_out(histories)
    assert split.train.item_count == train.item_count


def test_list_metrics_of_several_targets_reach_one():
    targets = sp.csr_matrix(np.array([[1.0, 1, 0, 0], [0, 0, 0, 0], [0, 1.0, 0, 0]]))
    recall, ndcg = list_metrics(np.array([[0, 1], [0, 1], [0, 1]]), targets)
    assert recall.tolist() == [1.0, 1.0]  # the user without targets is not asked
    assert ndcg == pytest.approx([1.0, 1 / math.log2(3)])


def test_draws_depend_on_model_search_and_trial_alone():
    assert draw("counting", 1) == draw("counting", 1)
    assert draw("counting", 1) != draw("counting", 2) and draw("counting", 1) != draw("counting", 1, search=1)
    assert all(set(draw(model, 0)) == set(space) for model, space in SPACES.items())
