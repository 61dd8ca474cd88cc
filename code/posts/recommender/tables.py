"""The tables of the page: what each row shows, and under which name.

Each takes `measured` and `reported`, which find values of the ledger and of paper.toml, and returns rows of cells.
"""

from lockstep.statistics import compare

DATASETS = ("beauty", "toys", "sports")
TRAINED_ON = ("beauty",)  # of these, where SASRec is trained as well; DATASETS would be all
OVERLAPS_SHOWN = ("ample", "good", "thin", "broken")
LARGEST_GRAPH = 100_000  # items up to which a graph is built, as in the Config
SIZES = (1000, 3000, 12_000, 30_000, 100_000, 1_000_000)
MODELS = {  # stage and keys of each row of the comparison
    "popularity": {"stage": "baselines", "model": "popularity"},
    "item neighbours": {"stage": "searched", "model": "item-knn"},
    "counting": {"stage": "searched", "model": "counting"},
    "EASE": {"stage": "baselines", "model": "ease"},
    "iALS": {"stage": "ials", "model": "ials"},
    "SASRec, ours": {"stage": "sasrec"},
}
PUBLISHED = {  # who published a full ranking on the same split, by dataset
    "popularity": ("poprec", ("beauty",)),
    "GRU4Rec": ("gru4rec", ("beauty",)),
    "BERT4Rec": ("bert4rec", ("beauty",)),
    "SASRec": ("sasrec", DATASETS),
    "S³-Rec": ("s3rec", DATASETS),
    "TIGER": ("tiger", ("beauty",)),
}
DRILLS_SHOWN = {
    "index_missing": "the index is missing",
    "index_stale": "the index is another build's",
    "ranker_damaged": "the new ranker is damaged",
    "user_unknown": "nobody knows the person",
    "item_unknown": "histories hold items newer than the bundle",
    "item_deleted": "an item is removed",
    "propensity_zero": "a propensity is zero or no probability",
    "rolled_back": "a release is taken back",
    "replayed": "the whole log is played again",
    "log_cut_off": "the process dies in the middle of a line",
    "flash_crowd": "five thousand strangers take one item",
}


def has(model, dataset):
    """Is a model of the comparison fitted on a dataset? Our SASRec is on some alone."""
    return model != "SASRec, ours" or dataset in TRAINED_ON


def offline(measured, reported):
    """NDCG@10 of our models on the three datasets, full ranking, last item out."""
    return [
        {"model": name}
        | {
            dataset.capitalize(): measured("ndcg", dataset=dataset, **at) if has(name, dataset) else "not trained"
            for dataset in DATASETS
        }
        for name, at in MODELS.items()
    ]


def published(measured, reported):
    """What others published for the same split under full ranking: recall@10 and NDCG@10."""
    return [
        {
            "model": name,
            "dataset": dataset.capitalize(),
            "recall@10": reported("recall", model=key, dataset=dataset),
            "NDCG@10": reported("ndcg", model=key, dataset=dataset),
        }
        for name, (key, datasets) in PUBLISHED.items()
        for dataset in datasets
    ]


def reported_and_reproduced(measured, reported):
    """NDCG@10 of SASRec and of popularity, reported and ours, with a margin declared beforehand."""
    margin, rows = reported.margin("ndcg"), []
    pairs = [("SASRec", "sasrec", MODELS["SASRec, ours"], dataset) for dataset in TRAINED_ON]
    pairs.append(("popularity", "poprec", MODELS["popularity"], "beauty"))
    for name, key, at, dataset in pairs:
        theirs, ours = reported("ndcg", model=key, dataset=dataset), measured("ndcg", dataset=dataset, **at)
        differences = [value - theirs.value for value in ours.values.values()]
        found = compare(differences, margin)
        within = found.verdict == "equivalent" or (len(differences) == 1 and abs(found.mean) < margin)
        rows.append(
            {
                "model": name,
                "dataset": dataset.capitalize(),
                "reported": theirs,
                "ours": ours,
                "n": str(len(differences)),
                "margin": f"± {margin:g}",
                "verdict": "reproduced" if within else "above" if found.mean > 0 else "below",
            }
        )
    return rows


def gaps(measured, reported):
    """How far the counting model is ahead of each rival over the same users, with bootstrap intervals."""
    return [
        {
            "dataset": dataset.capitalize(),
            "rival": rival,
            "gap": measured("gap", stage="differ", dataset=dataset, rival=rival),
            "from": measured("gap_low", stage="differ", dataset=dataset, rival=rival),
            "to": measured("gap_high", stage="differ", dataset=dataset, rival=rival),
        }
        for dataset in DATASETS
        for rival in ("item-knn", "ease", "ials", *(["sasrec"] if dataset in TRAINED_ON else []))
    ]


def films_at_random(measured, reported):
    """MovieLens 100k with events held out at random, five splits."""
    names = {"popularity": "popularity", "item-knn": "item neighbours", "counting": "counting"}
    names |= {"ease": "EASE", "ials": "iALS"}
    return [
        {
            "model": text,
            "recall@10": measured("recall", stage="films", model=model),
            "NDCG@10": measured("ndcg", stage="films", model=model),
        }
        for model, text in names.items()
    ]


def ways_to_rank(measured, reported):
    """The same four models under full ranking and under sampled negatives: NDCG@10 and place."""
    rows = []
    for model in ("popularity", "item-knn", "counting", "ials"):
        row = {"model": model}
        for protocol in ("full", "uniform", "by popularity"):
            at = {"stage": "sampled", "model": model, "protocol": protocol}
            row |= {protocol: measured("ndcg", **at), f"place, {protocol}": measured("order", **at)}
        rows.append(row)
    return rows


