"""The tables of the page: what each row shows, and under which name.

Each takes `measured` and `reported`, which find values of the ledger and of paper.toml, and returns rows of cells.
"""

from lockstep.experiment import Metric
from lockstep.statistics import compare

LIKELIHOOD = Metric(  # another processor rounds otherwise and trains another generator: the margin is the tolerance
    "log_likelihood", unit="nats", digits=1, better="higher", title="Parzen-window log-likelihood", tolerance=5
)


def reported_and_reproduced(measured, reported):
    """Parzen-window log-likelihood of the MNIST test set in nats, reported and reproduced."""
    published, margin = reported("log_likelihood", source="gan"), reported.margin("log_likelihood")
    rows = []
    for name, stage in (("adversarial nets", "evaluate"), ("the same, longer", "evaluate-long")):
        ours = measured("log_likelihood", stage=stage, source="gan")
        differences = [value - published.value for value in ours.values.values()]
        within = compare(differences, margin).verdict == "equivalent"
        rows.append(
            {
                "model": name,
                "reported": published,
                "ours": ours,
                "n": str(len(differences)),
                "difference": LIKELIHOOD.format(compare(differences).mean).removesuffix(" nats"),
                "margin": f"± {margin:g}",
                "verdict": "reproduced" if within else "not reproduced" if len(differences) > 1 else "one run",
                "over images": measured("standard_error", stage=stage, source="gan"),
            }
        )
    for name, source in (("deep GSN", "gsn"), ("DBN", "dbn"), ("stacked CAE", "cae")):
        rows.append({"model": name, "reported": reported("log_likelihood", source=source), "ours": "not run"})
    return rows


def what_the_metric_prefers(measured, reported):
    """The same metric for the generator, for real training images and for k-means centres of them."""
    named = (("generator", "gan"), ("real training images", "training"), ("k-means centres", "kmeans"))
    rows = []
    for name, source in named:
        theirs = reported("log_likelihood", source=source) if source != "gan" else "—"
        at = {"source": source} | ({"stage": "evaluate"} if source == "gan" else {})
        row = {"centres of the window": name, "ours": measured("log_likelihood", **at)}
        rows.append(row | {"over images": measured("standard_error", **at), "Theis et al.": theirs})
    return rows


def beyond_pixels(measured, reported):
    """Four measures in the classifier's features, beside the paper's, for the same three sources."""
    rows = []
    for name, source in (("real training images", "training"), ("k-means centres", "kmeans"), ("generator", "gan")):
        at = {"source": source} | ({"stage": "evaluate"} if source == "gan" else {})
        row = {"pictures": name, "Parzen window": measured("log_likelihood", **at)}
        columns = {"Fréchet": "frechet", "precision": "sample_precision", "recall": "sample_recall"}
        columns |= {"class distance": "class_distance", "rarest digit": "rarest_digit"}
        rows.append(row | {column: measured(metric, source=source) for column, metric in columns.items()})
    return rows


def ring_variants(measured, reported):
    """Modes covered and samples near any mode, by variant of the game."""
    named = {
        "plain": "one update each",
        "saturating": "the same, saturating loss",
        "hasty": "five of the generator to one",
        "thorough": "five of the discriminator to one",
        "thorough_saturating": "five to one, saturating loss",
        "thorough_noisy": "five to one, instance noise",
        "thorough_packed": "five to one, packs of four",
    }
    return [
        {
            "game": text,
            "modes of eight": measured("modes", variant=name),
            "near a mode": measured("on_ring", variant=name),
        }
        for name, text in named.items()
    ]


def walks_in_noise(measured, reported):
    """Walks of four standard deviations: how far they move their attribute, and how many keep their digit."""
    rows = []
    for attribute in ("ink", "slant"):
        for along, text in (("fitted", "fitted"), ("freed", "freed of the digit"), ("random", "random")):
            kept = {"along": along} if along == "random" else {"along": along, "attribute": attribute}
            change = measured("shift", attribute=attribute, along=along)
            row = {"attribute": attribute, "direction": text, "change": change}
            rows.append(row | {"same digit": measured("kept", **kept)})
    return rows


TABLES = (reported_and_reproduced, what_the_metric_prefers, beyond_pixels, ring_variants, walks_in_noise)
