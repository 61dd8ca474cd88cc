"""The demo: what the page computes from its file is what the Python model scores, and a reader can use it."""

import json
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from demopage import assemble, figure, shown
from fakerun import FakeRun
from playwright.sync_api import expect
from posts.recommender import demo
from posts.recommender.counting import Counting
from posts.recommender.data import Histories, events_of, made_movies
from posts.recommender.experiment import Config
from posts.recommender.service.build import COUNTING
from webpages import served

SCRIPT = Path(__file__).parents[2] / "code/posts/recommender/demo/films.js"
HISTORY = [3, 11, 25]  # newest first


class DemoRun(FakeRun):
    def demo(self, name: str) -> Path:
        return self.directory / name


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    config = replace(Config(), films_shown=500, neighbours_shown=500)
    row = demo.publish(DemoRun(folder, config, made_movies.load()))
    assert row["megabytes"] == pytest.approx((folder / "films.json").stat().st_size / 1e6)
    return folder / "films.json"


def computed(films: Path, expression: str):
    """What the script makes of an expression over `data` and its own functions."""
    code = f"""import {{ readFileSync }} from "node:fs";
import * as own from {json.dumps(SCRIPT.as_uri())};
const data = JSON.parse(readFileSync({json.dumps(str(films))}, "utf-8"));
console.log(JSON.stringify({expression}));"""
    done = subprocess.run(["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_scores_are_those_of_the_counting_model(films):
    found = computed(films, f"own.score(data, {HISTORY}, {{ decay: {COUNTING['decay']}, popularity: 0 }})")
    histories = events_of(made_movies.load()).histories()
    asked = Histories(np.array(HISTORY[::-1]), np.array([0, 3]), histories.item_count)
    expected = Counting(histories, **COUNTING)(asked)[0]
    ours = np.zeros(len(expected))
    for entry in found:
        ours[entry["film"]] = entry["score"]
    others = np.setdiff1d(np.arange(len(expected)), HISTORY)
    scale = expected[others].max() / ours[others].max()  # the file holds thousandths of the largest
    assert ours[others] * scale == pytest.approx(expected[others], abs=0.01 * float(expected.max()))
    assert {entry["film"] for entry in found}.isdisjoint(HISTORY)


def test_reasons_add_up_to_the_score_and_name_films_of_the_history(films):
    found = computed(films, f"own.score(data, {HISTORY}, {{ decay: 0.5, popularity: 0.3 }})")
    for entry in found[:20]:
        assert sum(part["part"] for part in entry["from"]) == pytest.approx(entry["score"])
        assert {part["taken"] for part in entry["from"]} <= set(HISTORY)
    told = computed(films, f"own.why(data, own.score(data, {HISTORY}, {{ decay: 0.5, popularity: 0 }})[0])")
    assert told.endswith("%") and told.startswith("Film ")


def test_diversity_brings_more_genres_and_popularity_more_of_the_popular(films):
    score = f"own.score(data, {HISTORY}, {{ decay: 0.9, popularity: %s }})"
    genres = "new Set(own.diversify(%s, data.genres, 10, %s).map(({ film }) => data.genres[film][0])).size"
    alike = "own.diversify(%s, data.genres, 10, %s).flatMap((a, n, all) => all.slice(0, n).map((b) => " + (
        "own.alike(data.genres, a.film, b.film))).reduce((x, y) => x + y, 0)"
    )
    assert computed(films, alike % (score % 0, 0.9)) < computed(films, alike % (score % 0, 0))
    assert computed(films, genres % (score % 0, 0.9)) >= computed(films, genres % (score % 0, 0))
    ratings = "own.diversify(%s, data.genres, 10, 0).map(({ film }) => data.ratings[film]).reduce((a, b) => a + b, 0)"
    assert computed(films, ratings % (score % 0.5)) > computed(films, ratings % (score % -0.5))


@pytest.fixture(scope="module")
def site(films, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    digests = {"demo/films.json": sha256(films.read_bytes()).hexdigest()}
    fields = {"name": "films", "script": "demo/films.js", "weight": "9 kB", "digests": digests, "poster": ""}
    assemble(folder, figure(fields | {"id": "demo-1", "caption_html": "Films."}), SCRIPT.parent, films.parent)
    with served(folder) as address:
        yield address, folder


def test_a_reader_chooses_films_and_is_told_why(browser, site):
    with shown(browser, site[0]) as page:
        page.locator("button.start").click()
        offered = page.get_by_role("group", name="Films to choose")
        first = offered.get_by_role("button").first.text_content()
        offered.get_by_role("button").first.click()
        expect(page.locator(".shown li")).to_have_count(10)
        expect(page.locator(".shown li").first).to_contain_text(f"because of {first}: 100 %")
        page.get_by_role("searchbox").fill("Film 7")
        expect(offered.get_by_role("button").first).to_contain_text("Film 7")
        page.get_by_role("button", name=f"Take out {first}").click()
        expect(page.get_by_role("status")).to_contain_text("Choose a film")


def test_another_file_than_the_recorded_one_is_not_shown(browser, site, tmp_path):
    (site[1] / "post/demo/films.json").write_text("{}")
    with shown(browser, site[0]) as page:
        page.locator("button.start").click()
        expect(page.get_by_role("alert")).to_contain_text("is not the recorded file")
