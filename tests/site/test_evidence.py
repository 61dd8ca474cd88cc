"""From any number of the site to what it rests on: its row in the evidence, its code, its ledger."""

import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lockstep.prose.evidence import Evidence, Place
from lockstep.site.evidence import AGE, SQUASHED, UNKNOWN, aged, history, linked
from lockstep.site.links import commits
from mini import edit, lockstep
from portfolio import Document, dressed, publish
from webpages import opened, served

HOSTILE = '<script>alert("x")</script> & </table>'
CASES = ("<img src=x onerror=alert(1)>", "a b", "a-b")
EXPERIMENT, EVALUATE, PROSE = "code/posts/mini/experiment.py", "code/posts/mini/evaluate.py", "content/mini/index.md"
ODD = f"""def odd(run):
    return [{{"odd": run.seed + number, "case": case}} for number, case in enumerate({CASES!r})]


def total"""
OTHERS = {
    "other": f"Title: {HOSTILE}\nDate: 2026-01-03\nSummary: Theirs is [](measured:mini/score).\n\n"
    "Again [](measured:mini/total).\n",
    "veiled": "Title: Veiled\nDate: 2026-01-04\nStatus: hidden\nSummary: Words.\n\nIt is [](measured:mini/score).\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Two listed posts and a hidden one, with titles, statements and selections that are markup."""
    root = dressed(tmp_path_factory.mktemp("evidence"))
    edit(root, EXPERIMENT, 'title="score")', f'title={HOSTILE!r}), Metric("odd", title="odd")')
    edit(root, EXPERIMENT, "Scores are above zero.", f"Scores are above zero: {HOSTILE}")
    edit(root, EXPERIMENT, "total = mini", 'odd = mini.stage("evaluate:odd", name="odd", seed=range(3))\ntotal = mini')
    edit(root, EVALUATE, "def total", ODD)
    with (root / PROSE).open("a") as file:
        file.write("\n[The net.](code:layers.py#Net)\n\n")
        file.write("Odd: [](measured:odd?case=%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E), ")
        file.write("[](measured:odd?case=a%20b), [](measured:odd?case=a-b).\n")
    for slug, text in OTHERS.items():
        (root / "content" / slug).mkdir()
        (root / "content" / slug / "index.md").write_text(text)
    done = lockstep(root, "build")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def project(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


def pages(root: Path) -> list[Path]:
    return sorted((root / "output").rglob("*.html"))


def target(page: Path, link: str) -> tuple[Path, str]:
    """The file that a link of a page leads to, and the fragment."""
    place, _, fragment = link.partition("#")
    path = Path(os.path.normpath(page.parent / place)) if place else page
    return (path / "index.html" if path.is_dir() else path), fragment


def popovers(page: Path) -> list[tuple[str, str, str]]:
    """Class, visible text, and provenance of every value and claim that a page shows."""
    text = page.read_text()
    button = r'<button type="button" class="(measured|mark)"[^>]* popovertarget="([^"]+)"[^>]*>(?:<data [^>]*>)?([^<]*)'
    told = dict(re.findall(r'<span class="provenance" popover id="([^"]+)">(.*?)</span>', text, re.DOTALL))
    return [(kind, shown, told[place]) for kind, place, shown in re.findall(button, text)]


def rows(root: Path) -> dict[str, str]:
    """The rows of the evidence pages by their identifier."""
    text = "".join((root / f"output/evidence/{slug}/index.html").read_text() for slug in ("mini", "other"))
    return {name: row for _, name, row in re.findall(r'<(tr|li) id="([^"]+)"[^>]*>(.*?)</\1>', text, re.DOTALL)}


def test_every_value_and_claim_leads_to_its_row_and_to_its_line_of_code(site):
    evidence, counted = rows(site), 0
    for page in (site / "output/index.html", site / "output/mini/index.html", site / "output/other/index.html"):
        for kind, text, shown in popovers(page):
            link = re.search(r'<a href="([^"]*/evidence/\w+/#[^"]*)"', shown)
            path, name = target(page, link[1]) if link else (Path(), "")
            assert path.parent.parent == site / "output/evidence"
            assert kind == "mark" or text.split(" ")[0] in evidence[name], "the row says the number"
            path, line = target(page, re.findall(r'<a href="([^"]*/code/[^"]*#L\d+)"', shown)[0])
            assert f'id="{line}"' in path.read_text()
            counted += 1
    assert counted == 10, "two on home, seven on one page, one on the other"
    assert len(evidence) == 8, "each once a post: score, total, three cases and a claim; score and total"


def test_the_code_link_of_a_number_lands_on_its_function(site):
    page = site / "output/mini/index.html"
    shown = next(shown for kind, text, shown in popovers(page) if "752." in text)
    path, line = target(page, re.findall(r'href="([^"]*/code/[^"]*)"', shown)[0])
    source = (site / EVALUATE).read_text().splitlines()
    assert source[int(line.removeprefix("L")) - 1].startswith("def total(")
    html = re.search(rf'<span class="line" id="{line}">(.*?)\n</span>', path.read_text())
    assert html
    assert re.sub("<[^>]+>", "", html[1]) == "def total(run):"
    assert path.read_text().count('class="line"') == len(source)


def test_a_row_leads_to_every_place_where_its_value_stands(site):
    page = site / "output/evidence/mini/index.html"
    for name, row in rows(site).items():
        links = re.findall(r'<a href="([^"]*#[^"]*-at)"', row)
        assert links, name
        for link in links:
            path, anchor = target(page, link)
            assert f'id="{anchor}"' in path.read_text(), f"{name}: {link}"
    places = re.findall(r'-at">([^<]*)<', rows(site)["mini-score-stage-evaluate"])
    assert places == ["text", "table", "summary"]  # in the order of the page


def test_identifiers_are_unique_and_every_link_resolves(site):
    for page in pages(site):
        document = Document(page)
        ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), page
        for link in [str(a["href"]) for a in document.all("a") if a.get("href")]:
            if not link.startswith(("http", "mailto")):
                path, fragment = target(page, link)
                assert path.is_file(), f"{page}: {link}"
                assert not fragment or f'id="{fragment}"' in path.read_text(), f"{page}: {link}"


def test_markup_in_titles_statements_and_selections_is_text(site):
    for page in pages(site):
        document = Document(page)
        assert not [a for a in document.all("img") if a.get("src") == "x"], page
        assert all("src" in script or script.get("type") for script in document.all("script")), page
    evidence = "".join(page.read_text() for page in (site / "output/evidence").rglob("*.html"))
    escaped = "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; &lt;/table&gt;"
    assert evidence.count(escaped) >= 4, "a metric's title, a statement, a post's title"
    assert "case &lt;img src=x onerror=alert(1)&gt;" in evidence


def test_a_value_of_another_post_has_its_row_where_it_is_shown(site):
    row = rows(site)["other-mini-score-stage-evaluate"]
    assert "250.8 ± 0.2 points" in row
    text = (site / "output/evidence/other/index.html").read_text()
    assert "Stage evaluate of mini" in text


def test_selections_that_read_alike_have_rows_of_their_own(site):
    alike = [name for name in rows(site) if name.startswith("mini-odd-case-a-b")]
    assert len(alike) == 2
    evidence = Evidence("mini")
    fields = {"kind": "measured", "owner": "mini", "metric": "odd", "stage": "odd", "values": [], "date": ""}
    one = evidence.add({**fields, "where": {"case": "a b"}}, Place("1", "text"))
    two = evidence.add({**fields, "where": {"case": "a-b"}}, Place("2", "text"))
    assert one == "mini-odd-case-a-b-stage-odd"
    assert two.startswith(f"{one}-")
    assert evidence.add({**fields, "where": {"case": "a-b"}}, Place("3", "text")) == two
    assert [len(row["places"]) for row in evidence.values] == [1, 2]


def test_a_hidden_post_is_not_in_the_evidence_and_does_not_say_so(site):
    assert "veiled" not in (site / "output/evidence/index.html").read_text()
    assert not (site / "output/evidence/veiled").exists()
    shown = popovers(site / "output/veiled/index.html")
    assert len(shown) == 1
    assert "/evidence/" not in shown[0][2]
    assert "/code/evaluate.py/#L1" in shown[0][2]


def test_the_table_of_the_ledger_says_what_the_ledger_says(project):
    edit(project, EXPERIMENT, 'name="odd", seed=range(3)', 'name="odd", seed=range(2)')
    assert lockstep(project, "build").returncode == 0
    with (project / "output/mini/ledger.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    recorded = []
    for path in sorted((project / "content/mini/results").glob("*.jsonl")):
        for line in map(json.loads, path.read_text().splitlines()):
            for row in line["rows"]:
                for metric in {"score", "total", "odd"} & set(row):
                    keys = {"seed": "", **line["keys"], "case": row.get("case", "")}
                    grid = "retired" if line["stage"] == "odd" and line["keys"]["seed"] == 2 else "today"
                    unit = "points" if metric == "score" else ""
                    more = {"stage": line["stage"], "metric": metric, "value": row[metric], "unit": unit}
                    recorded.append(keys | more | {"fingerprint": line["fingerprint"], "grid": grid})
    as_text = [{name: str(value) for name, value in row.items()} for row in recorded]
    assert sorted(told, key=str) == sorted(({name: row[name] for name in told[0]} for row in as_text), key=str)
    assert sum(row["grid"] == "retired" for row in told) == 3
    assert [float(row["value"]) for row in told] == [row["value"] for row in recorded]


def test_the_provenance_of_every_run_can_be_taken_away_without_the_name_of_its_host(site):
    told = json.loads((site / "output/mini/provenance.json").read_text())
    recorded = sorted((site / "content/mini/results/provenance").glob("*.json"))
    assert len(told["runs"]) == len(recorded) == 10
    kept = {json.dumps(json.loads(path.read_text()) | {"host": ""}) for path in recorded}
    names = ("command", "commit", "dirty", "date", "seconds", "hardware", "versions")
    assert {json.dumps({n: run[n] for n in names}) for run in told["runs"]} == {
        json.dumps({n: json.loads(text)[n] for n in names}) for text in kept
    }
    assert all(run["fingerprint"] and "host" not in run for run in told["runs"])
    assert 'href="../../mini/provenance.json"' in (site / "output/evidence/mini/index.html").read_text()


def test_the_pages_are_the_same_from_the_cache_and_without_it(project):
    def told() -> dict[str, bytes]:
        found = [*pages(project), *(project / "output").rglob("*.csv"), *(project / "output").rglob("*.json")]
        return {
            path.relative_to(project).as_posix(): path.read_bytes() for path in found if "pagefind" not in str(path)
        }

    whole = told()
    assert "output/evidence/index.html" in whole
    assert "output/mini/code/evaluate.py/index.html" in whole
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert told() == whole
    for path in (project / ".lockstep/cache").glob("*.json"):
        path.unlink()
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert told() == whole


def test_ages_count_back_from_the_newest_run(project):
    path = project / "content/mini/results/provenance/evaluate-seed=0.json"
    kept = json.loads(path.read_text())
    for other in path.parent.glob("*.json"):
        day = "2026-03-01" if other.name.startswith("total") else "2026-02-27"
        other.write_text(json.dumps(kept | {"date": day}))
    assert lockstep(project, "build", "--frozen").returncode == 0
    assert (
        'The newest run was made on <time datetime="2026-03-01">'
        in (project / "output/evidence/index.html").read_text()
    )
    text = (project / "output/evidence/mini/index.html").read_text()
    assert "2026-02-27</time>, 2 days before the newest run" in text
    assert "2026-03-01</time>, the day of the newest run" in text
    assert aged(f"{AGE}2026-02-28", "2026-03-01") == "1 day before the newest run"


def test_what_was_accepted_is_told_with_its_reason_and_where_nothing_was_that_is_told(project):
    evidence = project / "output/evidence/mini/index.html"
    assert "Nothing was accepted without running again." in evidence.read_text()
    edit(project, "code/posts/mini/helpers.py", "return x**3 * FACTOR", "return FACTOR * x**3")
    assert lockstep(project, "accept", "mini.train", "--reason", "<i>a product</i>").returncode == 0
    done = lockstep(project, "build", "--frozen")
    assert done.returncode == 0, done.stderr
    text = evidence.read_text()
    assert "Accepted without running again: train (3 runs). &lt;i&gt;a product" in text
    assert "Nothing was accepted" not in text


def test_a_page_of_code_leads_to_its_post_its_files_and_the_repository(project):
    page = project / "output/mini/code/helpers.py/index.html"
    assert "In the repository" not in page.read_text()
    edit(project, "site.toml", 'source = ""', 'source = "https://code.example/main"')
    assert lockstep(project, "build", "--frozen").returncode == 0
    links = [a.get("href") for a in Document(page).all("a")]
    assert "https://code.example/main/code/posts/mini/helpers.py" in links
    assert "../../../mini/" in links
    assert "../../../mini/code/reexport/inner.py/" in links
    assert not (project / "output/mini/code/__init__.py").exists(), "an empty file has no page"


def test_links_are_absolute_where_the_site_knows_its_address(project):
    feed = (publish(project) / "feed.atom").read_text()
    assert "https://blog.example/me/mini/code/layers.py/#L4" in feed
    page = (project / "published/index.html").read_text()
    assert "https://blog.example/me/evidence/mini/#mini-score-stage-evaluate" in page
    assert "\ufdd0" not in feed + page


def test_what_a_page_shows_twice_is_told_once(site):
    page = (site / "output/mini/index.html").read_text()
    score = re.findall(r'popovertarget="([^"]+)" [^>]*><data value="250\.', page)
    assert len(score) == 2 and len(set(score)) == 1, "in the text and in a table"
    assert page.count(f'popover id="{score[0]}"') == 1


def test_evidence_is_chosen_by_verdict_and_by_what_it_is_without_scripts(browser, site):
    with served(site / "output") as url, opened(browser, url, "evidence/mini/", java_script_enabled=False) as (page, _):
        assert page.locator(".claims li").is_visible() and page.locator("tbody tr").first.is_visible()
        page.locator("#show-numbers").check()
        assert not page.locator(".claims li").is_visible() and page.locator("tbody tr").first.is_visible()
        page.goto(url + "evidence/")
        page.locator("details.proof summary").last.click()
        assert page.locator(".proof li").is_visible()
        page.locator("#show-greater").check()
        assert page.locator(".proof li").is_visible()


def test_commits_are_linked_where_the_code_host_is_known():
    linked = str(commits("https://code.example/me/blog/blob/main", "1bd90fe519, e733428dc6"))
    assert re.findall(r'href="([^"]+)"', linked) == [
        f"https://code.example/me/blog/commit/{name}" for name in ("1bd90fe519", "e733428dc6")
    ]
    assert str(commits("https://code.example/main", "1bd90fe519")) == "1bd90fe519"
    assert str(commits("", "<b>")) == "&lt;b&gt;"


def test_commits_that_the_history_has_lost_are_not_linked_and_that_is_said(tmp_path):
    def git(*command: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", *who, *command], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert history(tmp_path) is None, "no repository"
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    squashed = git("rev-parse", "HEAD")
    git("commit", "-q", "--allow-empty", "--amend", "-m", "another")
    kept, known = git("rev-parse", "HEAD"), history(tmp_path)
    text = f"{commits('https://code.example/me/blog/blob/main', f'{kept[:10]}, {squashed[:10]}')} {UNKNOWN}"
    shown = linked(text, known)
    assert known == {kept}
    assert re.findall(r"/commit/(\w+)", shown) == [kept[:10]] and squashed[:10] in shown and SQUASHED in shown
    assert SQUASHED not in linked(text, {kept, squashed}) and UNKNOWN not in linked(text, {kept, squashed})
    assert len(re.findall("/commit/", linked(text, None))) == 2, "where nothing is known, all are linked"
    git("clone", "-q", "--depth", "1", f"file://{tmp_path}", "shallow")
    assert history(tmp_path / "shallow") is None
