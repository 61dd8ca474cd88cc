"""The demo of the post asksql: its tokenizer, model and SQL in JavaScript beside Python's, and its use in the page."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from demopage import assemble, figure, shown
from playwright.sync_api import expect
from posts.asksql import demo, weights
from posts.asksql.confidence import Calibration
from posts.asksql.demo_tables import TABLES
from posts.asksql.experiment import Config, asksql
from posts.asksql.lora import adapt, adapters
from posts.asksql.made import ASKED, made_base
from posts.asksql.model import load
from posts.asksql.prompt import distinct
from posts.asksql.quantise import from_int8, quantised_model, to_int8
from posts.asksql.sheets import database_of
from posts.asksql.small import source, spoken, train_pieces, write
from posts.asksql.train_small import build
from safetensors.torch import load_file, save_file
from webpages import served

SCRIPTS = Path(__file__).parents[2] / "code/posts/asksql/demo"
SMALL = replace(Config(), **asksql.smoke["config"])
HOSTILE = [
    "naïve İstanbul ΣΑΣ  ΟΔΟΣ\t12½ №7",
    "what's O'Brien's “age” — 3,5?",
    "日本 🚣 boat\u00a0x\ufeffy\u0085z",
    "ﬁre ß ẞ ǅ",
    "",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Any:
    """What the stage publishes of a small model with random weights that tell pieces apart, and that model."""
    folder = tmp_path_factory.mktemp("published")
    texts = [each[2] for each in ASKED] + [question for table in TABLES for question in table.questions]
    names = [spoken(name) for table in TABLES for name in distinct(table.header)]
    tokenizer = train_pieces([*texts, *names, *HOSTILE[:2]], 300)
    (folder / "pieces.json").write_text(tokenizer.to_str(), encoding="utf-8")
    rng = torch.Generator().manual_seed(3)
    model = build(SMALL, tokenizer.get_vocab_size(), rng)
    with torch.no_grad():
        model.encoder.embedding.weight.mul_(20)
        model.decoder.embedding.weight.mul_(20)
    save_file({name: p.detach().half() for name, p in model.named_parameters()}, folder / "small.safetensors")
    base = weights.read(made_base.load()["gguf"])
    adapted = adapt(load(base.shape, base.weights), SMALL.rank, SMALL.alpha, rng)
    save_file({name: w.half().contiguous() for name, w in adapters(adapted).items()}, folder / "learned.safetensors")
    Calibration((0.0, 0.0, 0.0, 0.0), 0.4).save(folder / "calibration.json")

    def made_by(stage: str) -> Any:
        return SimpleNamespace(stage=stage, keys={"seed": 0}, open=lambda name: folder / name)

    run: Any = SimpleNamespace(
        config=SMALL,
        inputs=[made_by("cut-calibration"), made_by("cut"), made_by("small")],
        data=lambda name: made_base.load(),
        demo=lambda name: folder / name,
    )
    (row,) = demo.publish(run)
    stored = load_file(folder / "ask.weights.safetensors")
    small = quantised_model(SMALL, from_int8(stored), tokenizer.get_vocab_size())
    content = json.loads((folder / "ask.json").read_text(encoding="utf-8"))
    return SimpleNamespace(folder=folder, row=row, tokenizer=tokenizer, small=small, content=content)


def computed(folder: Path, expression: str, given: Any = None) -> Any:
    """What the scripts make of an expression over `settings`, `weights` and `given`."""
    imports = "".join(
        f"import * as {name} from {json.dumps((SCRIPTS / f'{name}.js').as_uri())};"
        for name in ("pieces", "decoder", "sheet")
    )
    code = f"""import {{ readFileSync }} from "node:fs"; {imports}
const settings = JSON.parse(readFileSync({json.dumps(str(folder / "ask.json"))}, "utf-8"));
const file = readFileSync({json.dumps(str(folder / "ask.weights.safetensors"))});
const weights = decoder.parseWeights(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
const given = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify({expression}));"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_eight_bits_are_within_half_a_step_of_every_weight_and_zero_stays():
    w = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    w[2] = 0
    back = from_int8(to_int8({"w": w, "norm": w[0]}))
    step_O = w.abs().amax(dim=1, keepdim=True) / 127
    assert ((back["w"] - w).abs() <= step_O * 0.5001).all() and (back["w"][2] == 0).all()
    assert torch.equal(back["norm"], w[0]) and not torch.equal(back["w"], w)


