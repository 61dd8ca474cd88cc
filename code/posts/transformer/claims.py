"""The claims of the page: the verdict of each, and the two sides that it compares."""

from lockstep.experiment import claim

from posts.transformer.studies.ablation import BASE
from posts.transformer.tables import MAIN, WAYS_SHOWN

SPRINT = {"split": "val"} | WAYS_SHOWN["last checkpoint"]  # how the rows of the short schedule are scored


@claim("less")
def lower_case_is_below(measured, reported):
    """On the test sentences of 2016 the recipe on lower-cased tokens has a lower BLEU4 than is published for it."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lowered-scores", **at), reported("bleu4", **at)


@claim("undecided")
def the_text_is_undecided(measured):
    """Whether lower-cased tokens give another BLEU4 than running text on the test of 2016, three runs do not tell."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lowered-scores", **at), measured("bleu4", stage="scores", **at, **MAIN)


@claim("less")
def below_the_published_value(measured, reported):
    """Averaged weights under beam search have a lower BLEU4 on the test sentences of 2016 than is published."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="scores", **at, **MAIN), reported("bleu4", **at)


@claim("less")
def shorter_than_the_published(measured, reported):
    """On the test sentences of 2016 our translations pay a harder penalty for brevity than the published ones."""
    at = {"split": "test_2016_flickr"}
    return measured("brevity_penalty", stage="scores", **at, **MAIN), reported("brevity_penalty", **at)


@claim("less")
def shorter_than_the_published_in_lower_case(measured, reported):
    """Translations by the recipe on lower-cased tokens pay a harder penalty for brevity than the published ones."""
    at = {"split": "test_2016_flickr"}
    return measured("brevity_penalty", stage="lowered-scores", **at), reported("brevity_penalty", **at)


@claim("less")
def longer_translations_are_below_as_well(measured, reported):
    """Under the exponent that is best on validation, BLEU4 on the test sentences of 2016 is lower than published."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lengths", exponent="chosen", **at), reported("bleu4", **at)


@claim("undecided")
def the_chosen_exponent_is_undecided_on_the_test(measured):
    """Whether the exponent best on validation beats the recipe's on the test of 2016, three runs do not tell."""
    at = {"split": "test_2016_flickr"}
    return measured("bleu4", stage="lengths", exponent="chosen", **at), measured("bleu4", stage="scores", **at, **MAIN)


@claim("less")
def longer_translations_share_less(measured):
    """On validation, BLEU4 over its penalty is lower under the exponent that is best there than under the recipe's."""
    at = {"stage": "lengths", "split": "val"}
    return measured("unpenalised_bleu4", exponent="chosen", **at), measured("unpenalised_bleu4", exponent="1", **at)


@claim("less")
def longer_translations_share_less_on_the_test(measured):
    """On the test of 2016, BLEU4 over its penalty is lower under the exponent best on validation than the recipe's."""
    at = {"split": "test_2016_flickr"}
    longer = measured("unpenalised_bleu4", stage="lengths", exponent="chosen", **at)
    return longer, measured("unpenalised_bleu4", stage="scores", **at, **MAIN)


@claim("greater")
def the_last_quarter_helps(measured):
    """Single checkpoints, searched greedily, have a higher validation BLEU at the end than at three quarters."""
    at = {"stage": "growth"}
    return measured("validation_bleu", update=8000, **at), measured("validation_bleu", update=6000, **at)


@claim("undecided")
def averaging_is_undecided_on_the_test(measured):
    """Whether the mean of the checkpoints beats the last one on the test sentences of 2016, three runs do not tell."""
    at = {"stage": "scores", "split": "test_2016_flickr", "search": "beam"}
    return measured("bleu", weights="averaged", **at), measured("bleu", weights="last", **at)


@claim("undecided")
def averaging_is_undecided(measured):
    """Whether the mean of checkpoints beats the last one in validation BLEU under a beam, three runs do not tell."""
    at = {"stage": "scores", "split": "val", "search": "beam"}
    return measured("bleu", weights="averaged", **at), measured("bleu", weights="last", **at)


