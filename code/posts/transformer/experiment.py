"""What the Transformer post declares: the tiny configuration of Wu et al. (2021), stages, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import multi30k
from lockstep.experiment import Experiment, Metric
from lockstep.statistics import compare

from posts.transformer.ablation import SAID
from posts.transformer.captions import made_captions


@dataclass(frozen=True)
class Config:
    """One training run and its evaluation: Wu et al.'s recipe for this data, at half their updates."""

    vocabulary: int = 9700
    longest: int = 256
    layers: int = 4
    d_model: int = 128
    d_ff: int = 256
    heads: int = 4
    d_k: int = 32
    dropout: float = 0.3
    positions: str = "sinusoidal"
    tied: bool = True
    smoothing: float = 0.1
    batch_tokens: int = 8192
    updates: int = 4000
    warmup: int = 2000
    peak_rate: float = 0.005
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-9
    precision: str = "bf16"
    averaged: int = 10
    average_every: int = 69
    keep_every: int = 500
    report_every: int = 250
    beam: int = 5
    length_penalty: float = 1.0
    longer: int = 50
    decode_rows: int = 500
    farthest: int = 12
    path_sentences: int = 200
    timed_steps: int = 12
    timed_sentences: int = 400
    timed_rounds: int = 3
    searches: tuple[str, ...] = ("ours", "whole prefix", "generate", "CTranslate2")
    units: int = 224  # of the recurrent baseline: as many parameters as the Transformer, to a third of a percent


SHORT = {  # the reduced base and its schedule, on which one thing at a time is changed
    "vocabulary": 4000,
    "dropout": 0.1,
    "batch_tokens": 4096,
    "updates": 1000,
    "warmup": 400,
    "average_every": 20,
    "keep_every": 250,
}
ROWS = {  # the paper's table 3, in small: what each row changes of the base
    "base": {},
    "heads-1": {"heads": 1, "d_k": 128},
    "heads-2": {"heads": 2, "d_k": 64},
    "heads-8": {"heads": 8, "d_k": 16},
    "heads-16": {"heads": 16, "d_k": 8},
    "d_k-8": {"d_k": 8},
    "d_k-16": {"d_k": 16},
    "layers-2": {"layers": 2},
    "layers-3": {"layers": 3},
    "layers-6": {"layers": 6},
    "d_model-64": {"d_model": 64, "d_k": 16},
    "d_model-256": {"d_model": 256, "d_k": 64},
    "d_ff-128": {"d_ff": 128},
    "d_ff-512": {"d_ff": 512},
    "dropout-0": {"dropout": 0.0},
    "smoothing-0": {"smoothing": 0.0},
    "learned": {"positions": "learned"},
    # and parts of this recipe that the paper's table does not vary
    "dropout-0.3": {"dropout": 0.3},
    "untied": {"tied": False},
    "subwords-1000": {"vocabulary": 1000},
    "subwords-10000": {"vocabulary": 10_000},
}
ROWS_RUN = ["base", "heads-1", "layers-2", "dropout-0", "learned", "untied", "subwords-1000"]

