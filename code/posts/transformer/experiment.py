"""What the Transformer post declares: the tiny configuration of Wu et al. (2021), stages, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import multi30k
from lockstep.experiment import Experiment

from posts.transformer.captions import SMOKE
from posts.transformer.metrics import METRICS
from posts.transformer.studies.ablation import BASE, RECURRENT_RATE, RECURRENT_RATES, ROWS, ROWS_RUN, SHORT
from posts.transformer.tables import MAIN, TABLES, WAYS_SHOWN


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

SPRINT = {"split": "val"} | WAYS_SHOWN["last checkpoint"]  # how the rows of the short schedule are scored


@transformer.claim("less")
def lower_case_is_below(measured, reported):
    """On the test sentences of 2016 the recipe on lower-cased tokens has a lower BLEU4 than is published for it."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lowered-scores", **at), reported("bleu4", **at)


@transformer.claim("undecided")
def the_text_is_undecided(measured):
    """Whether lower-cased tokens give another BLEU4 than running text on the test of 2016, three runs do not tell."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lowered-scores", **at), measured("bleu4", stage="scores", **at, **MAIN)


@transformer.claim("less")
def below_the_published_value(measured, reported):
    """Averaged weights under beam search have a lower BLEU4 on the test sentences of 2016 than is published."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="scores", **at, **MAIN), reported("bleu4", **at)


@transformer.claim("less")
def shorter_than_the_published(measured, reported):
    """On the test sentences of 2016 our translations pay a harder penalty for brevity than the published ones."""
    at = {"split": "test_2016_flickr"}
    return measured("brevity_penalty", stage="scores", **at, **MAIN), reported("brevity_penalty", **at)


@transformer.claim("less")
def shorter_than_the_published_in_lower_case(measured, reported):
    """Translations by the recipe on lower-cased tokens pay a harder penalty for brevity than the published ones."""
    at = {"split": "test_2016_flickr"}
    return measured("brevity_penalty", stage="lowered-scores", **at), reported("brevity_penalty", **at)


@transformer.claim("less")
def longer_translations_are_below_as_well(measured, reported):
    """Under the exponent that is best on validation, BLEU4 on the test sentences of 2016 is lower than published."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lengths", exponent="chosen", **at), reported("bleu4", **at)


@transformer.claim("undecided")
def the_chosen_exponent_is_undecided_on_the_test(measured):
    """Whether the exponent best on validation beats the recipe's on the test of 2016, three runs do not tell."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lengths", exponent="chosen", **at), measured("bleu4", stage="scores", **at, **MAIN)


@transformer.claim("less")
def longer_translations_share_less(measured):
    """On validation, BLEU4 over its penalty is lower under the exponent that is best there than under the recipe's."""
    at = {"stage": "lengths", "split": "val"}
    return measured("unpenalised_bleu4", exponent="chosen", **at), measured("unpenalised_bleu4", exponent="1", **at)


@transformer.claim("less")
def longer_translations_share_less_on_the_test(measured):
    """On the test of 2016, BLEU4 over its penalty is lower under the exponent best on validation than the recipe's."""
    at = {"split": "test_2016_flickr"}
    longer = measured("unpenalised_bleu4", stage="lengths", exponent="chosen", **at)
    return longer, measured("unpenalised_bleu4", stage="scores", **at, **MAIN)


@transformer.claim("greater")
def the_last_quarter_helps(measured):
    """Single checkpoints, searched greedily, have a higher validation BLEU at the end than at three quarters."""
    at = {"stage": "growth"}
    return measured("validation_bleu", update=8000, **at), measured("validation_bleu", update=6000, **at)


@transformer.claim("undecided")
def averaging_is_undecided_on_the_test(measured):
    """Whether the mean of the checkpoints beats the last one on the test sentences of 2016, three runs do not tell."""
    at = {"stage": "scores", "split": "test_2016_flickr", "search": "beam"}
    return measured("bleu", weights="averaged", **at), measured("bleu", weights="last", **at)


@transformer.claim("undecided")
def averaging_is_undecided(measured):
    """Whether the mean of checkpoints beats the last one in validation BLEU under a beam, three runs do not tell."""
    at = {"stage": "scores", "split": "val", "search": "beam"}
    return measured("bleu", weights="averaged", **at), measured("bleu", weights="last", **at)


