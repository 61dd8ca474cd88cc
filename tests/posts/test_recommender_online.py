"""Off-policy estimates against exact truths, the loop, and experiments with people."""

import math

import numpy as np
import pytest
from lockstep.errors import LockstepError
from posts.recommender.offpolicy import Logged, WeakOverlap, dr, ips, naive, refuse_weak, reward_means, snips
from posts.recommender.online import power_of, session_clicks, sign_test_wins, team_draft, users_per_arm
from posts.recommender.simulator import People, choose, loop
from posts.recommender.studies.feedback import session_counts
from posts.recommender.studies.overlap import World

HALF = np.full(4, 0.5)


def test_estimates_equal_their_formulas_on_four_actions():
    rewards, targets = np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.5, 0.5])
    log = Logged(rewards, HALF, targets, predicted=np.full(4, 0.5), direct=np.full(4, 0.6))
    w = np.array([2.0, 0.0, 1.0, 1.0])
    assert ips(log).value == pytest.approx(3 / 4)
    assert snips(log).value == pytest.approx(3 / 4)
    assert dr(log).value == pytest.approx(0.6 + np.mean(w * (rewards - 0.5)))
    assert naive(log).value == pytest.approx(0.5)  # nothing but the first is preferred: too few, so all
    assert log.effective == pytest.approx(16 / 6)
    half = 1.959964 * (w * rewards).std(ddof=1) / 2
    assert ips(log).high - ips(log).value == pytest.approx(half)


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.2, float("nan")])
def test_a_propensity_that_no_action_can_have_is_refused(propensity):
    with pytest.raises(LockstepError, match="action 1 is logged with propensity"):
        Logged(np.ones(2), np.array([0.5, propensity]), np.ones(2))


def test_a_log_of_the_target_policy_itself_gives_the_plain_mean():
    rewards = np.array([1.0, 0.0, 0.0, 1.0])
    log = Logged(rewards, HALF, HALF)
    assert ips(log).value == snips(log).value == 0.5
    assert log.effective == 4
    refuse_weak(log, 4, 0.5)
    with pytest.raises(LockstepError, match="fit a reward model"):
        dr(log)


def test_intervals_cover_the_exact_truth_where_overlap_is_ample_and_the_naive_ones_do_not():
    world, rng = World("ample"), np.random.default_rng(4)
    logs = [world.log(1000, rng) for _ in range(150)]
    covered = {
        estimator.__name__: np.mean([e.low <= world.truth <= e.high for e in map(estimator, logs)])
        for estimator in (ips, snips, dr, naive)
    }
    assert min(covered["ips"], covered["snips"], covered["dr"]) > 0.88
    assert covered["naive"] < 0.8


def test_weak_overlap_is_refused_and_would_have_misled():
    world, rng = World("broken"), np.random.default_rng(4)
    logs = [world.log(1000, rng) for _ in range(60)]
    for log in logs:
        with pytest.raises(WeakOverlap):
            refuse_weak(log, 200, 0.05)
    covered = np.mean([e.low <= world.truth <= e.high for e in map(ips, logs)])
    assert covered < 0.7


def test_each_way_of_weak_overlap_is_told_apart():
    with pytest.raises(WeakOverlap, match="are worth 1 for this policy"):
        refuse_weak(Logged(np.ones(100), np.full(100, 0.01), np.eye(1, 100)[0]), 50, 0.9)
    heavy = np.full(1000, 1.0)
    heavy[0] = 80
    with pytest.raises(WeakOverlap, match=r"one action carries 7\.4%"):
        refuse_weak(Logged(np.ones(1000), np.full(1000, 0.0125), heavy * 0.0125), 50, 0.05)
    wrong = Logged(np.ones(1000), np.full(1000, 0.5), np.tile([0.3, 0.35], 500))
    with pytest.raises(WeakOverlap, match="standard errors from 1"):
        refuse_weak(wrong, 50, 0.5)
    with pytest.raises(WeakOverlap, match="none of the logged actions"):
        snips(Logged(np.ones(3), np.full(3, 0.5), np.zeros(3)))


