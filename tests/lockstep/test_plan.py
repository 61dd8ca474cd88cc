"""Which runs are made: at some seeds, within a budget, in several processes."""

import re
import shutil

import pytest
from lockstep.errors import LockstepError
from lockstep.execute import executors
from mini import create, edit, lockstep

OVER = (
    "code/posts/mini/experiment.py",
    '"evaluate:score", each=train)',
    '"evaluate:score", each=train, over=[shared])',
)


def made(stderr: str) -> list[str]:
    return [line.partition("mini.")[2] for line in stderr.splitlines() if line.startswith("[")]


def test_a_seed_runs_with_all_that_it_reads_and_nothing_else(tmp_path):
    root = create(tmp_path)
    assert made(lockstep(root, "run", "mini.evaluate", "--seed", "2").stderr) == ["train (seed=2)", "evaluate (seed=2)"]
    assert made(lockstep(root, "run", "mini", "--seed", "2").stderr) == []
    rest = lockstep(root, "run", "mini", "--seed", "0", "--seed", "1")
    assert made(rest.stderr)[-1] == "total", "with the last seed in, what reads all of them can run"


def test_a_run_that_reads_other_seeds_waits_for_them_and_says_for_which(tmp_path):
    root = create(tmp_path)
    edit(root, "code/posts/mini/experiment.py", "each=train)", "over=[train], seed=range(3))")
    done = lockstep(root, "run", "mini.evaluate", "--seed", "1")
    assert (done.returncode, made(done.stderr)) == (0, [])
    waits = "left out: evaluate (seed=1), since it reads train (seed=0), which is missing: add --seed 0"
    assert waits in done.stderr.splitlines()
    rest = lockstep(root, "run", "mini.train", "--seed", "0", "--seed", "2")
    assert made(rest.stderr) == ["train (seed=0)", "train (seed=2)"] and "left out" not in rest.stderr
    done = lockstep(root, "run", "mini.evaluate", "--seed", "1")
    assert made(done.stderr) == ["train (seed=1)", "evaluate (seed=1)"] and "left out" not in done.stderr


def test_a_seed_that_no_run_has_is_refused_and_what_is_fresh_is_counted_by_stage(project):
    done = lockstep(project, "run", "mini.train", "--seed", "2", "--seed", "7")
    assert (done.returncode, done.stderr) == (1, "mini.train has no seed 7: there are 0, 1, 2\n")
    assert lockstep(project, "run", "mini.train").stdout.startswith("mini.train: nothing to run, 3 runs are fresh")
    assert lockstep(project, "run", "mini").stdout.startswith("mini: nothing to run, 7 runs are fresh")


def test_a_stage_may_run_once_for_each_run_and_read_all_of_another(project):
    edit(
        project,
        "code/posts/mini/experiment.py",
        "score = mini",
        'shared = mini.stage("evaluate:shared", name="shared")\nscore = mini',
    )
    edit(project, *OVER)
    edit(project, "code/posts/mini/evaluate.py", "def total", "def shared(run):\n    return {}\n\n\ndef total")
    edit(project, "code/posts/mini/evaluate.py", "    made = run.inputs[0]", "    made, _ = run.inputs")
    done = lockstep(project, "build", "--no-render")
    assert made(done.stderr) == ["shared", "evaluate (seed=0)", "evaluate (seed=1)", "evaluate (seed=2)", "total"]
    assert done.returncode == 0, done.stderr


def test_the_order_in_which_keys_are_declared_does_not_matter(project):
    edit(project, "code/posts/mini/experiment.py", "seed=range(3)", "unread=[7], scale=[2.0], seed=range(3)")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    assert lockstep(project, "check").returncode == 0


def with_costs(root, **seconds: float) -> None:
    """Say how long the recorded runs took."""
    for path in (root / "content/mini/results/provenance").iterdir():
        stage = path.name.partition("-")[0].removesuffix(".json")
        path.write_text(re.sub(r'"seconds": [\d.]+', f'"seconds": {seconds[stage]}', path.read_text()))


