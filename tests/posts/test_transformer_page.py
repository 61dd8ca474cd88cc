"""The demos in the page: translations and attention are PyTorch's, and mouse, touch and keyboard work."""

import gzip
import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from captioner import Publishing, trained
from demopage import NAME, ROOT, SMALLEST, assemble, shown
from demopage import figure as themed
from playwright.sync_api import expect
from posts.transformer.captions import captions
from posts.transformer.data import encode, padded, read_subwords
from posts.transformer.decode import Search, beam_search, steps_of
from posts.transformer.demo import attention_maps, label, publish
from posts.transformer.evaluate import load
from posts.transformer.model import UNKNOWN
from webpages import FRAMES, WIDTHS, opened, resize, served

SCRIPTS = ROOT / "code/posts/transformer/demo"
PATIENCE = 120_000  # milliseconds: a busy machine takes its time to compile and to search
RUNTIME = "ort-wasm-simd-threaded.wasm.gzip"


@pytest.fixture(scope="module", autouse=True)
def patience():
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5_000)  # Playwright's own


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stage publishes of a small model, and the model itself: (folder, tokenizer, model, config)."""
    folder = tmp_path_factory.mktemp("made")
    config = trained(folder)
    publish(Publishing(folder, config))
    tokenizer = read_subwords(folder / "subwords.json")
    model = load(config, folder / "averaged.safetensors")
    return folder / "demo", tokenizer, model, config


def figure(published: Path, name: str) -> str:
    """The figure of one of the two demos, over what the stage published."""
    own = [path for path in sorted(published.iterdir()) if path.name.startswith(f"{name}.") and path.suffix != ".svg"]
    fields = {"name": name, "id": name, "script": f"demo/{name}.js", "poster": f"demo/{name}.svg", "weight": "1.0 MB"}
    fields |= {"digests": {f"demo/{path.name}": sha256(path.read_bytes()).hexdigest() for path in own}}
    return themed(fields | {"caption_html": f"The demo {name}."})


@pytest.fixture(scope="module")
def site(made, tmp_path_factory):
    """A page with both demos."""
    folder = tmp_path_factory.mktemp("site")
    assemble(folder, figure(made[0], "translate") + figure(made[0], "attention"), SCRIPTS, made[0])
    with served(folder) as address:
        yield address


def demo(page, name: str, begin: bool = True):
    """A demo's figure, begun."""
    found = page.locator(f'[data-demo="{name}"]')
    if begin:
        found.get_by_role("button", name="Load the demo").click()
        found.locator(".map").wait_for(timeout=PATIENCE)
    return found


ASKED = """async (texts) => {
    const digests = JSON.parse(document.querySelector('[data-demo="translate"]').dataset.digests);
    const worker = new Worker("/post/demo/worker.js", { type: "module" }), found = [], examples = [];
    const ask = (message) => new Promise((done, failed) => {
        worker.onmessage = ({ data }) => data.error ? failed(Error(data.error)) : done(data);
        worker.postMessage(message);
    });
    const started = await ask({ ask: "start", digests });
    for (const { text } of started.settings.examples) examples.push(await ask({ ask: "translate", text }));
    for (const text of texts) found.push(await ask({ ask: "translate", text }));
    return [started, examples, found];
}"""


@torch.inference_mode()
def test_translations_and_attention_in_the_browser_are_pytorchs(browser, site, made):
    _, tokenizer, model, config = made
    texts = [english for english, _ in captions()[:24]] + ["A dog, 'quoted' — and 漢字.", "x"]
    with shown(browser, site) as page:
        started, shown_here, found = page.evaluate(ASKED, texts)
    examples = started["settings"]["examples"]
    assert [told["tokens"] for told in shown_here] == [example["written"] for example in examples]
    assert all(abs(told["score"] - own["score"]) < 1e-4 for told, own in zip(shown_here, examples, strict=True))
    search = Search(config.beam, config.length_penalty, config.longer)
    for text, told in zip(texts, found, strict=True):
        (source,) = encode(tokenizer, [text], config.longest)
        (expected,) = beam_search(steps_of(model), padded([source]), search)
        assert told["tokens"] == expected, text
        assert told["translation"] == tokenizer.decode(expected)
        assert told["source"] == [tokenizer.id_to_token(token) for token in source]
        cross = attention_maps(model, source, expected)["cross"]  # (L, H, T, S)
        looked = torch.tensor(told["maps"]).unflatten(1, (config.layers, config.heads, len(source))).permute(1, 2, 0, 3)
        torch.testing.assert_close(looked, cross[:, :, : looked.shape[2]], rtol=1e-4, atol=1e-5)
    assert found[-2]["unknown"] == tokenizer.encode(texts[-2]).ids.count(UNKNOWN) >= 3
    assert len({told["translation"] for told in found}) > 8