transformer = Experiment(
    Config,
    data={"captions": multi30k},
    metrics=[
        Metric("bleu", digits=2, better="higher", title="BLEU, as sacreBLEU computes it"),
        Metric("bleu_change", digits=2, better="higher", title="BLEU, less the base's of the same seed"),
        Metric("bleu4", digits=2, better="higher", title="BLEU4, lower-cased tokens"),
        Metric("chrf", digits=2, better="higher", title="chrF"),
        Metric("relative_length", unit="%", digits=1, title="tokens of the translations, of those of the human ones"),
        Metric("chrf_of_sentence", digits=0, better="higher", title="chrF of one sentence"),
        Metric("bleu_of_length", digits=1, better="higher", title="BLEU of sources of like length"),
        Metric("validation_bleu", digits=2, better="higher", title="BLEU, validation, greedy"),
        Metric("gradient", digits=3, title="gradient between positions, as a share of the one at distance 0"),
        Metric("right", unit="%", digits=1, better="higher", title="right by the rule of thumb"),
        Metric("cases", digits=0, title="cases"),
        Metric("update_cost", unit="GFLOP", digits=0, better="lower", title="matrix products of an update"),
        Metric("padding", unit="%", digits=1, better="lower", title="padding among the tokens of a batch"),
        Metric("updates_of_epoch", digits=0, title="updates in one pass over the training pairs"),
        Metric("sentences", digits=0, title="sentences"),
        Metric("parameters", digits=0, title="parameters"),
        Metric("epochs", digits=1, title="passes over the training pairs"),
        Metric("train_loss", unit="nats", digits=3, better="lower", title="training loss, smoothed, with dropout"),
        Metric("validation_loss", unit="nats", digits=3, better="lower", title="cross-entropy a token, validation"),
    ],
    smoke={
        "config": {"vocabulary": 120, "layers": 1, "d_model": 32, "d_ff": 32, "heads": 2, "d_k": 16, "dropout": 0.1}
        | {"batch_tokens": 512, "updates": 24, "warmup": 8, "peak_rate": 0.01}
        | {"averaged": 3, "average_every": 2, "keep_every": 12, "report_every": 12}
        | {"beam": 3, "longer": 4, "units": 24, "farthest": 4, "path_sentences": 3}
        | {"timed_steps": 2, "timed_sentences": 4, "timed_rounds": 1, "searches": ("ours", "whole prefix")},
        "data": {"captions": made_captions},
        "grid": {"row": ["base", "heads-1"]},
        "variants": {"row": {"base": {}, "heads-1": {"heads": 1, "d_k": 32}}},
    },
    variants={"row": {name: SHORT | changed for name, changed in ROWS.items()}},
)
train = transformer.stage("train:fit", seed=range(3))
translations = transformer.stage("evaluate:write", name="translations", each=train)
scores = transformer.stage("evaluate:score", name="scores", each=translations)
growth = transformer.stage("evaluate:follow", name="growth", each=train)
paths = transformer.stage("paths:walk", each=train)
errors = transformer.stage("errors:count", each=translations)
examples = transformer.stage("errors:show", name="examples", each=translations)
rows = transformer.stage("train:fit", name="rows", row=ROWS_RUN, seed=range(3))
row_translations = transformer.stage("evaluate:write_validation", name="row-translations", each=rows)
row_scores = transformer.stage("evaluate:score_validation", name="row-scores", each=row_translations)
row_growth = transformer.stage("evaluate:follow", name="row-growth", each=rows)
ablation = transformer.stage("ablation:differ", over=[row_scores])
cost = transformer.stage("cost:count", row=list(ROWS))
draw_rows = transformer.stage("figures_rows:draw", name="figures-rows", over=[ablation])
draw = transformer.stage("figures:draw", over=[train, growth, scores, paths])
demo = transformer.stage("demo:publish", over=[train])

NAMES = {
    "val": "validation",
    "test_2016_flickr": "test 2016",
    "test_2017_flickr": "test 2017",
    "test_2017_mscoco": "test MSCOCO",
}
MAIN = {"weights": "averaged", "search": "beam"}
PARTS = (  # of a training step, as `speed_training.LABELS` tells them apart
    *("attention", "feed-forward", "sums and normalisations", "embeddings and positions", "dropout"),
    *("logits and loss", "masks", "optimiser", "other"),
)


@transformer.claim("greater")
def without_dropout_it_learns_faster(measured):
    """On the short schedule, the model without dropout is ahead of the base."""
    return measured("bleu_change", stage="ablation", row="dropout-0"), 0


@transformer.claim("greater")
def two_layers_learn_faster(measured):
    """On the short schedule, two layers are ahead of the base's four."""
    return measured("bleu_change", stage="ablation", row="layers-2"), 0


