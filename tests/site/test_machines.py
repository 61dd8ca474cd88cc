"""What machines read: heads with their addresses, structured data and pictures, citations, feed, sitemap, settings."""

import json
import re
import shutil
import struct
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest
from mini import edit, lockstep
from portfolio import HOSTILE, PROSE, Document, failing, make, publish
from portfolio import SITEURL as URL


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = make(tmp_path_factory.mktemp("machines"))
    publish(root)
    return root


@pytest.fixture
def project(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


def structured(path: Path) -> dict:
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_citation_is_escaped_for_latex_and_for_html(site):
    text = (site / "published/far/index.html").read_text()
    assert r"\{braces\} 100\_\%}}" in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \&amp;" in text
    assert "@misc{author2026far," in text
    assert f"url = {{{URL}/far/}}," in text
    assert "url = " not in (site / "output/far/index.html").read_text(), "no address is known while writing"


def test_absolute_addresses_stand_only_where_the_site_knows_its_own(site):
    for path in sorted((site / "output").rglob("*.html")):
        text = path.read_text()
        assert 'rel="canonical"' not in text
        assert "og:image" not in text
        assert "og:url" not in text
    canonical = {}
    for path in sorted((site / "published").rglob("*.html")):
        links = [a["href"] for a in Document(path).all("link") if a.get("rel") == "canonical"]
        canonical[path.relative_to(site / "published").as_posix()] = links
    assert canonical["index.html"] == [f"{URL}/"]
    assert canonical["mini/index.html"] == [f"{URL}/mini/"]
    assert canonical["tags/top-10/index.html"] == [f"{URL}/tags/top-10/"]
    assert all(len(links) == 1 for links in canonical.values())


def test_descriptions_are_plain_text_without_provenance(site):
    meta = Document(site / "published/mini/index.html").meta
    assert meta["description"] == meta["og:description"] == "It totals 752.5."
    assert meta["og:title"] == "Mini"
    assert Document(site / "published/about/index.html").meta["description"] == "Words about it."


def test_structured_data_names_the_article_and_the_author(site):
    post = structured(site / "published/far/index.html")
    assert (post["@type"], post["headline"], post["url"]) == ("TechArticle", HOSTILE, f"{URL}/far/")
    assert post["datePublished"] == "2026-01-04"
    assert "url" not in structured(site / "output/far/index.html")
    home = structured(site / "published/index.html")
    assert (home["@type"], home["author"]["@type"], home["url"]) == ("WebSite", "Person", f"{URL}/")


def test_every_post_has_a_picture_of_the_right_size_that_is_drawn_again_only_when_its_words_change(project):
    def cards():
        return {path.relative_to(project / "published").as_posix(): path.read_bytes()
                for path in (project / "published").rglob("card-*.png")}  # fmt: skip

    before = cards()
    assert sorted(place.partition("card-")[0] for place in before) == ["", "far/", "mini/", "near/", "next/"]
    for place, content in before.items():
        assert struct.unpack(">II", content[16:24]) == (1200, 630)
        folder = place.rpartition("/")[0]
        assert Document(project / "published" / folder / "index.html").meta["og:image"] == f"{URL}/{place}"
    kept = project / ".lockstep/cache/cards"
    marked = {path.name: path.write_bytes(b"kept") for path in kept.iterdir()}
    edit(project, PROSE, "points](reported:score) published", "points](reported:score) printed")
    after = (publish(project), cards())[1]
    new = [place for place in after if place not in before]
    assert len(new) == 1
    assert new[0].startswith("mini/")
    assert after[new[0]] != b"kept"
    assert [content for place, content in after.items() if place not in new] == [b"kept"] * 4
    assert len(list(kept.iterdir())) == len(marked), "the picture that nothing shows any more is gone"
    shutil.rmtree(kept)
    publish(project)
    assert cards() == {place: content for place, content in before.items() if place in after} | {new[0]: after[new[0]]}


ATOM = "{http://www.w3.org/2005/Atom}"


def test_the_feed_is_complete_absolute_and_plain(site):
    feed = etree.parse(site / "published/feed.atom").getroot()
    assert feed.findtext(f"{ATOM}id") == f"{URL}/"
    assert feed.findtext(f"{ATOM}updated") == "2026-01-05T00:00:00+00:00"
    entries = feed.findall(f"{ATOM}entry")
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries) == 4
    for entry in entries:
        assert entry.findtext(f"{ATOM}updated")
        assert entry.findtext(f"{ATOM}author/{ATOM}name") == "The author"
        content = entry.findtext(f"{ATOM}content") or ""
        assert "<h2>" in content
        for part in ("popover", "<button", "<script", "<data", ' id="', ' class="', "†", "aria-"):
            assert part not in content + (entry.findtext(f"{ATOM}summary") or ""), part
        addresses = re.findall(r' (?:href|src)="([^"]*)"', content)
        assert all(address.startswith(URL) for address in addresses), addresses
    mini = entries[-1].findtext(f"{ATOM}content") or ""
    assert "We score 250.8 ± 0.2 points, the paper 225 ± 2 points" in mini
    assert f'<img src="{URL}/mini/figures/first.svg"' in mini
    assert not (site / "output/feed.atom").exists()


def test_the_sitemap_lists_every_page_that_may_be_found_and_robots_points_to_it(site):
    root = etree.parse(site / "published/sitemap.xml").getroot()
    name = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    found = {url.findtext(f"{name}loc"): url.findtext(f"{name}lastmod") for url in root}
    pages = {path.relative_to(site / "published").as_posix() for path in (site / "published").rglob("*.html")}
    assert set(found) == {f"{URL}/{page.removesuffix('index.html')}" for page in pages - {"404.html"}}
    assert found[f"{URL}/mini/"] == "2026-01-02"
    assert (site / "published/robots.txt").read_text() == f"User-agent: *\nDisallow:\nSitemap: {URL}/sitemap.xml\n"
    assert (site / "output/robots.txt").read_text() == "User-agent: *\nDisallow:\n"
    assert not (site / "output/sitemap.xml").exists()


def test_a_second_build_from_the_cache_is_the_same_byte_for_byte(project):
    def pages():
        return {path: path.read_bytes() for path in (project / "output").rglob("*.html")}

    first = pages()
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert pages() == first
    shutil.rmtree(project / ".lockstep")
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert pages() == first


SETTINGS = {
    "an unknown setting": ('author = "', 'auhtor = "', "site.toml:5: ", 'did you mean "author"?'),
    "a wrong type": ('name = "In lockstep"', "name = 3", "site.toml:1: ", "expected `str`"),
    "no TOML": ('name = "In lockstep"', "name = ", "site.toml:1: ", "not valid TOML"),
    "a link that is none": (
        "links = []",
        'links = [{ name = "x", url = "javascript:1" }]',
        "site.toml:",
        "is no address",
    ),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_a_wrong_setting_is_told_with_its_line(project, what):
    old, new, place, message = SETTINGS[what]
    text = (project / "site.toml").read_text()
    (project / "site.toml").write_text(
        text.replace(f"\n{old}", f"\n{new}") if f"\n{old}" in text else text.replace(old, new, 1)
    )
    told = failing(project)
    assert place in told
    assert message in told