def test_nothing_heavy_is_fetched_before_the_button_is_pressed(browser, site):
    with shown(browser, site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        page.reload(wait_until="networkidle")
        first = {name for name in asked if not name.endswith(".woff2")} - {
            "index.html",
            "site.css",
            "demo.css",
            "icon.svg",
        }
        assert first == {"translate.js", "attention.js", "map.js", "files.js", "translate.svg", "attention.svg"}
        asked.clear()
        demo(page, "attention")
        assert [name for name in asked if not name.endswith(".woff2")] == ["attention.json"]
        asked.clear()
        demo(page, "translate")
        heavy = {RUNTIME, "translate.weights.safetensors", "translate.encoder.onnx", "translate.decoder.onnx"}
        assert heavy < set(asked)


def test_the_page_itself_may_not_compile_webassembly_and_need_not(browser, site):
    """The worker has a policy of its own; that of the page stays as strict as on every other page."""
    compiled = "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => 'yes', () => 'no')"
    with opened(browser, site, NAME) as (page, watch):
        policy = page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
        assert "script-src 'self';" in policy
        demo(page, "translate")
        assert watch.problems == []
        assert page.evaluate(compiled) == "no"


def test_the_demo_opens_with_its_surest_example_and_says_how_it_compares(browser, site, made):
    examples = json.loads((made[0] / "translate.json").read_text())["examples"]
    examples.sort(key=lambda example: -example["score"])
    assert examples[0]["score"] > examples[-1]["score"]
    with shown(browser, site) as page:
        found = demo(page, "translate")
        expect(found.get_by_label("English caption")).to_have_value(examples[0]["text"])
        expect(found.locator(".written")).to_have_text(examples[0]["translation"])
        expect(found.locator(".artefacts p")).to_contain_text("Of 3 examples, 3 are translated here as by PyTorch")
        told = found.locator(".artefacts li").all_text_contents()
        for path in made[0].glob("translate.*"):
            if path.suffix != ".svg":
                assert f"{path.name} {sha256(path.read_bytes()).hexdigest()}" in told
        for example in examples:
            found.get_by_role("button", name=example["text"], exact=True).click()
            expect(found.locator(".written")).to_have_text(example["translation"])
        page.evaluate("document.querySelectorAll('.tries button').forEach((one) => one.click())")
        expect(found.locator(".written")).to_have_text(examples[-1]["translation"])  # the one that was asked for last
        expect(found.get_by_role("button", name="Translate")).to_have_text("Translate")
        expect(found.locator(".written")).to_have_text(examples[-1]["translation"])


@torch.inference_mode()
def test_what_is_typed_is_translated_and_what_is_unknown_is_told(browser, site, made):
    _, tokenizer, model, config = made
    search = Search(config.beam, config.length_penalty, config.longer)
    with shown(browser, site) as page:
        found = demo(page, "translate")
        for text, unknown in (("A boy is standing on the beach.", 0), ("Two 漢字 are sitting.", 2)):
            (expected,) = beam_search(steps_of(model), padded(encode(tokenizer, [text], config.longest)), search)
            found.get_by_label("English caption").fill(text)
            page.keyboard.press("Enter")
            expect(found.locator(".written")).to_have_text(tokenizer.decode(expected))
            told = f"Characters that it has never seen: {unknown}"
            expect(found.locator(".hint").first).to_contain_text(told if unknown else " ms.")
            assert (told in found.locator(".hint").first.inner_text()) == bool(unknown)
        assert found.get_by_label("English caption").get_attribute("maxlength") == "220"
        expect(found.locator(".written")).to_have_role("status")


@torch.inference_mode()
def test_it_translates_as_one_types_and_an_empty_line_empties_it(browser, site, made):
    _, tokenizer, model, config = made
    search, text = Search(config.beam, config.length_penalty, config.longer), "A girl is running in the park."
    (expected,) = beam_search(steps_of(model), padded(encode(tokenizer, [text], config.longest)), search)
    with shown(browser, site) as page:
        found = demo(page, "translate")
        line = found.get_by_label("English caption")
        line.fill("")
        expect(found.locator(".written")).to_have_text("")
        assert not found.locator(".map").is_visible()
        line.press_sequentially(text)  # and no key that asks for it
        expect(found.locator(".written")).to_have_text(tokenizer.decode(expected))
        line.press_sequentially(" And")
        line.fill("   ")  # while what stood there is still to be translated, or is being translated
        for _ in range(3):
            page.evaluate(FRAMES)
        expect(found.locator(".written")).to_have_text("")
        found.get_by_role("button", name="Translate").click()
        expect(found.locator(".written")).to_have_text("")


@pytest.mark.parametrize(("limit", "doubted"), [("0.5", True), ("-100", False)])
def test_a_translation_of_a_low_score_is_greyed_with_a_warning(browser, site, limit, doubted):
    script = (SCRIPTS / "translate.js").read_text()
    body = script.replace("settings.unsure", limit)
    assert body != script
    with shown(browser, site) as page:
        page.context.route("**/translate.js", lambda route: route.fulfill(body=body, content_type="text/javascript"))
        page.reload()
        found = demo(page, "translate")
        warned = "Do not trust this one" in found.locator(".hint").first.inner_text()
        assert warned == doubted == found.locator(".written.unsure").is_visible()


def test_the_published_examples_open_with_a_good_one_and_call_the_failure_one():
    published = json.loads((ROOT / "content/transformer/demo/translate.json").read_text())
    examples = published["examples"]
    script = (SCRIPTS / "translate.js").read_text()
    failed = [example for example in examples if f'text: "{example["text"]}"' in script]
    assert [example["translation"] for example in failed] == ["Eine Gruppe von Männern lädt Zuckerwatte auf einen Lkw."]
    assert max(examples, key=lambda one: one["score"]) not in failed
    assert all(example["score"] > published["unsure"] for example in examples)


@torch.inference_mode()
def test_once_loaded_it_works_without_a_connection(browser, site, made):
    _, tokenizer, model, config = made
    text = "Two children in a blue jacket are playing in the park."
    search = Search(config.beam, config.length_penalty, config.longer)
    (expected,) = beam_search(steps_of(model), padded(encode(tokenizer, [text], config.longest)), search)
    with shown(browser, site) as page:
        found = demo(page, "translate")
        page.evaluate(FRAMES)
        page.evaluate("() => document.fonts.ready.then(() => null)")  # typefaces of what has just appeared
        page.wait_for_load_state("networkidle")
        page.context.set_offline(True)
        expect(found.locator(".written")).not_to_have_text(tokenizer.decode(expected))
        found.get_by_label("English caption").fill(text)
        found.get_by_role("button", name="Translate").click()
        expect(found.locator(".written")).to_have_text(tokenizer.decode(expected))


@torch.inference_mode()
def test_a_german_token_shows_what_it_looked_at_by_mouse_touch_and_key(browser, site, made):
    folder, tokenizer, model, _ = made
    examples = json.loads((folder / "translate.json").read_text())["examples"]
    example = max(examples, key=lambda one: one["score"])
    cross = attention_maps(model, example["source"], example["written"])["cross"]
    names = [label(tokenizer.id_to_token(token)) for token in example["source"]]

    def looked(weights) -> str:
        best = weights.argsort(descending=True, stable=True)[0]
        return f"looked at “{names[best]}” {float(weights[best]):.2f}"

    with shown(browser, site, has_touch=True) as page:
        found = demo(page, "translate")
        rows, said = found.locator(".map tbody tr"), found.locator(".said")
        expect(rows).to_have_count(len(example["written"]) + 1)
        expect(said).to_contain_text(looked(cross.mean((0, 1))[0]))
        rows.nth(2).locator("td").first.hover()
        expect(said).to_contain_text(looked(cross.mean((0, 1))[2]))
        rows.nth(3).get_by_role("button").tap()
        expect(said).to_contain_text(looked(cross.mean((0, 1))[3]))
        expect(rows.nth(3).get_by_role("button")).to_have_attribute("aria-pressed", "true")
        expect(found.locator(".map [aria-pressed=true]")).to_have_count(1)
        page.keyboard.press("Tab")
        expect(said).to_contain_text(looked(cross.mean((0, 1))[4]))
        heads = found.locator(".map thead th").evaluate_all(
            "all => all.map((one) => +one.style.getPropertyValue('--weight'))"
        )
        torch.testing.assert_close(torch.tensor(heads), cross.mean((0, 1))[4].sqrt(), atol=1e-4, rtol=1e-4)
        found.get_by_role("group", name="Layer").get_by_label("2").check(force=True)
        expect(said).to_contain_text(looked(cross[1].mean(0)[4]))
        found.get_by_role("group", name="Head").get_by_label("1").check(force=True)
        expect(said).to_contain_text(looked(cross[1, 0, 4]))
        expect(said).to_have_role("status")


def test_the_viewer_shows_the_map_that_the_stage_made_of_each_kind_layer_and_head(browser, site, made):
    told = json.loads((made[0] / "attention.json").read_text())
    sides = {
        "encoder": ("source", "source"),
        "decoder": ("written", "read"),
        "decoder to source": ("written", "source"),
    }
    kinds = {"encoder": "encoder", "decoder": "decoder", "decoder to source": "cross"}
    cells = "all => all.map((one) => Number(one.title.split(': ').at(-1)))"
    with shown(browser, site) as page:
        found = demo(page, "attention")
        for name, (rows, columns) in sides.items():
            found.get_by_label(name, exact=True).check(force=True)
            assert found.locator(".map tbody button").all_inner_texts() == [label(token) for token in told[rows]]
            assert found.locator(".map thead span").all_inner_texts() == [label(token) for token in told[columns]]
            for layer in (0, 1):
                for head in (0, 1):
                    found.get_by_role("group", name="Layer").get_by_label(str(layer + 1)).check(force=True)
                    found.get_by_role("group", name="Head").get_by_label(str(head + 1)).check(force=True)
                    expected = torch.tensor(told["maps"][kinds[name]][layer][head]).flatten() / told["scale"]
                    drawn = torch.tensor(found.locator(".map tbody td").evaluate_all(cells))
                    torch.testing.assert_close(drawn, expected, atol=0.0051, rtol=0)


def test_arrow_keys_change_layer_and_head(browser, site):
    with shown(browser, site) as page:
        found = demo(page, "attention")
        head = found.get_by_role("group", name="Head")
        before = found.locator(".said").inner_text()
        head.get_by_label("1").focus()
        page.keyboard.press("ArrowRight")
        expect(head.get_by_label("2")).to_be_checked()
        expect(found.locator(".said")).not_to_have_text(before)
        page.keyboard.press("ArrowLeft")
        expect(found.locator(".said")).to_have_text(before)


@pytest.mark.parametrize("name", ["translate.weights.safetensors", "translate.decoder.onnx", "attention.json"])
def test_a_file_that_was_tampered_with_is_refused(browser, site, made, name):
    content = bytearray((made[0] / name).read_bytes())
    content[-2] ^= 1
    which = name.partition(".")[0]
    with shown(browser, site) as page:
        page.context.route(f"**/{name}", lambda route: route.fulfill(body=bytes(content)))
        found = demo(page, which, begin=False)
        found.get_by_role("button", name="Load the demo").click()
        expect(found.get_by_role("alert")).to_contain_text(f"{name} is not the file of the ledger")
        page.context.unroute(f"**/{name}")
        demo(page, which)  # and the right file, asked for again, runs


@pytest.mark.parametrize("name", ["translate.json", RUNTIME, "worker.js"])
def test_what_is_missing_is_told_and_can_be_asked_for_again(browser, site, name):
    with opened(browser, site, NAME) as (page, watch):
        page.context.route(f"**/{name}", lambda route: route.fulfill(status=404))
        found = demo(page, "translate", begin=False)
        found.get_by_role("button", name="Load the demo").click()
        told = "the worker does not start" if name == "worker.js" else f"{name}: 404"
        expect(found.get_by_role("alert")).to_have_text(f"The demo does not run: {told}.")
        page.context.unroute(f"**/{name}")
        demo(page, "translate")
        assert all(name in problem or "404" in problem or "ABORTED" in problem for problem in watch.problems)


def test_without_a_secure_connection_the_page_says_that_it_compared_nothing(browser, site):
    with shown(browser, site) as page:
        page.context.route(
            "**/files.js",
            lambda route: route.fulfill(
                body=(SCRIPTS / "files.js").read_text().replace("globalThis.crypto?.subtle", "undefined"),
                content_type="text/javascript",
            ),
        )
        page.reload()
        found = demo(page, "translate")
        expect(found.locator(".artefacts")).to_contain_text("Not compared with the ledger")
        assert found.get_by_text("matches the ledger").count() == 0


def test_without_javascript_the_posters_stand_and_nothing_offers_to_load(browser, site):
    with shown(browser, site, java_script_enabled=False) as page:
        assert page.locator("img.poster").evaluate_all("all => all.map((one) => one.naturalWidth > 300)") == [
            True,
            True,
        ]
        assert not page.get_by_role("button").filter(visible=True).count()


def test_the_demos_fit_every_width_and_can_be_touched(browser, site):
    with shown(browser, site, width=WIDTHS[0]) as page:
        demo(page, "translate")
        demo(page, "attention")
        for width in WIDTHS:
            resize(page, width)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            inner = page.locator(".demo .stage").evaluate_all(
                "all => all.map((one) => [one.scrollWidth, one.clientWidth])"
            )
            assert all(needed <= there for needed, there in inner), width
            touched = page.locator(".demo button, .demo .choice label, .demo input[type=text]")
            assert touched.evaluate_all(SMALLEST) >= 24, width


def test_the_scripts_are_small():
    assert sum(len(gzip.compress(path.read_bytes())) for path in SCRIPTS.glob("*.js")) <= 10_500
