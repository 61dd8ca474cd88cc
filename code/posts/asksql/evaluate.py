"""Answers of every model to the same questions, and what they are worth.

Writing and scoring are stages of their own: a better scorer needs no model. Selection reads validation questions; the
test questions are answered once, by the stages whose names begin with test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from posts.asksql import weights, wikisql
from posts.asksql.confidence import Calibration, expected_calibration_error, fit, right_at, risk_against_coverage
from posts.asksql.data import Corpus, Question, some
from posts.asksql.decode import Answer, answers, by_schema
from posts.asksql.equivalence import equivalent, mutants
from posts.asksql.errors import KINDS, kind, mcnemar
from posts.asksql.grammar import Grammars, of_table
from posts.asksql.lora import add
from posts.asksql.model import Llama, load
from posts.asksql.prompt import answer_text, question_text, schema_text
from posts.asksql.sketch import Sketch, parse

if TYPE_CHECKING:
    from lockstep.run import Input, Run

EVALUATION_SEED = 7  # of the questions that are asked: the same for every model


def asked(config: Any, corpus: Corpus) -> list[Question]:
    """The questions of the split that every model is asked."""
    return some(corpus.splits[config.split], config.asked, EVALUATION_SEED)


def learned_model(base: weights.Base, path: Path, rank: int, alpha: float) -> Llama:
    """A fine-tuned model in float32, ready to write."""
    learned = load_file(path)
    if rank:
        return load(base.shape, add(base.weights, learned, alpha / rank))
    return load(base.shape, {name: w.float() for name, w in learned.items()})


def write(run: Run) -> list[dict[str, Any]]:
    """The fine-tuned model's answers; returns how many are whole queries. Output: answers.csv, one a question."""
    config = run.config
    base = weights.read(run.data("base")["gguf"])
    model = learned_model(base, run.inputs[0].open("learned.safetensors"), config.rank, config.alpha)
    return _write_all(run, base, model, "")


def write_base(run: Run) -> list[dict[str, Any]]:
    """The base model's answers after `shots` solved training questions; returns and keeps what `write` does."""
    base = weights.read(run.data("base")["gguf"])
    corpus = wikisql.read(run.data("wikisql"))
    solved = some(corpus.splits["train"], run.config.shots, EVALUATION_SEED, most=1)
    parts = [
        (schema_text(corpus.schemas[each.schema]), question_text(each.text), answer_text(each.sql)) for each in solved
    ]
    return _write_all(run, base, load(base.shape, base.weights), "\n".join("".join(part) for part in parts))


def _write_all(run: Run, base: weights.Base, model: Llama, examples: str) -> list[dict[str, Any]]:
    config = run.config
    torch.set_num_threads(1)
    corpus = wikisql.read(run.data("wikisql"))
    questions = asked(config, corpus)
    grammars = Grammars(base.tokenizer)
    found: dict[int, Answer] = {}
    if (saved := run.resume()) is not None:
        found = {int(i): Answer(**row) for i, row in json.loads(saved.read_text()).items()}
    for group in by_schema([(each.schema, each.text) for each in questions], config.side_by_side):
        if group[0] in found:
            continue
        tables, texts = corpus.schemas[questions[group[0]].schema], [questions[i].text for i in group]
        writers = [grammars.writer(of_table(tables[0], text)) for text in texts] if config.constrained else []
        written = answers(model, base.tokenizer, tables, texts, writers, examples)
        found |= dict(zip(group, written, strict=True))
        with run.checkpoint() as path:
            path.write_text(json.dumps({i: vars(answer) for i, answer in found.items()}))
        run.progress(len(found), len(questions))
    return keep(run, [found[i] for i in range(len(questions))])