@transformer.claim("greater")
def average_and_beam_help(measured):
    """The mean of the checkpoints under a beam has a higher validation BLEU than the last one searched greedily."""
    at = {"stage": "scores", "split": "val"}
    return measured("bleu", **at, **MAIN), measured("bleu", weights="last", search="greedy", **at)


@transformer.claim("greater")
def a_beam_helps(measured):
    """With averaged weights beam search reaches a higher validation BLEU than greedy search."""
    at = {"stage": "scores", "split": "val", "weights": "averaged"}
    return measured("bleu", search="beam", **at), measured("bleu", search="greedy", **at)


@transformer.claim("undecided")
def a_beam_is_undecided_for_the_last_checkpoint(measured):
    """Whether beam search beats greedy search in validation BLEU of the last checkpoint, three runs do not tell."""
    at = {"stage": "scores", "split": "val", "weights": "last"}
    return measured("bleu", search="beam", **at), measured("bleu", search="greedy", **at)


@transformer.claim("greater")
def averaging_helps_greedy_search_on_the_test(measured):
    """Searched greedily, the mean of the checkpoints has a higher BLEU on the test sentences of 2016 than the last."""
    at = {"stage": "scores", "split": "test_2016_flickr", "search": "greedy"}
    return measured("bleu", weights="averaged", **at), measured("bleu", weights="last", **at)


@transformer.claim("undecided")
def the_chosen_exponent_is_undecided_on_validation(measured):
    """Whether the exponent with the best validation BLEU4 is ahead of the recipe's there, three runs do not tell."""
    at = {"stage": "lengths", "split": "val"}
    return measured("bleu4", exponent="chosen", **at), measured("bleu4", exponent="1", **at)


@transformer.claim("less")
def long_sentences_score_lower(measured):
    """On the test sentences of 2016, sources from fifteen words on score a lower BLEU than those of nine to eleven."""
    at = {"stage": "scores", "split": "test_2016_flickr"}
    return measured("bleu_of_length", length="15–", **at), measured("bleu_of_length", length="9–11", **at)


@transformer.claim("less")
def short_captions_of_coco_score_lower(measured):
    """On MSCOCO, sources of up to eight words score a lower BLEU than those from fifteen words on."""
    at = {"stage": "scores", "split": "test_2017_mscoco"}
    return measured("bleu_of_length", length="1–8", **at), measured("bleu_of_length", length="15–", **at)


@transformer.claim("less")
def training_learns_nearness(measured):
    """At distance twelve the trained encoder keeps less of the gradient between neighbours than the initial one."""
    at = {"stage": "paths", "distance": 12}
    return measured("gradient", state="trained", **at), measured("gradient", state="initial", **at)


@transformer.claim("less")
def colours_are_lost_more_often_than_by_people(measured):
    """Our translations keep a smaller share of the colours than the human ones."""
    at = {"stage": "errors", "what": "colours"}
    return measured("right", by="model", **at), measured("right", by="people", **at)


@transformer.claim("less")
def new_long_nouns_are_the_harder_ones(measured):
    """Of long nouns that training never showed, fewer come out as in the reference than of those that it showed."""
    return measured("right", stage="errors", what="nouns-new"), measured("right", stage="errors", what="nouns-seen")


@transformer.claim("greater")
def a_step_of_torch_takes_longer(measured):
    """In float32, a step of nn.Transformer with dropout and normalisations where ours are takes longer than ours."""
    return measured("step_ratio", stage="speed", model="torch", dtype="fp32"), 1


@transformer.claim("greater")
def in_bfloat16_it_takes_longer_still(measured):
    """The same step of nn.Transformer takes more times our time in bfloat16 than in float32."""
    at = {"stage": "speed", "model": "torch"}
    return measured("step_ratio", dtype="bf16", **at), measured("step_ratio", dtype="fp32", **at)


@transformer.claim("less")
def plain_attention_is_faster_here(measured):
    """In bfloat16, nn.Transformer is faster with attention by plain products than with the fused kernel."""
    at = {"stage": "speed", "dtype": "bf16"}
    return measured("step_ratio", model="torch, unfused", **at), measured("step_ratio", model="torch", **at)


