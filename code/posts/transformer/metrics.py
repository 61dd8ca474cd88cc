"""What the stages measure: names, units, digits, and which way is better."""

from lockstep.experiment import Metric

METRICS = [
    Metric("bleu", digits=2, better="higher", title="BLEU, as sacreBLEU computes it"),
    Metric("bleu_change", digits=2, better="higher", title="BLEU, less the base's of the same seed"),
    Metric("unpenalised_change", digits=2, better="higher", title="unpenalised BLEU4, less the base's"),
    Metric("averaged_change", digits=2, better="higher", title="BLEU of averaged weights, less the base's"),
    Metric("change_of_length", digits=1, better="higher", title="BLEU of sources of like length, less the base's"),
    Metric("bleu4", digits=2, better="higher", title="BLEU4, lower-cased tokens"),
    Metric("brevity_penalty", digits=3, better="higher", title="factor of BLEU4 for translations that are short"),
    Metric("unpenalised_bleu4", digits=2, better="higher", title="BLEU4 over its penalty for brevity"),
    Metric("chosen_exponent", digits=1, title="exponent of the length penalty with the best BLEU4 on validation"),
    Metric("chrf", digits=2, better="higher", title="chrF"),
    Metric("relative_length", unit="%", digits=1, title="tokens of the translations, of those of the human ones"),
    Metric("chrf_of_sentence", digits=0, better="higher", title="chrF of one sentence"),
    Metric("bleu_of_length", digits=1, better="higher", title="BLEU of sources of like length"),
    Metric("validation_bleu", digits=2, better="higher", title="BLEU, validation, greedy"),
    Metric("stopping_update", digits=0, title="update at which the recipe’s rule ends the training"),
    Metric("gradient", digits=3, title="gradient between positions, as a share of the one at distance 1"),
    Metric("right", unit="%", digits=1, better="higher", title="right by the rule of thumb"),
    Metric("cases", digits=0, title="cases"),
    Metric("update_cost", unit="GFLOP", digits=0, better="lower", title="matrix products of an update"),
    Metric("training_cost", unit="TFLOP", digits=0, better="lower", title="matrix products of all updates"),
    Metric("padding", unit="%", digits=1, better="lower", title="padding among the tokens of a batch"),
    Metric("updates_of_epoch", digits=0, title="updates in one pass over the training pairs"),
    Metric("sentences", digits=0, title="sentences"),
    Metric("parameters", digits=0, title="parameters"),
    Metric("epochs", digits=1, title="passes over the training pairs"),
    Metric("train_loss", unit="nats", digits=3, better="lower", title="training loss, smoothed, with dropout"),
    Metric(
        "validation_loss", unit="nats", digits=3, better="lower", title="cross-entropy a token, validation, in bf16"
    ),
    Metric("step_seconds", unit="s", digits=2, better="lower", title="a step of training"),
    Metric("step_ratio", digits=2, better="lower", title="time of a step over ours"),
    Metric("share", unit="%", digits=0, title="share of our step"),
    Metric("sentences_a_second", digits=0, better="higher", title="sentences translated in a second"),
    Metric("search_ratio", digits=2, better="lower", title="time of a search over ours"),
    Metric("identical", unit="%", digits=1, title="translations that are ours, token for token"),
]