def beyond_accuracy(measured, reported):
    """Lists of ten films: accuracy beside what the lists are made of; n = 1 fit, intervals in the ledger."""
    columns = {"NDCG@10": "ndcg", "coverage": "coverage", "Gini": "exposure_gini", "diversity": "diversity"}
    columns |= {"divergence": "miscalibration", "popularity lift": "popularity_lift"}
    return [
        {"model": model} | {name: measured(metric, stage="lists", model=model) for name, metric in columns.items()}
        for model in ("popularity", "item-knn", "counting", "ease")
    ]


def cold_start(measured, reported):
    """The counting model by what it knows of user and item: validation NDCG@10 with bootstrap intervals."""
    known = {"user": ("3–4", "5–9", "10 or more"), "item": ("0", "1–4", "5–19", "20 or more")}
    return [
        {
            "of": of,
            "events known": events,
            "NDCG@10": measured("ndcg", stage="cold", of=of, events=events),
            "from": measured("ndcg_low", stage="cold", of=of, events=events),
            "to": measured("ndcg_high", stage="cold", of=of, events=events),
        }
        for of, buckets in known.items()
        for events in buckets
    ]


def price_of_rerank(measured, reported):
    """What reranking costs and brings, by its weight."""
    return [
        {
            "rerank for": kind,
            "weight": trade,
            "recall@10": measured("recall", stage="reranked", rerank=kind, trade=trade),
            "from": measured("recall_low", stage="reranked", rerank=kind, trade=trade),
            "to": measured("recall_high", stage="reranked", rerank=kind, trade=trade),
            "diversity": measured("diversity", stage="reranked", rerank=kind, trade=trade),
            "divergence": measured("miscalibration", stage="reranked", rerank=kind, trade=trade),
        }
        for kind in ("diversity", "calibration")
        for trade in ("0.0", "0.3", "0.6", "0.9")
    ]


def coverage_of_intervals(measured, reported):
    """How often 95 % intervals hold the truth, how much the log is worth, and how often the check refuses."""
    rows = []
    for overlap in OVERLAPS_SHOWN:
        at = {"stage": "overlap", "overlap": overlap}
        row = {"overlap": overlap, "worth": measured("effective", **at), "refused": measured("refused", **at)}
        names = {"ips": "IPS", "snips": "SNIPS", "dr": "DR", "naive": "naive average"}
        rows.append(row | {text: measured("covered", estimator=name, **at) for name, text in names.items()})
    return rows


def loop_outcomes(measured, reported):
    """The feedback loop by its share of exploration, five worlds each."""
    return [
        {
            "explored": f"{100 * explore:g} %",
            "clicks of the oracle's": measured("fraction", stage="feedback", explore=explore),
            "Gini of exposure": measured("exposure_gini", stage="feedback", explore=explore),
            "never shown": measured("never_shown", stage="feedback", explore=explore),
        }
        for explore in (0.0, 0.05, 0.2)
    ]


def index_times(measured, reported):
    """Time of one query and recall of the true hundred nearest, by size; three sets of vectors each."""
    rows = []
    for items in SIZES:
        row = {"items": f"{items:,}", "exact": measured("microseconds", stage="indexes", items=items, index="exact")}
        for index in ("ivf", "hnsw") if items <= LARGEST_GRAPH else ("ivf",):
            at = {"stage": "indexes", "items": items, "index": index}
            row |= {index: measured("microseconds", **at), f"recall, {index}": measured("index_recall", **at)}
        rows.append(row if items <= LARGEST_GRAPH else row | {"hnsw": "not built", "recall, hnsw": "—"})
    return rows


def lengths_and_graphs(measured, reported):
    """Recall of a graph on raw inner products and on lengthened vectors, as lengths spread."""
    return [
        {
            "spread of log length": spread,
            "inner product": measured("index_recall", stage="stranded", graph="inner product", spread=spread),
            "lengthened": measured("index_recall", stage="stranded", graph="lengthened", spread=spread),
        }
        for spread in ("0.0", "0.5", "1.0")
    ]


def drill_outcomes(measured, reported):
    """Every drill, and the share of requests that were answered as they should be."""
    return [
        {"what breaks": text, "as it should be": measured("as_expected", stage="drills", drill=name)}
        for name, text in DRILLS_SHOWN.items()
    ]


def latency(measured, reported):
    """Latency of a list from the scheduled send, at three rates, and of the two stages alone."""
    paths = ("two stages, in the process", *(f"over HTTP, {rate} a second" for rate in (20, 50, 100)))
    return [
        {
            "path": path,
            "median": measured("milliseconds", stage="load", path=path),
            "99th percentile": measured("milliseconds_p99", stage="load", path=path),
        }
        for path in paths
    ]


def alternatives(measured, reported):
    """The models as alternatives for the first stage: accuracy on Beauty beside the CPU time of one fit."""
    rows = []
    for name, at in MODELS.items():
        row = {"model": name, "NDCG@10": measured("ndcg", dataset="beauty", **at)}
        rows.append(row | {"CPU time of a fit": measured("fit_seconds", dataset="beauty", **at)})
    return rows


TABLES = (
    *(offline, published, reported_and_reproduced, gaps, films_at_random, ways_to_rank, beyond_accuracy, cold_start),
    *(price_of_rerank, coverage_of_intervals, loop_outcomes, index_times, lengths_and_graphs, drill_outcomes),
    *(latency, alternatives),
)
