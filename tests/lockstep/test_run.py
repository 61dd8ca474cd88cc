"""A run records what it reads and never leaves half a file."""

import csv
import json
from dataclasses import dataclass

import pytest
from lockstep.errors import LockstepError, RunFailed
from lockstep.run import Input, Run


@dataclass(frozen=True)
class Config:
    rate: float = 0.1
    epochs: int = 3


def new_run(path, **keys):
    return Run(Config(), keys, {"images": lambda: [1, 2, 3]}, path)


def test_only_the_fields_that_were_read_are_recorded(tmp_path):
    run = new_run(tmp_path)
    assert run.config.read() == {}
    assert run.config.rate == 0.1
    assert run.config.read() == {"rate": 0.1}


def test_passing_the_config_on_whole_counts_as_reading_all(tmp_path):
    run = new_run(tmp_path)
    assert run.config.whole() == Config()
    assert run.config.read() == {"epochs": 3, "rate": 0.1}


def test_a_misspelt_field_or_dataset_names_the_nearest(tmp_path):
    run = new_run(tmp_path)
    with pytest.raises(LockstepError, match='did you mean "epochs"'):
        _ = run.config.epoch
    with pytest.raises(LockstepError, match='did you mean "images"'):
        run.data("image")
    assert run.data_read == set()
    assert run.data("images") == [1, 2, 3]
    assert run.data_read == {"images"}


def test_a_missing_seed_says_what_the_grid_has(tmp_path):
    assert new_run(tmp_path, seed=4).seed == 4
    with pytest.raises(LockstepError, match="depth"):
        _ = new_run(tmp_path, depth=20).seed


def test_an_interrupted_checkpoint_leaves_the_last_whole_one(tmp_path):
    run = new_run(tmp_path)
    assert run.resume() is None
    with run.checkpoint() as path:
        path.write_text("first")
    with pytest.raises(KeyboardInterrupt), run.checkpoint() as path:
        path.write_text("sec")
        raise KeyboardInterrupt
    saved = new_run(tmp_path).resume()
    assert saved is not None
    assert saved.read_text() == "first"


def test_working_time_adds_up_over_attempts(tmp_path):
    run = new_run(tmp_path)
    with run.checkpoint() as path:
        path.write_text("x")
    attempt = json.loads((tmp_path / "attempt.json").read_text())
    (tmp_path / "attempt.json").write_text(json.dumps(attempt | {"seconds": 100.0}))
    assert new_run(tmp_path).seconds >= 100


def test_a_resumed_run_has_read_what_its_earlier_attempts_read(tmp_path):
    run = new_run(tmp_path)
    assert run.config.rate == 0.1
    run.data("images")
    with run.checkpoint() as path:
        path.write_text("x")
    resumed = new_run(tmp_path)
    assert resumed.config.epochs == 3
    assert resumed.config.read() == {"epochs": 3, "rate": 0.1}
    assert resumed.data_read == {"images"}


def test_failing_raises_with_the_reason(tmp_path):
    with pytest.raises(RunFailed, match="diverged"):
        new_run(tmp_path).fail("diverged")


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", 'a "b", c', ""])
def test_a_table_holds_any_text_and_ends_its_lines_alike(tmp_path, text):
    new_run(tmp_path).write_csv("answers.csv", [{"text": text, "number": 1.5}, {"text": "b", "number": 2}])
    with (tmp_path / "outputs/answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"text": text, "number": "1.5"}, {"text": "b", "number": "2"}]
    assert (tmp_path / "outputs/answers.csv").read_bytes().endswith(b"\nb,2\n")


def test_a_curve_is_written_as_csv(tmp_path):
    new_run(tmp_path).write_csv("curve.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    assert (tmp_path / "outputs" / "curve.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


def test_a_csv_gives_numbers_or_where_it_is_a_text_words(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/lines.csv").write_text("said,score\n1.,0.5\nnan,2\n")
    made = Input("write", {}, [], {}, {"results/lines.csv": "digest"}, lambda digest: None, tmp_path / "results")
    assert made.csv("lines.csv")[0] == {"said": 1.0, "score": 0.5}
    assert made.csv("lines.csv", text=True) == [{"said": "1.", "score": "0.5"}, {"said": "nan", "score": "2"}]
