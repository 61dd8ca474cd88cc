"""What the asksql post declares: settings, data and stages; claims and tables are in claims.py and tables.py.

The trainings are declared first and read nothing but the base model and questions. `rates` chooses the two learning
rates, on validation questions and a seed of its own, before any other training runs.
"""

from dataclasses import dataclass
from typing import Any

from lockstep.catalogue import geoquery, multi30k, smollm2, wikisql, wikitablequestions
from lockstep.experiment import Experiment, Metric

from posts.asksql import claims, tables
from posts.asksql.made import made_base, made_captions, made_geoquery, made_sheets, made_wikisql


@dataclass(frozen=True)
class Config:
    """One fine-tuning, the small model, and their evaluation."""

    questions: int = 3000  # of the training split, the first in the seed's order
    passes: int = 1
    questions_of_schema: int = 6  # at most so many share a schema in a pack
    pack_tokens: int = 512
    rank: int = 16  # of the adapters; 0 trains all weights instead
    alpha: float = 32.0
    rate: float = 1e-3
    warmup: float = 0.03  # share of the updates
    floor: float = 0.1  # share of the rate at the end
    beta1: float = 0.9
    beta2: float = 0.98
    clip: float = 1.0
    followed_questions: int = 120  # of the validation split, whose loss is followed
    report_every: int = 100
    save_every: int = 50
    small_questions: int = 60_000
    small_pieces: int = 4000
    small_layers: int = 4
    small_decoder_layers: int = 2
    small_width: int = 192
    small_heads: int = 6
    small_inner: int = 512
    small_batch: int = 64
    small_passes: int = 5
    small_rate: float = 1.5e-3
    small_unknown: float = 0.05  # probability with which a piece of a question becomes unknown in training
    small_report_every: int = 400
    small_save_every: int = 200

    split: str = "validation"  # whose questions are answered; test once, at the end
    asked: int = 400
    side_by_side: int = 8  # questions of one schema that are answered together
    constrained: bool = True  # whether answers are kept within the grammar
    shots: int = 4  # solved questions before one that the base model is asked
    mutated: int = 200  # gold queries whose mutants the databases must tell apart
    wanted_right: float = 0.85  # share of the given answers that must be right on validation
    change: str = "typos"  # what is done to questions or schemas, to see what breaks
    other_tokens: int = 8192  # of English that is no question, whose perplexity is measured
    shipped_rank: int = 8  # of the published adapter, the best approximation of the trained one


FULL = {"rank": 0, "rate": 1e-4}
METHODS = {"lora": {}, "full": FULL}
SIZES = [200]  # training questions, beside those of the main trainings
CHANGES = ["typos", "words around", "columns cut short", "columns numbered"]  # those of robustness.py
GEOQUERY = {"questions": 549, "passes": 8, "questions_of_schema": 12, "report_every": 50}
asksql = Experiment(
    Config,
    data={
        "base": smollm2,
        "wikisql": wikisql,
        "geoquery": geoquery,
        "sheets": wikitablequestions,
        "captions": multi30k,
    },
    metrics=[
        Metric("train_loss", unit="nats", digits=3, better="lower", title="training loss of an answer's token"),
        Metric("validation_loss", unit="nats", digits=3, better="lower", title="validation loss of an answer's token"),
        Metric("questions", digits=0, title="questions seen"),
        Metric("tokens", digits=0, title="tokens seen"),
        Metric("rate", digits=5, title="learning rate at the end"),
        Metric("parameters", digits=0, title="weights that learn"),
        Metric("whole", unit="%", digits=1, better="higher", title="answers that end by themselves"),
        Metric("answered", digits=0, title="questions asked"),
        Metric("logical_form", unit="%", digits=1, better="higher", title="same logical form"),
        Metric("equivalent", unit="%", digits=1, better="higher", title="same rows on every made database"),
        Metric("mutants_killed", unit="%", digits=1, better="higher", title="mutants that the databases tell apart"),
        Metric("parses", unit="%", digits=1, better="higher", title="answers that parse"),
        Metric("names_exist", unit="%", digits=1, better="higher", title="answers that name existing columns only"),
        Metric("aggregate_right", unit="%", digits=1, better="higher", title="right aggregate"),
        Metric("column_right", unit="%", digits=1, better="higher", title="right column selected"),
        Metric("conditions_right", unit="%", digits=1, better="higher", title="right conditions"),
        Metric("execution", unit="%", digits=1, better="higher", title="same rows on the database"),
        Metric("exact", unit="%", digits=1, better="higher", title="same query, word for word"),
        Metric("denotation", unit="%", digits=1, better="higher", title="right answers"),
        Metric("runs", unit="%", digits=1, better="higher", title="answers that run"),
        Metric("kind_share", unit="%", digits=1, title="answers of this kind"),
        Metric("threshold", digits=2, title="confidence below which no answer is given"),
        Metric("right_at_60", unit="%", digits=1, better="higher", title="right among the 60 % surest answers"),
        Metric("coverage", unit="%", digits=1, better="higher", title="answers given"),
        Metric("right_of_given", unit="%", digits=1, better="higher", title="right among the answers given"),
        Metric("calibration_error", unit="%", digits=1, better="lower", title="expected calibration error"),
        Metric("only_one", digits=0, title="questions that only the first answers rightly"),
        Metric("only_other", digits=0, title="questions that only the second answers rightly"),
        Metric("p", digits=5, title="exact probability by McNemar’s test"),
        Metric("perplexity", digits=2, better="lower", title="perplexity of captions of pictures"),
        Metric("logical_form_before", unit="%", digits=1, better="higher", title="same logical form, nothing changed"),
        Metric("refused", unit="%", digits=0, better="higher", title="attacks refused"),
        Metric("megabytes", unit="MB", digits=2, better="lower", title="size of the published weights"),
    ],
    smoke={
        "config": {"questions": 12, "pack_tokens": 128, "followed_questions": 4, "report_every": 3, "save_every": 2}
        | {"rank": 2, "small_questions": 12, "small_pieces": 80, "small_layers": 1, "small_decoder_layers": 1}
        | {"small_width": 32, "small_heads": 2, "small_inner": 32, "small_batch": 4, "small_passes": 2}
        | {"small_report_every": 3, "small_save_every": 2, "asked": 4, "shots": 1, "mutated": 2},
        "data": {
            "base": made_base,
            "wikisql": made_wikisql,
            "geoquery": made_geoquery,
            "sheets": made_sheets,
            "captions": made_captions,
        },
        "grid": {"rate": [0.01], "questions": [12], "rank": [2], "asked": [4]},
        "variants": {"source": {"geoquery": GEOQUERY | {"questions": 3, "passes": 2}}},
    },
    variants={"method": METHODS, "source": {"geoquery": GEOQUERY}},
)
lora_rates = asksql.stage("train:fit", name="lora-rates", questions=[500], rate=[5e-4, 1e-3, 2e-3, 4e-3], seed=[100])
train = asksql.stage("train:fit", method=["lora"], seed=range(3))
sizes = asksql.stage("train:fit", name="sizes", method=["lora"], questions=SIZES, seed=[0])
small = asksql.stage("train_small:fit", name="small", seed=range(3))

