"""The whole path of the post serving on a random model, and the arithmetic of its studies."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
from lockstep.errors import LockstepError
from lockstep.execute import running
from lockstep.execute.plan import Selection
from lockstep.project.project import Project
from posts.serving import parity
from posts.serving.engine import Limits
from posts.serving.studies import cost, queue, router, together

ROOT = Path(__file__).parents[2]
COSTS = router.Costs(1 / 400, tuple(0.02 + 0.002 * n for n in range(router.SLOTS)))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    post = Project.find(ROOT).post("serving")
    stages = frozenset(post.experiment.stages) - ({"architecture"} if shutil.which("dot") is None else set())
    return running.smoke(post, Selection(stages), tmp_path_factory.mktemp("smoke")), stages


def test_every_stage_runs_on_the_random_model(smoke):
    lines, stages = smoke
    assert {line.stage: line.status for line in lines} == dict.fromkeys(stages, "done")


def test_its_rows_are_what_the_page_binds(smoke):
    rows = {line.stage: line.rows for line in smoke[0]}
    assert all(row["kept"] == 1 - row["control"] for row in rows["drills"])
    exact, *small = rows["parity"]
    assert exact["perplexity_ratio"] == 1 and exact["drift"] == 0 and exact["same_token"] == 100
    assert all(0 < row["drift"] < 1 for row in small if row["recipe"] != parity.FOUR_BITS)
    assert rows["load"][0]["lost"] == 0 < rows["load"][0]["good"]
    assert rows["soak"][0]["left"] == 0 < rows["soak"][0]["soaked"]
    assert {row["engine"] for row in rows["contest"]} == {"ours, int8", "ours, float32"}
    assert all(row["speed"] > 0 for row in rows["contest"])


def simulated(policy, count=20, seed=0):
    return router.simulate(policy, count, 0.8, 60 * count, COSTS, seed)


def test_the_replica_with_the_fewest_tokens_to_compute_is_a_better_choice_than_the_next_one():
    for seed in range(3):
        turns, requests, tokens = (simulated(name, seed=seed)["first_p99"] for name in ("turns", "requests", "tokens"))
        assert tokens < requests and tokens < turns


def test_the_router_takes_the_least_and_tosses_a_coin_among_equals():
    fleet = router.Fleet(5, COSTS)
    made = router.Router("tokens", fleet, np.random.default_rng(0))
    fleet.free_R[:] = [3.0, 9.0, 1.0, 2.0, 9.0]
    assert made.choose(0, now=0.5) == 2
    assert {made.choose(0, now=4.0) for _ in range(50)} == {0, 2, 3}  # all idle by then
    fleet.waiting_R[:] = [1, 0, 1, 1, 0]
    assert made.choose(0, now=8.9) in (1, 4)


def test_a_router_that_looks_at_prefixes_finds_more_of_them():
    found = {policy: simulated(policy)["prefix_hits"] for policy in router.POLICIES}
    assert found["prefix"] > 1.5 * max(found[policy] for policy in router.POLICIES[:-1])


def test_one_replica_is_the_same_under_every_policy():
    answers = [simulated(policy, count=1) for policy in router.POLICIES]
    assert all(answer == answers[0] for answer in answers)


def test_costs_are_the_arithmetic_that_they_say():
    assert cost.per_million(0.036, 10.0) == pytest.approx(1.0)
    rows = [{"engine": "ours, int8", "what": "decode", "batch": n, "speed": 100.0 * n} for n in (1, 16)]
    rows += [{"engine": "ours, int8", "what": "prefill", "batch": 256, "speed": 500.0}]
    made = router.costs_of(rows)
    assert made.prompt == 1 / 500 and made.written[0] == made.written[15] == pytest.approx(0.01)


def foretold(due, own, written=4, **limits):
    return queue.simulate(np.array(due), np.array(own), written, COSTS, Limits(**limits))


def test_one_request_alone_waits_for_its_prompt_and_then_writes():
    ((first, last),) = foretold([1.0], [40])
    assert first == pytest.approx(40 / 400)
    assert last == pytest.approx(40 / 400 + 3 * COSTS.written[0])


def test_prompts_are_served_in_order_and_writing_goes_on_beside_them():
    found = foretold([0.0, 0.0], [64, 64], budget=64, chunk=64)
    assert found[0, 0] == pytest.approx(64 / 400)
    # the second prompt shares its step with the first one's token, and has what that leaves of the budget
    assert found[1, 0] == pytest.approx(found[0, 0] + 64 / 400 + 2 * COSTS.written[0])
    assert (found[:, 1] > found[:, 0]).all()


def test_beyond_capacity_the_queue_grows_with_time_and_below_it_does_not():
    rng = np.random.default_rng(0)
    own, written = 60, 16
    capacity = 1 / (own / 400 + written * COSTS.written[-1] / router.SLOTS)

    def late(rate):
        due = np.cumsum(rng.exponential(1 / rate, 400))
        first = foretold(due, np.full(400, own), written)[:, 0]
        return np.median(first[300:]) / np.median(first[50:150])

    assert late(0.5 * capacity) < 2 < late(1.5 * capacity)


def test_without_llama_server_the_way_to_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LockstepError, match=r"build llama.cpp's target llama-server .* on the PATH"):
        together.Llama(tmp_path / "s").start()


def test_a_client_waits_for_its_answer_before_it_asks_again(monkeypatch):
    busy, most = [0], [0]

    async def one(port, content, due):
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        await asyncio.sleep(0)
        busy[0] -= 1
        return 0.0, 0.0, content

    monkeypatch.setattr(together, "one", one)
    found = asyncio.run(together.clients(0, list("abcdefg"), 3))
    assert sorted(reason for *_, reason in found) == list("abcdefg") and most == [3]
