"""The demo in the page: both players as PyTorch has them, from the very files, under the site's security policy."""

import base64
import functools
import gzip
import io
import json
import math
import re
import shutil
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from jinja2 import Environment, FileSystemLoader
from lockstep.project import Project
from lockstep.resolve import Resolver
from playwright.sync_api import expect
from posts.gan.demo import COLUMNS, FRACTIONS, GAP, ROWS, load_discriminator, poster, publish
from posts.gan.evaluate import load_generator
from posts.gan.experiment import Config
from posts.gan.model import Discriminator, Generator
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "code/posts/gan/demo"
PUBLISHED = ROOT / "content/gan/demo"
LOADED = ("generator", "discriminator", "directions", "examples")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
)
PAGE = """<!doctype html><html lang="en"><title>Demo</title><link rel="icon" href="theme/icon.svg">
<link rel="stylesheet" href="theme/css/site.css">
<link rel="stylesheet" href="theme/css/demo.css"><main class="post"><div class="body">{figure}</div></main></html>"""


class Handler(SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def evaluate(browser, tmp_path_factory):
    """Runs a piece of JavaScript beside the demo's arithmetic and two small players, of sizes that four divides not."""
    folder = tmp_path_factory.mktemp("arithmetic")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    rng = torch.Generator().manual_seed(0)
    small = {
        "generator": Generator(5, 18, torch.full((36,), 0.3), rng, spread=0.5),
        "discriminator": Discriminator(36, 7, 3, rng, spread=0.5),
    }
    for name, player in small.items():
        save_file({key: value.bfloat16() for key, value in player.state_dict().items()}, folder / f"{name}.safetensors")
    save_file({"slant": torch.tensor([0.5, 0, 0, 0, -0.5]), "ink": torch.ones(5)}, folder / "directions.safetensors")
    (folder / "index.html").write_text("<!doctype html><title>Demo</title>")
    with served(folder) as address:
        context = browser.new_context(bypass_csp=True)  # the pieces below are evaluated, which the policy forbids
        page = context.new_page()
        page.goto(address)

        def run(body: str, **values):
            return page.evaluate(
                """async ([body, values]) => {
                    const demo = await import("/model.js");
                    const read = async (name) =>
                        demo.parseSafetensors(await (await fetch(`${name}.safetensors`)).arrayBuffer());
                    const piece = new (async () => {}).constructor("demo", "read", "values", body);
                    return await piece(demo, read, values);
                }""",
                [body, values],
            )

        run.folder = folder
        yield run
        context.close()


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def noise(count: int, seed: int = 1) -> torch.Tensor:
    return (torch.rand(count, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * 3**0.5


GENERATED = 'return Array.from(demo.generate(await read("generator"), values.z));'


@torch.no_grad()
def test_the_page_draws_what_pytorch_draws(evaluate):
    z = noise(1)
    expected = load_generator(evaluate.folder / "generator.safetensors", 5, 18)(z)[0]
    torch.testing.assert_close(tensor(evaluate(GENERATED, z=z[0].tolist())), expected, atol=1e-5, rtol=0)
    assert not torch.allclose(tensor(evaluate(GENERATED, z=[0.0] * 5)), expected, atol=1e-2)


@torch.no_grad()
def test_the_page_judges_as_pytorch_judges(evaluate):
    images = torch.rand(8, 36, generator=torch.Generator().manual_seed(2))
    judged = 'const d = await read("discriminator"); return values.x.map((x) => demo.judge(d, x));'
    expected = load_discriminator(evaluate.folder / "discriminator.safetensors", 7, 3)(images).sigmoid()
    torch.testing.assert_close(tensor(evaluate(judged, x=images.tolist())), expected, atol=1e-5, rtol=0)
    assert expected.max() - expected.min() > 0.01  # it tells them apart, so equality says something


@torch.no_grad()
def test_between_two_samples_the_page_draws_what_pytorch_draws(evaluate):
    a, b = noise(2)
    mixed = "Array.from(demo.generate(g, demo.mix(Float32Array.from(values.a), values.b, fraction)))"
    drawn = evaluate(
        f'const g = await read("generator"); return [0, 0.3, 1].map((fraction) => {mixed});',
        **{"a": a.tolist(), "b": b.tolist()},
    )
    generator = load_generator(evaluate.folder / "generator.safetensors", 5, 18)
    expected = generator(torch.stack([a, torch.lerp(a, b, 0.3), b]))
    torch.testing.assert_close(tensor(drawn), expected, atol=1e-5, rtol=0)
    assert not torch.allclose(expected[1], (0.7 * expected[0] + 0.3 * expected[2]), atol=1e-3)  # in noise, not pixels


def test_a_walk_follows_the_direction_and_stays_in_the_cube(evaluate):
    walk = 'return Array.from(demo.walk(values.z, await read("directions"), values.steps));'
    assert evaluate(walk, z=[0.0] * 5, steps={"slant": 2}) == [1, 0, 0, 0, -1]
    assert evaluate(walk, z=[0.0] * 5, steps={"slant": 1, "ink": 9}) == pytest.approx([3**0.5] * 5)


def test_noise_is_uniform_in_the_cube(evaluate):
    drawn = torch.tensor(json.loads(evaluate("return JSON.stringify(Array.from(demo.drawNoise(20000)));")))
    assert drawn.abs().max() <= 3**0.5 + 1e-6
    assert drawn.var().item() == pytest.approx(1.0, abs=0.05)


def test_a_type_that_the_post_does_not_keep_is_refused(evaluate):
    save_file({"x": torch.zeros(2, dtype=torch.float16)}, evaluate.folder / "half.safetensors")
    told = evaluate('try { await read("half"); } catch (error) { return error.message; }')
    assert told == "x is F16: expected BF16 or F32"


class Made:
    """A finished run, as a stage reads it."""

    def __init__(self, stage, folder):
        self.stage, self.keys, self.folder = stage, {"seed": 0}, folder

    def open(self, name):
        return self.folder / name


class Publishing:
    """A run of the stage with small players, trained for four epochs as far as the names of their files say."""

    config = Config(noise=5, hidden=18, units=7, pieces=3, epochs=4)

    def __init__(self, folder, players):
        self.folder = folder
        self.inputs = [Made(stage, folder / stage) for stage in ("train", "critic", "latent")]
        for made in self.inputs:
            made.folder.mkdir()
        for stage in ("train", "critic"):
            shutil.copy(players / "generator.safetensors", folder / stage / "generator-4.safetensors")
        shutil.copy(players / "discriminator.safetensors", folder / "critic")
        save_file({"ink_freed": torch.ones(5), "slant_freed": torch.zeros(5)}, folder / "latent/directions.safetensors")

    def demo(self, name):
        return self.folder / name


@torch.no_grad()
def test_the_stage_publishes_both_players_byte_for_byte_and_what_they_make(evaluate, tmp_path):
    publish(Publishing(tmp_path, evaluate.folder))
    for name in ("generator", "discriminator"):
        assert (tmp_path / f"{name}.safetensors").read_bytes() == (evaluate.folder / f"{name}.safetensors").read_bytes()
    shown = load_file(tmp_path / "examples.safetensors")
    generator = load_generator(tmp_path / "generator.safetensors", 5, 18)
    discriminator = load_discriminator(tmp_path / "discriminator.safetensors", 7, 3)
    assert shown["noise"].shape == (ROWS * COLUMNS, 5)
    torch.testing.assert_close(shown["images"], generator(shown["noise"]))
    torch.testing.assert_close(shown["probability"], discriminator(shown["images"]).sigmoid())
    for fraction, image in zip(FRACTIONS, shown["between"], strict=True):
        z = (1 - fraction) * shown["noise"][0] + fraction * shown["noise"][1]
        torch.testing.assert_close(image, generator(z[None])[0])


def test_a_critic_of_another_generator_is_not_published(evaluate, tmp_path):
    run = Publishing(tmp_path, evaluate.folder)
    with (tmp_path / "critic/generator-4.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match="train and critic made different generators"):
        publish(run)
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_poster_holds_the_images_as_opaque_as_they_are_bright():
    from matplotlib.image import imread

    images = torch.rand(ROWS * COLUMNS, 16, generator=torch.Generator().manual_seed(0))
    svg = poster(images)
    packed = base64.b64decode(re.search(r"base64,([^\"]+)", svg)[1])
    pixels = torch.from_numpy(imread(io.BytesIO(packed)).copy())
    assert pixels.shape == (ROWS * (4 + GAP) - GAP, COLUMNS * (4 + GAP) - GAP, 4)
    row, column = 1, 2
    top, left = row * (4 + GAP), column * (4 + GAP)
    image = images[row * COLUMNS + column].unflatten(0, (4, 4))
    torch.testing.assert_close(pixels[top : top + 4, left : left + 4, 3], image, atol=0.5 / 255 + 1e-6, rtol=0)
    assert pixels[:, :, :3].max() == 0
    assert poster(images) == svg


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
    """The figure of the demo as the post has it, with the published files, under the site's policy."""
    folder = tmp_path_factory.mktemp("site")
    fields = Resolver.of(Project.find(ROOT).post("gan")).resolve("demo", "draw", "")
    partials = Environment(loader=FileSystemLoader(ROOT / "theme/templates/bindings"), autoescape=True)
    figure = partials.get_template("demo.html").render(fields | {"id": "demo-1", "caption_html": "Digits."})
    (folder / "index.html").write_text(PAGE.format(figure=figure))
    for source in (SCRIPTS, PUBLISHED):
        shutil.copytree(source, folder / "demo", dirs_exist_ok=True)
    shutil.copytree(ROOT / "theme/static", folder / "theme")
    with served(folder) as address:
        yield folder, address


@contextmanager
def opened(browser, address, **options):
    """A fresh page of the demo; at its end, any error in the console fails the test."""
    page, errors = browser.new_page(**options), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address, wait_until="networkidle")
    yield page
    page.close()
    assert [error for error in errors if "404" not in error] == []


@pytest.fixture
def page(browser, site):
    with opened(browser, site[1]) as page:
        yield page


def begin(page) -> None:
    page.get_by_role("button", name="Load the demo").click()
    expect(page.locator(".digits button")).to_have_count(ROWS * COLUMNS, timeout=20_000)


def inked(page, selector: str) -> list[list[int]]:
    """The pixels of each canvas."""
    return page.locator(selector).evaluate_all(
        "all => all.map((c) => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data))"
    )


def test_in_the_browser_the_published_pair_equals_pytorch_on_the_examples(browser, site):
    compare = """async () => {
        const { difference, generate, judge, load, mix, rows } = await import("/demo/model.js");
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
    with opened(browser, site[1]) as page:
        told, disturbed, between, judged = page.evaluate(compare % (json.dumps(LOADED), list(FRACTIONS)))
    examples = load_file(PUBLISHED / "examples.safetensors")
    assert told < 1e-4 < disturbed
    torch.testing.assert_close(tensor(between), examples["between"], atol=1e-4, rtol=0)
    torch.testing.assert_close(tensor(judged), examples["between_probability"], atol=1e-4, rtol=0)


def test_nothing_heavy_is_fetched_before_the_button_is_pressed(browser, site):
    with opened(browser, "about:blank") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        page.goto(site[1], wait_until="networkidle")
        light = {"", "site.css", "demo.css", "draw.js", "model.js", "draw.svg", "icon.svg"}
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

    with opened(browser, site[1]) as page:
        page.route(f"**/{name}.safetensors", tamper)
        button = page.get_by_role("button", name="Load the demo")
        button.click()
        told = page.get_by_role("alert")
        expect(told).to_contain_text(f"{name}.safetensors is not the file of the ledger", timeout=20_000)
        expect(told).to_contain_text(line("demo")["outputs"][f"demo/{name}.safetensors"][:12])
        assert page.locator(".digits").count() == 0
        page.unroute(f"**/{name}.safetensors")
        begin(page)  # and the right file, asked for again, runs


LOAD = "import('/demo/model.js').then(({ load }) => load('generator', %s)).catch((error) => error.message)"


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
    with opened(browser, site[1]) as page:
        page.route("**/generator.safetensors", lambda route: route.fulfill(status=404))
        page.get_by_role("button", name="Load the demo").click()
        expect(page.get_by_role("alert")).to_have_text("The demo does not run: generator.safetensors: 404.")
        page.unroute("**/generator.safetensors")
        begin(page)


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

    with opened(browser, site[1], color_scheme="light") as page:
        begin(page)
        assert ink() < 60
        page.emulate_media(color_scheme="dark")
        assert ink() > 200
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        assert ink() < 60
        page.emulate_media(color_scheme="light")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert ink() > 200


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_demo_fits_every_width_and_can_be_touched(browser, site, width):
    with opened(browser, site[1], viewport={"width": width, "height": 900}) as page:
        begin(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        smallest = page.locator(".demo button, .demo input").evaluate_all(
            "all => Math.min(...all.map((one) => { const b = one.getBoundingClientRect(); "
            "return Math.min(b.width, b.height); }))"
        )
        assert smallest >= 24


def test_the_scripts_are_small_and_the_files_fit_a_commit():
    assert sum(len(gzip.compress(path.read_bytes())) for path in SCRIPTS.glob("*.js")) <= 10_000
    assert math.fsum(path.stat().st_size for path in PUBLISHED.iterdir()) <= 10_000_000
