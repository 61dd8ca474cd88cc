"""What the demo in the page loads: the small model in eight bits, its pieces, tables with questions, and what the large
model answered to these.

The page compares its own first answers with Python's before it lets a reader ask.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from posts.asksql import weights
from posts.asksql.ask import Assistant, Reply
from posts.asksql.confidence import Calibration
from posts.asksql.demo_tables import TABLES, DemoTable
from posts.asksql.execute import live_schema
from posts.asksql.lora import add
from posts.asksql.model import Llama, load
from posts.asksql.prompt import KEYWORDS, LONGEST_NAME, SIGNS
from posts.asksql.quantise import from_int8, quantised_model, to_int8
from posts.asksql.sheets import database_of
from posts.asksql.small import MOST_CONDITIONS, CopyDecoder, source, write
from posts.asksql.wikisql import NAME

if TYPE_CHECKING:
    from lockstep.run import Run

MOST_BYTES = 4_000_000  # of the weights: what a reader may be made to load
TYPED = 200  # characters of a question in the page
TABLE_BYTES = 2_000_000  # of a reader's own CSV file


def publish(run: Run) -> list[dict[str, Any]]:
    """Publish the first seed's small model with replies of the large one; returns the size of its weights in MB.

    Inputs: the small model, an adapter, and the calibration of that adapter. Demo: ask.weights.safetensors, ask.json,
    ask.svg. Raises ValueError where the weights are too large for a page.
    """
    torch.set_num_threads(1)
    config = run.config
    trained, adapted, calibrated = chosen(run.inputs)
    tokenizer = Tokenizer.from_str(trained.open("pieces.json").read_text(encoding="utf-8"))
    learned, path = load_file(trained.open("small.safetensors")), run.demo("ask.weights.safetensors")
    save_file(to_int8(learned), path)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"the page would load {path.stat().st_size} bytes of weights, at most {MOST_BYTES} are meant")
    small = quantised_model(config, from_int8(load_file(path)), tokenizer.get_vocab_size())
    base = weights.read(run.data("base")["gguf"])
    assistant = Assistant(base, Calibration.read(calibrated.open("calibration.json")))
    assistant.model = adapter_of(base, adapted.open("learned.safetensors"), config.alpha / config.rank)
    tables = [table_of(each, tokenizer, small, assistant) for each in TABLES]
    content = settings(config, tokenizer) | {"tables": tables}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    run.demo("ask.json").write_text(text + "\n", encoding="utf-8")
    run.demo("ask.svg").write_text(poster(tables[0]), encoding="utf-8")
    return [{"megabytes": path.stat().st_size / 1e6}]


def chosen(inputs: Iterable[Any]) -> tuple[Any, Any, Any]:
    """Of the runs read, the first seed's small model, adapter and calibration."""
    first = [each for each in inputs if each.keys.get("seed", 0) == 0 and each.keys.get("method", "lora") == "lora"]
    trained = next(each for each in first if each.stage.startswith("small"))
    calibrated = next(each for each in first if each.stage.endswith("calibration"))
    return trained, next(each for each in first if each not in (trained, calibrated)), calibrated


def adapter_of(base: weights.Base, path: Path, scale: float) -> Llama:
    """The large model with an adapter merged in."""
    return load(base.shape, add(base.weights, load_file(path), scale))


def settings(config: Any, tokenizer: Tokenizer) -> dict[str, Any]:
    """What the page must know to compute as small.py does, so that no script has a number of its own."""
    model = json.loads(tokenizer.to_str())["model"]
    sizes = {"layers": config.small_layers, "decoderLayers": config.small_decoder_layers}
    sizes |= {"width": config.small_width, "heads": config.small_heads, "ropeBase": 1e4, "eps": 1e-5}
    sizes |= {"mostConditions": MOST_CONDITIONS}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    names = {"keywords": sorted(KEYWORDS), "signs": SIGNS, "longestName": LONGEST_NAME, "table": NAME}
    limits = {"typed": TYPED, "tableBytes": TABLE_BYTES}
    return {"vocabulary": model["vocab"], "merges": merges, "sizes": sizes, "names": names, "limits": limits}


def table_of(table: DemoTable, tokenizer: Tokenizer, small: CopyDecoder, assistant: Assistant) -> dict[str, Any]:
    """A table with its questions: to each what the small model writes here, and what the large one replied."""
    asked = []
    with closing(database_of(table.header, table.rows, table.title)) as database:
        (plain,) = live_schema(database).tables
        for text in table.questions:
            query, log_p = write(small, source(tokenizer, text, plain.columns))
            large = told(assistant.ask(database, text))
            asked.append({"text": text, "sql": query.sql(NAME), "logP": log_p, "large": large})
    shown = {"title": table.title, "header": table.header, "rows": table.rows}
    return shown | {"columns": plain.columns, "questions": asked}


def told(reply: Reply) -> dict[str, Any]:
    """A reply of the large model as the page shows it."""
    rows = reply.result.rows if reply.result is not None else []
    found = {"sql": reply.sql, "confidence": reply.confidence, "declined": reply.declined}
    return found | {"rows": [[("" if cell is None else str(cell)) for cell in row] for row in rows]}


def poster(table: dict[str, Any]) -> str:
    """What stands in the page until the demo starts: a question, the query and the top of its table, as text."""
    first = table["questions"][0]
    lines = [f"“{first['text']}”", first["large"]["sql"], "", " · ".join(table["header"])]
    lines += [" · ".join(row) for row in table["rows"][:4]]
    text = "".join(
        f'<text x="16" y="{34 + 26 * i}" font-weight="{650 if i < 2 else 400}">{html.escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 240" font-family="monospace" font-size="15">'
        "<style>text{fill:#1c1b19}@media(prefers-color-scheme:dark){text{fill:#eceae4}}</style>"
        f"{text}</svg>\n"
    )
