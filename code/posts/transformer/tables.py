"""The tables of the page: what each row shows, and under which name.

Each takes `measured` and `reported`, which find values of the ledger and of paper.toml, and returns rows of cells.
"""

import math

from lockstep.statistics import compare, deviation, student_quantile

from posts.transformer.studies.ablation import BASE, IN_THE_PAPER, RECURRENT_RATES, ROWS, ROWS_RUN, SAID

NAMES = {
    "val": "validation",
    "test_2016_flickr": "test 2016",
    "test_2017_flickr": "test 2017",
    "test_2017_mscoco": "MSCOCO",
}
MAIN = {"weights": "averaged", "search": "beam"}
WAYS_SHOWN = {"last checkpoint": {"weights": "last", "search": "beam"}, "mean of ten": MAIN}
EXPONENTS = ("0.6", "0.8", "1", "1.2", "1.4", "1.6", "1.8", "2", "2.5", "3")  # the config’s, as rows name them
DTYPES = ("bf16", "fp32")
PARTS = (  # of a training step, as `speed_training.LABELS` tells them apart
    *("attention", "feed-forward", "sums and normalisations", "embeddings and positions", "dropout"),
    *("logits and loss", "masks", "optimiser", "other"),
)


def reported_and_reproduced(measured, reported):
    """BLEU4 of lower-cased tokens on the test sentences of 2016, reported and reproduced: on which side of the reported
    value ours is, and whether by more than the margin. Reproduced is what surely is not."""
    at = {"split": "test_2016_flickr"}
    published, margin = reported("bleu4", **at), reported.margin("bleu4")
    named = {
        "lower-cased tokens, as published": measured("bleu4", stage="lowered-scores", **at),
        "running text": measured("bleu4", stage="scores", **at, **MAIN),
        "running text, exponent chosen": measured("bleu4", stage="lengths", exponent="chosen", **at),
    }
    rows = []
    for model, ours in named.items():
        differences = [value - published.value for value in ours.values.values()]
        rows.append(
            {
                "trained on": model,
                "reported": published,
                "ours": ours,
                "n": str(len(differences)),
                "difference": f"{compare(differences).mean:+.2f}".replace("-", "−"),
                "one more run": f"± {of_one_more(differences):.2f}",
                "verdict": {"less": "below", "greater": "above"}.get(compare(differences).verdict, "undecided"),
                f"by more than {margin:g}": by_more(differences, margin),
            }
        )
    return rows


def by_more(differences, margin: float) -> str:
    """Is the true difference larger than the margin, to either side? It is open where these values do not tell."""
    if compare(differences, margin).verdict == "equivalent":
        return "no"
    below = compare([difference + margin for difference in differences]).verdict == "less"
    above = compare([difference - margin for difference in differences]).verdict == "greater"
    return "yes" if below or above else "open"


def of_one_more(values) -> float:
    """How far from the mean of these values one more of them may lie: half of its 95 % prediction interval."""
    n = len(values)
    return student_quantile(0.975, n - 1) * deviation(values) * math.sqrt(1 + 1 / n)


def exponents_of_the_length(measured, reported):
    """Validation sentences under each exponent of the length penalty: BLEU4, its penalty for brevity, the length in
    percent of the human translations, and chrF; the last line is what each training would choose."""
    shown = {"BLEU4": "bleu4", "penalty": "brevity_penalty", "length": "relative_length", "chrF": "chrf"}
    return [
        {"exponent": exponent}
        | {title: measured(metric, stage="lengths", split="val", exponent=exponent) for title, metric in shown.items()}
        for exponent in (*EXPONENTS, "chosen")
    ]


def scores_by_split(measured, reported):
    """On each split, of the models of running text: three scores, how long the translations are in percent of the human
    ones, and the factor by which BLEU4 is lower for that. And BLEU4 of the models of lower-cased tokens."""
    shown = {
        "BLEU": "bleu",
        "BLEU4": "bleu4",
        "chrF": "chrf",
        "length": "relative_length",
        "penalty": "brevity_penalty",
    }
    return [
        {"sentences": name}
        | {title: measured(metric, stage="scores", split=split, **MAIN) for title, metric in shown.items()}
        | {"BLEU4, lower-cased": measured("bleu4", stage="lowered-scores", split=split)}
        for split, name in NAMES.items()
    ]


