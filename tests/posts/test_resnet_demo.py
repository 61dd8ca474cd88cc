"""The demo's arithmetic in JavaScript beside PyTorch's, the stage that publishes its files, and its use in a page."""

import base64
import gzip
import io
import re
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from demopage import ROOT, SMALLEST, assemble, figure, shown
from playwright.sync_api import expect
from posts.resnet.demo import COLUMNS, GAP, SHOWN, folded, poster, publish, unfolded
from posts.resnet.experiment import Config
from posts.resnet.model import ResNet, initialise
from safetensors.torch import load_file, save_file
from webpages import WIDTHS, served

SCRIPTS = ROOT / "code/posts/resnet/demo"
SMALL = replace(Config(), depth=20, width=4, validation_images=20)
RNG = np.random.default_rng(0)
ARRAYS = {
    "train_images": RNG.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8),
    "train_labels": RNG.integers(0, 10, 60).astype(np.uint8),
    "test_images": RNG.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8),
    "test_labels": RNG.integers(0, 10, 30).astype(np.uint8),
}
FILES = ("network.safetensors", "examples.safetensors")
torch.set_num_threads(1)


def lived_in(depth: int = 20, width: int = 4) -> ResNet:
    """A network whose norms have statistics, scales and shifts of their own."""
    rng = torch.Generator().manual_seed(0)
    model = initialise(ResNet(depth, width), rng)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
                (module.running_mean, -1, 1),
                (module.running_var, 0.5, 2.0),
            ):
                assert tensor is not None
                torch.nn.init.uniform_(tensor, low, high, generator=rng)
    return model.eval()


class Publishing:
    """A run of the stage on a finished training of two seeds, of which the first is published."""

    config = SMALL

    def __init__(self, folder):
        self.folder, self.inputs = folder, [self.Made(folder, seed) for seed in (1, 0)]
        state = {name: tensor.contiguous() for name, tensor in lived_in().state_dict().items()}
        save_file(state | {"mean": torch.zeros(32, 32, 3)}, folder / "weights-0.safetensors")

    class Made:
        def __init__(self, folder, seed):
            self.folder, self.keys = folder, {"seed": seed}

        def open(self, name):
            return self.folder / name.replace(".", f"-{self.keys['seed']}.")

    def data(self, name):
        return ARRAYS

    def demo(self, name):
        return self.folder / name


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    run = Publishing(folder)
    row = publish(run)  # type: ignore[arg-type]
    (folder / "weights-0.safetensors").unlink()
    return folder, row


