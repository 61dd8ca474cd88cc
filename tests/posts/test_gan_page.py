"""The demo in the page: the published pair draws and judges as PyTorch, and answers mouse, touch and keyboard."""

import gzip
import json
import math
from hashlib import sha256

import pytest
import torch
from demopage import NAME, ROOT, SMALLEST, assemble, figure, shown
from lockstep.project.project import Project
from lockstep.prose.resolve import Resolver
from playwright.sync_api import expect
from posts.gan.demo import COLUMNS, FRACTIONS, ROWS
from posts.gan.experiment import Config
from safetensors.torch import load_file
from webpages import WIDTHS, opened, served

SCRIPTS = ROOT / "code/posts/gan/demo"
PUBLISHED = ROOT / "content/gan/demo"
LOADED = ("generator", "discriminator", "directions", "examples")


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def line(stage: str) -> dict:
    lines = map(json.loads, (ROOT / f"content/gan/results/{stage}.jsonl").read_text().splitlines())
    return next(line for line in lines if line["keys"] in ({}, {"seed": 0}))


def test_the_critic_played_against_the_very_generator_that_was_scored():
    last = f"generator-{Config().epochs}.safetensors"
    scored = line("train")["artefacts"]
    assert line("critic")["artefacts"].items() >= scored.items()
    assert line("demo")["outputs"]["demo/generator.safetensors"] == scored[last]
    recorded = line("demo")["outputs"]["demo/discriminator.safetensors"]
    assert recorded == line("critic")["artefacts"]["discriminator.safetensors"]
    for place, digest in line("demo")["outputs"].items():
        assert sha256((PUBLISHED.parent / place).read_bytes()).hexdigest() == digest


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The figure of the demo as the post has it, with the published files."""
    folder = tmp_path_factory.mktemp("site")
    fields = Resolver.of(Project.find(ROOT).post("gan")).resolve("demo", "draw", "")
    assemble(folder, figure(fields | {"id": "demo-1", "caption_html": "Digits."}), SCRIPTS, PUBLISHED)
    with served(folder) as address:
        yield address


@pytest.fixture
def page(browser, site):
    with shown(browser, site) as page:
        yield page


def begin(page) -> None:
    page.get_by_role("button", name="Load the demo").click()
    expect(page.locator(".digits button")).to_have_count(ROWS * COLUMNS, timeout=20_000)


def inked(page, selector: str) -> list[list[int]]:
    """The pixels of each canvas, read from a copy: of the page's own the browser says that it is not made for that."""
    return page.locator(selector).evaluate_all(
        """all => all.map(({ width, height }, n) => {
            const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
            copy.drawImage(all[n], 0, 0);
            return Array.from(copy.getImageData(0, 0, width, height).data);
        })"""
    )


def test_in_the_browser_the_published_pair_equals_pytorch_on_the_examples(browser, site):
    compare = """async () => {
        const { difference, generate, judge, load, mix, rows } = await import("/post/demo/model.js");
        const digests = JSON.parse(document.querySelector(".demo").dataset.digests);
        const files = {};
        for (const name of %s) files[name] = (await load(name, digests[`demo/${name}.safetensors`])).tensors;
        const { generator, discriminator, examples } = files, [a, b] = rows(examples.noise);
        const between = %s.map((fraction) => generate(generator, mix(a, b, fraction)));
        const judged = between.map((image) => judge(discriminator, image));
        const told = difference(files);
        examples.noise.data[0] += 0.5;
        return [told, difference(files), between.map((image) => Array.from(image)), judged];
    }"""
    with shown(browser, site) as page:
        told, disturbed, between, judged = page.evaluate(compare % (json.dumps(LOADED), list(FRACTIONS)))
    examples = load_file(PUBLISHED / "examples.safetensors")
    assert told < 1e-4 < disturbed
    torch.testing.assert_close(tensor(between), examples["between"], atol=1e-4, rtol=0)
    torch.testing.assert_close(tensor(judged), examples["between_probability"], atol=1e-4, rtol=0)