def test_pieces_and_their_places_are_those_of_the_tokenizer(made):
    asked = [*(each[2] for each in ASKED), *HOSTILE, *(q for table in TABLES for q in table.questions)]
    found = computed(made.folder, "given.map((text) => new pieces.Pieces(settings).encode(text))", asked)
    for text, each in zip(asked, found, strict=True):
        expected = made.tokenizer.encode(text)
        assert each == {"ids": expected.ids, "spans": [list(span) for span in expected.offsets]}, text


def test_plain_names_are_those_of_python(made):
    headers = [list(table.header) for table in TABLES]
    headers += [
        ["No.", "no", "# wins", "School/Club Team", "select", "", "  ", "2008", "Ünïted's “x”", "a" * 80, "%", "$£€"]
    ]
    assert computed(made.folder, "given.map((all) => pieces.distinct(all, settings.names))", headers) == [
        distinct(header) for header in headers
    ]


def test_the_script_writes_what_the_model_of_eight_bits_writes(made):
    asked = [[text, distinct(table.header)] for table in TABLES for text in [*table.questions, *HOSTILE]]
    expression = """given.map(([text, columns]) => {
        const at = decoder.source(new pieces.Pieces(settings), text, columns);
        const found = decoder.write(weights, settings.sizes, at);
        return [sheet.shownSql(found, settings.names.table), found.logP];
    })"""
    queries = set()
    for (text, columns), (sql, log_p) in zip(asked, computed(made.folder, expression, asked), strict=True):
        query, expected = write(made.small, source(made.tokenizer, text, columns))
        assert (sql, log_p) == (query.sql(), pytest.approx(expected, abs=1e-3))
        queries.add(sql)
    assert len(queries) > 10, "the random model tells questions apart"


def test_no_name_and_no_value_leaves_its_quotation_marks(made):
    """The query of a hostile table finds the hostile value, and the table is still there."""
    header = ['a"; DROP TABLE x; --', "it's"]
    value = "x'; DELETE FROM y; --"
    query = {"aggregate": "", "column": "a", "conditions": [["its", "=", value]]}
    real = {"a": header[0], "its": header[1]}
    sql = computed(
        made.folder,
        "sheet.realSql(given.query, given.table, given.real)",
        {"query": query, "table": 't"', "real": real},
    )
    with closing(database_of(header, [["kept", value.upper()], ["other", "y"]], 't"')) as database:
        assert database.execute(sql).fetchall() == [("kept",)]


def test_a_csv_file_is_the_table_that_python_reads(made):
    text = '\ufeffBoat;Length;Length\r\n"Au""rora; II";"1,200";\r\nPetrel;14.5;x\r\n\r\n'
    table = computed(made.folder, "sheet.parseCsv(given)", text)
    assert table == {
        "header": ["Boat", "Length", "Length 2"],
        "rows": [['Au"rora; II', "1,200", ""], ["Petrel", "14.5", "x"]],
    }
    stored = computed(made.folder, "sheet.stored(given)", table)
    with closing(database_of(table["header"], table["rows"], "t")) as database:
        assert [list(row) for row in database.execute("SELECT * FROM t")] == stored["rows"]
        kinds = [row[2] for row in database.execute("PRAGMA table_info(t)")]
    assert ["NUMERIC" if each else "TEXT" for each in stored["numeric"]] == kinds == ["TEXT", "NUMERIC", "TEXT"]


@pytest.mark.parametrize("text", ["", "only,names\n", 'a,b\n"open,1\n', ",".join("a" * 101) + "\n" + "1," * 101])
def test_what_is_no_table_is_refused(made, text):
    refused = "(() => { try { sheet.parseCsv(given); return null; } catch (error) { return error.message; } })()"
    assert computed(made.folder, refused, text)


