"""Damaged files of every kind that the engine reads, under every command: a message with its place, no traceback.

`LOCKSTEP_DAMAGE=5000 pytest tests/lockstep/test_damage.py` tries as many instead of the few of every change.
"""

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from damage import CONTENT, PLACE, command, damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lockstep.errors import LockstepError
from lockstep.record import files
from lockstep.site import settings as site
from mini import edit

EXAMPLES = int(os.environ.get("LOCKSTEP_DAMAGE", "150"))
RESULTS = "content/mini/results"
FILES = {
    "ledger": f"{RESULTS}/train.jsonl",
    "ledger of one": f"{RESULTS}/total.jsonl",
    "provenance": f"{RESULTS}/provenance/train-seed=0.json",
    "curve": f"{RESULTS}/train/seed=0/curve.csv",
    "acceptances": "content/mini/accepted.jsonl",
    "paper": "content/mini/paper.toml",
    "prose": "content/mini/index.md",
    "references": "content/references.bib",
    "settings": "pyproject.toml",
    "document": "README.md",
    "cache": ".lockstep/cache/mini.clean.json",
}
COMMANDS = {
    "check": ["check"],
    "check README.md": ["check", "README.md"],
    "status": ["status"],
    "why": ["why"],
    "build": ["build", "--frozen", "--no-render"],
    "accept": ["accept", "mini", "--reason", "nothing of it matters"],
    "diff": ["diff"],
}
PLACED = re.compile(r"[^\s:]+:\d+: \S")


@pytest.fixture(scope="module")
def whole(built, tmp_path_factory) -> Path:
    """A project with a document, an acceptance, a commit and a kept verdict: every kind of file that is read."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("damage") / "mini"))
    edit(root, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 1 + 1")
    (root / "pyproject.toml").write_text('[tool.lockstep]\ndocuments = ["README.md"]\n')
    (root / "README.md").write_text("We score [752.5](measured:mini/total).\n")
    assert command(root, "accept", "mini", "--reason", "the same number").code == 0
    done = command(root, "check")
    assert done.code == 0, done.err
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *step], cwd=root, check=True, capture_output=True)
    return root


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 150, suppress_health_check=list(HealthCheck))
@given(
    what=st.sampled_from(sorted(FILES)),
    kind=st.sampled_from([*CONTENT, *PLACE]),
    seed=st.integers(0, 2**32),
    said=st.sampled_from(sorted(COMMANDS)),
)
def test_whatever_is_damaged_a_command_ends_with_a_message(whole, what, kind, seed, said):
    path = whole / FILES[what]
    if said == "diff":  # what it compares with is in the commit
        said = "diff" if seed % 4 == 0 else "check"
    with damaged(whole / FILES["acceptances"], "doubled", 0), damaged(path, kind, seed):
        done = command(whole, *COMMANDS[said])
    assert done.code in (0, 1)
    assert "Traceback" not in done.out + done.err
    if done.code == 1 and said in ("check", "build"):
        stands_no_more = what == "acceptances" and "(code: deep:FACTOR changed" in done.err
        assert path.name in done.err or stands_no_more, "the message names the damaged file"
        assert PLACED.match(done.err), "and a line"


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_gone_a_folder_or_a_link_to_nowhere_is_told(whole, what):
    """Every one of them, whatever the search above happens to try. Without some, nothing is missing: a verdict that was
    kept, the list of documents, and prose of a post that a document binds."""
    for kind in PLACE:
        with damaged(whole / FILES[what], kind, 0):
            done = command(whole, "check")
        told = done.code == 1 and PLACED.match(done.err) and "Traceback" not in done.err
        assert told or what == "cache" or (what in ("settings", "prose") and kind == "deleted"), (kind, done)


def test_an_undamaged_project_passes_what_damaged_ones_are_put_through(whole):
    """The negative control: no message comes from the project itself."""
    for said in ("check", "check README.md", "status", "why", "build", "diff"):
        done = command(whole, *COMMANDS[said])
        assert done.code == 0, done.err


@pytest.mark.parametrize("kind", [*CONTENT, *PLACE])
def test_damaged_settings_of_the_site_are_a_message(tmp_path, kind):
    path = tmp_path / "site.toml"
    path.write_text('name = "A"\nauthor = "B"\ndescription = "C"\nlinks = [{name = "D", url = "https://e.example"}]\n')
    for seed in range(20):
        with damaged(path, kind, seed):
            try:
                site.read(path)
            except LockstepError as error:
                assert re.match(r"site\.toml:\d+: ", str(error))


def test_a_record_of_another_type_is_told_by_name(whole):
    path = whole / FILES["provenance"]
    content = path.read_text()
    path.write_text(re.sub(r'"seconds": [\d.]+', '"seconds": "long"', content))
    try:
        done = command(whole, "check")
    finally:
        path.write_text(content)
    assert done.code == 1
    assert "train (seed=0) has no provenance that can be read in provenance/train-seed=0.json" in done.err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_where_nothing_can_be_written_the_prose_stays_and_the_way_out_is_told(project, monkeypatch, number):
    edit(project, "content/mini/paper.toml", "plus_minus = 2", "plus_minus = 3")
    before = (project / "content/mini/index.md").read_bytes()

    def refuse(part: Path, path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(files, "replace_whole", refuse)
    done = command(project, "build", "--no-render")
    assert done.code == 1
    assert f"content/mini/index.md:1: cannot be written ({os.strerror(number)}): " in done.err
    assert (project / "content/mini/index.md").read_bytes() == before
    assert not list((project / "content/mini").glob(".*.part"))


def test_a_disk_that_is_full_while_runs_are_recorded_loses_no_earlier_run(project):
    """The system's own limit on the size of files stands for the disk."""
    edit(project, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    before = (project / RESULTS / "train.jsonl").read_bytes()
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))  # noqa: E731
    line = [sys.executable, "-m", "lockstep", "run", "mini.train"]
    variables = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
    done = subprocess.run(line, cwd=project, env=variables, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be written (File too large)" in done.stderr or "File too large: raise the limit" in done.stderr
    assert (project / RESULTS / "train.jsonl").read_bytes() == before
