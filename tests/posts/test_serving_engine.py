"""The engine of the post serving: batches, prefixes, chunks, cancels, adapters, text, on a tiny random model."""

import json
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from posts.serving import linear, lora
from posts.serving.engine import Engine, Limits, Refused, Request, complete
from posts.serving.model import PAGE, KVCache, build, whole
from posts.serving.pages import Full, Pages, digest
from posts.serving.sampling import BadGrammar, Sampling, json_grammar
from posts.serving.text import Detokeniser, Stops, byte_table
from posts.serving.weights import TINY, random_model

BASE = random_model(0)
MODEL = build(BASE.shape, BASE.weights)
TABLE = byte_table(BASE.tokenizer, TINY.vocabulary)
TOLERANCE = 2e-3  # of a score, between ways to compute the same: sums in another order


def engine(**limits):
    return Engine(MODEL, BASE, Limits(**{"pages": 64, "context": 512} | limits))


def prompts(count, seed=0, longest=90):
    rng = random.Random(seed)
    return [tuple(rng.randrange(256) for _ in range(rng.randint(1, longest))) for _ in range(count)]


def scores(tokens):
    step, pages = whole(TINY, tokens)
    return MODEL.forward(step, KVCache(TINY, pages))


def plain_greedy(prompt, count):
    """One sequence, all of it computed again for each token; and the smallest margin of a choice."""
    tokens, margins = list(prompt), []
    for _ in range(count):
        best = scores(tokens)[-1].topk(2)
        margins.append(float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
        if tokens[-1] in BASE.eos:
            break
    return tuple(tokens[len(prompt) :]), margins


def agrees(answer, prompt, count):
    """Tokens are those of the plain way, up to the first choice that the tolerance leaves open."""
    expected, margins = plain_greedy(prompt, count)
    for ours, theirs, margin in zip(answer.tokens, expected, margins, strict=False):
        if ours != theirs:
            return margin < TOLERANCE
    return len(answer.tokens) == len(expected)


def greedy(id, prompt, count=12, **other):
    return Request(id, prompt, Sampling(max_tokens=count), **other)


@pytest.mark.parametrize("limits", [{}, {"budget": 7, "chunk": 5}, {"sequences": 2}, {"share": False}])
def test_a_batch_gives_each_request_what_it_gets_alone(limits):
    asked = prompts(9)
    answers = complete(engine(**limits), [greedy(str(n), prompt) for n, prompt in enumerate(asked)])
    assert all(agrees(answers[str(n)], prompt, 12) for n, prompt in enumerate(asked))


def test_the_comparison_would_notice_another_prompt():
    one, other = prompts(2, seed=5)
    answer = complete(engine(), [greedy("a", one)])["a"]
    assert not agrees(answer, other, 12)


def test_scores_in_chunks_over_pages_are_those_of_the_whole_within_the_tolerance():
    (prompt,) = prompts(1, seed=3)
    made, seen = engine(chunk=3, budget=3), []
    forward = MODEL.forward
    made.model = type("Spy", (), {"shape": TINY, "forward": lambda self, *a: seen.append(forward(*a)) or seen[-1]})()
    complete(made, [greedy("a", prompt, 1)])
    assert (seen[-1][-1] - scores(prompt)[-1]).abs().max() < TOLERANCE


def test_a_cached_prefix_changes_no_answer_and_saves_its_tokens():
    shared = tuple(random.Random(1).randrange(256) for _ in range(3 * PAGE))
    asked = [shared + rest for rest in prompts(4, seed=2, longest=20)]
    warm = engine()
    complete(warm, [greedy("first", asked[0])])
    for n, prompt in enumerate(asked):
        answer = complete(warm, [greedy(f"{n}", prompt)])[f"{n}"]
        assert answer.end.cached_tokens >= 3 * PAGE
        assert agrees(answer, prompt, 12)
    cold = engine(share=False)
    complete(cold, [greedy("first", asked[0])])
    assert complete(cold, [greedy("again", asked[0])])["again"].end.cached_tokens == 0


def test_where_pages_run_out_the_youngest_waits_and_all_end():
    asked = prompts(6, seed=4, longest=40)
    tight = engine(pages=9, sequences=6)
    answers = complete(tight, [greedy(str(n), prompt, 50) for n, prompt in enumerate(asked)])
    assert tight.preemptions > 0 and not tight.problems()
    assert all(agrees(answers[str(n)], prompt, 50) for n, prompt in enumerate(asked))


def test_a_thousand_random_cancels_leave_every_page_free():
    rng, made = random.Random(0), engine(pages=24, sequences=5, budget=32, chunk=16)
    alive, cancelled, number = [], 0, 0
    while cancelled < 1000:
        while len(alive) < 8:
            made.submit(greedy(str(number), prompts(1, seed=number, longest=60)[0], rng.randint(1, 30)))
            alive.append(str(number))
            number += 1
        for id in rng.sample(alive, rng.randint(0, 4)):
            made.cancel(id)
        for event in made.step():
            if event.reason:
                alive.remove(event.id)
                cancelled += event.reason == "cancelled"
        assert not made.problems()
    while not made.idle:
        made.step()
    assert made.pages.available == made.pages.total and made.pages.used == 0


def test_a_page_that_is_lost_is_noticed():
    made = engine()
    made.submit(greedy("a", prompts(1)[0]))
    made.step()
    assert not made.problems()
    made.running[0].pages.pop()
    assert made.problems()


def test_a_cancelled_turn_leaves_the_next_one_alone():
    (prompt,) = prompts(1, seed=6)
    made = engine()
    made.submit(greedy("gone", prompt, 100))
    for _ in range(5):
        made.step()
    made.cancel("gone")
    assert [event.reason for event in made.step()] == ["cancelled"]
    before = made.computed
    assert made.step() == [] and made.computed == before
    assert agrees(complete(made, [greedy("next", prompt)])["next"], prompt, 12)


def test_a_deadline_ends_a_request_wherever_it_is():
    now = [0.0]
    made = Engine(MODEL, BASE, Limits(pages=64, sequences=1, context=512), clock=lambda: now[0])
    made.submit(greedy("runs", prompts(1)[0], 100, deadline=5.0))
    made.submit(greedy("waits", prompts(1)[0], 100, deadline=3.0))
    made.step()
    now[0] = 4.0
    assert [(event.id, event.reason) for event in made.step() if event.reason] == [("waits", "deadline")]
    now[0] = 6.0
    assert [(event.id, event.reason) for event in made.step() if event.reason] == [("runs", "deadline")]


def test_what_can_never_be_served_is_refused_with_the_numbers():
    made = engine(pages=4)
    with pytest.raises(Refused, match="60 tokens of prompt and 12 to write are more than the 64"):
        made.submit(greedy("a", (1,) * 60))
    with pytest.raises(Refused, match="empty"):
        made.submit(greedy("a", ()))
    with pytest.raises(Refused, match='no adapter "sqk" is loaded'):
        made.submit(greedy("a", (1,), adapter="sqk"))


@given(st.text(max_size=30), st.data())
@settings(max_examples=60, deadline=None)
def test_text_is_the_same_however_bytes_are_cut(text, data):
    ids = [TABLE.index(bytes([byte])) for byte in text.encode()]
    made = Detokeniser(TABLE)
    assert "".join(map(made.add, ids)) + made.end() == text
    broken = ids[: data.draw(st.integers(0, len(ids)))]
    made = Detokeniser(TABLE)
    assert "".join(map(made.add, broken)) + made.end() == bytes(TABLE[n][0] for n in broken).decode(errors="replace")


@given(st.text("abé", max_size=24), st.lists(st.text("abé", min_size=1, max_size=5), max_size=3), st.data())
@settings(max_examples=300, deadline=None)
def test_stop_strings_cut_the_same_place_however_text_comes(text, stops, data):
    places = [at for stop in stops if (at := text.find(stop)) >= 0]
    expected = text[: min(places)] if places else text
    made, shown, rest = Stops(stops), "", text
    first = next((len(text[:n]) for n in range(len(text) + 1) if any(stop in text[:n] for stop in stops)), None)
    if first is not None:  # the stop string that is complete first is the one that counts
        places = [at for stop in stops if (at := text[:first].find(stop)) >= 0]
        expected = text[: min(places)]
    while rest and not made.done:
        n = 1 if first is not None else data.draw(st.integers(1, len(rest)))
        shown, rest = shown + made.add(rest[:n]), rest[n:]
        assert not any(stop in shown for stop in stops)
    assert shown + made.end() == expected


def test_no_beginning_of_a_stop_string_is_shown_before_it_is_known():
    made = Stops(["END"])
    assert [made.add(part) for part in ("one E", "N", "Emy EN", "D after")] == ["one ", "", "ENEmy ", ""]
    assert made.done and made.end() == ""
    made = Stops(["END"])
    assert made.add("the EN") + made.end() == "the EN"


def test_the_same_seed_draws_the_same_text_in_any_company_and_another_seed_another():
    (prompt,) = prompts(1, seed=8)

    def drawn(seed, company):
        asked = [Request("x", prompt, Sampling(max_tokens=20, temperature=1.0, top_p=0.9, seed=seed))]
        return complete(engine(), asked + [greedy(str(n), other) for n, other in enumerate(company)])["x"].tokens

    assert drawn(1, []) == drawn(1, prompts(3, seed=9)) != drawn(2, [])


def test_draws_follow_the_probabilities_and_top_p_cuts_the_tail():
    from posts.serving.sampling import Chooser

    p = torch.tensor([0.5, 0.3, 0.15, 0.05] + [0.0] * (TINY.vocabulary - 4)).clamp_min(1e-12)
    chooser = Chooser(Sampling(temperature=1.0, seed=3), engine().grammars)
    counts = torch.bincount(torch.tensor([chooser.choose(p.log()) for _ in range(4000)]), minlength=4)
    assert (counts[:4] / 4000 - p[:4]).abs().max() < 0.03
    chooser = Chooser(Sampling(temperature=1.0, top_p=0.75, seed=3), engine().grammars)
    assert {chooser.choose(p.log()) for _ in range(500)} == {0, 1}


def test_a_bias_moves_the_choice_and_a_schema_leaves_only_json():
    (prompt,) = prompts(1, seed=10)
    biased = Request("a", prompt, Sampling(max_tokens=3, logit_bias={65: 1e4}))
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9, "minimum": 0}}, "required": ["n"]}
    schema["additionalProperties"] = False
    bound = Request("b", prompt, Sampling(max_tokens=40, grammar=json_grammar(schema)))
    answers = complete(engine(), [biased, bound, greedy("free", prompt)])
    assert answers["a"].tokens == (65, 65, 65)
    assert 0 <= json.loads(answers["b"].text)["n"] <= 9 and answers["b"].end.reason == "stop"
    with pytest.raises(ValueError):
        json.loads(answers["free"].text)