def recipe(measured, reported):
    """BLEU with and without averaged weights and a beam, on validation sentences and on the test sentences of 2016."""
    named = {"averaged": "mean of ten checkpoints", "last": "last checkpoint"}
    return [
        {"weights": text, "search": search}
        | {
            NAMES[split]: measured("bleu", stage="scores", split=split, weights=weights, search=search)
            for split in ("val", "test_2016_flickr")
        }
        for weights, text in named.items()
        for search in ("beam", "greedy")
    ]


def rules_of_thumb(measured, reported):
    """Content that arrives in German, in percent of the cases: in our translations, and in the human ones."""
    named = {"colours": "colours", "numbers": "numbers of things", "agreement": "verb agrees with its subject"}
    rows = []
    for what, text in named.items():
        row = {"what": text}
        for by in ("model", "people"):
            row[by] = measured("right", stage="errors", what=what, by=by)
            row[f"cases, {by}"] = measured("cases", stage="errors", what=what, by=by)
        rows.append(row)
    for what, text in {"nouns-seen": "long nouns seen in training", "nouns-new": "long nouns never seen"}.items():
        row = {"what": text, "model": measured("right", stage="errors", what=what, by="model")}
        row |= {"cases, model": measured("cases", stage="errors", what=what, by="model")}
        rows.append(row | {"people": "—", "cases, people": "—"})
    return rows


def translations_to_read(measured, reported):
    """Translations of test sentences of 2016 by the model of seed 0, at fixed places in the order of their chrF."""
    return [read(measured, name) for name in ("90 %", "75 %", "50 %", "25 %", "10 %")]


def failures_to_read(measured, reported):
    """The first test sentence of 2016 that fails each count, as the model of seed 0 translates it."""
    failures = ("a colour is lost", "a number is lost", "a long noun is missed")
    return [read(measured, name) for name in failures]


def read(measured, name):
    found = measured("chrf_of_sentence", stage="examples", example=name, seed=0)
    texts = {column: found.keys[column.lower()] for column in ("English", "ours", "human")}
    return {"which": name} | texts | {"chrF": found}


def direction(verdict: str) -> str:
    return {"less": "worse", "greater": "better", "equivalent": "no change"}.get(verdict, verdict)


def rows_of_the_paper(measured, reported):
    """Validation BLEU less that of the base with the same seed: as Table 3 of the paper has it, and here."""
    margin = reported.margin("bleu_change")
    rows = []
    for row in ROWS_RUN:
        if row not in IN_THE_PAPER:
            continue
        published, ours = reported("bleu_change", row=row), measured("bleu_change", stage="ablation", row=row)
        here = changed(ours, margin)
        small = abs(published.value) <= margin
        there = "equivalent" if small else "less" if published.value < 0 else "greater"
        agrees = "undecided" if here == "undecided" else "as in the paper" if here == there else "otherwise"
        rows.append(
            {"what is changed": SAID[row], "paper": published, "here": ours, "n": str(len(ours.values))}
            | {"here it is": direction(here), "in the paper": direction(there), "verdict": agrees}
        )
    return rows


def rows_of_the_recipe(measured, reported):
    """Validation BLEU less that of the base with the same seed, for parts that the paper's table does not vary."""
    margin = reported.margin("bleu_change")
    rows = []
    for row in [*(row for row in ROWS_RUN if row != BASE and row not in IN_THE_PAPER), "recurrent"]:
        ours = measured("bleu_change", stage="ablation", row=row)
        here = {"n": str(len(ours.values)), "it is": direction(changed(ours, margin))}
        rows.append({"what is changed": SAID[row], "change": ours} | here)
    return rows


