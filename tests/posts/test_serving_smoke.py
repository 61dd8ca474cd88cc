"""The whole path of the post serving on a random model, and the arithmetic of its studies."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from lockstep.execute import running
from lockstep.execute.plan import Selection
from lockstep.project.project import Project
from posts.serving.studies import cost, router

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
    assert all(0 < row["drift"] < 1 for row in small)
    assert rows["load"][0]["lost"] == 0 < rows["load"][0]["good"]
    assert rows["soak"][0]["left"] == 0 < rows["soak"][0]["soaked"]
    assert {row["engine"] for row in rows["contest"]} == {"ours, int8", "ours, float32"}
    assert all(row["speed"] > 0 for row in rows["contest"])


def simulated(policy, load=0.8, count=20, groups=400, seed=0):
    return router.simulate(policy, count, load, 60 * count, groups, COSTS, seed)


def test_the_least_loaded_replica_is_a_better_choice_than_the_next_one():
    for seed in range(3):
        turns, two, least = (simulated(policy, seed=seed)["first_p99"] for policy in ("turns", "two", "least"))
        assert least < two < turns


def test_the_router_knows_the_loads_at_all_times():
    rng = np.random.default_rng(0)
    replicas = [router.Replica() for _ in range(7)]
    made = router.Router("least", replicas, rng)
    for _ in range(2000):
        n = int(rng.integers(7))
        replicas[n].running = max(0, replicas[n].running + int(rng.choice([-1, 1])))
        made.changed(n)
        assert replicas[made.choose(0)].load == min(each.load for each in replicas)


def test_a_router_that_looks_at_prefixes_finds_more_of_them():
    found = {policy: simulated(policy, groups=100)["prefix_hits"] for policy in router.POLICIES}
    assert found["prefix"] > 1.5 * max(found[policy] for policy in ("turns", "two"))


def test_one_replica_is_the_same_under_every_policy():
    answers = [simulated(policy, count=1, groups=20) for policy in router.POLICIES]
    assert all(answer == answers[0] for answer in answers)


def test_costs_are_the_arithmetic_that_they_say():
    assert cost.per_million(0.036, 10.0) == pytest.approx(1.0)
    rows = [{"engine": "ours, int8", "what": "decode", "batch": n, "speed": 100.0 * n} for n in (1, 16)]
    rows += [{"engine": "ours, int8", "what": "prefill", "batch": 256, "speed": 500.0}]
    made = router.costs_of(rows)
    assert made.prompt == 1 / 500 and made.written[0] == made.written[15] == pytest.approx(0.01)
