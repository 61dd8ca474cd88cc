"""The loop with and without exploration, and the two ways to test a change on people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.metrics import Reals
from posts.recommender.online import power_of, session_clicks, sign_test_wins, team_draft, users_per_arm
from posts.recommender.simulator import People, loop

if TYPE_CHECKING:
    from lockstep.run import Run

SLOTS = 5
NOISES = (0.28, 0.35)  # of what the better and the worse ranking know about relevance


def run_loop(run: Run) -> dict[str, Any]:
    """One policy in one world: after the last round, clicks as a fraction of the oracle's, and the spread of exposure.

    Output: rounds.csv. The fraction is the mean of the last fifth of the rounds.
    """
    config = run.config
    people = People(config.people, config.catalogue, np.random.default_rng([run.seed, 0]))
    past = loop(people, config.rounds, SLOTS, config.explore, np.random.default_rng([run.seed, 1]))
    fields = ("fraction", "exposure_gini", "never_shown")
    run.write_csv("rounds.csv", [{"round": n + 1} | {f: getattr(r, f) for f in fields} for n, r in enumerate(past)])
    last = past[-max(len(past) // 5, 1) :]
    row = {"fraction": 100 * float(np.mean([r.fraction for r in last])), "exposure_gini": past[-1].exposure_gini}
    return row | {"never_shown": 100 * past[-1].never_shown}


def power(run: Run) -> dict[str, Any]:
    """The size that the formula gives for a lift of a conversion rate, and the power of simulated tests at it."""
    config = run.config
    users = users_per_arm(config.conversion, config.lift)
    rng = np.random.default_rng(run.seed)
    found = power_of(config.conversion, config.lift, users, config.tests, rng)
    false = power_of(config.conversion, 0.0, users, config.tests, rng)
    return {"arm_users": users, "power": 100 * found, "false_alarms": 100 * false}


def one_session(relevance: Reals, rng: np.random.Generator) -> tuple[int, int, int]:
    """Clicks of a person shown the better list, of one shown the worse, and who wins when one sees both interleaved."""
    better, worse = (
        np.argsort(-(relevance + rng.normal(size=len(relevance)) * noise), kind="stable") for noise in NOISES
    )
    a, b = (session_clicks(shown[:SLOTS], relevance, rng).sum() for shown in (better, worse))
    shown, teams = team_draft(better, worse, SLOTS, rng)
    clicked = session_clicks(shown, relevance, rng)
    return int(a), int(b), int(np.sign(clicked[teams == 0].sum() - clicked[teams == 1].sum()))


def interleave(run: Run) -> list[dict[str, Any]]:
    """Sessions that each kind of test needs to see the same improvement with a power of 80 %, in the same world.

    Both are tried at growing numbers of sessions, many times each; an A/B test spends half of them on each list. The
    number is the smallest tried from which the test finds the better list in at least 80 % of repeats.
    """
    config, rng = run.config, np.random.default_rng(run.seed)
    draws = [one_session(rng.beta(1, 4, size=40), rng) for _ in range(config.sessions)]
    a, b, wins = np.array(draws).T
    rows = []
    for kind in ("a/b", "interleaving"):
        needed, tried = config.sessions, []
        for count in session_counts(config.sessions):
            found = np.mean([_detects(kind, a, b, wins, count, rng) for _ in range(config.repeats)])
            tried.append((count, found))
            if found >= 0.8:
                needed = count
                break
        rows.append({"test": kind, "sessions_needed": needed, "power": 100 * float(tried[-1][1])})
    gain = {"test": "truth", "better_clicks": float(a.mean()), "worse_clicks": float(b.mean())}
    return [*rows, gain | {"won": 100 * float((wins > 0).mean() / (wins != 0).mean())}]


def session_counts(most: int) -> list[int]:
    """Growing by about a fifth, up to `most`."""
    return sorted({int(50 * 1.2**n) for n in range(60) if 50 * 1.2**n < most} | {most})


def _detects(kind: str, a: Reals, b: Reals, wins: Reals, count: int, rng: np.random.Generator) -> bool:
    """One test with `count` sessions drawn from those that were played."""
    if kind == "interleaving":
        return sign_test_wins(wins[rng.integers(len(wins), size=count)])
    half = count // 2
    one, other = a[rng.integers(len(a), size=half)], b[rng.integers(len(b), size=half)]
    error = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / half)
    return bool(error > 0 and abs(one.mean() - other.mean()) > 1.96 * error)
