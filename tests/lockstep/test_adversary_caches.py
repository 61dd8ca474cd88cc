"""What was verified or rendered before may not stand in for what would be said now.

The cases of test_adversary.py show it for results. Here are claims and tables that read a file, and pages that other
versions of libraries render otherwise.
"""

import shutil
from importlib.metadata import distribution
from pathlib import Path

import pytest
from mini import edit, lockstep
from portfolio import dressed

EXPERIMENT, PROSE = "code/posts/mini/experiment.py", "content/mini/index.md"
BODY = "\n```python\ndef reached(x):\n    return x\n```\n\nA formula, $x$, in a sentence.\n"
SHOUT = """from markdown import Extension
from markdown.postprocessors import Postprocessor
class Shout(Postprocessor):
    def run(self, text):
        return text.replace("A formula", "A FORMULA")
class Made(Extension):
    def extendMarkdown(self, md):
        md.postprocessors.register(Shout(md), "shout", 0)
def makeExtension(**settings):
    return Made(**settings)
"""
NEWER = {  # distribution: (package, what a newer version has at its end, what a page of it shows)
    "Pygments": (
        "pygments",
        "_highlight = highlight\ndef highlight(*given, **named):\n"
        "    return _highlight(*given, **named).replace('reached', 'newer_reached')\n",
        "newer_reached",
    ),
    "math-core": (
        "math_core",
        "_Converter = LatexToMathML\nclass LatexToMathML:\n    def __init__(self, **named):\n"
        "        self.own = _Converter(**named)\n    def convert_with_local_state(self, *given, **named):\n"
        "        return self.own.convert_with_local_state(*given, **named).replace('x</mi>', 'newer</mi>')\n",
        "newer</mi>",
    ),
    "Markdown": (
        "markdown",
        "_convert = Markdown.convert\n"
        "Markdown.convert = lambda self, source: _convert(self, source).replace('in a sentence', 'newer')\n",
        "newer",
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A site with one post, built, with an extension of its own for Markdown."""
    root = dressed(tmp_path_factory.mktemp("caches"))
    (root / "shout.py").write_text(SHOUT)
    with (root / "pelicanconf.py").open("a") as settings:
        settings.write('\nMARKDOWN["extensions"] = [*MARKDOWN["extensions"], "shout"]\n')
    with (root / PROSE).open("a") as prose:
        prose.write(BODY)
    assert "A FORMULA" in page(root)
    return root


@pytest.fixture
def copy(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


def page(root: Path, **variables: str) -> str:
    """The page, built again over what is there."""
    done = lockstep(root, "build", **variables)
    assert done.returncode == 0, done.stderr
    return (root / "output/mini/index.html").read_text()


def newer(name: str, root: Path) -> str:
    """A folder to import from, with another version of a library."""
    package, more, _ = NEWER[name]
    found, folder = distribution(name), root / "newer"
    shutil.copytree(Path(str(found.locate_file(package))), folder / package)
    with (folder / package / "__init__.py").open("a") as file:
        file.write(more)
    info = folder / f"{package}-99.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0.0\n")
    return str(folder)


def test_a_page_is_rendered_again_when_an_extension_of_markdown_is_edited(copy):
    assert "A FORMULA" in page(copy)
    edit(copy, "shout.py", "A FORMULA", "THE FORMULA")
    assert "THE FORMULA" in page(copy)


@pytest.mark.parametrize("name", NEWER)
def test_a_page_is_rendered_again_by_another_version_of_a_library(copy, name):
    assert NEWER[name][2] not in page(copy)
    assert NEWER[name][2] in page(copy, PYTHONPATH=newer(name, copy))


def test_a_page_shows_what_a_table_reads_now(copy):
    """Or the build says that the table reads what it may not."""
    edit(copy, EXPERIMENT, '"what": "ours"', '"what": open("what.csv").read()')
    (copy / "what.csv").write_text("first words")
    done = lockstep(copy, "build")
    if done.returncode:
        assert "what.csv" in done.stderr and "Traceback" not in done.stderr
        return
    (copy / "what.csv").write_text("other words")
    assert "other words" in page(copy)


def test_a_claim_is_judged_by_what_it_reads_now(project):
    """Or the check says that the claim reads what it may not."""
    edit(project, EXPERIMENT, 'measured("score"), 0\n', 'measured("score"), float(open("limit.csv").read())\n')
    (project / "limit.csv").write_text("0")
    built = lockstep(project, "build", "--no-render")
    if built.returncode:
        assert "limit.csv" in built.stderr and "Traceback" not in built.stderr
        return
    (project / "limit.csv").write_text("1e9")
    assert lockstep(project, "check").returncode == 1


@pytest.mark.parametrize("newline", ["\r\n", "\n\n"])
def test_a_curve_counts_by_what_it_says_and_not_by_the_ends_of_its_lines(project, newline):
    """An edit of a value is seen; another way to end lines is what a checkout may make of a file."""
    (curve,) = (project / "content/mini/results/train").glob("seed=0/curve.csv")
    curve.write_bytes(curve.read_bytes().replace(b"\n", newline.encode()))
    assert lockstep(project, "check").returncode == (0 if newline == "\r\n" else 1)