@pytest.fixture(scope="module")
def site(made, tmp_path_factory):
    folder, published = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("files")
    for name in ("ask.weights.safetensors", "ask.json", "ask.svg"):
        shutil.copyfile(made.folder / name, published / name)
    digests = {f"demo/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in published.iterdir()}
    fields = {"id": "demo-1", "name": "ask", "digests": digests, "caption_html": "Ask.", "weight": "1 kB"}
    assemble(folder, figure(fields | {"poster": "demo/ask.svg", "script": "demo/ask.js"}), SCRIPTS, published)
    with served(folder) as address:
        yield address


def test_a_reader_picks_a_table_asks_and_sees_the_rows(made, site, browser):
    with shown(browser, site) as page:
        page.get_by_role("button", name="Load the demo").click()
        expect(page.locator(".hint")).to_contain_text("12 of 12 recorded", timeout=20_000)
        page.get_by_role("combobox").select_option(label=TABLES[1].title)
        question = TABLES[1].questions[2]
        page.get_by_role("button", name=question).click()
        sql = next(each["sql"] for each in made.content["tables"][1]["questions"] if each["text"] == question)
        expect(page.locator(".result code").first).to_have_text(sql, timeout=20_000)
        expect(page.locator(".result table").first).to_be_visible(timeout=20_000)
        expect(page.get_by_text("The large model, recorded")).to_be_visible()
        assert page.get_by_text("SQLite does not answer").count() == 0


def test_a_file_of_the_readers_own_is_asked_and_a_bad_one_refused(site, browser):
    csv = b"Plant,Height (cm),Month\nBorage,60,June\nSage,45,May\n"
    with shown(browser, site) as page:
        page.get_by_role("button", name="Load the demo").click()
        own = page.get_by_label("or a CSV file of yours")
        own.set_input_files({"name": "bad.csv", "mimeType": "text/csv", "buffer": b"one line only"})
        expect(page.get_by_text("The file is not taken: the file needs a line of names")).to_be_visible()
        own.set_input_files({"name": "plants.csv", "mimeType": "text/csv", "buffer": csv})
        expect(page.get_by_text("plants: 2 rows")).to_be_visible()
        page.get_by_label("question").fill("How high is <b>Sage</b>?")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator(".result code")).to_contain_text("SELECT", timeout=20_000)
        expect(page.locator(".result table")).to_be_visible(timeout=20_000)
        assert page.get_by_text("The large model, recorded").count() == 0


def test_a_query_that_takes_too_long_is_ended(site, browser):
    """The worker that runs it is stopped from outside: SQLite in the page has no clock of its own."""
    endless = "postMessage({ ready: true }); onmessage = () => { for (;;); };"
    with shown(browser, site) as page:
        page.route("**/rows.js", lambda route: route.fulfill(body=endless, content_type="text/javascript"))
        page.clock.install()
        page.get_by_role("button", name="Load the demo").click()
        page.get_by_role("button", name=TABLES[0].questions[0]).click()
        expect(page.locator("p[role=status]")).to_contain_text("Its own probability", timeout=20_000)
        assert page.get_by_text("SQLite does not answer").count() == 0
        page.clock.fast_forward(5001)
        expect(page.get_by_text("SQLite does not answer: it takes longer than 5 s")).to_be_visible()


def test_a_question_asked_meanwhile_takes_the_place_of_the_first(made, site, browser):
    """The first one's clock does not end what answers the second, and its rows never replace the second's."""
    first, second = made.content["tables"][0]["questions"][:2]
    with shown(browser, site) as page:
        page.clock.install()
        page.get_by_role("button", name="Load the demo").click()
        page.get_by_role("button", name=first["text"]).click()
        page.get_by_role("button", name=second["text"]).click()
        expect(page.locator(".result table").first).to_be_visible(timeout=20_000)
        page.clock.fast_forward(6000)
        expect(page.locator(".result code").first).to_have_text(second["sql"])
        assert page.get_by_text("SQLite does not answer").count() == 0


def test_an_sqlite_that_does_not_start_is_told(made, site, browser):
    with shown(browser, site) as page:
        page.route("**/sql-wasm.wasm.gzip", lambda route: route.abort())
        page.get_by_role("button", name="Load the demo").click()
        page.get_by_role("button", name=made.content["tables"][0]["questions"][0]["text"]).click()
        expect(page.get_by_text("SQLite does not answer")).to_be_visible(timeout=20_000)


def test_the_files_fit_a_page_and_hold_what_the_page_needs(made):
    assert made.row["megabytes"] == pytest.approx((made.folder / "ask.weights.safetensors").stat().st_size / 1e6)
    assert [table["title"] for table in made.content["tables"]] == [table.title for table in TABLES]
    for table in made.content["tables"]:
        for each in table["questions"]:
            assert each["sql"].startswith("SELECT ") and each["large"]["sql"].startswith("SELECT ")
            assert bool(each["large"]["declined"]) or 0 <= each["large"]["confidence"] <= 1