def changed(ours, margin: float) -> str:
    """The verdict on paired changes: "equivalent" where their whole interval lies within the margin."""
    values = list(ours.values.values())
    return "equivalent" if compare(values, margin).verdict == "equivalent" else compare(values).verdict


def rows_not_run(measured, reported):
    """Rows that are declared and were not run: the operations of an update of each, and over the base's."""
    base = measured("update_cost", stage="cost", model="transformer", row=BASE)
    rows = []
    for row in ROWS:
        if row in ROWS_RUN:
            continue
        cost = measured("update_cost", stage="cost", model="transformer", row=row)
        ratio = next(iter(cost.values.values())) / next(iter(base.values.values()))
        rows.append({"what is changed": SAID[row], "an update": cost, "times the base’s": f"{ratio:.2f}"})
    return rows


def recurrent_and_transformer(measured, reported):
    """Two models of one size after the same short schedule: the operations of the training; validation BLEU; and of the
    last checkpoint, length in percent of the human translations, and BLEU4 without its penalty for that."""
    stages = {"transformer": ("rows", "row-scores"), "recurrent": ("recurrent", "recurrent-scores")}
    return [
        {"model": SAID.get(model, "Transformer")}
        | {"parameters": measured("parameters", stage=trained, row=BASE, seed=0)}
        | {"all updates": measured("training_cost", stage="cost", model=model, row=BASE)}
        | {text: measured("bleu", stage=scored, row=BASE, split="val", **way) for text, way in WAYS_SHOWN.items()}
        | {
            text: measured(metric, stage=scored, row=BASE, split="val", **WAYS_SHOWN["last checkpoint"])
            for text, metric in {"length": "relative_length", "unpenalised": "unpenalised_bleu4"}.items()
        }
        for model, (trained, scored) in stages.items()
    ]


def rates_of_the_baseline(measured, reported):
    """Peaks of the learning rate that the recurrent model was tried with, on one seed."""
    return [
        {"peak rate": str(rate)}
        | {"validation loss": measured("validation_loss", stage="recurrent-rates", row=BASE, peak_rate=rate)}
        for rate in RECURRENT_RATES
    ]


def training_steps(measured, reported):
    """A step of training by the same loss and optimiser on one core: seconds, and the time over ours."""
    named = {
        "ours": "ours",
        "torch": "nn.Transformer, its parts where ours are",
        "torch, unfused": "the same with unfused attention",
        "torch, its defaults": "nn.Transformer by its defaults",
    }
    return [
        {"model": text}
        | {dtype: measured("step_seconds", stage="speed", model=model, dtype=dtype) for dtype in DTYPES}
        | {f"{dtype}, × ours": measured("step_ratio", stage="speed", model=model, dtype=dtype) for dtype in DTYPES}
        for model, text in named.items()
    ]


def shares_of_a_step(measured, reported):
    """Where the time of our training step goes, forward and backward together, in percent."""
    return [
        {"part": part} | {dtype: measured("share", stage="speed", part=part, dtype=dtype) for dtype in DTYPES}
        for part in PARTS
    ]


def searches(measured, reported):
    """Beam search for the same translations from the same weights on one core."""
    named = {
        "ours": "ours",
        "whole prefix": "ours without the cache",
        "generate": "Hugging Face generate",
        "CTranslate2": "CTranslate2",
    }
    columns = {"sentences a second": "sentences_a_second", "time over ours": "search_ratio", "identical": "identical"}
    return [
        {"search": text}
        | {column: measured(metric, stage="speed", search=search) for column, metric in columns.items()}
        for search, text in named.items()
    ]


TABLES = (
    reported_and_reproduced,
    exponents_of_the_length,
    scores_by_split,
    recipe,
    rules_of_thumb,
    translations_to_read,
    failures_to_read,
    rows_of_the_paper,
    rows_of_the_recipe,
    rows_not_run,
    recurrent_and_transformer,
    rates_of_the_baseline,
    training_steps,
    shares_of_a_step,
    searches,
)
