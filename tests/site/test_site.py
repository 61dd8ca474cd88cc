"""Pages from prose: every binding rendered with its provenance, nothing dropped in silence."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lockstep.record.cache import BINDINGS
from mini import edit, lockstep
from portfolio import dressed

EXTRA = """
Math $x^2$ and `$5`, and [@someone2014].

$$\\sum_i x_i$$

| what | value |
|---|---|
| score | [](measured:score) |

- *in emphasis [](measured:total)*

[The net.](code:layers.py#Net)
"""


def built(root: Path) -> Path:
    """A project with the site's settings and theme, its runs made."""
    dressed(root)
    edit(root, "site.toml", 'source = ""', 'source = "https://code.example/main"')
    (root / "content/references.bib").write_text(
        "@article{someone2014,\n author = {Someone, Ann and Other, Bo},\n title = {A Title},\n"
        " journal = {A Journal},\n year = {2014}\n}\n"
    )
    with (root / "content/mini/index.md").open("a") as file:
        file.write(EXTRA)
    assert lockstep(root, "build", "--no-render").returncode == 0
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = built(tmp_path_factory.mktemp("site"))
    done = lockstep(root, "build", "--frozen")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def project(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


class Ids(HTMLParser):
    """Identifiers and what refers to them."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.wanted: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("popovertarget", "aria-labelledby"):
                self.wanted.append(value)
            elif name in ("href", "src"):
                self.links.append(value)


def pages(root: Path) -> list[Path]:
    return sorted((root / "output").rglob("*.html"))


def test_bindings_render_in_paragraphs_tables_lists_and_summaries(site):
    page = (site / "output/mini/index.html").read_text()
    assert page.count('<data value="250.') == 3
    assert page.count('<data value="752.') == 2
    assert "250.8 ± 0.2 points" in (site / "output/index.html").read_text()
    assert re.search(
        r'<label class="claim" for="([^"]+)">the scores are positive</label>&NoBreak;<button [^>]*id="\1"', page
    )
    assert "<code>[1](measured:score)</code>" in page
    assert "<code>$5</code>" in page
    assert re.search(r"<math.*<msup>", page)
    assert 'display="block"' in page
    assert "Someone and Other, 2014" in page
    assert 'id="ref-someone2014"' in page
    assert "posts/mini/layers.py · Net" in page
    assert '<a href="../mini/code/layers.py/#L4">' in page, "from an excerpt to its file"
    assert '<a href="https://code.example/main/code/posts/mini/evaluate.py#L1-L3">' in page, "from a number to its code"


def test_identifiers_are_unique_and_every_reference_resolves(site):
    for path in pages(site):
        found = Ids(path.read_text())
        assert len(found.ids) == len(set(found.ids)), path
        assert set(found.wanted) <= set(found.ids), path
        for link in found.links:
            place, _, fragment = link.partition("#")
            if place.startswith(("http", "mailto")):
                continue
            target = path.parent / place if place else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path}: {link}"
            assert not fragment or fragment in Ids(target.read_text()).ids, f"{path}: {link}"


def test_the_published_site_has_a_feed_without_popovers(project):
    code = "from lockstep.project.project import Project; from lockstep.site.generate import generate; "
    code += "generate(Project.find(), 'publishconf.py')"
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    feed = (project / "output/feed.atom").read_text()
    assert "250.8 ± 0.2 points" in feed
    assert "mean&lt;/b&gt; of" not in feed
    assert "†" not in feed
    assert "popover" not in feed
    assert "button" not in feed


FAILURES = {
    "a formula": ("Math $\\nocommand{x}$.", "the formula $\\nocommand{x}$ is not understood"),
    "a reference": ("See [@someone2015].", 'references.bib has no "someone2015"; did you mean "someone2014"?'),
    "a link to a file": ("See [this]({filename}/nowhere/index.md).", "nowhere"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_what_pelican_would_drop_or_warn_of_fails_the_build(project, what):
    text, message = FAILURES[what]
    with (project / "content/mini/index.md").open("a") as file:
        file.write(f"\n{text}\n")
    done = lockstep(project, "build", "--frozen")
    assert done.returncode == 1
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_page_that_pelican_drops_fails_the_build(project):
    (project / "content/pages/other.md").write_text("Slug: other\n\nNo title.\n")
    done = lockstep(project, "build", "--frozen")
    assert done.returncode == 1
    assert "content/pages/other.md" in done.stderr


def test_a_frozen_build_leaves_the_work_tree_as_it_was(project):
    def tree():
        skipped = {".lockstep", "output", "__pycache__"}
        files = [path for path in project.rglob("*") if path.is_file() and not skipped & set(path.parts)]
        return {path: path.read_bytes() for path in files}

    before = tree()
    shutil.rmtree(project / "output")
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert tree() == before
    edit(project, "content/mini/index.md", "We score", "We now score")
    assert lockstep(project, "build", "--frozen").returncode == 0


def test_an_unchanged_page_comes_from_the_cache_the_same_and_a_changed_partial_does_not(project):
    page = project / "output/mini/index.html"
    whole = page.read_bytes()
    for path in (project / ".lockstep/cache").iterdir():
        path.unlink()
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert page.read_bytes() == whole
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert page.read_bytes() == whole
    own = project / "theme/templates/bindings/provenance/reported.html"  # a theme may have its own
    own.parent.mkdir(parents=True)
    own.write_text((BINDINGS / "provenance/reported.html").read_text().replace("Published value", "Another word"))
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert "Another word" in page.read_text()


PUBLISH = "def publish(run):\n    run.demo('weights.bin').write_bytes(b'w' * {size})\n    return {{}}\n\n\ndef total"


def with_demo(root: Path, size: int = 10, name: str = "draw") -> None:
    """A stage that publishes what a demo loads, the demo's script, and a place for it in the prose."""
    experiment = "code/posts/mini/experiment.py"
    edit(root, experiment, "total = mini", 'shown = mini.stage("evaluate:publish", name="publish")\ntotal = mini')
    edit(root, "code/posts/mini/evaluate.py", "def total", PUBLISH.format(size=size))
    (root / "code/posts/mini/demo").mkdir()
    (root / "code/posts/mini/demo/draw.js").write_text("export {};\n")
    with (root / "content/mini/index.md").open("a") as file:
        file.write(f"\n[Draw one.](demo:{name})\n")


def test_a_demo_comes_with_its_script_and_with_what_a_run_published(project):
    with_demo(project, size=40_400)
    done = lockstep(project, "build")
    assert done.returncode == 0, done.stderr
    page = (project / "output/mini/index.html").read_text()
    assert 'data-demo="draw"' in page and "Load the demo (40 kB)" in page
    assert 'src="demo/draw.js"' in page
    assert (project / "output/mini/demo/draw.js").read_text() == "export {};\n"
    assert (project / "output/mini/demo/weights.bin").read_bytes() == b"w" * 40_400
    (project / "content/mini/demo/weights.bin").write_bytes(b"other")
    assert "demo/weights.bin is not what the run made" in lockstep(project, "check").stderr


def test_each_of_two_demos_states_its_own_files_and_what_else_it_loads(project):
    with_demo(project, size=1_000_000)
    also = "run.demo('look.json').write_bytes(b'l' * 3_000_000)\n    run.demo('weights.bin')"
    edit(project, "code/posts/mini/evaluate.py", "run.demo('weights.bin')", also)
    (project / "code/posts/mini/demo/look.js").write_text("export {};\n")
    (project / "code/posts/mini/demo/look.toml").write_text('loads = ["theme/static/vendor/some"]\n')
    with (project / "content/mini/index.md").open("a") as file:
        file.write("\n[Look.](demo:look)\n")
    missing = "look.toml names theme/static/vendor/some, which is not there"
    assert missing in lockstep(project, "build", "--no-render").stderr
    (project / "theme/static/vendor/some").mkdir(parents=True)
    (project / "theme/static/vendor/some/runtime.bin").write_bytes(b"r" * 500_000)
    done = lockstep(project, "build")
    assert done.returncode == 0, done.stderr
    page = (project / "output/mini/index.html").read_text()
    assert re.findall(r"Load the demo \((.*?)\)", page) == ["1.0 MB", "4.5 MB"]  # weights.bin is nobody's: of both
    digests = [sorted(json.loads(found)) for found in re.findall(r"data-digests='(.*?)'", page)]
    assert digests == [["demo/weights.bin"], ["demo/look.json", "demo/weights.bin"]]
    assert (project / "output/mini/demo/look.js").exists()
    assert not (project / "output/mini/demo/look.toml").exists()


def test_a_demo_without_script_or_data_is_an_error(project):
    with_demo(project, name="drow")
    assert 'there is no demo drow; did you mean "draw"?' in lockstep(project, "build", "--no-render").stderr
    edit(project, "content/mini/index.md", "demo:drow", "demo:draw")
    edit(project, "code/posts/mini/evaluate.py", "run.demo('weights.bin').write_bytes(b'w' * 10)", "pass")
    assert "the demo draw has nothing to load" in lockstep(project, "build", "--no-render").stderr


def test_a_demo_that_is_too_heavy_to_commit_is_refused(project):
    with_demo(project, size=10_000_001)
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "publish publishes 10.0 MB for demos: a post may commit 10 MB in all" in done.stderr
    assert not (project / "content/mini/demo").exists()


def test_an_artefact_that_the_post_publishes_is_at_hand_without_the_store(project):
    """A clone has no store: what reads the checkpoint of a demo can run there all the same."""
    with_demo(project)
    edit(
        project,
        "code/posts/mini/evaluate.py",
        "run.demo('weights.bin')",
        "run.artefact('w').write_bytes(b'w' * 10)\n    run.demo('weights.bin')",
    )
    edit(
        project,
        "code/posts/mini/experiment.py",
        "total = mini",
        'reader = mini.stage("evaluate:reader", name="reader", over=[shown])\ntotal = mini',
    )
    edit(
        project,
        "code/posts/mini/evaluate.py",
        "def total",
        "def reader(run):\n    run.inputs[0].open('w').read_bytes()\n    return {}\n\n\ndef total",
    )
    assert lockstep(project, "build", "--no-render").returncode == 0
    shutil.rmtree(project / ".lockstep")
    assert lockstep(project, "run", "mini.reader", "--force").returncode == 0
    (project / "content/mini/demo/weights.bin").unlink()
    assert "is not at hand" in lockstep(project, "run", "mini.reader", "--force").stderr


def test_the_colophon_names_data_with_their_licence_and_what_counts_as_no_difference(project):
    edit(project, "code/posts/mini/experiment.py", 'Made("line", make)', 'Made("line", make, "CC0 & free")')
    with (project / "content/mini/paper.toml").open("a") as file:
        file.write('\n[margin.score]\nvalue = 0.50\nreason = "Half a point <declared>."\n')
    done = lockstep(project, "build", "--frozen")
    assert done.returncode == 0, done.stderr
    page = (project / "output/mini/index.html").read_text()
    assert "<p>Data: line. Licence: CC0 &amp; free.</p>" in page
    assert "<li><code>score</code>, 0.5. Half a point &lt;declared&gt;.</li>" in page


def test_cells_of_a_column_of_numbers_stand_to_the_right_whatever_they_hold(project):
    edit(project, "code/posts/mini/experiment.py", '"theirs", "score": reported("score")', '"theirs", "score": "none"')
    assert lockstep(project, "build", "--frozen").returncode == 0
    page = (project / "output/mini/index.html").read_text()
    assert '<td>theirs</td><td class="numeric">none</td>' in page
