"""The demos' Python side: the graphs compute what PyTorch computes, and the stage publishes what the pages need."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from captioner import Publishing, halves, trained
from posts.transformer.captions import captions, made_captions
from posts.transformer.data import encode, read_subwords, sentences
from posts.transformer.decode import Search, TransformerSteps, beam_search, greedy, steps_of
from posts.transformer.demo import SHOWN, attention_maps, choose, label, poster, publish
from posts.transformer.evaluate import load
from posts.transformer.export import Sizes, export_decoder, export_encoder, stored
from posts.transformer.model import END, START, Transformer
from safetensors.torch import save_file
from torch import Tensor

VOCABULARY, HEADS, D_K, LAYERS = 23, 2, 8, 3
SIZES = Sizes(LAYERS, HEADS, D_K)
SMALL = {"layers": LAYERS, "d_model": 20, "d_ff": 24, "heads": HEADS, "d_k": D_K}


def random_model(folder: Path, seed: int, **options) -> Transformer:
    """A model that tells its tokens apart, in weights.safetensors, with its two graphs beside it."""
    rng = torch.Generator().manual_seed(seed)
    model = Transformer(VOCABULARY, rng, **SMALL, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng), alpha=0.3)
    weights = folder / "weights.safetensors"
    halves(model, weights)
    export_encoder(weights, SIZES, folder / "encoder.onnx")
    export_decoder(weights, SIZES, folder / "decoder.onnx")
    return model.eval()


class OnnxSteps:
    """The graphs as decode.py's `Steps`."""

    def __init__(self, folder: Path, source_BS: Tensor, hypotheses: int):
        ((encoder,), (decoder,)) = (folder.glob(f"*{name}.onnx") for name in ("encoder", "decoder"))
        self.decoder = onnxruntime.InferenceSession(decoder)
        found = onnxruntime.InferenceSession(encoder).run(None, {"source": source_BS.int().numpy()})
        self.source = [np.repeat(part, hypotheses, axis=1) for part in found]
        layers, rows, heads, _, width = self.source[0].shape
        self.pasts = [np.zeros((layers, rows, heads, 0, width), np.float32)] * 2
        self.parents = np.arange(rows, dtype=np.int32)

    def next(self, tokens_R: Tensor) -> Tensor:
        names = ("past_keys", "past_values", "source_keys", "source_values")
        inputs = dict(zip(names, [*self.pasts, *self.source], strict=True))
        made = self.decoder.run(None, inputs | {"tokens": tokens_R.int().numpy(), "parents": self.parents})
        logits, *self.pasts, self.attention = made
        self.parents = np.arange(len(logits), dtype=np.int32)
        return torch.from_numpy(logits)

    def reorder(self, rows_R: Tensor) -> None:
        self.parents = rows_R.int().numpy()

    def keep(self, rows_R: Tensor) -> None:
        self.reorder(rows_R)
        self.source = [part[:, rows_R.numpy()] for part in self.source]


def sources(count: int, length: int, seed: int = 0) -> Tensor:
    rows = torch.randint(4, VOCABULARY, (count, length), generator=torch.Generator().manual_seed(seed))
    rows[:, -1] = END
    return rows


OPTIONS = [{}, {"tied": False}, {"positions": "learned"}]


