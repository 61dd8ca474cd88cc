"""The author: on the home page, on a page that prints as one sheet, in citations; and no placeholder is published."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lockstep.errors import LockstepError
from lockstep.site import settings
from mini import edit, lockstep
from PIL import Image
from portfolio import ROOT, Document, dressed, failing, publish
from webpages import opened, served

FIXTURE = Path(__file__).parents[1] / "support/person.toml"  # somebody who does not exist


def made(root: Path) -> Path:
    """The small project with an author who has filled in everything, published."""
    dressed(root)
    shutil.copy(FIXTURE, root / "site.toml")
    shutil.copy(ROOT / "content/pages/about.md", root / "content/pages/about.md")
    Image.new("RGB", (40, 40), "#888").save(root / "content/pages/portrait.png")
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = made(tmp_path_factory.mktemp("person"))
    done = lockstep(root, "build")
    assert done.returncode == 0, done.stderr
    publish(root)
    return root


def test_the_home_page_opens_with_the_person(site):
    home = (site / "published/index.html").read_text()
    intro = home[home.index('class="intro"') : home.index('class="posts"')]
    for told in ("Fido Fabula-Fiktiv", "Imaginary senior machine-learning engineer", "since I was made up", "CV and"):
        assert told in intro, told
    addresses = [a["href"] for a in Document(site / "published/index.html").all("a")]
    assert "mailto:fido@nobody.example" in addresses
    assert "https://code.example/fido/fabula/blob/main" in addresses


def test_the_cv_has_the_sections_that_hold_something_and_no_others(site):
    page = Document(site / "published/about/index.html")
    titles = [text for text in page.texts["h2"] if text.strip()]
    assert titles[:3] == ["What I am looking for", "Work", "Education"]
    assert not [title for title in titles if title.startswith("Talks")]
    images = [(image["src"], image["width"], image["alt"]) for image in page.all("img")]
    assert images == [("https://blog.example/me/pages/portrait.png", "40", "Portrait of Fido Fabula-Fiktiv")]
    assert (site / "published/pages/portrait.png").is_file()


def test_the_cv_prints_on_one_page(browser, site, tmp_path):
    with served(site / "output") as url, opened(browser, url, "about/") as (page, _):
        sheet = page.pdf(format="A4", margin={side: "1.5cm" for side in ("top", "right", "bottom", "left")})
        assert pages_of(sheet) == 1
        page.evaluate("document.querySelector('.this-site').style.display = 'block'")
        page.evaluate("document.querySelector('.cv').style.paddingBottom = '30cm'")
        assert pages_of(page.pdf(format="A4")) > 1, "the count sees a second page"


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_citations_and_machines_name_the_person(site):
    text = (site / "published/mini/index.html").read_text()
    assert "author = {Fido Fabula-Fiktiv}" in text
    assert "@misc{fabulafiktiv2026mini," in text
    home = (site / "published/index.html").read_text()
    told = re.search(r'<script type="application/ld\+json">(.*?)</script>', home, re.DOTALL)
    assert told
    person = json.loads(told[1])["author"]
    assert (person["name"], person["jobTitle"]) == ("Fido Fabula-Fiktiv", "Imaginary senior machine-learning engineer")


def test_a_person_who_has_said_everything_leaves_no_placeholder_and_half_a_person_is_named(tmp_path):
    text = FIXTURE.read_text().replace('portrait = "pages/portrait.png"\n', "")
    file = tmp_path / "site.toml"
    file.write_text(text)
    settings.refuse_placeholders(file)
    file.write_text(re.sub(r'(?m)^(role|contact) = ".*"$', r'\1 = ""', text))
    with pytest.raises(LockstepError, match=r"role \(empty\), contact \(empty\)\. Fill them in"):
        settings.refuse_placeholders(file)


def test_publish_names_every_placeholder_and_stops_before_it_builds(tmp_path):
    """As the repository stands, its author is nobody yet."""
    variables = os.environ | {"SITEURL": "https://example.org", "LOCKSTEP_OUTPUT": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "publish"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    standing = settings.placeholders(settings.read(ROOT / "site.toml"))
    assert done.returncode == (1 if standing else 0)
    assert all(placeholder in done.stderr for placeholder in standing)
    assert (tmp_path / "site").exists() == (not standing)


def test_a_portrait_that_is_not_there_is_told_with_its_line(site, tmp_path):
    root = Path(shutil.copytree(site, tmp_path / "site"))
    edit(root, "site.toml", "pages/portrait.png", "pages/photo.png")
    assert "site.toml:9: there is no picture content/pages/photo.png" in failing(root)