def test_a_budget_makes_what_fits_cheapest_first_and_says_what_stays(project):
    with_costs(project, train=100.0, evaluate=10.0, total=1.0)
    edit(project, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    done = lockstep(project, "build", "--no-render", "--budget", "4m")
    assert made(done.stderr) == ["train (seed=0)", "train (seed=1)", "evaluate (seed=0)", "evaluate (seed=1)"]
    assert "mini: 3 runs do not fit into the budget and stay as they are" in done.stderr
    assert done.returncode == 1, "what stays stale fails the verification"
    assert "train (seed=2): stale" in done.stderr
    assert lockstep(project, "build", "--no-render").returncode == 0


def test_a_budget_prefers_the_cheap(project):
    with_costs(project, train=100.0, evaluate=10.0, total=1.0)
    edit(project, "code/posts/mini/evaluate.py", "sum(row", "2 * sum(row")
    edit(project, "code/posts/mini/experiment.py", "seed=range(3)", "seed=range(4)")
    done = lockstep(project, "run", "mini", "--budget", "5s")
    assert made(done.stderr) == [], "total reads a run that does not fit"
    edit(project, "code/posts/mini/experiment.py", "seed=range(4)", "seed=range(3)")
    assert made(lockstep(project, "run", "mini", "--budget", "5s").stderr) == ["total"]


def test_a_run_of_unknown_cost_does_not_start_on_a_budget(tmp_path):
    done = lockstep(create(tmp_path), "build", "--no-render", "--budget", "2h")
    assert made(done.stderr) == []
    assert "7 runs do not fit" in done.stderr


@pytest.mark.parametrize("budget", ["30", "m", "30 minutes", "-3m"])
def test_a_budget_that_is_no_time_says_how_to_write_one(project, budget):
    done = lockstep(project, "build", "--no-render", f"--budget={budget}")
    assert done.returncode == 1
    assert "write 90s, 30m or 2h" in done.stderr


def test_two_processes_record_what_one_does(tmp_path):
    one, two = create(tmp_path / "one"), create(tmp_path / "two")
    assert lockstep(one, "build", "--no-render").returncode == 0
    done = lockstep(two, "build", "--no-render", "--on", "local:2")
    assert done.returncode == 0, done.stderr
    assert len(made(done.stderr)) == 7
    for name in ("train", "evaluate", "total"):
        place = f"content/mini/results/{name}.jsonl"
        assert (one / place).read_bytes() == (two / place).read_bytes()


def test_a_failure_in_one_process_keeps_what_the_others_finished(project):
    edit(project, "code/posts/mini/train.py", "# a comment", "assert run.seed != 1, 'no luck'")
    done = lockstep(project, "build", "--no-render", "--on", "local:2")
    assert done.returncode == 1
    assert "train (seed=1) raised AssertionError: no luck" in done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"train +2 fresh +1 stale", lockstep(project, "status").stdout)


@pytest.mark.parametrize("place", ["local", "local:0", "local:two", "there", "here:2", "tcp:host", "http://host"])
def test_an_unknown_place_to_run_is_an_error(place):
    with pytest.raises(
        LockstepError, match="write here, local:N for N processes of this machine, or the address of a Dask"
    ):
        executors.named(place)


def test_an_artefact_that_a_run_will_miss_is_told_before_anything_runs(project):
    shutil.rmtree(project / ".lockstep/store")
    edit(project, "code/posts/mini/evaluate.py", 'float(made.open("weights.txt").read_text())', "7.0")
    told = 'evaluate (seed=1) reads "weights.txt" of train (seed=1), which is not at hand: '
    again = "lockstep run mini.train --seed 1 --force"
    assert f"mini: {told}{again}" in lockstep(project, "status").stderr
    assert f"  {told}{again}" in lockstep(project, "run", "mini.evaluate").stderr
    assert lockstep(project, *again.split()[1:]).returncode == 0
    assert told not in lockstep(project, "status").stderr


def test_one_place_of_a_grid_runs_with_what_it_reads_and_nothing_else(tmp_path):
    root = create(tmp_path)
    edit(root, "code/posts/mini/experiment.py", "seed=range(3))", "seed=range(2), scale=[2.0, 3.0])")
    done = lockstep(root, "run", "mini.evaluate", "--seed", "1", "--where", "scale=3.0")
    assert made(done.stderr) == ["train (seed=1, scale=3.0)", "evaluate (seed=1, scale=3.0)"]
    done = lockstep(root, "run", "mini.train", "--where", "scale=3.0", "--where", "seed=1", "--force")
    assert made(done.stderr) == ["train (seed=1, scale=3.0)"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("scal=3.0", 'no key "scal"'),
        ("seed=7", 'mini.train has no seed "7"; known: 0, 1, 2'),
        ("seed", "write KEY=VALUE"),
    ],
)
def test_a_place_that_no_grid_has_is_an_error(project, asked, told):
    done = lockstep(project, "run", "mini.train", "--where", asked)
    assert done.returncode == 1
    assert told in done.stderr
