"""What the provenance of a run says of the machine: the versions of what its code imports."""

import json
import platform
from importlib import metadata

from mini import create, edit, lockstep

LATE = "import dateutil; assert dateutil"  # inside a function; its package is called otherwise


def test_a_run_names_the_versions_of_what_its_code_imports_at_the_top_or_late(tmp_path):
    project = create(tmp_path / "site")
    edit(project, "code/posts/mini/train.py", "# a comment", LATE)
    done = lockstep(project, "run", "mini.evaluate", "--seed", "0")
    assert done.returncode == 0, done.stderr

    def told(stage):
        return json.loads((project / f"content/mini/results/provenance/{stage}-seed=0.json").read_text())["versions"]

    assert told("train") == {"python": platform.python_version()} | {
        name: metadata.version(name) for name in ("numpy", "python-dateutil")
    }
    assert "python-dateutil" not in told("evaluate")