@claim("greater")
def average_and_beam_help(measured):
    """The mean of the checkpoints under a beam has a higher validation BLEU than the last one searched greedily."""
    at = {"stage": "scores", "split": "val"}
    return measured("bleu", **at, **MAIN), measured("bleu", weights="last", search="greedy", **at)


@claim("greater")
def a_beam_helps(measured):
    """With averaged weights beam search reaches a higher validation BLEU than greedy search."""
    at = {"stage": "scores", "split": "val", "weights": "averaged"}
    return measured("bleu", search="beam", **at), measured("bleu", search="greedy", **at)


@claim("undecided")
def a_beam_is_undecided_for_the_last_checkpoint(measured):
    """Whether beam search beats greedy search in validation BLEU of the last checkpoint, three runs do not tell."""
    at = {"stage": "scores", "split": "val", "weights": "last"}
    return measured("bleu", search="beam", **at), measured("bleu", search="greedy", **at)


@claim("greater")
def averaging_helps_greedy_search_on_the_test(measured):
    """Searched greedily, the mean of the checkpoints has a higher BLEU on the test sentences of 2016 than the last."""
    at = {"stage": "scores", "split": "test_2016_flickr", "search": "greedy"}
    return measured("bleu", weights="averaged", **at), measured("bleu", weights="last", **at)


@claim("undecided")
def the_chosen_exponent_is_undecided_on_validation(measured):
    """Whether the exponent with the best validation BLEU4 is ahead of the recipe's there, three runs do not tell."""
    at = {"stage": "lengths", "split": "val"}
    return measured("bleu4", exponent="chosen", **at), measured("bleu4", exponent="1", **at)


@claim("less")
def long_sentences_score_lower(measured):
    """On the test sentences of 2016, sources from fifteen words on score a lower BLEU than those of nine to eleven."""
    at = {"stage": "scores", "split": "test_2016_flickr"}
    return measured("bleu_of_length", length="15–", **at), measured("bleu_of_length", length="9–11", **at)


@claim("less")
def short_captions_of_coco_score_lower(measured):
    """On MSCOCO, sources of up to eight words score a lower BLEU than those from fifteen words on."""
    at = {"stage": "scores", "split": "test_2017_mscoco"}
    return measured("bleu_of_length", length="1–8", **at), measured("bleu_of_length", length="15–", **at)


@claim("less")
def training_learns_nearness(measured):
    """At distance twelve the trained encoder keeps less of the gradient between neighbours than the initial one."""
    at = {"stage": "paths", "distance": 12}
    return measured("gradient", state="trained", **at), measured("gradient", state="initial", **at)


@claim("less")
def colours_are_lost_more_often_than_by_people(measured):
    """Our translations keep a smaller share of the colours than the human ones."""
    at = {"stage": "errors", "what": "colours"}
    return measured("right", by="model", **at), measured("right", by="people", **at)


@claim("less")
def new_long_nouns_are_the_harder_ones(measured):
    """Of long nouns that training never showed, fewer come out as in the reference than of those that it showed."""
    return measured("right", stage="errors", what="nouns-new"), measured("right", stage="errors", what="nouns-seen")


@claim("greater")
def a_step_of_torch_takes_longer(measured):
    """In float32, a step of nn.Transformer with dropout and normalisations where ours are takes longer than ours."""
    return measured("step_ratio", stage="speed", model="torch", dtype="fp32"), 1


@claim("greater")
def in_bfloat16_it_takes_longer_still(measured):
    """The same step of nn.Transformer takes more times our time in bfloat16 than in float32."""
    at = {"stage": "speed", "model": "torch"}
    return measured("step_ratio", dtype="bf16", **at), measured("step_ratio", dtype="fp32", **at)


@claim("less")
def plain_attention_is_faster_here(measured):
    """In bfloat16, nn.Transformer is faster with attention by plain products than with the fused kernel."""
    at = {"stage": "speed", "dtype": "bf16"}
    return measured("step_ratio", model="torch, unfused", **at), measured("step_ratio", model="torch", **at)


@claim("greater")
def the_cache_pays(measured):
    """Our search takes longer when it computes the whole prefix again at each token."""
    return measured("search_ratio", stage="speed", search="whole prefix"), 1