@transformer.claim("undecided")
def one_head_is_undecided(measured):
    """Whether one head is ahead of four on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="heads-1"), 0


@transformer.table
def reported_and_reproduced(measured, reported):
    """BLEU4 of lower-cased tokens on the test sentences of 2016, reported and reproduced."""
    at = {"split": "test_2016_flickr"}
    published, margin = reported("bleu4", **at), reported.margin("bleu4")
    ours = measured("bleu4", stage="scores", **at, **MAIN)
    differences = [value - published.value for value in ours.values.values()]
    inside = compare(differences, margin).verdict == "equivalent"
    below = compare([difference + margin for difference in differences]).verdict == "less"
    above = compare([difference - margin for difference in differences]).verdict == "greater"
    verdict = "reproduced" if inside else "below" if below else "above" if above else "undecided"
    return [
        {
            "model": "tiny Transformer, text only",
            "reported": published,
            "ours": ours,
            "n": str(len(differences)),
            "difference": f"{compare(differences).mean:+.2f}".replace("-", "−"),
            "margin": f"± {margin:g}",
            "verdict": verdict,
        }
    ]


@transformer.table
def scores_by_split(measured, reported):
    """Three scores of the averaged weights under beam search, on each split, and how long the translations are."""
    return [
        {"sentences": name}
        | {metric: measured(metric, stage="scores", split=split, **MAIN) for metric in ("bleu", "bleu4", "chrf")}
        | {"length": measured("relative_length", stage="scores", split=split, **MAIN)}
        for split, name in NAMES.items()
    ]


@transformer.table
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


@transformer.table
def rules_of_thumb(measured, reported):
    """Content that arrives in German, in percent of the cases: in our translations, and in the human ones."""
    named = {"colours": "colours", "numbers": "numbers of things", "agreement": "verb agrees with its subject"}
    rows = [
        {"what": text}
        | {by: measured("right", stage="errors", what=what, by=by) for by in ("model", "people")}
        | {"cases": measured("cases", stage="errors", what=what, by="model")}
        for what, text in named.items()
    ]
    for what in ("long words seen in training", "long words never seen"):
        row = {"what": what, "model": measured("right", stage="errors", what=what, by="model"), "people": "—"}
        rows.append(row | {"cases": measured("cases", stage="errors", what=what, by="model")})
    return rows


@transformer.table
def translations_to_read(measured, reported):
    """Translations of test sentences of 2016 by the model of seed 0, at fixed places in the order of their chrF."""
    return [read(measured, name) for name in ("90 %", "75 %", "50 %", "25 %", "10 %")]


@transformer.table
def failures_to_read(measured, reported):
    """The first test sentence of 2016 that fails each count, as the model of seed 0 translates it."""
    failures = ("a colour is lost", "a number is lost", "the verb disagrees", "a compound is missed")
    return [read(measured, name) for name in failures]


def read(measured, name):
    found = measured("chrf_of_sentence", stage="examples", example=name, seed=0)
    texts = {column: found.keys[column.lower()] for column in ("English", "ours", "human")}
    return {"which": name} | texts | {"chrF": found}


def direction(verdict: str) -> str:
    return {"less": "worse", "greater": "better", "equivalent": "no change"}.get(verdict, verdict)


@transformer.table
def rows_of_the_paper(measured, reported):
    """Validation BLEU less that of the base with the same seed: as Table 3 of the paper has it, and here."""
    margin = reported.margin("bleu_change")
    rows = []
    for row in ROWS_RUN[1:]:
        published, ours = reported("bleu_change", row=row), measured("bleu_change", stage="ablation", row=row)
        changes = list(ours.values.values())
        same = compare(changes, margin).verdict == "equivalent"
        here = "equivalent" if same else compare(changes).verdict
        small = abs(published.value) <= margin
        there = "equivalent" if small else "less" if published.value < 0 else "greater"
        agrees = "undecided" if here == "undecided" else "as in the paper" if here == there else "otherwise"
        rows.append(
            {"what is changed": SAID[row], "paper": published, "here": ours, "n": str(len(changes))}
            | {"here it is": direction(here), "in the paper": direction(there), "verdict": agrees}
        )
    return rows


@transformer.table
def rows_not_run(measured, reported):
    """Rows that are declared and were not run: the operations of an update of each, and of its three runs."""
    base = measured("update_cost", stage="cost", model="transformer", row="base")
    rows = []
    for row in ROWS:
        if row in ROWS_RUN:
            continue
        cost = measured("update_cost", stage="cost", model="transformer", row=row)
        ratio = next(iter(cost.values.values())) / next(iter(base.values.values()))
        rows.append({"what is changed": SAID[row], "an update": cost, "times the base’s": f"{ratio:.2f}"})
    return rows
