"""The demo in the page draws what PyTorch draws, from the very file."""

import functools
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from playwright.sync_api import sync_playwright
from posts.gan.evaluate import load_generator
from posts.gan.model import Generator
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "code/posts/gan/demo/draw.js"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    """Runs a piece of JavaScript beside the demo's script and a small generator."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "these tests need Chromium: install your system's package"
    folder = tmp_path_factory.mktemp("demo")
    shutil.copy(SCRIPT, folder / "draw.js")
    generator = Generator(5, 16, torch.full((36,), 0.3), torch.Generator().manual_seed(0), spread=0.5)
    save_file({name: value.bfloat16() for name, value in generator.state_dict().items()}, folder / "small.safetensors")
    directions = {"slant": torch.tensor([0.5, 0, 0, 0, -0.5]), "ink": torch.ones(5)}
    save_file(directions, folder / "directions.safetensors")
    (folder / "index.html").write_text("<!doctype html><title>Demo</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")

            def run(body: str, **values):
                return page.evaluate(
                    """async ([body, values]) => {
                        const demo = await import("/draw.js");
                        const read = async (name) => demo.parseSafetensors(await (await fetch(name)).arrayBuffer());
                        const piece = new (async () => {}).constructor("demo", "read", "values", body);
                        return await piece(demo, read, values);
                    }""",
                    [body, values],
                )

            run.folder = folder
            yield run
            browser.close()
        server.shutdown()


def test_the_page_draws_what_pytorch_draws(evaluate):
    noise = (torch.rand(5, generator=torch.Generator().manual_seed(1)) * 2 - 1) * 3**0.5
    shown = evaluate('return Array.from(demo.generate(await read("small.safetensors"), values.z));', z=noise.tolist())
    with torch.no_grad():
        expected = load_generator(evaluate.folder / "small.safetensors", 5, 16)(noise[None])[0]
    torch.testing.assert_close(torch.tensor(shown), expected, atol=1e-5, rtol=0)
    other = evaluate('return Array.from(demo.generate(await read("small.safetensors"), values.z));', z=[0.0] * 5)
    assert not torch.allclose(torch.tensor(other), expected, atol=1e-2)


def test_a_walk_follows_the_direction_and_stays_in_the_cube(evaluate):
    walk = 'return Array.from(demo.walk(values.z, await read("directions.safetensors"), values.steps));'
    moved = evaluate(walk, z=[0.0] * 5, steps={"slant": 2})
    assert moved == [1, 0, 0, 0, -1]
    far = evaluate(walk, z=[0.0] * 5, steps={"slant": 1, "ink": 9})
    assert far == pytest.approx([3**0.5] * 5)


def test_noise_is_uniform_in_the_cube(evaluate):
    drawn = torch.tensor(json.loads(evaluate("return JSON.stringify(Array.from(demo.drawNoise(20000)));")))
    assert drawn.abs().max() <= 3**0.5 + 1e-6
    assert drawn.var().item() == pytest.approx(1.0, abs=0.05)


def test_a_type_that_the_post_does_not_keep_is_refused(evaluate):
    save_file({"x": torch.zeros(2, dtype=torch.float16)}, evaluate.folder / "half.safetensors")
    told = evaluate('try { await read("half.safetensors"); } catch (error) { return error.message; }')
    assert told == "x is F16: expected BF16 or F32"