def test_the_reward_model_of_a_fold_comes_from_the_other():
    actions, folds = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    first, second = reward_means(actions, np.array([1.0, 0.0, 1.0, 0.0]), 2, folds, prior=0.0)
    assert first.tolist() == [0, 0] and second.tolist() == [1, 1]


def test_the_truth_of_a_world_is_the_mean_over_its_population():
    world = World("good")
    rng = np.random.default_rng(0)
    rows = rng.integers(len(world.target), size=40_000)
    cumulated = world.target[rows].cumsum(1)
    actions = (cumulated < rng.random(40_000)[:, None]).sum(1).clip(0, 19)
    assert world.chances[rows, actions].mean() == pytest.approx(world.truth, abs=0.01)
    assert world.logging.sum(1) == pytest.approx(1) and world.target.sum(1) == pytest.approx(1)


def test_choices_explore_as_often_as_they_say_and_hold_no_item_twice():
    scores = np.tile(np.linspace(1, 0, 30), (400, 1))
    plain = choose(scores, 5, 0.0, np.random.default_rng(0))
    assert (plain == np.arange(5)).all()
    shown = choose(scores, 5, 0.3, np.random.default_rng(0))
    assert (shown > 4).mean() == pytest.approx(0.3, abs=0.03)
    assert all(len(set(row)) == 5 for row in shown.tolist())


def test_exploration_spreads_exposure_and_no_policy_beats_the_oracle():
    ends = {}
    for explore in (0.0, 0.3):
        people = People(60, 50, np.random.default_rng(2))
        past = loop(people, 15, 5, explore, np.random.default_rng(3))
        ends[explore] = past[-1].exposure_gini
        assert 0 < np.mean([each.fraction for each in past]) < 1.05
    assert ends[0.3] < ends[0.0]


def test_sample_size_has_the_power_that_it_promises():
    users = users_per_arm(0.02, 0.05)
    assert 310_000 < users < 320_000
    rng = np.random.default_rng(0)
    assert power_of(0.02, 0.05, users, 2000, rng) == pytest.approx(0.8, abs=0.03)
    assert power_of(0.02, 0.0, users, 2000, rng) == pytest.approx(0.05, abs=0.02)
    with pytest.raises(LockstepError, match="no pair of different rates"):
        users_per_arm(0.02, 0.0)


def test_team_draft_credits_each_item_to_the_ranking_that_added_it():
    rng, first, second = np.random.default_rng(0), np.array([1, 2, 3, 4]), np.array([9, 2, 8, 1])
    for _ in range(50):
        listed, teams = team_draft(first, second, 4, rng)
        assert len(set(listed.tolist())) == 4
        assert abs((teams == 0).sum() - (teams == 1).sum()) == 0
        assert all(item in (first, second)[team] for item, team in zip(listed, teams, strict=True))
    with pytest.raises(LockstepError, match="hold 2 different items"):
        team_draft(np.array([1, 2]), np.array([2, 1]), 3, rng)


def test_equal_rankings_win_equally_often():
    rng, wins = np.random.default_rng(1), []
    relevance, ranking = np.full(20, 0.4), np.arange(20)
    for _ in range(800):
        listed, teams = team_draft(ranking, ranking, 5, rng)
        clicked = session_clicks(listed, relevance, rng)
        wins.append(np.sign(clicked[teams == 0].sum() - clicked[teams == 1].sum()))
    assert abs(np.mean(wins)) < 0.1
    assert not sign_test_wins(np.zeros(5)) and sign_test_wins(np.ones(10))


def test_tried_session_counts_grow_to_the_most():
    counts = session_counts(2000)
    assert counts[0] == 50 and counts[-1] == 2000 and counts == sorted(counts)
    assert math.isclose(counts[5] / counts[4], 1.2, rel_tol=0.05)
