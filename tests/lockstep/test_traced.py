"""What a traced stage executed: every function of a post that ran, in any thread, and nothing that the engine ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).parents[2] / "code"
POST = """import threading
from lockstep import guard

class Model:
    size = 1
    def method(self): return 1

def called(): return sum(i for i in range(3))
def never_called(): pass
def only_by_the_engine(): return 3
def by_both(): return 4

def stage():
    with guard.paused():
        only_by_the_engine(), by_both()
    called(), Model().method(), by_both()
    thread = threading.Thread(target=threaded)
    thread.start()
    thread.join()

def threaded():
    with guard.paused():
        only_by_the_engine()
    deeper()

def deeper(): return (lambda: 5)()
"""
TRACED = """import sys
from pathlib import Path
from lockstep import guard
from lockstep.source import Source

def debugger(*_): return None
sys.settrace(debugger)
with guard.traced(Source(Path(sys.argv[1]))) as executed:
    import posts.post
    posts.post.stage()
    posts.post.threading.Thread(target=posts.post.deeper).start()
assert sys.gettrace() is debugger and sys.getprofile() is None, "who traced before goes on, and no profiler stays"
sys.settrace(None)
posts.post.never_called()
print(*sorted(name for module, line, name in executed if module == "posts.post"))
"""


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts/__init__.py").touch()
    (tmp_path / "posts/post.py").write_text(POST)
    return tmp_path


def test_every_function_that_ran_is_told_and_no_other(root):
    command = [sys.executable, "-c", TRACED, str(root)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": f"{root}:{CODE}", "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    expected = ["<genexpr>", "<lambda>", "<module>", "by_both", "called", "deeper", "method", "stage", "threaded"]
    assert done.stdout.split() == expected
