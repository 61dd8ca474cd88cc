"""The models against independent references, and SASRec's promises."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakerun import FakeRun
from lockstep.errors import RunFailed
from posts.recommender.counting import Counting, ItemKNN, co_occurrence, nearest_only, transitions
from posts.recommender.data import Histories, histories_of, leave_last_out, markov_sessions
from posts.recommender.experiment import Config
from posts.recommender.linear import Ease, Factors, ease_weights
from posts.recommender.metrics import rank_all
from posts.recommender.sasrec import Attention, SASRec, batches, binary, dropout, loss_of, padded, score, softmax
from posts.recommender.train import Training, best_trial, epoch, train
from posts.recommender.tuning import draw
from threadpoolctl import threadpool_limits

SMALL = replace(Config(), width=8, longest=6, batch=40, epochs=3, validate_every=1, patience=9, negatives=10)
SETTINGS = {"blocks": 2, "heads": 2, "dropout": 0.2, "rate": 0.01, "weight_decay": 0.01}


def random_histories(seed: int = 0, users: int = 30, items: int = 12) -> Histories:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, users)
    return Histories(rng.integers(0, items, lengths.sum()), np.cumsum([0, *lengths]), items)


def test_transitions_and_co_occurrence_equal_plain_loops():
    histories = random_histories()
    after, together = np.zeros((2, 12, 12))
    for user in range(len(histories)):
        history = histories.of(user).tolist()
        for i, first in enumerate(history):
            for j in range(i + 1, min(i + 4, len(history))):
                after[first, history[j]] += 1 / (j - i)
        for one in set(history):
            for other in set(history) - {one}:
                together[one, other] += 1
    np.fill_diagonal(after, 0)
    assert transitions(histories, 3).toarray() == pytest.approx(after, abs=1e-5)
    assert co_occurrence(histories).toarray() == pytest.approx(together)


def test_the_counting_score_is_the_formula():
    histories = random_histories()
    model = Counting(histories, decay=0.5, cosine=0.3, window=2, exponent=0.5)
    counts = np.bincount(histories.items, minlength=12)
    both = transitions(histories, 2).toarray() + 0.3 * co_occurrence(histories).toarray()
    history = histories.of(4).tolist()
    latest = {item: len(history) - 1 - max(n for n, one in enumerate(history) if one == item) for item in set(history)}
    expected = [
        sum(0.5**age * both[item, j] / math.sqrt(counts[item] * counts[j]) for item, age in latest.items())
        for j in range(12)
    ]
    assert model(histories.part(4, 5))[0] == pytest.approx(expected, rel=1e-4)


def test_only_the_nearest_neighbours_are_kept():
    similar = co_occurrence(random_histories())
    kept = nearest_only(similar, 3).toarray()
    for row, full in zip(kept, similar.toarray(), strict=True):
        assert (row > 0).sum() <= 3
        assert sorted(row[row > 0]) == sorted(full)[-3:]
    all_of_them = ItemKNN(random_histories(), neighbours=99, shrink=0.0)
    assert all_of_them.similar_II.nnz == similar.nnz


def test_ease_solves_its_constrained_problem_column_by_column():
    taken = random_histories().matrix().toarray().astype(np.float64)
    weights = ease_weights(taken.T @ taken, 3.0)
    assert np.diag(weights).tolist() == [0.0] * 12
    for item in range(12):  # ridge regression of each item on all others is the same problem
        others = [i for i in range(12) if i != item]
        x, y = taken[:, others], taken[:, item]
        expected = np.linalg.solve(x.T @ x + 3.0 * np.eye(11), x.T @ y)
        assert weights[others, item] == pytest.approx(expected, abs=1e-4)
    with pytest.raises(np.linalg.LinAlgError):
        ease_weights(np.full((3, 3), -1.0), 0.0)
    assert Ease(random_histories(), 3.0).weights_II == pytest.approx(weights)


def test_people_folded_in_get_the_factors_they_were_trained_with():
    histories = random_histories(users=60)
    with threadpool_limits(1, "blas"):  # implicit warns of more: faiss brings a BLAS that follows the count of cores
        model = Factors(histories, 4, 0.1, 5.0, 30, seed=0)
        again = Factors(histories, 4, 0.1, 5.0, 30, seed=0)
    expected = model.model.user_factors @ model.model.item_factors.T
    assert np.corrcoef(model(histories).ravel(), expected.ravel())[0, 1] > 0.999
    assert (model(histories) == again(histories)).all()


def sasrec(seed: int = 0, **changed) -> SASRec:
    options = {"item_count": 12, "longest": 6, "width": 8, "blocks": 2, "heads": 2, "rate": 0.2} | changed
    return SASRec(**options, seed=seed)


def test_attention_equals_torch_with_the_same_weights():
    ours, theirs = Attention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x = torch.randn(3, 5, 8)
    expected, _ = theirs(x, x, x, attn_mask=torch.ones(5, 5, dtype=torch.bool).triu(1))
    torch.testing.assert_close(ours(x, 0.0, None), expected)


def test_a_score_does_not_depend_on_the_batch():
    """Alone, or beside longer histories: positions and padding belong to one history."""
    histories, model = random_histories(), sasrec()
    together = score(model, histories)
    for user in range(len(histories)):
        alone = score(model, histories.part(user, user + 1))
        assert alone[0] == pytest.approx(together[user], abs=1e-5)


def test_the_order_of_a_history_matters_and_items_before_the_window_do_not():
    model = sasrec()

    def of(*items):
        return score(model, Histories(np.array(items), np.array([0, len(items)]), 12))[0]

    assert np.abs(of(1, 2, 3) - of(2, 1, 3)).max() > 1e-4
    assert of(9, 1, 2, 3, 4, 5, 6) == pytest.approx(of(0, 1, 2, 3, 4, 5, 6), abs=1e-6)


def test_future_items_get_zero_gradient():
    model, items = sasrec(), torch.tensor([[1, 2, 3, 4]])
    model(items)[0, 1, 0].backward()
    gradient = model.items_ID.grad
    assert gradient is not None
    assert gradient[[1, 2]].abs().sum() > 0 and gradient[[3, 4]].abs().sum() == 0


def test_every_parameter_gets_a_gradient_and_counts_are_exact():
    model = sasrec()
    loss_of(model, random_histories(), "softmax", 99, torch.Generator().manual_seed(0)).backward()
    keys = {f"blocks.{n}.attention.key.bias" for n in (0, 1)}  # softmax does not see a shift of all keys
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert name in keys or parameter.grad.abs().sum() > 0, name
    block = 4 * (64 + 8) + 2 * (64 + 8) + 4 * 8
    assert sum(p.numel() for p in model.parameters()) == 12 * 8 + 6 * 8 + 2 * block + 16


def test_the_sampled_softmax_is_the_full_one_on_average():
    rng = torch.Generator().manual_seed(0)
    items, states = torch.randn(50, 4, generator=rng) * 0.3, torch.randn(20, 4, generator=rng)
    targets = torch.randint(50, (20,), generator=rng)
    full = softmax(states, targets, items, 50, rng)
    torch.testing.assert_close(full, torch.nn.functional.cross_entropy(states @ items.T, targets))
    drawn = torch.stack([softmax(states, targets, items, 40, rng) for _ in range(300)])
    assert drawn.mean() == pytest.approx(full.item(), abs=0.06)  # the logarithm of a mean lies a little low
    assert drawn.std() > 0


def test_the_binary_loss_of_undecided_states_is_twice_log_two():
    rng = torch.Generator().manual_seed(0)
    loss = binary(torch.zeros(5, 4), torch.arange(5), torch.randn(9, 4), 0, rng)
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_dropout_keeps_the_mean_and_rests_in_evaluation():
    x, rng = torch.ones(20_000), torch.Generator().manual_seed(0)
    dropped = dropout(x, 0.3, rng)
    assert (dropped == 0).float().mean() == pytest.approx(0.3, abs=0.02) and dropped.mean() == pytest.approx(
        1, abs=0.02
    )
    assert dropout(x, 0.3, None) is x


def test_batches_hold_every_user_once_and_padding_is_at_the_end():
    histories = random_histories()
    users = np.concatenate(batches(histories, 7, np.random.default_rng(0)))
    assert sorted(users.tolist()) == list(range(30))
    items, lengths = padded(histories, 6)
    for user, (row, length) in enumerate(zip(items, lengths, strict=True)):
        assert row[:length].tolist() == histories.of(user)[-6:].tolist() and not row[length:].any()


SPLIT = leave_last_out(histories_of(markov_sessions.load()).part(0, 300))


def trained(folder, seed=0, config=SMALL, **options) -> tuple[Training, FakeRun]:
    folder.mkdir(exist_ok=True)
    run = FakeRun(folder, config, {}, **options)
    return train(run, SPLIT, SETTINGS, seed), run


def test_training_learns_and_one_seed_is_one_result(tmp_path):
    one, run = trained(tmp_path / "a")
    again, _ = trained(tmp_path / "b")
    other, _ = trained(tmp_path / "c", seed=1)
    assert one.curve == again.curve and one.curve != other.curve
    losses = [row["loss"] for row in run.tables["curve.csv"]]
    assert losses[-1] < losses[0]
    untrained = Training(SPLIT.train.item_count, SMALL, SETTINGS, 0).model
    before = rank_all(lambda histories: score(untrained, histories), SPLIT.train, SPLIT.validation).ndcg(10).mean()
    assert max(row[2] for row in one.curve) > 1.5 * before


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole, _ = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", stop_after=2)
    resumed, _ = trained(tmp_path / "cut")
    assert resumed.curve == whole.curve
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_training_stops_when_validation_no_longer_improves_and_keeps_the_best(tmp_path):
    config = replace(SMALL, epochs=40, patience=1)
    training, _ = trained(tmp_path / "a", config=config)
    values = [row[2] for row in training.curve]
    assert training.done < 40 and values[-1] <= max(values[:-1])
    best = score(training.model, SPLIT.train)
    ndcg = rank_all(lambda some: score(training.model, some), SPLIT.train, SPLIT.validation).ndcg(10).mean()
    assert ndcg == pytest.approx(max(values)) and np.isfinite(best).all()


def test_validation_is_read_after_every_few_epochs_and_after_the_last(tmp_path):
    training, _ = trained(tmp_path / "a", config=replace(SMALL, epochs=5, validate_every=2, patience=99))
    assert [row[0] for row in training.curve] == [2, 4, 5]


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path, monkeypatch):
    monkeypatch.setitem(train.__globals__, "epoch", lambda *_: math.nan)
    with pytest.raises(RunFailed, match="epochs 1 to 1 is nan"):
        trained(tmp_path / "a")
    assert callable(epoch)


def test_the_best_trial_is_chosen_on_validation_of_its_own_dataset():
    rows = [
        {"dataset": "beauty", "trial": 0, "validation_ndcg": 0.2},
        {"dataset": "beauty", "trial": 1, "validation_ndcg": 0.3},
        {"dataset": "beauty", "trial": 2, "validation_ndcg": 0.3},
        {"dataset": "toys", "trial": 3, "validation_ndcg": 0.9},
    ]
    assert best_trial(rows, "beauty") == 1


def test_every_model_has_the_same_number_of_trials():
    assert Config().trials == 4
    from posts.recommender.experiment import recommender

    assert len(recommender.stages["sasrec-tune"].grid["trial"]) == Config().trials
    assert SimpleNamespace(**draw("sasrec", 0)).heads in (1, 2, 4)
