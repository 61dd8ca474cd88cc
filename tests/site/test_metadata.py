"""What surrounds the posts: home with its cards, tags, skills, neighbours, all from the headers of the posts."""

import re
import shutil
from pathlib import Path

import pytest
from mini import edit, lockstep
from portfolio import HOSTILE, PROSE, Document, failing, make
from webpages import opened, served


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("portfolio"))


@pytest.fixture
def project(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


def titles(root: Path) -> list[str]:
    home = (root / "output/index.html").read_text()
    return re.findall(r'<h2><a href="\./(\w+)/">', home)


def test_home_lists_posts_in_the_order_that_the_site_gives_and_the_others_by_date(project):
    assert titles(project) == ["near", "far", "next", "mini"], "the newest first where nothing is said"
    edit(project, "site.toml", "\nportrait", '\nposts = ["mini", "far"]\nportrait')
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert titles(project) == ["mini", "far", "near", "next"]
    edit(project, "site.toml", '"far"', '"fra"')
    assert 'posts: there is no post "fra"; did you mean "far"?' in failing(project)


def test_a_kind_without_posts_is_no_choice(project):
    assert "System designs" in (project / "output/index.html").read_text()
    shutil.rmtree(project / "content/far")
    assert lockstep(project, "build").returncode == 0
    assert "System designs" not in (project / "output/index.html").read_text()


def test_posts_are_chosen_by_kind_and_skill_without_scripts(browser, site):
    def shown(page):
        return [card.locator("h2 a").get_attribute("href") for card in page.locator(".card").all() if card.is_visible()]

    with served(site / "output") as url, opened(browser, url, java_script_enabled=False) as (page, _):
        page.locator(".filters summary").click()
        assert len(shown(page)) == 4
        page.locator("#show-capstone").check()
        assert shown(page) == ["./near/", "./next/"]
        page.get_by_label("<i>code</i>").check()
        assert shown(page) == []
        assert page.get_by_text("No post has both.").is_visible()
        page.get_by_label("All", exact=True).first.check()
        assert shown(page) == ["./mini/"]
        assert not page.get_by_text("No post has both.").is_visible()


def test_headline_numbers_stand_on_home_with_their_provenance_and_unique_identifiers(site):
    home = Document(site / "output/index.html")
    ids = [a["id"] for _, a in home.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {b["popovertarget"] for b in home.all("button") if "popovertarget" in b} <= set(ids)
    text = (site / "output/index.html").read_text()
    headlines = text[text.index('class="headlines"') :]
    headlines = headlines[: headlines.index("</article>")]
    assert headlines.count("<li>") == 2
    assert "250.8 ± 0.2 points</data></button>" in headlines
    assert " on the line" in headlines
    assert 'href="./mini/#ref-someone2014"' in headlines, "a link to a place of the post leads to the post"


def test_a_headline_is_refreshed_like_any_binding(project):
    assert "Headline: [250.8 ± 0.2 points](measured:score)" in (project / PROSE).read_text()
    edit(project, PROSE, "Headline: [250.8", "Headline: [251.8")
    assert f'{PROSE}:4: stale snapshot: the prose says "251.8' in lockstep(project, "check").stderr
    done = lockstep(project, "build", "--no-render")
    assert f"{PROSE}:4: 251.8 ± 0.2 points → 250.8 ± 0.2 points\n    250.8 ± 0.2 points on the line" in done.stderr
    assert lockstep(project, "check").returncode == 0


SCORE, REPORTED = "[250.8 ± 0.2 points](measured:score)", "[225 ± 2 points](reported:score)"
THREE = " a\n    [2](config:scale) b"
WRONG = {
    "an unknown metric": (SCORE, "[1](measured:scoer)", 4, '"scoer"; did you mean "score"?'),
    "no number": (f"{SCORE} on", "Good on", 4, "a headline begins with a number that is bound"),
    "a number that nothing binds": ("on the line", "on 3.5 lines", 4, '"3.5" is a decimal that nothing binds'),
    "no words": (f"{REPORTED} published", REPORTED, 5, "a headline says in a few words what its number is"),
    "three of them": (" published", THREE, 6, "a post has at most 2 headline numbers"),
    "a number that the summary tells again": ("measured:total)", "measured:score)", 4, "a card tells a number once"),
    "an unknown thumbnail": ("figures/second.svg\n", "figures/secnd.svg\n", 6, 'did you mean "figures/second.svg"?'),
    "an unknown claim": ("claim:scores", "claim:scors", 7, 'did you mean "scores_are_positive"?'),
    "an unknown table": ("table:scores,", "table:scors,", 7, 'there is no table "scors"; did you mean "scores"?'),
    "an unknown symbol": ("</i>: code:layers.py#Net", "</i>: code:layers.py#Nett", 8, 'did you mean "Net"?'),
    "another kind of target": ("table:scores, ", "tabel:scores, ", 7, '"tabel:scores" is no evidence of a skill'),
    "a skill without evidence": ("<i>code</i>: code:layers.py#Net", "Other", 8, '"Other" names no skill'),
    "an unknown kind": ("Tags:", "Category: papre\nTags:", 3, '"papre" is no kind of post; did you mean "paper"?'),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_line_of_the_header_fails_the_check_with_its_place(project, what):
    old, new, line, message = WRONG[what]
    edit(project, PROSE, old, new)
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert any(told.startswith(f"{PROSE}:{line}: ") and message in told for told in done.stderr.splitlines()), (
        done.stderr
    )


def test_a_skill_that_names_no_section_of_the_page_fails_the_build_with_its_place(project):
    edit(project, PROSE, "#how-it-went", "#how-it-want")
    assert f'{PROSE}:7: there is no section "#how-it-want"; did you mean "how-it-went"?' in failing(project)


def test_a_link_to_a_place_that_the_page_does_not_have_fails_the_build(project):
    (project / PROSE).write_text((project / PROSE).read_text() + "\nAs told [above](#how-it-want).\n")
    line = len((project / PROSE).read_text().splitlines())
    assert f'{PROSE}:{line}: the page has no place "#how-it-want"; did you mean "how-it-went"?' in failing(project)


def test_evidence_that_the_page_does_not_show_fails_the_build(project):
    edit(project, PROSE, "[the scores are positive](claim:scores_are_positive)", "so")
    edit(project, PROSE, "Summary: It totals", "Summary: [So it is](claim:scores_are_positive): it totals")
    assert f"{PROSE}:7: claim:scores_are_positive is no evidence before the page shows it" in failing(project)


def test_the_thumbnail_is_the_named_figure_with_its_size_or_the_first(project):
    def shown():
        images = Document(project / "output/index.html").all("img")
        return [(image["src"], image["width"], image["height"], image["alt"]) for image in images]

    assert shown() == [("./mini/figures/second.svg", "300", "200", "")]
    edit(project, PROSE, "Thumbnail: figures/second.svg\n", "")
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert shown() == [("./mini/figures/first.svg", "300", "200", "")]


def test_reading_time_counts_the_words_of_the_prose_alone(project):
    def minutes():
        return re.findall(r"(\d+) min read", (project / "output/tags/top-1/index.html").read_text())

    assert minutes() == ["1"]
    with (project / "content/far/index.md").open("a") as file:
        file.write(
            "\n" + "word " * 656 + '[one](given: "many words that nobody reads")\n\n```\n' + "code " * 400 + "\n```\n"
        )
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert minutes() == ["3"], "659 words of prose"
    edit(project, "content/far/index.md", "Prose.", "word " * 112)
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert minutes() == ["4"], "770 words"


PAGES = (
    "index.html",
    "skills/index.html",
    "tags/index.html",
    "tags/top-1/index.html",
    "tags/measuring/index.html",
    "far/index.html",
)


@pytest.mark.parametrize("path", PAGES)
def test_hostile_titles_tags_skills_and_headlines_are_text(site, path):
    page = Document(site / "output" / path)
    assert all(script.get("src") or script["type"] == "application/ld+json" for script in page.all("script"))
    assert not page.all("i")
    assert not [text for text in page.texts.get("b", []) if text.startswith("bold")]


def test_hostile_text_is_shown_as_it_was_written(site):
    assert HOSTILE in "".join(Document(site / "output/tags/top-1/index.html").texts["a"])
    assert "<i>code</i>" in "".join(Document(site / "output/skills/index.html").texts["h2"])
    assert '<b>bold & "sharp"</b>' in "".join(Document(site / "output/tags/index.html").texts["a"])
    assert " on the line &lt;script&gt;alert(2)&lt;/script&gt;</li>" in (site / "output/index.html").read_text()


def test_tags_that_end_in_digits_have_pages_of_their_own(site):
    one, ten = (site / f"output/tags/top-{n}/index.html" for n in (1, 10))
    assert "Nearest" in ten.read_text()
    assert "Mini" in ten.read_text()
    assert "alert(1)" in one.read_text()
    assert "Nearest" not in one.read_text()
    index = Document(site / "output/tags/index.html")
    assert {"../tags/top-1/", "../tags/top-10/", "../tags/measuring/"} <= {a["href"] for a in index.all("a")}


def test_two_names_for_one_address_are_an_error_with_both_places(project):
    edit(project, "content/far/index.md", "Tags: top 1", "Tags: TOP 10!")
    message = 'content/far/index.md:5: the tag "TOP 10!" has the address of "top 10" (content/near/index.md:5)'
    assert message in failing(project)
    edit(project, "content/far/index.md", "Tags: TOP 10!", "Skills: Statistics: #words")
    assert 'the skill "Statistics" has the address of "statistics"' in failing(project)
    edit(project, "content/far/index.md", "Skills: Statistics: #words", "Tags: ++")
    assert 'the tag "++" has no letter or digit' in failing(project)


def test_skills_lead_to_their_evidence(site):
    page = Document(site / "output/skills/index.html")
    links = [a["href"] for a in page.all("a")]
    post = (site / "output/mini/index.html").read_text()
    assert {"../mini/#how-it-went", "../near/#words", "../next/#words"} <= set(links)
    assert "Scores are above zero" in page.texts["a"]
    assert "greater" in page.texts["span"]
    assert "The net" in page.texts["a"], "the title of an excerpt, and no identifier"
    for fragment in (link.partition("#")[2] for link in links if link.startswith("../mini/#")):
        assert f'id="{fragment}"' in post
    assert links.index("../near/#words") < links.index("../next/#words") < links.index("../mini/#how-it-went")


def test_neighbours_are_by_date_and_related_posts_by_shared_tags_and_skills(site):
    def parts(slug):
        text = (site / f"output/{slug}/index.html").read_text()
        text = text[text.index('class="neighbours"') :]
        related = text[text.index('class="related"') :] if 'class="related"' in text else ""
        slugs = re.findall(r'href="\.\./(\w+)/"', related[: related.find("</nav>")])
        assert len({*slugs, *re.findall(r'rel="(?:prev|next)" href="\.\./(\w+)/"', text)}) == text.count("<span>")
        around = {name: slug for name, slug in re.findall(r'rel="(prev|next)" href="\.\./(\w+)/"', text)}
        return around, slugs

    assert parts("mini") == ({"next": "next"}, ["near"]), "the next post is not told again"
    assert parts("next") == ({"prev": "mini", "next": "far"}, ["near"])
    assert parts("far") == ({"prev": "next", "next": "near"}, [])
    assert parts("near") == ({"prev": "far"}, ["mini", "next"]), "three shared before two"
