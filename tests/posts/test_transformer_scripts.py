"""What the demo computes beside its model: subwords as the library cuts them, and the search of decode.py."""

import random
import shutil

import pytest
import torch
from demopage import ROOT
from posts.transformer.captions import captions
from posts.transformer.data import train_subwords
from posts.transformer.decode import Search, beam_search, length_penalty
from posts.transformer.model import END, START, UNKNOWN
from webpages import opened, served

SCRIPTS = ROOT / "code/posts/transformer/demo"


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """An empty page beside the demo's modules; at its end, whatever it complained about fails the test."""
    folder = tmp_path_factory.mktemp("scripts")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    (folder / "index.html").write_text('<!doctype html><title>Scripts</title><link rel="icon" href="data:,">')
    with served(folder) as address, opened(browser, address) as (page, watch):
        yield page
        assert watch.problems == []


def run(page, body: str, *values):
    """The value of a piece of JavaScript beside the demo's modules."""
    return page.evaluate(f"async (values) => {{ const at = '/'; {body} }}", list(values))


AWKWARD = [
    "",
    " ",
    "  two  spaces ",
    "Ein kleines Mädchen übt auf der Straße.",
    "Ein kleines Ma\u0308dchen, zerlegt geschrieben",
    'He said: "it\'s—well…" („so“) [sic] {x} <y> $5 + 3% = a/b^2 `~|\\',
    "▁already▁marked ▁ and this",
    "tabs\tand\nlines\u00a0and\u2003spaces",
    "漢字 и кириллица, ελληνικά, 👩‍🚀 and 🇩🇪",
    "<s> a </s><pad>b<unk>",
    "A<s>",
    "ﬁ ligature, Å as \u212b, ¡hola! «quoted» ‹so›",
    "don't stop-motion 3.5x 1,000",
]


def sentences() -> list[str]:
    """Captions, awkward cases, and strings that chance makes of what is awkward about them."""
    alphabet = [
        *"aeinrst ABÄäöüß  ▁.,!?\"'’„“-–()[]<>$+^`~|@#%&*_=/\\:;0123456789",
        "\u0308",
        "\t",
        "\u00a0",
        "é",
        "漢",
        "👍",
    ]
    alphabet += ["<s>", "</s>", "<pad>", "<unk>", " man ", "Straße", "Mädchen"]
    rng = random.Random(0)
    drawn = ["".join(rng.choices(alphabet, k=rng.randrange(1, 30))) for _ in range(400)]
    return [*AWKWARD, *drawn, *(text for pair in captions() for text in pair)]


CODED = """const { Subwords } = await import(at + "subwords.js"), subwords = new Subwords(JSON.parse(values[0]));
    const ids = values[1].map((text) => subwords.encode(text));
    return [ids, (values[2] ?? ids).map((row) => subwords.decode(row))];"""


@pytest.mark.parametrize("size", [120, 600])
def test_the_page_cuts_sentences_as_the_library_does(page, size):
    texts = sentences()
    tokenizer = train_subwords([text for text in texts if "<" not in text], size)
    ids, decoded = run(page, CODED, tokenizer.to_str(), texts)
    for text, found, back in zip(texts, ids, decoded, strict=True):
        expected = tokenizer.encode(text).ids
        assert found == expected, text
        assert back == tokenizer.decode(expected), text
    assert max(map(len, ids)) > 10


def test_characters_that_were_never_seen_are_unknown_one_by_one(page):
    tokenizer = train_subwords([text for pair in captions() for text in pair], 200)
    ((ids,), (back,)) = run(page, CODED, tokenizer.to_str(), ["A 漢字 man"])
    assert ids == tokenizer.encode("A 漢字 man").ids
    assert ids.count(UNKNOWN) == 2
    assert back == "A  man"


class Table:
    """Steps whose logits depend on the position, the newest token and the one before: what a beam can go wrong on."""

    def __init__(self, logits_LVVX: torch.Tensor, rows: int):
        self.logits, self.position = logits_LVVX, 0
        self.newest = self.before = torch.zeros(rows, dtype=torch.long)

    def next(self, tokens_R: torch.Tensor) -> torch.Tensor:
        self.before, self.newest, self.position = self.newest, tokens_R, self.position + 1
        return self.logits[self.position - 1, self.before, self.newest]

    def reorder(self, rows_R: torch.Tensor) -> None:
        self.newest = self.newest[rows_R]

    keep = reorder


SEARCHED = """const { beamSearch } = await import(at + "beam.js"), [logits, settings, limit] = values;
    let newest = [0], position = 0;
    const step = async (tokens, parents) => {
        const before = parents.map((row) => newest[row]), at = position++;
        newest = tokens;
        const given = (row) => Float32Array.from(logits[at][before[row]][tokens[row]]);
        return { logits: given, map: (row) => [at, tokens[row]] };
    };
    return beamSearch(step, settings, limit);"""


@pytest.mark.parametrize("sharpness", [0.5, 2.0])
def test_the_page_searches_as_decode_py_does(page, sharpness):
    vocabulary, longer = 9, 4
    source = torch.tensor([[5, 6, END]])
    limit, ended = source.shape[1] + longer, 0
    for seed in range(12):
        rng = torch.Generator().manual_seed(seed)
        logits = torch.randn(limit, vocabulary, vocabulary, vocabulary, generator=rng) * sharpness
        logits[..., END] += 2 - seed % 4 * 1.5  # some end early, some late, some never
        for width, alpha in ((1, 0.0), (3, 0.6), (4, 1.0)):
            search = Search(width, alpha, longer)
            (expected,) = beam_search(lambda _, rows, table=logits: Table(table, rows), source, search)
            settings = {"start": START, "end": END, "beam": width, "length_penalty": alpha}
            found = run(page, SEARCHED, logits.tolist(), settings, limit)
            assert found["tokens"] == expected, (seed, width)
            whole = [*expected, END] if found["ended"] else expected
            ended += found["ended"]
            prefixes = zip([0, START, *whole], [START, *whole], whole, strict=False)
            log_p = sum(
                float(logits[t, before, newest].log_softmax(-1)[token])
                for t, (before, newest, token) in enumerate(prefixes)
            )
            assert found["score"] == pytest.approx(log_p / length_penalty(len(whole), alpha), abs=1e-4)
            assert found["maps"] == [[t, newest] for t, newest in enumerate([START, *whole][:-1])]
    assert 6 < ended < 36