def keep(run: Run, written: Sequence[Answer], publish: bool = True) -> list[dict[str, Any]]:
    """Write what every stage that answers leaves; returns its row.

    Output: answers.csv, so that scores can be computed anew wherever the ledger is. With `publish` false it is an
    artefact instead, answers.jsonl, which stays in the store.
    """
    if publish:
        run.write_csv("answers.csv", [vars(answer) for answer in written])
    else:
        lines = (json.dumps(vars(answer), sort_keys=True) for answer in written)
        run.artefact("answers.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [{"whole": 100 * share(answer.whole for answer in written), "answered": float(len(written))}]


def read_answers(made: Input) -> list[Answer]:
    """The answers of a run that published them."""
    return [
        Answer(row["sql"], float(row["log_p"]), float(row["lowest"]), int(row["tokens"]), row["whole"] == "True")
        for row in made.csv("answers.csv", text=True)
    ]


def read_kept(path: Path) -> list[Answer]:
    """The answers of a run that kept them in the store."""
    return [Answer(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values)


def score(run: Run) -> list[dict[str, Any]]:
    """What the answers of one run are worth, in percent: logical form and its parts, equivalence, kinds of error, and
    of the mutants of the gold queries how many the databases tell apart."""
    config, corpus = run.config, wikisql.read(run.data("wikisql"))
    questions = asked(config, corpus)
    written = [parse(answer.sql) for answer in read_answers(run.inputs[0])]
    gold = [_gold(question) for question in questions]
    tables = [corpus.schemas[question.schema][0] for question in questions]
    pairs = list(zip(gold, written, strict=True))
    kinds = [kind(*pair) for pair in pairs]
    known = [
        w is not None and {w.column, *(c[0] for c in w.conditions)} <= set(t.columns)
        for w, t in zip(written, tables, strict=True)
    ]
    same = [w is not None and equivalent(t, g, w) for t, (g, w) in zip(tables, pairs, strict=True)]
    row = {
        "logical_form": share(each == "right" for each in kinds),
        "equivalent": share(same),
        "parses": share(w is not None for w in written),
        "names_exist": share(known),
        "aggregate_right": _parts(pairs, lambda each: each.aggregate),
        "column_right": _parts(pairs, lambda each: each.column),
        "conditions_right": _parts(pairs, lambda each: each.form[2]),
    }
    mutated = [
        not equivalent(t, g, m)
        for t, g in list(zip(tables, gold, strict=True))[: config.mutated]
        for m in mutants(t, g)
    ]
    rows = [{name: 100 * value for name, value in row.items()} | {"mutants_killed": 100 * share(mutated)}]
    return rows + [{"kind": name, "kind_share": 100 * share(each == name for each in kinds)} for name in KINDS]


def _gold(question: Question) -> Sketch:
    found = parse(question.sql)
    assert found is not None, question.sql
    return found


def _parts(pairs: Sequence[tuple[Sketch, Sketch | None]], part: Callable[[Sketch], object]) -> float:
    return share(written is not None and part(gold) == part(written) for gold, written in pairs)


def right(run: Run, written: Sequence[Answer]) -> list[bool]:
    """Which answers have the logical form that was asked for."""
    questions = asked(run.config, wikisql.read(run.data("wikisql")))
    return [kind(_gold(q), parse(answer.sql)) == "right" for q, answer in zip(questions, written, strict=True)]


def calibrate(run: Run) -> list[dict[str, Any]]:
    """Fit confidence to the validation answers of one run. Artefact: calibration.json."""
    written = read_answers(run.inputs[0])
    found = right(run, written)
    calibration = fit(written, found, run.config.wanted_right)
    calibration.save(run.artefact("calibration.json"))
    return [{"threshold": calibration.threshold, **_selective(calibration, written, found)[0]}]


def _selective(
    calibration: Calibration, written: Sequence[Answer], found: Sequence[bool]
) -> tuple[dict[str, float], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    confidence, good = np.array([calibration.confidence(each) for each in written]), np.array(found)
    given = confidence >= calibration.threshold
    row = {
        "right_at_60": 100 * right_at(confidence, good, 0.6),
        "coverage": 100 * float(given.mean()),
        "calibration_error": 100 * expected_calibration_error(confidence, good),
    }
    if given.any():
        row["right_of_given"] = 100 * float(good[given].mean())
    return row, risk_against_coverage(confidence, good)


def select(run: Run) -> list[dict[str, Any]]:
    """Confidence, fitted on validation answers, on the answers to test questions. Output: risk.csv."""
    tested, *others = run.inputs
    calibrated = next(each for each in others if each.keys.items() <= tested.keys.items())  # of the same training
    written = read_answers(tested)
    calibration = Calibration.read(calibrated.open("calibration.json"))
    row, (coverage, risk) = _selective(calibration, written, right(run, written))
    step = max(1, len(coverage) // 100)
    points = [{"coverage": 100 * c, "risk": 100 * r} for c, r in zip(coverage[::step], risk[::step], strict=True)]
    run.write_csv("risk.csv", points)
    return [row]


def pair(run: Run) -> list[dict[str, Any]]:
    """Every two runs over the same questions: how many only one answers rightly, and McNemar's exact probability."""
    named = {
        " ".join([each.stage, *(f"{key}={value}" for key, value in sorted(each.keys.items()))]): right(
            run, read_answers(each)
        )
        for each in run.inputs
    }
    names, rows = list(named), []
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            only_one, only_other, p = mcnemar(named[one], named[other])
            rows.append({"one": one, "other": other, "only_one": only_one, "only_other": only_other, "p": p})
    return rows