TEST: dict[str, Any] = {"split": ["test"], "asked": [600]}
answers = asksql.stage("evaluate:write", name="answers", each=train)
size_answers = asksql.stage("evaluate:write", name="size-answers", each=sizes)
calibration = asksql.stage("evaluate:calibrate", name="calibration", each=answers)
scores = asksql.stage("evaluate:score", name="scores", each=answers)
size_scores = asksql.stage("evaluate:score", name="size-scores", each=size_answers)
cut = asksql.stage("export:cut", name="cut", over=[train], seed=[0])
cut_answers = asksql.stage("evaluate:write", name="cut-answers", each=cut)
cut_calibration = asksql.stage("evaluate:calibrate", name="cut-calibration", each=cut_answers)
cut_scores = asksql.stage("evaluate:score", name="cut-scores", each=cut_answers)
shipped = asksql.stage("export:publish", name="shipped", over=[cut, cut_calibration])

test_answers = asksql.stage("evaluate:write", name="test-answers", each=train, **TEST)
test_free = asksql.stage(
    "evaluate:write", name="test-free", over=[train], seed=[0], constrained=[False], **TEST
)  # writes with the first of what it reads
test_base = asksql.stage("evaluate:write_base", name="test-base", constrained=[True, False], **TEST)
test_template = asksql.stage("baselines:write_template", name="test-template", **TEST)
test_small = asksql.stage("baselines:write_small", name="test-small", each=small, **TEST)
test_eight_bits = asksql.stage("quantise:write_quantised", name="test-eight-bits", each=small, **TEST)
test_scores = asksql.stage("evaluate:score", name="test-scores", each=test_answers)
free_scores = asksql.stage("evaluate:score", name="free-scores", each=test_free)
base_scores = asksql.stage("evaluate:score", name="base-scores", each=test_base)
template_scores = asksql.stage("evaluate:score", name="template-scores", each=test_template)
small_scores = asksql.stage("evaluate:score", name="small-scores", each=test_small)
eight_bits_scores = asksql.stage("evaluate:score", name="eight-bits-scores", each=test_eight_bits)
selective = asksql.stage("evaluate:select", name="selective", each=test_answers, over=[calibration])
pairs = asksql.stage("evaluate:pair", name="pairs", over=[test_answers, test_free, test_base, test_template], **TEST)
forgetting = asksql.stage("forgetting:measure", name="forgetting")
forgetting_learned = asksql.stage("forgetting:measure_learned", name="forgetting-learned", each=train)
changed_answers = asksql.stage(
    "robustness:write", name="changed-answers", over=[train], seed=range(3), change=CHANGES, asked=[120]
)
changed_scores = asksql.stage("robustness:compare", name="changed-scores", each=changed_answers, over=[answers])
demo = asksql.stage("demo:publish", name="demo", over=[small, cut, cut_calibration])
drills = asksql.stage("drills:perform", name="drills")
asksql.stage("figures:draw", name="figures", over=[test_scores, scores, size_scores, selective])
asksql.stage("figures:glance", name="glance", over=[test_answers, calibration], **TEST)
asksql.stage("figures_card:draw", name="card", over=[test_answers, calibration], **TEST)

asksql.take(claims, tables)
