"""The demo of the post serving: its scheduler in JavaScript against the engine's record, and its use in the page."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from demopage import assemble, figure, shown
from playwright.sync_api import expect
from posts.serving import trace
from webpages import served

SCRIPTS = Path(__file__).parents[2] / "code/posts/serving/demo"
RUN = """import { simulate } from '%s';
let told = '';
for await (const part of process.stdin) told += part;
console.log(JSON.stringify(simulate(JSON.parse(told))));
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    config = SimpleNamespace(trace_seed=0, traced=24, trace_every=3.0)
    (row,) = trace.publish(SimpleNamespace(config=config, demo=lambda name: folder / name))  # pyright: ignore
    return SimpleNamespace(folder=folder, row=row)


@pytest.fixture(scope="module")
def site(made, tmp_path_factory):
    folder, published = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("files")
    for name in ("trace.json", "schedule.svg"):
        shutil.copyfile(made.folder / name, published / name)
    digests = {f"demo/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in published.iterdir()}
    fields = {"id": "demo-1", "name": "schedule", "digests": digests, "caption_html": "A schedule.", "weight": "1 kB"}
    assemble(folder, figure(fields | {"poster": "demo/schedule.svg", "script": "demo/schedule.js"}), SCRIPTS, published)
    with served(folder) as address:
        yield address


@pytest.mark.parametrize(
    "seed, every, limits",
    [
        (0, 3.0, {}),
        (1, 0.5, {"pages": 14}),
        (2, 1.0, {"pages": 20, "chunk": 7, "budget": 19, "sequences": 5}),
        (3, 2.0, {"pages": 16, "sequences": 3}),
    ],
)
def test_the_pages_scheduler_does_what_the_engine_did_step_by_step(seed, every, limits, tmp_path):
    if shutil.which("node") is None:
        pytest.fail("node is not installed: the scheduler of the page cannot be held against the engine")
    made = trace.record(seed, 30, every, replace(trace.LIMITS, **limits))
    script = tmp_path / "run.mjs"
    script.write_text(RUN % (SCRIPTS / "scheduler.js").as_uri())
    done = subprocess.run(["node", str(script)], input=json.dumps(made), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == made["rows"]
    if "pages" in limits and limits["pages"] < 16:
        assert sum(row["preempted"] for row in made["rows"]) > 0


def test_the_record_fits_a_page(made):
    assert made.row["bytes"] < 100 and made.row["steps"] > 20


def test_nothing_is_loaded_unasked_and_more_load_makes_more_wait(site, browser):
    with shown(browser, site) as page:
        page.get_by_role("button", name="Load the demo").click()
        expect(page.locator(".stage table")).to_be_visible(timeout=20_000)
        status = page.locator(".stage [role=status]")
        before = status.inner_text()

        def waited(load):
            page.get_by_label("requests in 12 steps").fill(load)
            return int(status.inner_text().split()[-2])

        assert waited("12") > waited("1")
        page.get_by_role("button", name="The recorded schedule").click()
        assert status.inner_text() == before
