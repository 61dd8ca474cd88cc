"""A database of SQLite is a file that a run declares, whatever way it is named; one in memory is nobody's."""

import pytest
from mini import edit, lockstep

TRAIN = "code/posts/mini/train.py"
OPEN = "    import pathlib, sqlite3\n    sqlite3.connect({}).execute('select 1')\n    # a comment"


@pytest.mark.parametrize(
    "name", ['":memory:"', '""', '"file::memory:?cache=shared", uri=True', '"file:x?mode=memory", uri=True']
)
def test_a_database_in_memory_is_no_input(project, name):
    edit(project, TRAIN, "    # a comment", OPEN.format(name))
    done = lockstep(project, "run", "mini.train", "--seed", "0")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ['"{root}/base.db"', 'pathlib.Path("{root}/base.db")', '"file:{root}/base.db?mode=ro", uri=True']
)
def test_a_file_that_nobody_declared_is_refused_by_name(project, name):
    (project / "base.db").write_bytes(b"")
    edit(project, TRAIN, "    # a comment", OPEN.format(name.format(root=project)))
    done = lockstep(project, "run", "mini.train", "--seed", "0")
    assert done.returncode == 1
    assert "base.db, which it did not declare" in done.stderr