@claim("greater")
def generate_takes_longer(measured):
    """Beam search by Hugging Face's generate takes longer than ours for the same translations."""
    return measured("search_ratio", stage="speed", search="generate"), 1


@claim("less")
def ctranslate2_is_faster(measured):
    """Beam search by CTranslate2 takes less time than ours for the same translations."""
    return measured("search_ratio", stage="speed", search="CTranslate2"), 1


@claim("undecided")
def no_dropout_is_undecided(measured):
    """Whether the model without dropout is ahead of the base on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="dropout-0"), 0


@claim("undecided")
def two_layers_are_undecided(measured):
    """Whether two layers are ahead of four on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="layers-2"), 0


@claim("undecided")
def learned_positions_are_undecided(measured):
    """Whether learned positions are ahead of sinusoids on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="learned"), 0


@claim("undecided")
def one_head_is_undecided(measured):
    """Whether one head is ahead of four on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="heads-1"), 0


@claim("undecided")
def untied_embeddings_are_undecided(measured):
    """Whether three untied embeddings are ahead of one on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="untied"), 0


@claim("undecided")
def single_precision_is_undecided(measured):
    """Whether single precision throughout is ahead of bfloat16 on the short schedule, three seeds do not tell."""
    return measured("bleu_change", stage="ablation", row="float32"), 0


@claim("greater")
def averaged_no_dropout_is_ahead(measured):
    """With averaged weights, the model without dropout is ahead of the base on the short schedule."""
    return measured("averaged_change", stage="ablation", row="dropout-0"), 0


@claim("greater")
def averaged_two_layers_are_ahead(measured):
    """With averaged weights, two layers are ahead of four on the short schedule."""
    return measured("averaged_change", stage="ablation", row="layers-2"), 0


@claim("less")
def few_subwords_cost_much(measured):
    """On the short schedule, a vocabulary of 1,000 subwords is behind the base's."""
    return measured("bleu_change", stage="ablation", row="subwords-1000"), 0


@claim("greater")
def the_rival_is_ahead_after_the_short_schedule(measured):
    """On the short schedule, the recurrent model is ahead of the base."""
    return measured("bleu_change", stage="ablation", row="recurrent"), 0


@claim("greater")
def the_rival_is_ahead_by_chrf(measured):
    """On the short schedule, the recurrent model has a higher validation chrF than the base."""
    return measured("chrf", stage="recurrent-scores", **SPRINT), measured(
        "chrf", stage="row-scores", row=BASE, **SPRINT
    )


@claim("undecided")
def the_rival_and_two_layers_are_undecided(measured):
    """Whether the recurrent model is ahead of a Transformer of two layers on the short schedule is not decided."""
    two = measured("bleu", stage="row-scores", row="layers-2", **SPRINT)
    return measured("bleu", stage="recurrent-scores", **SPRINT), two


@claim("undecided")
def the_rival_and_no_dropout_are_undecided(measured):
    """Whether the recurrent model is ahead of a Transformer without dropout on the short schedule is not decided."""
    free = measured("bleu", stage="row-scores", row="dropout-0", **SPRINT)
    return measured("bleu", stage="recurrent-scores", **SPRINT), free


@claim("undecided")
def without_the_penalty_the_rival_is_undecided(measured):
    """Without BLEU's penalty for brevity, three runs of the short schedule do not tell the rival from the base."""
    return measured("unpenalised_change", stage="ablation", row="recurrent"), 0


@claim("greater")
def the_rival_is_ahead_on_long_sentences(measured):
    """On the short schedule, the recurrent model is ahead of the base on sources from fifteen words on."""
    return measured("change_of_length", stage="ablation", row="recurrent", length="15–"), 0


@claim("less")
def gradients_fade_in_the_rival(measured):
    """At distance twelve the initial recurrent encoder keeps less of the gradient between neighbours."""
    at = {"row": BASE, "state": "initial", "distance": 12}
    return measured("gradient", stage="recurrent-paths", **at), measured("gradient", stage="row-paths", **at)
