"""The mutation matrix: each edit of a small project, what must run again for it, and the reason that must be given.

Every case drives the real command line on a fresh copy of a project that was built once.
"""

import shutil
from pathlib import Path

import lockstep as lockstep_package
import pytest
from mini import edit, lockstep

EVERYTHING = {"train": 3, "evaluate": 3, "total": 1}
NOTHING: dict[str, int] = {}
P = "code/posts/mini/"

MATRIX = {
    # edit: (file, old text, new text, runs again by stage, a part of the reason)
    "a comment": (P + "train.py", "# a comment", "# another comment", NOTHING, ""),
    "a docstring": (P + "train.py", '"""The stage."""', '"""The stage, said otherwise."""', NOTHING, ""),
    "layout": (
        P + "train.py",
        "def defaulted(x, offset=4):",
        "def defaulted(\n    x,\n    offset = 4,\n):",
        NOTHING,
        "",
    ),
    "definitions in another order": (
        P + "helpers.py",
        "def square(x):\n    return x * x\n\n\ndef cube(x):\n    return x**3 * FACTOR\n",
        "def cube(x):\n    return x**3 * FACTOR\n\n\ndef square(x):\n    return x * x\n",
        NOTHING,
        "",
    ),
    "an unrelated function": (
        P + "train.py",
        "def unreached():",
        "def newcomer():\n    return 1\n\n\ndef unreached():",
        {},
        "",
    ),
    "an unreached function": (P + "helpers.py", "return -x", "return +x", NOTHING, ""),
    "an operator in reach": (P + "helpers.py", "x**3", "x**2", EVERYTHING, "helpers:cube changed"),
    "a constant two modules away": (P + "deep.py", "FACTOR = 2", "FACTOR = 4", EVERYTHING, "deep:FACTOR changed"),
    "a constant that nothing reads": (P + "deep.py", "OTHER = 5", "OTHER = 6", NOTHING, ""),
    "a default argument": (P + "train.py", "offset=4", "offset=5", EVERYTHING, "train:defaulted changed"),
    "a decorator": (P + "train.py", "(*arguments) + 1", "(*arguments) + 2", EVERYTHING, "train:decorate changed"),
    "a decorator taken away": (P + "train.py", "@decorate\n", "", EVERYTHING, "decorate"),
    "a class attribute": (P + "layers.py", "bias = 0.5", "bias = 0.6", EVERYTHING, "layers:Net changed"),
    "a base class in another module": (P + "base.py", "gain = 1.5", "gain = 1.6", EVERYTHING, "base:Base changed"),
    "a method called through getattr": (
        P + "layers.py",
        "max(x, 0.0)",
        "max(x, 1.0)",
        EVERYTHING,
        "layers:Net changed",
    ),
    "a function in a dispatch dictionary": (
        P + "helpers.py",
        "x * x",
        "x * x * x",
        EVERYTHING,
        "helpers:square changed",
    ),
    "a closure": (P + "train.py", "return x + n", "return x - n", EVERYTHING, "train:closure changed"),
    "a lambda": (P + "train.py", "lambda x: x / 2", "lambda x: x / 4", EVERYTHING, "train:halve changed"),
    "a module-level statement": (P + "effects.py", "range(3)", "range(4)", EVERYTHING, "effects#effects changed"),
    "a star import": (P + "starred.py", "return 100", "return 101", EVERYTHING, "starred:starred_value changed"),
    "a re-export": (P + "reexport/inner.py", "x + 10", "x + 11", EVERYTHING, "reexport.inner:shifted changed"),
    "another origin of a re-export": (
        P + "reexport/__init__.py",
        "from posts.mini.reexport.inner import shifted",
        "from posts.mini.helpers import square as shifted",
        EVERYTHING,
        "reexport:shifted changed",
    ),
    "an annotation": (
        P + "helpers.py",
        "def cube(x):",
        "def cube(x: float) -> float:",
        NOTHING,
        "",
    ),
    "a patch at import time": (P + "patcher.py", "return 50", "return 51", EVERYTHING, "patcher:other changed"),
    "what was patched": (
        P + "patcher.py",
        "victim.value = other",
        "victim.value = lambda: 9",
        EVERYTHING,
        "patcher#effects",
    ),
    "an import for its side effect": (
        P + "effects.py",
        "append(i)",
        "append(-i)",
        EVERYTHING,
        "effects#effects changed",
    ),
    "a config field that is read": (
        P + "experiment.py",
        "scale: float = 2.0",
        "scale: float = 3.0",
        EVERYTHING,
        "scale was",
    ),
    "a config field that is not": (P + "experiment.py", "unread: int = 7", "unread: int = 8", NOTHING, ""),
    "a grid value added": (
        P + "experiment.py",
        "range(3)",
        "range(4)",
        {"train": 1, "evaluate": 1, "total": 1},
        "was not there",
    ),
    "a grid value removed": (P + "experiment.py", "range(3)", "range(2)", {"total": 1}, "no longer in the grid"),
    "the data": (P + "experiment.py", "np.arange(4,", "np.arange(5,", EVERYTHING, 'the digest of "line" was'),
    "an upstream stage": (
        P + "evaluate.py",
        '"score": float(',
        '"score": 1 + float(',
        {"evaluate": 3, "total": 1},
        "evaluate:score changed",
    ),
    "a stage at the end": (P + "evaluate.py", "sum(row", "2 * sum(row", {"total": 1}, "evaluate:total changed"),
    "a claim": (P + "experiment.py", 'measured("score"), 0\n', 'measured("score"), 1\n', NOTHING, ""),
    "the theme": ("theme/style.css", "black", "navy", NOTHING, ""),
    "prose": ("content/mini/index.md", "We score", "We now score", NOTHING, ""),
}


