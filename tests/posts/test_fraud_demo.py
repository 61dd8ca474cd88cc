"""The demo of the post fraud: its trees and features in JavaScript beside Python's, and its use in the page."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest
from demopage import assemble, figure, shown
from playwright.sync_api import expect
from posts.fraud import demo
from posts.fraud.batch import counts
from posts.fraud.data import DAY, simulate, transactions
from posts.fraud.experiment import Config
from posts.fraud.features import finish
from posts.fraud.model import Settings, fit
from posts.fraud.service.decide import Costs, threshold
from posts.fraud.trees import from_model, pack, unpack
from webpages import served

SCRIPTS = Path(__file__).parents[2] / "code/posts/fraud/demo"
WEEK = 7 * DAY


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stage publishes from a small world, and the model that it published."""
    folder = tmp_path_factory.mktemp("published")
    arrays = simulate(0, customers=200, terminals=400, days=95)
    world = transactions(arrays)
    counts_NF = counts(world, WEEK)
    model = fit(finish(counts_NF), world.fraud_N, Settings(30, 7, 0.1, 20), 0)
    (folder / "model.txt").write_text(model)
    run = SimpleNamespace(
        config=Config(weeks=(60,)),
        inputs=[SimpleNamespace(open=lambda name: folder / name)],
        data=lambda name: arrays,
        demo=lambda name: folder / name,
    )
    (row,) = demo.publish(run)  # pyright: ignore
    return SimpleNamespace(folder=folder, row=row, booster=lightgbm.Booster(model_str=model), counts_NF=counts_NF)


@pytest.fixture(scope="module")
def site(made, tmp_path_factory):
    import hashlib

    folder = tmp_path_factory.mktemp("site")
    published = tmp_path_factory.mktemp("files")
    for name in ("trees.bin", "day.bin", "score.svg"):
        shutil.copyfile(made.folder / name, published / name)
    digests = {f"demo/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in published.iterdir()}
    fields = {"id": "demo-1", "name": "score", "digests": digests, "caption_html": "A day.", "weight": "1 kB"}
    assemble(folder, figure(fields | {"poster": "demo/score.svg", "script": "demo/score.js"}), SCRIPTS, published)
    with served(folder) as address:
        yield address


def test_packed_trees_are_the_model_and_come_back_from_their_bytes(made):
    trees = from_model(made.booster.dump_model())
    rows = finish(made.counts_NF[::300])
    expected = np.asarray(made.booster.predict(rows))
    assert unpack(pack(trees)) == trees
    np.testing.assert_allclose([trees.score(row) for row in rows.tolist()], expected, atol=1e-15)
    assert np.ptp(expected) > 0.1


def test_a_row_exactly_on_a_threshold_goes_the_way_of_lightgbm(made):
    """In float64 the threshold itself goes left; in float32 it may go right (onnxmltools 728, treelite 115)."""
    trees = from_model(made.booster.dump_model())
    row = finish(made.counts_NF[500:501])
    chosen = [at for at, limit in enumerate(trees.threshold) if limit != float(np.float32(limit))][:40]
    assert len(chosen) == 40, "thresholds that float32 cannot hold"
    for at in chosen:
        row[0, trees.feature[at]] = trees.threshold[at]
        assert trees.score(row[0].tolist()) == pytest.approx(made.booster.predict(row)[0], abs=1e-15)  # pyright: ignore


def test_contributions_add_up_to_the_score(made):
    trees = from_model(made.booster.dump_model())
    empty = [trees.value[at] for at in trees.first_node]
    for row in finish(made.counts_NF[::2000]).tolist():
        assert sum(trees.contributions(row)) + sum(empty) == pytest.approx(trees.raw(row), abs=1e-9)


def test_javascript_comes_to_the_same_leaf_of_every_tree(made, site, browser):
    trees = from_model(made.booster.dump_model())
    counts_RF = made.counts_NF[::400]
    ask = """async (rows) => {
        const demo = await import("/post/demo/forest.js");
        const trees = demo.parseTrees(await (await fetch("/post/demo/trees.bin")).arrayBuffer());
        return rows.map((row) => {
            const x = demo.finish(row);
            const moved = Array.from(demo.contributions(trees, x));
            return [Array.from(x), demo.leaves(trees, x), moved, demo.score(trees, x)];
        });
    }"""
    with shown(browser, site) as page:
        found = page.evaluate(ask, counts_RF.tolist())
    for row, (x, leaves, moved, score) in zip(finish(counts_RF).tolist(), found, strict=True):
        assert x == row, "features, to the bit"
        assert leaves == [trees.leaf[trees._leaf(tree, row)] for tree in range(len(trees.first_node))]
        assert moved == pytest.approx(trees.contributions(row), abs=1e-12)
        assert score == pytest.approx(trees.score(row), abs=1e-14)


def test_the_page_has_the_thresholds_of_the_service(site, browser):
    ask = """async (all) => {
        const { threshold } = await import("/post/demo/forest.js");
        return all.map((cents) => threshold(cents, { fee: 1500, annoyance: 1000, margin: 0.02 }));
    }"""
    amounts = [1, 1000, 22_001, 500_000]
    with shown(browser, site) as page:
        assert page.evaluate(ask, amounts) == [threshold(cents, Costs()) for cents in amounts]


def test_the_files_fit_a_page_and_nothing_is_loaded_unasked(made, site, browser):
    assert 1000 * made.row["bytes"] == sum((made.folder / name).stat().st_size for name in ("trees.bin", "day.bin"))
    assert made.row["bytes"] <= 300
    with shown(browser, site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        page.reload(wait_until="networkidle")
        assert not [name for name in asked if name.endswith(".bin")]


def test_dearer_customers_are_blocked_less_and_a_larger_payment_is_riskier(site, browser):
    with shown(browser, site) as page:
        page.get_by_role("button", name="Load the demo").click()
        expect(page.locator(".stage table")).to_be_visible(timeout=20_000)
        blocked = page.locator(".stage tbody tr").nth(1).locator("td").first
        cost = page.get_by_label("cost of a blocked customer")

        def at(value: str) -> int:
            cost.fill(value)
            return int(blocked.inner_text().replace(",", ""))

        assert at("1") >= at("10") >= at("100")
        status = page.get_by_role("status").nth(1)
        before = status.inner_text()
        page.get_by_label("amount", exact=False).first.fill("900")
        expect(status).not_to_have_text(before)
        expect(status).to_contain_text("above 0.")
        assert page.locator("canvas").first.get_attribute("aria-label")
        assert json.loads(page.locator(".demo").get_attribute("data-digests") or "{}")


def test_no_other_script_has_the_name_of_a_file_that_the_demo_loads(made):
    """The engine takes such a file for that script's own, and the page would not know its digest."""
    others = {path.stem for path in SCRIPTS.glob("*.js")} - {"score"}
    loaded = {path.stem for path in made.folder.iterdir() if path.suffix == ".bin"}
    assert loaded == {"trees", "day"}
    assert others and not others & loaded