@pytest.fixture(scope="module")
def site(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    digests = {f"demo/{name}": sha256((published[0] / name).read_bytes()).hexdigest() for name in FILES}
    fields = {"name": "switches", "script": "demo/switches.js", "digests": digests, "poster": "demo/switches.svg"}
    fields |= {"id": "demo-1", "caption_html": "Switches.", "weight": "0.1 MB", "width": "", "height": ""}
    assemble(folder, figure(fields), SCRIPTS, published[0])
    with served(folder) as address:
        yield address


@pytest.fixture
def page(browser, site):
    with shown(browser, site) as page:
        yield page


@torch.no_grad()
def test_folding_the_norms_changes_no_answer():
    model, x = lived_in(), torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(unfolded(folded(model), 20, 4)(x), model(x), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(unfolded(folded(initialise(ResNet(20, 4), torch.Generator())), 20, 4)(x), model(x))


def test_the_published_size_fits():
    tensors = folded(ResNet(20).eval())
    assert sum(tensor.numel() for tensor in tensors.values()) == 269_722 - 688  # of each norm's two, one is left
    loaded = 2 * (269_722 - 688) + SHOWN * 32 * 32 * 3 + 4 * 32 * 32 * 3
    assert loaded + 10_000 <= 600_000


def test_the_stage_publishes_the_first_seed_in_half_precision_and_its_error(published):
    folder, row = published
    tensors = load_file(folder / FILES[0])
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    for name, tensor in folded(lived_in()).items():
        assert torch.equal(tensors[name], tensor.half()), name
    examples = load_file(folder / FILES[1])
    assert torch.equal(examples["images"], torch.from_numpy(ARRAYS["test_images"][:SHOWN]))
    assert examples["labels"].tolist() == ARRAYS["test_labels"][:SHOWN].tolist()
    mean = torch.from_numpy(ARRAYS["train_images"][:40] / 255).mean(0).float()
    torch.testing.assert_close(examples["mean"], mean)
    x = (torch.from_numpy(ARRAYS["test_images"]).float() / 255 - mean).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = lived_in()(x)
    torch.testing.assert_close(examples["logits"], logits[:SHOWN], rtol=0.02, atol=0.02)
    assert not torch.allclose(examples["logits"], examples["without_second"], atol=0.1)
    assert not torch.allclose(examples["without_second"], examples["without_any"], atol=0.1)
    labels = torch.from_numpy(ARRAYS["test_labels"].astype(np.int64))
    assert row == {"published_error": pytest.approx(100 * (logits.argmax(1) != labels).double().mean().item(), abs=4)}


def test_in_the_browser_the_logits_equal_pytorchs_with_and_without_shortcuts(page):
    compare = """async () => {
        const { load } = await import("/post/demo/files.js");
        const { difference } = await import("/post/demo/layers.js");
        const digests = JSON.parse(document.querySelector(".demo").dataset.digests);
        const [network, examples] = await Promise.all(%s.map((name) => load(name, digests)));
        const before = difference(network.tensors, examples.tensors);
        examples.tensors.without_second.data[15] += 1;
        return [before, difference(network.tensors, examples.tensors)];
    }"""
    equal, disturbed = page.evaluate(compare % list(FILES))
    assert equal < 1e-4 < 1e-2 < disturbed


def test_half_precision_is_read_exactly(page, published):
    values = [0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, -6.1e-5, 0.333251953125]
    halves = torch.tensor(values).half()
    save_file({"x": halves}, published[0] / "halves.safetensors")
    packed = base64.b64encode((published[0] / "halves.safetensors").read_bytes()).decode()
    read = """async (packed) => {
        const { parseSafetensors } = await import("/post/demo/files.js");
        return Array.from(parseSafetensors(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer).x.data);
    }"""
    assert page.evaluate(read, packed) == halves.float().tolist()
    save_file({"x": torch.zeros(2, dtype=torch.float64)}, published[0] / "halves.safetensors")
    packed = base64.b64encode((published[0] / "halves.safetensors").read_bytes()).decode()
    told = page.evaluate(
        f"async (packed) => {{ try {{ await ({read})(packed) }} catch (e) {{ return e.message }} }}", packed
    )
    assert told == "x is F64: expected F32, F16, U8"


def begin(page) -> None:
    page.get_by_role("button", name="Load the demo").click()
    expect(page.locator(".digits button")).to_have_count(SHOWN, timeout=20_000)


def probabilities(published, name: str, picture: int) -> list[tuple[str, float]]:
    """The three likeliest classes by PyTorch's logits."""
    [listed] = re.findall(r"CLASSES = \[(.*?)\]", (SCRIPTS / "switches.js").read_text())
    classes = listed.replace('"', "").split(", ")
    found = load_file(published[0] / FILES[1])[name][picture].softmax(0)
    return [(classes[k], found[k].item()) for k in found.argsort(descending=True)[:3]]


def test_turning_shortcuts_off_changes_the_answer_as_pytorch_says_and_back(page, published):
    begin(page)
    status = page.get_by_role("status")

    def told(name: str, picture: int = 0) -> re.Pattern:
        (best, value), *_ = probabilities(published, name, picture)
        return re.compile(rf"{best}, {100 * value:.0f}" if 0.0995 <= value < 0.995 else rf"{best}, {100 * value:.1f}")

    expect(status).to_have_text(re.compile("^All shortcuts on: "))
    expect(status).to_have_text(told("logits"))
    page.get_by_label("Shortcut 2", exact=True).uncheck()
    expect(status).to_have_text(re.compile("^Shortcut 2 off: "))
    expect(status).to_have_text(told("without_second"))
    page.get_by_role("button", name="All off").click()
    expect(status).to_have_text(re.compile("^All shortcuts off: "))
    expect(status).to_have_text(told("without_any"))
    page.locator(".digits button").nth(7).click()
    expect(status).to_have_text(told("without_any", 7))
    page.get_by_role("button", name="All on").click()
    expect(status).to_have_text(told("logits", 7))
    names = page.locator(".chosen .probability").all_inner_texts()
    assert [name.split()[0] for name in names] == [name for name, _ in probabilities(published, "logits", 7)]


def test_the_maps_follow_the_switches(page):
    begin(page)
    maps = "all => all.map((canvas) => canvas.toDataURL())"
    before = page.locator(".strip canvas").evaluate_all(maps)
    assert len(before) == 9 and len(set(before)) == 9
    page.get_by_label("Shortcut 4", exact=True).uncheck()
    expect(page.get_by_role("status")).to_have_text(re.compile("^Shortcut 4 off"))
    after = page.locator(".strip canvas").evaluate_all(maps)
    assert after[:3] == before[:3] and all(a != b for a, b in zip(after[3:], before[3:], strict=True))


def test_a_picture_of_ones_own_is_classified_and_anything_else_is_told(page, published):
    from PIL import Image

    begin(page)
    status, chosen = page.get_by_role("status"), page.locator(".demo input[type=file]")
    fourth = Image.fromarray(ARRAYS["test_images"][3]).resize((96, 96), Image.Resampling.NEAREST)
    wide = Image.new("RGB", (160, 96), "red")
    wide.paste(fourth, (32, 0))
    wide.save(file := io.BytesIO(), "PNG")
    before = status.inner_text()
    chosen.set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": file.getvalue()})
    expect(status).not_to_have_text(before)
    expect(page.locator('.digits button[aria-pressed="true"]')).to_have_count(0)
    assert "labelled" not in status.inner_text()
    own = page.locator(".chosen canvas").evaluate(
        "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, 32, 32).data)"
    )
    apart = np.array(own).reshape(32, 32, 4)[..., :3].astype(int) - ARRAYS["test_images"][3]
    assert np.abs(apart).mean() < 25  # its middle square, shrunk back: noise smoothed a little, not the red beside it
    chosen.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    expect(page.get_by_role("alert")).to_have_text("notes.txt is no picture that this browser can read.")


def test_the_page_states_the_digest_that_the_ledger_has_and_how_near_it_computes(page, published):
    begin(page)
    told = page.locator(".artefacts summary")
    expect(told).to_contain_text("matches the ledger")
    expect(told).to_contain_text(sha256((published[0] / FILES[0]).read_bytes()).hexdigest()[:12])
    told.click()
    apart = re.search(r"differ by (\S+) at most", page.locator(".artefacts p").inner_text())
    assert apart and float(apart[1]) < 1e-4


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_tampered_with_is_refused(browser, site, published, name):
    def tamper(route):
        body = bytearray((published[0] / name).read_bytes())
        body[-1] ^= 1
        route.fulfill(body=bytes(body))

    with shown(browser, site) as page:
        page.route(f"**/{name}", tamper)
        page.get_by_role("button", name="Load the demo").click()
        expect(page.get_by_role("alert")).to_contain_text(f"{name} is not the file of the ledger", timeout=20_000)
        assert page.locator(".digits").count() == 0
        page.unroute(f"**/{name}")
        begin(page)  # and the right file, asked for again, runs


def test_the_demo_is_used_with_the_keyboard_alone(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".digits button").first).to_be_focused(timeout=20_000)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.locator(".digits button").nth(COLUMNS + 1).get_attribute("aria-pressed") == "true"
    for _ in range(SHOWN):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "checkbox":
            break
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_have_text(re.compile("^Shortcut 1 off: "))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_demo_fits_every_width_and_can_be_touched(browser, site, width):
    with shown(browser, site, width=width) as page:
        begin(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".demo button, .demo .choice label").evaluate_all(SMALLEST) >= 24


def test_the_poster_holds_the_pictures_as_they_are():
    from PIL import Image

    pictures = torch.from_numpy(ARRAYS["test_images"][:SHOWN])
    svg = poster(pictures)
    [encoded] = re.findall(r"base64,([^\"]+)", svg)
    packed = base64.b64decode(encoded)
    pixels = np.asarray(Image.open(io.BytesIO(packed)))
    assert pixels.shape == (2 * 32 + GAP, COLUMNS * (32 + GAP) - GAP, 4)
    assert np.array_equal(pixels[32 + GAP :, 32 + GAP : 64 + GAP, :3], ARRAYS["test_images"][COLUMNS + 1])
    assert pixels[40, 33, 3] == 0 and poster(pictures) == svg


def test_the_scripts_are_small():
    assert sum(len(gzip.compress(path.read_bytes())) for path in SCRIPTS.glob("*.js")) <= 10_000
