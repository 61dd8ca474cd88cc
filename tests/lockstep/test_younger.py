"""What a run keeps of the claims that judge it, wherever they are written: a later change of them shows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mini import edit, lockstep

EXPERIMENT, CLAIMS = "code/posts/mini/experiment.py", "code/posts/mini/claims.py"
BOUND = "scores_are_positive"
STATED = '''
def scores_are_positive(measured):
    """Scores are above zero."""
    return measured("score"), 0
'''


@pytest.fixture
def elsewhere(project: Path) -> Path:
    """A project whose claim is a function of claims.py, which the declaration takes in with its verdict."""
    edit(project, EXPERIMENT, f'@mini.claim("greater"){STATED}', f'mini.claim("greater")({BOUND})\n')
    edit(project, EXPERIMENT, "\n\n\n@dataclass", f"\nfrom posts.mini.claims import {BOUND}\n\n\n@dataclass")
    (project / CLAIMS).write_text(f'"""The claims."""\n\nFLOOR = 0\n\n{STATED}')
    assert lockstep(project, "run", "mini", "--force").returncode == 0
    return project


def told(root: Path) -> dict[str, list[str]]:
    """What the colophon says of claims that are younger than their runs."""
    code = "from lockstep.project.project import Project; from lockstep.prose.resolve import Resolver\n"
    code += "from lockstep.prose.colophon import colophon\n"
    code += "print(colophon(Resolver.of(Project.find().post('mini')))['changed'])"
    done = lockstep(root, code=code)
    assert done.returncode == 0, done.stderr
    return {entry["how"]: entry["names"] for entry in ast.literal_eval(done.stdout)}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (CLAIMS, 'measured("score"), 0', 'measured("score"), -1'),
        (EXPERIMENT, 'claim("greater")', 'claim("less")'),
    ],
)
def test_a_claim_in_a_module_of_its_own_shows_what_was_changed_after_its_runs(elsewhere, file, old, new):
    assert told(elsewhere) == {}
    edit(elsewhere, file, old, new)
    assert told(elsewhere) == {"changed after": ["claim scores are positive"]}


def test_a_claim_that_came_after_the_runs_is_told_from_one_that_they_could_not_record(elsewhere):
    edit(elsewhere, CLAIMS, BOUND, "scores_are_above_zero")
    edit(elsewhere, EXPERIMENT, f"({BOUND})", "(scores_are_above_zero)")
    edit(elsewhere, EXPERIMENT, f"import {BOUND}", "import scores_are_above_zero")
    assert told(elsewhere) == {"declared after": ["claim scores are above zero"]}
    for ledger in (elsewhere / "content/mini/results").glob("*.jsonl"):
        ledger.unlink()
    edit(elsewhere, EXPERIMENT, 'mini.claim("greater")(scores_are_above_zero)\n', "")
    assert lockstep(elsewhere, "run", "mini").returncode == 0
    edit(
        elsewhere,
        EXPERIMENT,
        "\n\n\n@mini.table",
        '\n\n\nmini.claim("greater")(scores_are_above_zero)\n\n\n@mini.table',
    )
    assert told(elsewhere) == {"not recorded by": ["claim scores are above zero"]}
