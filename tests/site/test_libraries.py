"""A kept page stands only while the libraries and plugins that made it are what they were."""

import shutil
from pathlib import Path

import pytest
from lockstep.project.project import Project
from lockstep.site import articles, libraries, sources
from lockstep.site.generate import generate
from mini import lockstep
from portfolio import make


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = make(tmp_path_factory.mktemp("libraries"))
    generate(Project(root))
    return root


@pytest.fixture
def project(site, tmp_path) -> Path:
    root = Path(shutil.copytree(site, tmp_path / "site"))
    generate(Project(root))
    return root


def rendered_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The posts whose pages are not served from what is kept."""
    again, anew = [], articles.Reader.anew

    def note(self, path, page, source_path):
        again.append(page.slug)
        return anew(self, path, page, source_path)

    with monkeypatch.context() as patch:
        patch.setattr(articles.Reader, "anew", note)
        generate(Project(root))
    return sorted(slug for slug in again if slug != "pages")


@pytest.mark.parametrize("library", ["pygments", "math_core", "markdown_it", "jinja2", "citeproc"])
def test_a_page_is_made_again_when_a_library_that_renders_it_is_another(project, monkeypatch, library):
    assert rendered_anew(project, monkeypatch) == [], "the negative control: nothing has changed"
    state = libraries._state
    monkeypatch.setattr(libraries, "_state", lambda name: "another" if name == library else state(name))
    assert rendered_anew(project, monkeypatch) == ["far", "mini", "near", "next"]


def test_highlighted_code_is_made_again_with_another_pygments(project, monkeypatch):
    made, highlighted = [], sources.lines
    monkeypatch.setattr(sources, "lines", lambda text: made.append(text) or highlighted(text))
    assert sources.files(Project(project), "mini") and made == []
    monkeypatch.setattr(libraries, "_state", lambda name: "another")
    assert sources.files(Project(project), "mini") and made


def test_an_edited_package_has_another_state_and_an_untouched_one_the_same(tmp_path, monkeypatch):
    package = tmp_path / "rendering_helper"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "deep/__init__.py"):
        (package / name).write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def state() -> str:
        libraries._state.cache_clear()
        return libraries.of(["rendering_helper.deep"])

    before = state()
    assert state() == before
    (package / "deep/__init__.py").write_text("A = 12\n")
    assert state() != before
    assert libraries.of(["rendering_helper"]) != libraries.of(["no_such_package_anywhere"])


SEEN = """
import sys
from pathlib import Path
from lockstep.project.project import Project
from lockstep.site.generate import render
render(Project(Path.cwd()))
files = {name.partition('.')[0]: getattr(module, '__file__', 0) or '' for name, module in sys.modules.items()}
print(*sorted(name for name, file in files.items() if 'site-packages' in file))
"""
# loaded beside a rendering, and without a part in what a page says
ELSEWHERE = set(
    "markdown rich watchfiles anyio blinker ordered_set docutils feedgenerator typing_extensions six PIL sniffio idna"
    " _distutils_hack".split()
)


def test_every_library_that_a_rendering_loads_is_in_the_key_of_its_pages_or_named_here(project):
    shutil.rmtree(project / ".lockstep")
    done = lockstep(project, code=SEEN)
    assert done.returncode == 0, done.stderr
    loaded = {name for name in done.stdout.splitlines()[-1].split() if not name.startswith("__editable__")}
    assert {"markdown", "pygments"} <= loaded
    assert loaded - set(libraries.RENDER) - ELSEWHERE == set()