def test_nothing_heavy_is_fetched_before_the_button_is_pressed(browser, site):
    with shown(browser, site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        page.reload(wait_until="networkidle")
        light = {"index.html", "site.css", "demo.css", "draw.js", "model.js", "draw.svg", "icon.svg"}
        assert {"draw.js", "draw.svg"} <= {name for name in asked if not name.endswith(".woff2")} <= light
        asked.clear()
        begin(page)
        heavy = [name for name in asked if not name.endswith(".woff2")]
        assert sorted(heavy) == sorted(f"{name}.safetensors" for name in LOADED)


def test_the_demo_opens_with_the_posters_digits_and_what_the_discriminator_thinks_of_each(page):
    begin(page)
    examples = load_file(PUBLISHED / "examples.safetensors")
    for canvas, image in zip(inked(page, ".digits canvas"), examples["images"], strict=True):
        torch.testing.assert_close(tensor(canvas[3::4]), image * 255, atol=1, rtol=0)
    told = [float(text) for text in page.locator(".digits .probability").all_inner_texts()]
    torch.testing.assert_close(tensor(told), examples["probability"], atol=0.0051, rtol=0)
    bars = page.locator(".digits meter").evaluate_all("all => all.map((meter) => meter.value)")
    torch.testing.assert_close(tensor(bars), examples["probability"], atol=1e-4, rtol=0)
    assert max(told) - min(told) > 0.1


def test_the_page_states_the_digests_that_the_ledger_has(page):
    begin(page)
    recorded = line("demo")["outputs"]
    told = page.locator(".artefacts summary")
    expect(told).to_contain_text("matches the ledger")
    for name in ("generator", "discriminator"):
        expect(told).to_contain_text(recorded[f"demo/{name}.safetensors"][:12])
    told.click()
    full = page.locator(".artefacts li code").all_inner_texts()
    assert full == [recorded[f"demo/{name}.safetensors"] for name in LOADED]


@pytest.mark.parametrize("name", LOADED)
def test_a_file_that_was_tampered_with_is_refused(browser, site, name):
    def tamper(route):
        body = bytearray((PUBLISHED / f"{name}.safetensors").read_bytes())
        body[-1] ^= 1
        route.fulfill(body=bytes(body))

    with shown(browser, site) as page:
        page.route(f"**/{name}.safetensors", tamper)
        button = page.get_by_role("button", name="Load the demo")
        button.click()
        told = page.get_by_role("alert")
        expect(told).to_contain_text(f"{name}.safetensors is not the file of the ledger", timeout=20_000)
        expect(told).to_contain_text(line("demo")["outputs"][f"demo/{name}.safetensors"][:12])
        assert page.locator(".digits").count() == 0
        page.unroute(f"**/{name}.safetensors")
        begin(page)  # and the right file, asked for again, runs


LOAD = "import('/post/demo/model.js').then(({ load }) => load('generator', %s)).catch((error) => error.message)"


def test_a_file_that_no_run_recorded_is_refused(page):
    recorded = line("demo")["outputs"]["demo/generator.safetensors"]
    assert page.evaluate(LOAD % "undefined") == "generator.safetensors is in no ledger"
    assert page.evaluate(LOAD % f"'{recorded}'")["digest"] == recorded


def test_without_a_secure_connection_the_page_says_that_it_compared_nothing(page):
    page.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })")
    page.reload()
    begin(page)
    expect(page.locator(".artefacts")).to_contain_text("Not compared with the ledger")
    assert page.get_by_text("matches the ledger").count() == 0
    assert page.evaluate(LOAD % "undefined") == "generator.safetensors is in no ledger"


def test_a_file_that_is_missing_is_told_and_can_be_asked_for_again(browser, site):
    with opened(browser, site, NAME) as (page, watch):
        page.route("**/generator.safetensors", lambda route: route.fulfill(status=404))
        page.get_by_role("button", name="Load the demo").click()
        expect(page.get_by_role("alert")).to_have_text("The demo does not run: generator.safetensors: 404.")
        page.unroute("**/generator.safetensors")
        begin(page)
        assert all("404" in problem or "ERR_ABORTED" in problem for problem in watch.problems), watch.problems