def runs_made(stderr: str) -> dict[str, int]:
    """Runs by stage, from the plan's own lines: `[1/3] mini.train (seed=0)`."""
    stages = [line.split("mini.")[1].split()[0] for line in stderr.splitlines() if line.startswith("[")]
    return {stage: stages.count(stage) for stage in stages}


@pytest.mark.parametrize("name", MATRIX)
def test_an_edit_runs_again_exactly_what_depends_on_it(project, name):
    file, old, new, expected, reason = MATRIX[name]
    edit(project, file, old, new)
    why = lockstep(project, "why")
    assert why.returncode == 0, why.stderr
    assert reason in why.stdout
    assert ("everything is fresh" in why.stdout) == (not expected)
    frozen = lockstep(project, "build", "--frozen", "--no-render")
    assert (": stale (" in frozen.stderr or ": missing (" in frozen.stderr) == bool(expected)
    assert frozen.returncode == 1 or not expected
    assert runs_made(frozen.stderr) == {}
    done = lockstep(project, "build", "--no-render")
    assert runs_made(done.stderr) == expected
    assert runs_made(lockstep(project, "build", "--no-render").stderr) == {}


def test_a_symbol_renamed_everywhere_runs_again_and_says_so(project):
    for file in ("helpers.py", "train.py"):
        edit(project, P + file, "cube", "third_power")
    why = lockstep(project, "why").stdout
    assert "helpers:cube is gone" in why
    assert "helpers:third_power is new" in why
    assert runs_made(lockstep(project, "build", "--no-render").stderr) == EVERYTHING


def test_an_artefact_retrained_to_other_bytes_makes_its_readers_stale(project):
    """The stage's fingerprint is what it was; only what it made differs, as on another machine."""
    edit(project, P + "train.py", "total = run", "import os\n    total = float(os.getenv('LANGUAGE') or 0) + run")
    assert lockstep(project, "build", "--no-render").returncode == 0
    forced = lockstep(project, "run", "mini.train", "--force", LANGUAGE="1")
    assert runs_made(forced.stderr) == {"train": 3}
    assert "ran again and made another weights.txt" in lockstep(project, "why").stdout
    assert runs_made(lockstep(project, "build", "--no-render").stderr) == {"evaluate": 3, "total": 1}


