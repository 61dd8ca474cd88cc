"""The demo's arithmetic in JavaScript beside PyTorch's, and the stage that publishes what the demo needs."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from posts.gan.demo import COLUMNS, FRACTIONS, GAP, ROWS, load_discriminator, poster, publish
from posts.gan.evaluate import load_generator
from posts.gan.experiment import Config
from posts.gan.model import Discriminator, Generator
from safetensors.torch import load_file, save_file
from webpages import served

SCRIPTS = Path(__file__).parents[2] / "code/posts/gan/demo"


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
        context = browser.new_context()
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