def test_a_grammar_that_cannot_be_is_refused_before_it_runs():
    with pytest.raises(BadGrammar):
        engine().submit(Request("a", (1,), Sampling(grammar="start: nothing_here")))


def test_adapters_are_per_request_and_a_reload_leaves_those_on_their_way_alone():
    (prompt,) = prompts(1, seed=11)
    one, two = (lora.read("sql", lora.random_adapter(TINY, seed), TINY) for seed in (1, 2))
    made = engine()
    made.load(one)
    alone = complete(made, [greedy("a", prompt, adapter="sql")])["a"].tokens
    base = complete(made, [greedy("b", prompt)])["b"].tokens
    mixed = complete(made, [greedy("a", prompt, adapter="sql"), greedy("b", prompt)])
    assert mixed["a"].tokens == alone != base == mixed["b"].tokens
    made.submit(greedy("begun", prompt, adapter="sql"))
    tokens = [event.token for event in made.step()]
    made.load(two)
    while not made.idle:
        tokens += [event.token for event in made.step()]
    assert tuple(token for token in tokens if token is not None) == alone
    assert complete(made, [greedy("after", prompt, adapter="sql")])["after"].tokens != alone


def test_an_adapter_is_what_its_product_says():
    adapter = lora.read("a", lora.random_adapter(TINY, 1), TINY)
    weights = dict(BASE.weights)
    for layer in range(TINY.layers):
        for part, names in {"o": ["attention.o"], "down": ["mlp.down"]}.items():
            a, b = adapter.pairs[layer, part]
            weights[f"blocks.{layer}.{names[0]}.weight"] = weights[f"blocks.{layer}.{names[0]}.weight"] + (a @ b).t()
    only = lora.Adapter("a", adapter.digest, {k: v for k, v in adapter.pairs.items() if k[1] in ("o", "down")})
    merged = build(TINY, weights)
    step, pages = whole(TINY, prompts(1)[0])
    step.adapted = lora.Mixed([(only, torch.arange(len(step.tokens_N)))])
    ours = MODEL.forward(step, KVCache(TINY, pages))
    step.adapted = None
    torch.testing.assert_close(ours, merged.forward(step, KVCache(TINY, pages)), atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda content: content[:100], "no safetensors file"),
        (lambda content: b"", "no safetensors file"),
        (lambda content: content.replace(b"0.down.", b"9.down."), "9.down is no product of 2 layers"),
        (lambda content: content[:-8] + b"\x00\x00\xc0\x7f" + content[-4:], "not finite"),
    ],
)
def test_a_damaged_adapter_is_refused_with_what_is_wrong(damage, told):
    with pytest.raises(lora.BadAdapter, match=told):
        lora.read("a", damage(lora.random_adapter(TINY, 1)), TINY)


