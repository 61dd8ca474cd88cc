"""A build that touches only what differs leaves what a build from nothing would: byte for byte, whatever was edited."""

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lockstep.build import build
from lockstep.errors import LockstepError
from lockstep.project.project import Project
from lockstep.record.cache import BINDINGS
from lockstep.site.generate import generate
from mini import edit, lockstep
from portfolio import PROSE, PUBLISH, make

POST = (
    "Title: {title}\nDate: 2026-01-0{day}\nCategory: design\nSummary: Of it.\nTags: {tag}\n\n## Words\n\nNew prose.\n"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = make(tmp_path_factory.mktemp("incremental"))
    (root / "code/posts/mini/demo").mkdir()
    (root / "code/posts/mini/demo/draw.js").write_text("export {};\n")
    return root


@pytest.fixture
def project(site, tmp_path) -> Path:
    root = Path(shutil.copytree(site, tmp_path / "site"))
    again(root)
    return root


def again(root: Path, settings: str = "pelicanconf.py") -> None:
    """A build in this process, over what is there."""
    project = Project(root)
    build(project, frozen=False)
    generate(project, settings)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, every folder with None."""
    found = folder.rglob("*")
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def from_nothing(root: Path) -> dict[str, bytes | None]:
    """What another process makes of the same sources without output and caches."""
    other = root.with_name("clean")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("output", ".lockstep"))
    done = lockstep(other, "build", "--frozen")
    assert done.returncode == 0, done.stderr
    return tree(other / "output")


def differences(one: dict[str, bytes | None], other: dict[str, bytes | None]) -> list[str]:
    return sorted(place for place in one.keys() | other.keys() if one.get(place, b"-") != other.get(place, b"-"))


def append(root: Path, name: str, text: str) -> None:
    with (root / name).open("a") as file:
        file.write(text)


def own_partial(root: Path, text: str) -> None:
    own = root / "theme/templates/bindings/measured.html"
    own.parent.mkdir(exist_ok=True)
    own.write_text((BINDINGS / own.name).read_text() + text)


def replaced(name: str, old: str, new: str) -> Callable[[Path, int], None]:
    return lambda root, number: edit(root, name, old, new.format(number=number))


def line(name: str, start: str, new: str) -> Callable[[Path, int], None]:
    """Write another line in the place of the one that starts so."""

    def change(root: Path, number: int) -> None:
        lines = (root / name).read_text().split("\n")
        assert any(text.startswith(start) for text in lines), (name, start)
        lines = [new.format(number=number) if text.startswith(start) else text for text in lines]
        (root / name).write_text("\n".join(lines))

    return change


def every_template(root: Path, number: int) -> None:
    for path in (root / "theme/templates").rglob("*.html"):
        if "{% extends" not in path.read_text():
            path.write_text(path.read_text() + f"<!-- {number} -->")


def toggle_post(root: Path, number: int) -> None:
    folder = root / "content/extra"
    if folder.exists():
        shutil.rmtree(folder)
    else:
        folder.mkdir()
        (folder / "index.md").write_text(POST.format(title=f"Extra {number}", day=number % 9 + 1, tag=f"tag {number}"))


def toggle_page(root: Path, number: int) -> None:
    page = root / "content/pages/more.md"
    if page.exists():
        page.unlink()
    else:
        page.write_text(f"Title: More {number}\nSlug: more\n\nMore.\n")


def another_run(root: Path, number: int) -> None:
    (root / "code/posts/mini/deep.py").write_text(f"FACTOR = {number + 3}\nOTHER = 5\n")


def another_figure(root: Path, number: int) -> None:
    path = root / "code/posts/mini/evaluate.py"
    path.write_text(path.read_text().replace("300 200.4", f"300 200.4{number}"))


def next_post(start: str, new: str) -> Callable[[Path, int], None]:
    return line("content/next/index.md", start, new)


EDITS: dict[str, Callable[[Path, int], None]] = {
    "prose": lambda root, number: append(root, PROSE, f"\nMore words: {chr(97 + number % 26)}.\n"),
    "the title of a neighbour": next_post("Title:", "Title: Another <b>{number}</b>"),
    "the date of a neighbour": next_post("Date:", "Date: 20{number:02}-02-03"),
    "the summary": next_post("Summary:", "Summary: Of next, {number}."),
    "tags": next_post("Tags:", "Tags: Measuring, tag {number}"),
    "a draft": next_post("Category:", "Category: capstone\nStatus: draft"),
    "a heading": next_post("## ", "## Words\n\n### Part {number}"),
    "every template": every_template,
    "a partial": lambda root, number: own_partial(root, f"<!-- {number} -->"),
    "the style": lambda root, number: append(root, "theme/static/css/site.css", f"\np {{ margin: {number}px }}\n"),
    "a script": lambda root, number: append(root, "theme/static/js/site.js", f"\n// {number}\n"),
    "the site's name": line("site.toml", "name =", 'name = "Site {number}"'),
    "where the code is": line("site.toml", "source =", 'source = "https://code.example/{number}"'),
    "the settings": line("pelicanconf.py", "DEFAULT_DATE_FORMAT", 'DEFAULT_DATE_FORMAT = "%Y-%m {number}"'),
    "the ledger": another_run,
    "a figure": another_figure,
    "a demo": lambda root, number: append(root, "code/posts/mini/demo/draw.js", f"// {number}\n"),
    "code that is no stage's": lambda root, number: append(root, "code/posts/mini/helpers.py", f"\n# {number}\n"),
    "the references": line("content/references.bib", " title", " title = {{Title {number}}},"),
    "the paper's value": line("content/mini/paper.toml", "plus_minus", "plus_minus = {number}"),
    "a page": toggle_page,
    "a post": toggle_post,
}


def test_after_each_kind_of_edit_the_site_is_that_of_a_build_from_nothing(project):
    """Everything at once would hide a page that is made again for another reason: so one after the other."""
    for number, (name, change) in enumerate(EDITS.items(), start=1):
        before = tree(project / "output")
        change(project, number)
        again(project)
        after = tree(project / "output")
        assert after != before, f"{name}: the edit is not one"
        assert differences(after, from_nothing(project)) == [], name


@pytest.mark.parametrize("seed", range(3))
def test_after_any_sequence_of_edits_the_site_is_that_of_a_build_from_nothing(project, seed):
    chosen = random.Random(seed)
    for number in range(1, 13):
        name = chosen.choice(sorted(EDITS.keys() - {"a draft"}))
        EDITS[name](project, number + 26 * seed)
        if chosen.random() < 0.5:
            again(project)
    again(project)
    assert differences(tree(project / "output"), from_nothing(project)) == []


def test_what_is_the_same_is_not_written_again(project):
    untouched = {path: path.stat().st_ctime_ns for path in (project / "output").rglob("*") if path.is_file()}
    again(project)
    assert {path: path.stat().st_ctime_ns for path in untouched} == untouched
    append(project, "content/next/index.md", "\nMore prose.\n")
    again(project)
    changed = {path for path in untouched if not path.exists() or path.stat().st_ctime_ns != untouched[path]}
    pages = {path.relative_to(project / "output").as_posix() for path in changed if path.suffix == ".html"}
    assert pages == {"next/index.html"}


def test_what_does_not_belong_is_removed_and_what_was_damaged_is_mended(project):
    expected = tree(project / "output")
    (project / "output/gone/deep").mkdir(parents=True)
    (project / "output/gone/deep/index.html").write_text("old")
    (project / "output/mini/.index.html.1.part").write_text("half")
    (project / "output/mini/index.html").write_bytes(expected["mini/index.html"][:100])
    (project / "output/theme/css/site.css").unlink()
    next((project / "output/pagefind/fragment").iterdir()).write_bytes(b"damaged")
    again(project)
    assert differences(tree(project / "output"), expected) == []


def test_the_published_site_and_the_one_while_writing_share_a_folder_and_nothing_else(project):
    written = tree(project / "output")
    again(project, "publishconf.py")
    published = tree(project / "output")
    done = lockstep(project, code=PUBLISH, LOCKSTEP_OUTPUT=str(project / "published"))
    assert done.returncode == 0, done.stderr
    assert "feed.atom" in published
    assert differences(published, tree(project / "published")) == []
    again(project)
    assert differences(tree(project / "output"), written) == []


@pytest.mark.parametrize("mistake", ["prose", "template", "settings", "link"])
def test_a_build_that_fails_leaves_the_last_good_site_and_says_where(project, mistake):
    good = tree(project / "output")
    name, text, told = {
        "prose": (PROSE, "\n[x](measured:scroe)\n", 'did you mean "score"?'),
        "template": ("theme/templates/parts/cite.html", "{% if %}", "theme/templates/parts/cite.html:"),
        "settings": ("site.toml", "\nlinks = 3\n", "site.toml:"),
        "link": (PROSE, "\nSee [this]({filename}/nowhere.md).\n", "nowhere"),
    }[mistake]
    append(project, name, text)
    for _ in range(2):  # the second time Pelican would no longer say it
        with pytest.raises(LockstepError) as caught:
            generate(Project(project))
        assert told in str(caught.value)
        assert differences(tree(project / "output"), good) == []


KILLED = """
import os, signal
from pathlib import Path
from lockstep.project.project import Project
from lockstep.site import output
from lockstep.site.generate import generate
write, left = output.write_whole, [{left}]
def dying(path, content, lasting):
    left[0] -= 1
    if not left[0]:
        path.write_bytes(content[:10])
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content, lasting=lasting)
output.write_whole = dying
generate(Project(Path.cwd()))
"""


@pytest.mark.parametrize("left", [1, 3, 8])
def test_nothing_of_a_killed_build_is_trusted(project, left):
    every_template(project, 7)
    EDITS["the style"](project, 7)
    killed = subprocess.run([sys.executable, "-c", KILLED.format(left=left)], cwd=project, check=False)
    assert killed.returncode == -signal.SIGKILL
    again(project)
    assert differences(tree(project / "output"), from_nothing(project)) == []


@pytest.mark.parametrize("place", [".", "content", "code/posts", "theme/static", "..", "/"])
def test_a_folder_that_holds_sources_is_never_cleaned(project, place, monkeypatch):
    before = tree(project / "content")
    monkeypatch.setenv("LOCKSTEP_OUTPUT", str((project / place).resolve()))
    with pytest.raises(LockstepError, match="choose a folder of its own"):
        generate(Project(project))
    assert tree(project / "content") == before


def test_two_pages_that_want_one_place_are_an_error(project):
    toggle_page(project, 1)
    edit(project, "content/pages/more.md", "Slug: more", "Slug: mini")
    with pytest.raises(LockstepError, match=r"two pages want to be mini/index\.html"):
        generate(Project(project))


def test_a_draft_stands_at_its_own_address_and_on_no_list(project):
    EDITS["a draft"](project, 1)
    again(project)
    assert "Words" in (project / "output/next/index.html").read_text() and not (project / "output/drafts").exists()
    assert "/next/" not in (project / "output/index.html").read_text()