@transformer.claim("greater")
def the_cache_pays(measured):
    """Our search takes longer when it computes the whole prefix again at each token."""
    return measured("search_ratio", stage="speed", search="whole prefix"), 1


@transformer.claim("greater")
def generate_takes_longer(measured):
    """Beam search by Hugging Face's generate takes longer than ours for the same translations."""
    return measured("search_ratio", stage="speed", search="generate"), 1


@transformer.claim("less")
def ctranslate2_is_faster(measured):
    """Beam search by CTranslate2 takes less time than ours for the same translations."""
    return measured("search_ratio", stage="speed", search="CTranslate2"), 1


@transformer.claim("undecided")
def no_dropout_is_undecided(measured):
    """Whether the model without dropout is ahead of the base on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="dropout-0"), 0


@transformer.claim("undecided")
def two_layers_are_undecided(measured):
    """Whether two layers are ahead of four on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="layers-2"), 0


@transformer.claim("undecided")
def learned_positions_are_undecided(measured):
    """Whether learned positions are ahead of sinusoids on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="learned"), 0


@transformer.claim("undecided")
def one_head_is_undecided(measured):
    """Whether one head is ahead of four on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="heads-1"), 0


@transformer.claim("undecided")
def untied_embeddings_are_undecided(measured):
    """Whether three untied embeddings are ahead of one on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="untied"), 0


@transformer.claim("undecided")
def single_precision_is_undecided(measured):
    """Whether single precision throughout is ahead of bfloat16 on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="float32"), 0


@transformer.claim("greater")
def averaged_no_dropout_is_ahead(measured):
    """With averaged weights, the model without dropout is ahead of the base on the short schedule."""
    return measured("averaged_change", stage="ablation", row="dropout-0"), 0


@transformer.claim("greater")
def averaged_two_layers_are_ahead(measured):
    """With averaged weights, two layers are ahead of four on the short schedule."""
    return measured("averaged_change", stage="ablation", row="layers-2"), 0


@transformer.claim("less")
def few_subwords_cost_much(measured):
    """On the short schedule, a vocabulary of 1,000 subwords is behind the base's."""
    return measured("bleu_change", stage="ablation", row="subwords-1000"), 0


@transformer.claim("greater")
def the_rival_is_ahead_after_the_short_schedule(measured):
    """On the short schedule, the recurrent model is ahead of the base."""
    return measured("bleu_change", stage="ablation", row="recurrent"), 0


@transformer.claim("greater")
def the_rival_is_ahead_by_chrf(measured):
    """On the short schedule, the recurrent model has a higher validation chrF than the base."""
    return measured("chrf", stage="recurrent-scores", **SPRINT), measured(
        "chrf", stage="row-scores", row=BASE, **SPRINT
    )


@transformer.claim("undecided")
def the_rival_and_two_layers_are_undecided(measured):
    """Whether the recurrent model is ahead of a Transformer of two layers on the short schedule is not decided."""
    two = measured("bleu", stage="row-scores", row="layers-2", **SPRINT)
    return measured("bleu", stage="recurrent-scores", **SPRINT), two


@transformer.claim("undecided")
def the_rival_and_no_dropout_are_undecided(measured):
    """Whether the recurrent model is ahead of a Transformer without dropout on the short schedule is not decided."""
    free = measured("bleu", stage="row-scores", row="dropout-0", **SPRINT)
    return measured("bleu", stage="recurrent-scores", **SPRINT), free


@transformer.claim("undecided")
def without_the_penalty_the_rival_is_undecided(measured):
    """Without BLEU's penalty for brevity, three runs of the short schedule do not tell the rival from the base."""
    return measured("unpenalised_change", stage="ablation", row="recurrent"), 0


@transformer.claim("greater")
def the_rival_is_ahead_on_long_sentences(measured):
    """On the short schedule, the recurrent model is ahead of the base on sources from fifteen words on."""
    return measured("change_of_length", stage="ablation", row="recurrent", length="15–"), 0


@transformer.claim("less")
def gradients_fade_in_the_rival(measured):
    """At distance twelve the initial recurrent encoder keeps less of the gradient between neighbours."""
    at = {"row": BASE, "state": "initial", "distance": 12}
    return measured("gradient", stage="recurrent-paths", **at), measured("gradient", stage="row-paths", **at)


for rows_of_a_table in TABLES:
    transformer.table(rows_of_a_table)
