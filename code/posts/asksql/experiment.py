"""What the asksql post declares: settings, data, stages; claims and tables are in claims.py and tables.py.

The trainings are declared first and read nothing but the base model and questions. `rates` chooses the two learning
rates, on validation questions and a seed of its own, before any other training runs.
"""

from dataclasses import dataclass

from lockstep.catalogue import geoquery, smollm2, wikisql, wikitablequestions
from lockstep.experiment import Experiment, Metric

from posts.asksql.made import made_base, made_geoquery, made_sheets, made_wikisql


@dataclass(frozen=True)
class Config:
    """One fine-tuning, the small model, and their evaluation."""

    questions: int = 10_000  # of the training split, the first in the seed's order
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


FULL = {"rank": 0, "rate": 1e-4}
METHODS = {"lora": {}, "full": FULL}
SIZES = [200, 1000, 3000]  # training questions; 10,000 are the main training
RANKS = [2, 8, 64]
GEOQUERY = {"questions": 549, "passes": 8, "questions_of_schema": 12, "report_every": 50}
asksql = Experiment(
    Config,
    data={
        "base": smollm2,
        "wikisql": wikisql,
        "geoquery": geoquery,
        "sheets": wikitablequestions,
    },
    metrics=[
        Metric("train_loss", unit="nats", digits=3, better="lower", title="training loss of an answer's token"),
        Metric("validation_loss", unit="nats", digits=3, better="lower", title="validation loss of an answer's token"),
        Metric("questions", digits=0, title="questions seen"),
        Metric("tokens", digits=0, title="tokens seen"),
        Metric("rate", digits=5, title="learning rate at the end"),
        Metric("parameters", digits=0, title="weights that learn"),
    ],
    smoke={
        "config": {"questions": 12, "pack_tokens": 128, "followed_questions": 4, "report_every": 3, "save_every": 2}
        | {"rank": 2, "small_questions": 12, "small_pieces": 80, "small_layers": 1, "small_decoder_layers": 1}
        | {"small_width": 32, "small_heads": 2, "small_inner": 32, "small_batch": 4, "small_passes": 2}
        | {"small_report_every": 3, "small_save_every": 2},
        "data": {
            "base": made_base,
            "wikisql": made_wikisql,
            "geoquery": made_geoquery,
            "sheets": made_sheets,
        },
        "grid": {"rate": [0.01], "questions": [12], "rank": [2]},
        "variants": {"source": {"geoquery": GEOQUERY | {"questions": 3, "passes": 2}}},
    },
    variants={"method": METHODS, "source": {"geoquery": GEOQUERY}},
)
lora_rates = asksql.stage("train:fit", name="lora-rates", questions=[1000], rate=[5e-4, 1e-3, 2e-3, 4e-3], seed=[100])
full_rates = asksql.stage(
    "train:fit", name="full-rates", method=["full"], questions=[1000], rate=[5e-5, 1e-4, 2e-4, 4e-4], seed=[100]
)
train = asksql.stage("train:fit", method=list(METHODS), seed=range(3))
sizes = asksql.stage("train:fit", name="sizes", method=["lora"], questions=SIZES, seed=[0])
ranks = asksql.stage("train:fit", name="ranks", rank=RANKS, seed=[0])
geography = asksql.stage("train_geoquery:fit", name="geography", source=["geoquery"], seed=range(3))
small = asksql.stage("train_small:fit", name="small", seed=range(3))