def test_a_stage_that_runs_again_to_the_same_bytes_leaves_its_readers_fresh(project):
    forced = lockstep(project, "run", "mini.train", "--force")
    assert runs_made(forced.stderr) == {"train": 3}
    assert "everything is fresh" in lockstep(project, "why").stdout


@pytest.mark.parametrize("read", ["open('content/mini/paper.toml').read()", "__import__('os').open('README.md', 0)"])
def test_an_undeclared_file_read_by_a_stage_is_an_error_and_records_nothing(project, read):
    (project / "README.md").write_text("words")
    ledger = (project / "content/mini/results/train.jsonl").read_bytes()
    edit(project, P + "train.py", "# a comment", read)
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "which it did not declare" in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "content/mini/results/train.jsonl").read_bytes() == ledger


def test_a_stage_may_look_for_installed_packages(project):
    (project / "code/other.egg-info").mkdir()
    (project / "code/other.egg-info/entry_points.txt").write_text("[others]\nname = json:loads\n")
    edit(project, P + "train.py", "# a comment", "found = __import__('importlib.metadata').metadata.entry_points()")
    edit(project, P + "train.py", "found =", "assert")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 0, done.stderr


def test_a_stage_may_remove_folders_of_its_own_that_hold_folders(project):
    imports = "import os; from shutil import rmtree; from tempfile import mkdtemp"
    code = "folder = mkdtemp(); os.makedirs(folder + '/a/b'); rmtree(folder); assert not os.path.exists(folder)"
    edit(project, P + "train.py", "# a comment", f"{imports}; {code}")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("call", ["hidden()", "Thread(target=hidden).start()"])
def test_code_that_no_name_leads_to_counts_once_it_was_seen_to_run(project, call):
    edit(project, P + "layers.py", "class Net", "def hidden():\n    return 1\n\n\nclass Net")
    hidden = "loads(b'cposts.mini.layers\\nhidden\\n.')"
    lines = f"from pickle import loads; from threading import Thread; hidden = {hidden}; {call}"
    edit(project, P + "train.py", "# a comment", lines)
    assert lockstep(project, "build", "--no-render").returncode == 0
    assert "everything is fresh" in lockstep(project, "why").stdout
    edit(project, P + "layers.py", "def hidden():\n    return 1", "def hidden():\n    return 2")
    assert "layers:hidden changed" in lockstep(project, "why").stdout


def test_a_swallowed_undeclared_read_is_an_error_too(project):
    (project / "notes.txt").write_text("words")
    edit(project, P + "train.py", "# a comment", "try:\n        open('notes.txt')\n    except Exception:\n        pass")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "notes.txt" in done.stderr


@pytest.mark.parametrize(
    "old, new, expected, reason",
    [
        ("side + gap) - gap", "side + gap) + gap", EVERYTHING, "lockstep.figures:tiles changed"),
        ("def themed(svg: str) -> str:", "def themed(svg: str, more: int = 0) -> str:", NOTHING, ""),
    ],
    ids=["a symbol in reach", "another"],
)
def test_an_edit_of_the_engine_runs_again_exactly_what_names_it(project, old, new, expected, reason):
    """The project has an engine of its own, of which the stage uses one function."""
    shutil.copytree(Path(lockstep_package.__file__).parent, project / "code/lockstep")
    own = {"PYTHONPATH": str(project / "code")}
    edit(project, P + "train.py", "# a comment", "tiles([[1.0] * 4], 1, 2)")
    edit(
        project,
        P + "train.py",
        "from posts.mini import helpers",
        "from lockstep.figures import tiles\nfrom posts.mini import helpers",
    )
    assert runs_made(lockstep(project, "build", "--no-render", **own).stderr) == EVERYTHING
    edit(project, "code/lockstep/figures.py", old, new)
    assert reason in lockstep(project, "why", **own).stdout
    assert runs_made(lockstep(project, "build", "--no-render", **own).stderr) == expected
