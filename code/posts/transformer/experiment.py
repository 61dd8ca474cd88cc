"""What the Transformer post declares: the tiny configuration of Wu et al. (2021), stages, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import multi30k
from lockstep.experiment import Experiment

from posts.transformer import claims
from posts.transformer.captions import SMOKE
from posts.transformer.metrics import METRICS
from posts.transformer.studies.ablation import BASE, RECURRENT_RATE, RECURRENT_RATES, ROWS, ROWS_RUN, SHORT
from posts.transformer.tables import TABLES


@dataclass(frozen=True)
class Config:
    """One training run and its evaluation: Wu et al.'s recipe for this data."""

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
    updates: int = 8000
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
    exponents: tuple[float, ...] = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0)
    longer: int = 50
    decode_rows: int = 500
    farthest: int = 12
    path_sentences: int = 200
    timed_steps: int = 12
    timed_sentences: int = 400
    timed_rounds: int = 3
    searches: tuple[str, ...] = ("ours", "whole prefix", "generate", "CTranslate2")
    units: int = 224  # of the recurrent baseline: as many parameters as the Transformer, to a third of a percent


transformer = Experiment(
    Config,
    data={"captions": multi30k},
    metrics=METRICS,
    smoke=SMOKE,
    variants={"row": {name: SHORT | changed for name, changed in ROWS.items()}},
)
train = transformer.stage("train:fit", seed=range(3))
translations = transformer.stage("evaluate:write", name="translations", each=train)
scores = transformer.stage("evaluate:score", name="scores", each=translations)
lengths = transformer.stage("studies.lengths:choose", name="lengths", each=train)
lowered = transformer.stage("studies.lowered:fit", name="lowered", seed=range(5))
lowered_scores = transformer.stage("studies.lowered:score", name="lowered-scores", each=lowered)
growth = transformer.stage("evaluate:follow", name="growth", each=train)
stopping = transformer.stage("studies.stopping:stop", name="stopping", each=train)
paths = transformer.stage("studies.paths:walk", name="paths", each=train)
errors = transformer.stage("studies.errors:count", name="errors", each=translations)
examples = transformer.stage("studies.errors:show", name="examples", each=translations)
speed = transformer.stage("speed.measure:measure", name="speed", each=train)
rows = transformer.stage("train:fit", name="rows", row=ROWS_RUN, seed=range(3))
row_translations = transformer.stage("evaluate:write_validation", name="row-translations", each=rows)
row_scores = transformer.stage("evaluate:score_validation", name="row-scores", each=row_translations)
row_growth = transformer.stage("evaluate:follow", name="row-growth", each=rows)
row_paths = transformer.stage("studies.paths:walk", name="row-paths", over=[rows], row=[BASE], seed=range(3))
recurrent_rates = transformer.stage(
    "studies.recurrent:fit", name="recurrent-rates", row=[BASE], peak_rate=RECURRENT_RATES, seed=[100]
)
recurrent = transformer.stage(
    "studies.recurrent:fit", name="recurrent", row=[BASE], peak_rate=[RECURRENT_RATE], seed=range(3)
)
recurrent_translations = transformer.stage("studies.recurrent:write", name="recurrent-translations", each=recurrent)
recurrent_scores = transformer.stage("evaluate:score_validation", name="recurrent-scores", each=recurrent_translations)
recurrent_growth = transformer.stage("studies.recurrent:follow", name="recurrent-growth", each=recurrent)
recurrent_paths = transformer.stage("studies.paths:walk_recurrent", name="recurrent-paths", each=recurrent)
ablation = transformer.stage("studies.ablation:differ", name="ablation", over=[row_scores, recurrent_scores])
cost = transformer.stage("studies.cost:count", name="cost", row=list(ROWS))
recipe_cost = transformer.stage("studies.cost:count", name="recipe-cost")
transformer.stage("figures.rows:draw", name="figures-rows", over=[ablation])
transformer.stage("figures.rows:draw_costs", name="figures-costs", over=[cost, row_growth, recurrent_growth])
transformer.stage("figures.trained:draw", name="figures", over=[scores, row_paths, recurrent_paths])
transformer.stage("figures.architecture:draw", name="architecture", over=[train])
transformer.stage("figures.scores:draw", name="figures-scores", over=[lowered_scores, scores, lengths])
transformer.stage("figures.speed:draw", name="figures-speed", over=[speed])
demo = transformer.stage("demo:publish", over=[train])
card = transformer.stage("figures.card:draw", name="card", over=[train])

transformer.take(claims)
for rows_of_a_table in TABLES:
    transformer.table(rows_of_a_table)
