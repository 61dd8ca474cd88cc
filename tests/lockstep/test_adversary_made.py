"""Projects and edits that hypothesis makes: what `check` says of an edit is held against a run from scratch.

`ADVERSARY_EXAMPLES=2000 python -m pytest tests/lockstep/test_adversary_made.py` tries many, others each time.
"""

import os

import pytest
from adversary import Outcome, Worker
from adversary_made import trials
from hypothesis import HealthCheck, given, settings

EXAMPLES = int(os.environ.get("ADVERSARY_EXAMPLES", "0"))
FEW = 30


@pytest.fixture(scope="module")
def worker():
    with Worker() as started:
        yield started


def shown(outcome: Outcome) -> str:
    """The files of the post before the edit, and those that differ after it."""
    lines = [f"{outcome.verdict}: {outcome.trial.name}: {outcome.reason}"]
    for name, entry in outcome.trial.before.items():
        other = outcome.trial.after[name]
        if name.startswith("code/posts/mini/") and entry.text:
            lines += [f"--- {name}", entry.text, *(["--- after", other.text] if other != entry else [])]
    return "\n".join(lines)


@settings(
    max_examples=EXAMPLES or FEW,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(trial=trials())
def test_what_check_says_of_any_edit_is_what_a_run_from_scratch_says(worker, trial):
    outcome = worker.tried(trial)
    assert outcome.verdict in ("right", "needless"), shown(outcome)