def test_sliders_change_the_digits_and_the_opinions_and_go_back(page):
    begin(page)
    before, opinions = inked(page, ".digits canvas"), page.locator(".digits .probability").all_inner_texts()
    page.get_by_label("ink").fill("2")
    expect(page.locator(".digits .probability").first).not_to_have_text(opinions[0])
    after = inked(page, ".digits canvas")
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert sum(map(sum, after)) > sum(map(sum, before))  # towards more ink
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".digits .probability").first).to_have_text(opinions[0])
    assert inked(page, ".digits canvas") == before


def test_other_noise_draws_other_digits(page):
    begin(page)
    before = inked(page, ".digits canvas")
    page.get_by_role("button", name="Draw others").click()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert all(a != b for a, b in zip(before, inked(page, ".digits canvas"), strict=True))


def test_two_chosen_samples_have_a_way_between_them_and_its_ends_are_the_samples(page):
    begin(page)
    samples = page.locator(".digits button")
    samples.nth(0).click()  # the first two are chosen when the demo opens
    samples.nth(1).click()
    expect(page.locator(".chosen")).to_be_hidden()
    samples.nth(2).click()
    expect(page.get_by_role("status")).to_contain_text("Sample 3: the discriminator gives")
    expect(page.locator(".way")).to_be_hidden()
    samples.nth(5).click()
    assert [samples.nth(n).get_attribute("aria-pressed") for n in (1, 2, 5)] == ["false", "true", "true"]
    grid, strip = inked(page, ".digits canvas"), inked(page, ".strip canvas")
    assert (strip[0], strip[-1]) == (grid[2], grid[5])
    assert len({tuple(step) for step in strip}) == len(strip)
    told = page.locator(".digits .probability").all_inner_texts()
    at = page.get_by_label("from one to the other")
    for value, sample in (("0", 2), ("1", 5)):
        at.fill(value)
        expect(page.get_by_role("status")).to_contain_text(f"gives {told[sample]} for real")
        assert inked(page, ".chosen canvas")[0] == grid[sample]
    at.fill("0.5")
    expect(page.get_by_role("status")).to_contain_text("50 % of the way from sample 3 to sample 6")
    assert inked(page, ".chosen canvas")[0] == strip[len(strip) // 2]
    samples.nth(7).click()  # a third takes the place of the one chosen first
    assert [samples.nth(n).get_attribute("aria-pressed") for n in (2, 5, 7)] == ["false", "true", "true"]


def test_the_demo_is_used_with_the_keyboard_alone(page):
    focused = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".digits button").first).to_be_focused(timeout=20_000)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused).startswith("Sample 7,")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.locator(".digits button").nth(7).get_attribute("aria-pressed") == "true"
    for _ in range(4):  # over the rest of the row to its end, and no further
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused).startswith("Sample 12,")
    before = page.get_by_role("status").inner_text()
    seen = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.type ?? document.activeElement.tagName"))
        if page.evaluate("!!document.activeElement.closest('.way')"):
            break
    assert seen == ["range", "range", "button", "button", "range"]
    page.keyboard.press("End")
    expect(page.get_by_role("status")).not_to_have_text(before)
    expect(page.get_by_role("status")).to_contain_text("100 % of the way")


def test_digits_have_the_pages_ink_in_either_scheme_and_follow_a_change(browser, site):
    def ink():
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        canvas = tensor(inked(page, ".digits canvas")[0]).unflatten(0, (-1, 4))
        return canvas[canvas[:, 3] > 250][:, :3].mean().item()

    with shown(browser, site, color_scheme="light") as page:
        begin(page)
        assert ink() < 60
        page.emulate_media(color_scheme="dark")
        assert ink() > 200
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        assert ink() < 60
        page.emulate_media(color_scheme="light")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert ink() > 200


@pytest.mark.parametrize("width", WIDTHS)
def test_the_demo_fits_every_width_and_can_be_touched(browser, site, width):
    with shown(browser, site, width=width) as page:
        begin(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".demo button, .demo input").evaluate_all(SMALLEST) >= 24


def test_the_scripts_are_small_and_the_files_fit_a_commit():
    assert sum(len(gzip.compress(path.read_bytes())) for path in SCRIPTS.glob("*.js")) <= 10_000
    assert math.fsum(path.stat().st_size for path in PUBLISHED.iterdir()) <= 10_000_000
