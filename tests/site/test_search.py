"""The search index comes in parts: an edit costs one of them, and the reader does not notice."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lockstep.project.project import Project
from lockstep.site import search
from lockstep.site.generate import generate
from mini import edit
from playwright.sync_api import Page
from portfolio import make
from webpages import chromium, served

SLUGS = ("mini", "next", "far", "near")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = make(tmp_path_factory.mktemp("search"))
    for slug in SLUGS[1:]:
        edit(root, f"content/{slug}/index.md", "Prose.", f"A zebra, and {slug}ish words.")
    edit(root, "content/mini/index.md", "We score", "A zebra. We score")
    return root


@pytest.fixture
def project(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as launched:
        yield launched.new_page()


def parts(root: Path) -> list[Path]:
    return sorted((root / ".lockstep/search").iterdir())


@pytest.mark.parametrize("size", [256, 2, 1])
def test_every_page_is_found_in_however_many_parts_the_index_comes(project, page, monkeypatch, size):
    monkeypatch.setattr(search, "PART", size)
    generate(Project(project))
    assert (len(parts(project)) > 1) == (size < 256)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    with served(project / "output") as address:
        page.goto(address)
        page.keyboard.press("/")
        page.locator("dialog input").fill("zebra")
        page.get_by_text(f"{len(SLUGS)} pages").wait_for()
        found = {link.get_attribute("href") for link in page.locator("dialog a.title").all()}
    assert {f"/{slug}/" for slug in SLUGS} == found
    assert errors == []


def test_two_letters_and_what_stands_around_a_text_find_nothing(project, page):
    generate(Project(project))
    with served(project / "output") as address:
        page.goto(address)
        page.keyboard.press("/")
        for text, told in (
            ("ze", "Type 3 letters or more."),
            ("howpublished", "0 pages"),  # in the citation of every post
            ("zebras", "4 pages"),
            ("zqbra", "0 pages"),
        ):
            page.locator("dialog input").fill(text)
            page.get_by_text(told, exact=True).wait_for()


def test_an_edit_makes_the_index_of_its_part_again_and_of_no_other(project, monkeypatch):
    monkeypatch.setattr(search, "PART", 2)
    generate(Project(project))
    before = {part: (part / "key").stat().st_mtime_ns for part in parts(project)}
    edit(project, "content/near/index.md", "nearish", "otherwise")
    generate(Project(project))
    again = [part for part, made in before.items() if (part / "key").stat().st_mtime_ns != made]
    assert len(again) == 1 < len(before)
    assert (again[0] / "site/near/index.html").exists()


def test_a_page_stays_in_its_part_when_others_come_and_go(monkeypatch):
    monkeypatch.setattr(search, "PART", 4)
    pages = {f"{number}/index.html": b"" for number in range(13)}
    homes = {place: number for number, part in enumerate(search.divided(pages)) for place in part}
    more = {**pages, "new/index.html": b""}
    assert len(homes) == 13 == sum(map(len, search.divided(pages)))
    assert all(homes.get(place, number) == number for number, part in enumerate(search.divided(more)) for place in part)


def test_fewer_pages_leave_no_part_behind(project, monkeypatch):
    monkeypatch.setattr(search, "PART", 1)
    generate(Project(project))
    many = len(parts(project))
    monkeypatch.setattr(search, "PART", 256)
    generate(Project(project))
    assert (many > 1) and [part.name for part in parts(project)] == ["0"]
    assert not list((project / "output/pagefind").glob("part-*"))
    assert (project / "output/pagefind/parts.json").read_text() == "[]"