@torch.inference_mode()
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(2))
def test_each_step_of_the_graphs_is_pytorchs(tmp_path, seed, options):
    model, source = random_model(tmp_path, seed, **options), sources(3, 6)
    here, there = TransformerSteps(model, source, 2), OnnxSteps(tmp_path, source, 2)
    for layer, memory in enumerate(here.memories):
        for expected, found in zip(memory, there.source, strict=True):
            torch.testing.assert_close(torch.from_numpy(found[layer]), expected, rtol=1e-4, atol=1e-5)
    tokens, rng = torch.full((6,), START), torch.Generator().manual_seed(seed)
    for _ in range(5):
        logits = here.next(tokens)
        torch.testing.assert_close(there.next(tokens), logits, rtol=1e-4, atol=1e-4)
        for layer, past in enumerate(here.pasts):
            torch.testing.assert_close(torch.from_numpy(there.pasts[0][layer]), past.k, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(torch.from_numpy(there.pasts[1][layer]), past.v, rtol=1e-4, atol=1e-5)
        tokens = torch.randint(4, VOCABULARY, (6,), generator=rng)
        rows = torch.tensor([1, 0, 2, 2, 5, 4])  # as a beam goes on: hypotheses change places, one replaces another
        here.reorder(rows)
        there.reorder(rows)
    assert (logits[0] - logits[5]).abs().max() > 0.1  # they differ, so that a wrong row would show


def same_translations(model: Transformer, folder: Path, source: Tensor) -> list[list[int]]:
    """Greedy and beam search by the graphs are those by PyTorch, token for token; returns what they find."""
    search = Search(3, 0.6, 12)
    found = [greedy(begin, source, 12) for begin in (steps_of(model), lambda *given: OnnxSteps(folder, *given))]
    wide = [beam_search(begin, source, search) for begin in (steps_of(model), lambda *given: OnnxSteps(folder, *given))]
    assert found[0] == found[1]
    assert wide[0] == wide[1]
    return found[0] + wide[0]


@pytest.mark.parametrize("options", OPTIONS)
def test_whole_translations_by_the_graphs_are_pytorchs_token_for_token(tmp_path, options):
    found = []
    for seed in range(4):
        model = random_model(tmp_path, seed, **options)
        found += same_translations(model, tmp_path, sources(4, 7, seed))
    assert len({tuple(row) for row in found}) >= 4  # else any constant would do


@torch.inference_mode()
def test_one_source_serves_all_rows_and_its_attention_is_that_of_the_whole_sentence(tmp_path):
    model, source = random_model(tmp_path, 0), sources(1, 6)
    written = [7, 11, 5]
    steps = OnnxSteps(tmp_path, source, 1)
    steps.parents = np.zeros(3, np.int32)  # the first step has one row of pasts, and makes three
    cross = attention_maps(model, source[0].tolist(), written)["cross"]
    for t, token in enumerate([START, *written]):
        steps.next(torch.full((3,), token))
        for row in range(3):
            torch.testing.assert_close(torch.from_numpy(steps.attention[:, row]), cross[:, :, t], rtol=1e-4, atol=1e-5)
    assert cross.std() > 0.01
    assert steps.pasts[0].shape == (LAYERS, 3, HEADS, 4, D_K)


def test_the_graphs_hold_no_weights_and_name_those_in_the_file(tmp_path):
    random_model(tmp_path, 0)
    assert max((tmp_path / f"{name}.onnx").stat().st_size for name in ("encoder", "decoder")) < 40_000
    whole = onnxruntime.InferenceSession(tmp_path / "decoder.onnx")
    assert whole.get_outputs()[0].shape == ["rows", VOCABULARY]
    path = tmp_path / "weights.safetensors"
    content = bytearray(path.read_bytes())
    (place,) = (int(e.value) for e in stored(path)["logits_weight"].external_data if e.key == "offset")
    before = OnnxSteps(tmp_path, sources(1, 4), 1).next(torch.tensor([START]))
    content[place : place + 40] = bytes(40)  # the embedding of the first token, which is padding
    path.write_bytes(content)
    after = OnnxSteps(tmp_path, sources(1, 4), 1).next(torch.tensor([START]))
    assert after[0, 0] == 0 != before[0, 0]
    torch.testing.assert_close(after[0, 1:], before[0, 1:])


def test_weights_of_an_unknown_type_are_refused(tmp_path):
    save_file({"logits_weight": torch.zeros(2, 2, dtype=torch.bfloat16)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w.safetensors: logits_weight is BF16, expected one of F16, F32"):
        stored(tmp_path / "w.safetensors")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    config = trained(folder)
    publish(Publishing(folder, config))
    return folder, config


def test_the_weights_and_subwords_are_published_byte_for_byte(published):
    folder, _ = published
    for kept, shown in (("averaged", "translate.weights.safetensors"), ("subwords", "translate.subwords.json")):
        (original,) = folder.glob(f"{kept}.*")
        assert (folder / "demo" / shown).read_bytes() == original.read_bytes()


def test_the_published_graphs_translate_as_the_trained_model_does(published):
    folder, config = published
    tokenizer = read_subwords(folder / "subwords.json")
    model = load(config, folder / "averaged.safetensors")
    rows = encode(tokenizer, [english for english, _ in captions()], config.longest)
    for length in sorted(map(len, rows))[:: len(rows) // 3]:  # nothing is masked: sentences of one length
        found = same_translations(model, folder / "demo", torch.tensor([row for row in rows if len(row) == length]))
        assert len({tuple(row) for row in found}) >= 2


def test_the_stage_publishes_the_same_bytes_each_time(published, tmp_path):
    folder, config = published
    for path in folder.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    publish(Publishing(tmp_path, config))
    made = {path.name: path.read_bytes() for path in (folder / "demo").iterdir()}
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "demo").iterdir()}
    assert {name.partition(".")[0] for name in made} == {"translate", "attention"}


@torch.inference_mode()
def test_the_examples_are_what_pytorch_makes_of_validation_sentences(published):
    folder, config = published
    told = json.loads((folder / "demo/translate.json").read_text())
    tokenizer = read_subwords(folder / "subwords.json")
    model = load(config, folder / "averaged.safetensors")
    assert (told["beam"], told["length_penalty"]) == (config.beam, config.length_penalty)
    assert len(told["examples"]) == 3
    for example in told["examples"]:
        assert example["text"] in sentences(made_captions.load(), "val_en")
        assert example["source"] == encode(tokenizer, [example["text"]], config.longest)[0]
        source = torch.tensor([example["source"]])
        assert [example["greedy"]] == greedy(steps_of(model), source, config.longer)
        search = Search(config.beam, config.length_penalty, config.longer)
        assert [example["written"]] == beam_search(steps_of(model), source, search)
        assert example["translation"] == tokenizer.decode(example["written"])
        tokens = [START, *example["written"], END]
        log_p = model.logits(model(source, torch.tensor([tokens[:-1]])))[0].log_softmax(-1)
        total = sum(float(log_p[t, token]) for t, token in enumerate(tokens[1:]))
        assert example["score"] == pytest.approx(total / (len(tokens) - 1), abs=1e-4)
    assert len({example["translation"] for example in told["examples"]}) > 1


def test_the_attention_maps_are_distributions_and_the_decoders_look_back_only(published):
    folder, config = published
    told = json.loads((folder / "demo/attention.json").read_text())
    source, written, read = len(told["source"]), len(told["written"]), len(told["read"])
    assert written == read
    shapes = {"encoder": (source, source), "decoder": (written, written), "cross": (written, source)}
    for kind, (queries, keys) in shapes.items():
        weights = torch.tensor(told["maps"][kind])
        assert weights.shape == (config.layers, config.heads, queries, keys)
        assert (weights.sum(-1) - 1000).abs().max() <= keys / 2  # rounded to thousandths
    assert torch.tensor(told["maps"]["decoder"]).triu(1).eq(0).all()
    assert torch.tensor(told["maps"]["encoder"]).triu(1).gt(0).any()
    assert told["read"] == ["<s>", *told["written"][:-1]]
    assert told["written"][-1] == told["source"][-1] == "</s>"


def test_examples_are_the_first_sentences_that_fit_and_others_only_where_those_run_out(published):
    tokenizer = read_subwords(published[0] / "subwords.json")
    fits, long = "A man in a red shirt is sitting on the beach.", "A boy " + "in a red shirt " * 5
    assert choose(tokenizer, [long, fits, long, fits[:-1]]) == [fits, fits[:-1], long]


def test_weights_of_another_model_are_refused(published):
    folder, config = published
    with pytest.raises(ValueError, match=r"averaged.safetensors does not hold the weights of the model"):
        load(replace(config, d_ff=config.d_ff + 1), folder / "averaged.safetensors")


def test_a_poster_shows_each_weight_that_can_be_seen_and_names_the_tokens(tmp_path):
    weights = torch.tensor([[0.9, 0.1, 0.0], [SHOWN / 2, 0.5, 0.49]])
    poster(tmp_path / "p.svg", weights, ["▁Ein", "er"], ["▁A", "'", "s"], "one head")
    svg = (tmp_path / "p.svg").read_text()
    squares = re.findall(r"opacity: ([\d.]+)", svg)
    assert [float(one) for one in squares] == [0.95, 0.32, 0.71, 0.7]
    for text in ("Ein", "·er", "A", "'", "·s", "one head"):
        assert f">{text}</text>" in svg
    assert not (tmp_path / "p.csv").exists()


SHOWN_AS = [("▁Mann", "Mann"), ("schaft", "·schaft"), (".", "."), ("▁", "_"), ("</s>", "</s>")]


@pytest.mark.parametrize(("token", "shown"), SHOWN_AS)
def test_a_token_is_shown_as_people_read_it(token, shown):
    assert label(token) == shown