def test_int8_is_close_and_outliers_are_why_it_needs_columns_in_float32():
    torch.manual_seed(0)
    x, w = torch.randn(40, 128), torch.randn(96, 128)
    x[:, 7] *= 300
    exact = x @ w.t()

    def error(kept, smooth):
        made = linear.Int8(w, x.abs().amax(0), kept, smooth)(x)
        return float((made - exact).abs().mean() / exact.abs().mean())

    assert error(4, 0.5) < 0.002 < 0.2 * error(0, 0.0)


def test_the_model_in_int8_writes_what_the_float32_one_does_where_the_margin_allows():
    asked = prompts(6, seed=12)
    largest = linear.calibrate(MODEL, [list(prompt) for prompt in asked])
    small = linear.quantised(MODEL, largest, linear.Recipe(kept=16))
    step, pages = whole(TINY, asked[0])
    exact, close = MODEL.forward(step, KVCache(TINY, pages)), small.forward(step, KVCache(TINY, pages))
    assert 0 < (exact - close).abs().mean() < 0.1 * exact.std()
    with pytest.raises(TypeError, match="only a float32 product"):
        linear.quantised(small, largest, linear.Recipe())


class TestPages:
    def test_taken_matched_and_released(self):
        pages = Pages(3)
        tokens = list(range(2 * PAGE + 1))
        own = [pages.take(), pages.take()]
        first = digest(b"", tokens[:PAGE])
        pages.seal(own[0], first)
        pages.seal(own[1], digest(first, tokens[PAGE : 2 * PAGE]))
        again, _ = pages.match(b"", tokens)
        assert (again == own and pages.owners == [0, *[2] * 2]) or pages.owners.count(2) == 2
        assert pages.match(b"other weights", tokens)[0] == []
        assert pages.match(b"", tokens[: 2 * PAGE])[0] == own[:1]  # something must be left to compute
        pages.release(own[:1])
        pages.release(own)
        pages.release(again)
        assert not pages.problems([]) and pages.available == 3
        assert [pages.take() for _ in range(3)] and pages.evicted == 2
        with pytest.raises(Full):
            pages.take()


def test_a_column_is_large_beside_its_row_and_not_because_one_row_is_large():
    torch.manual_seed(0)
    x = torch.randn(200, 64)
    x[:, 5] *= 8
    x[0] *= 1000
    x[0, 9] = 20_000.0
    watch = linear.Watching(linear.Float32(torch.eye(64)), 64)
    watch(x)
    sizes = watch.sizes()
    assert int(sizes["typical"].argmax()) == 5 and int(sizes["largest"].argmax()) == 9
