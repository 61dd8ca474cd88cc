"""What the recommender post declares: settings, datasets, stages with grids, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import amazon_beauty, amazon_sports, amazon_toys, movielens_100k, movielens_latest_small
from lockstep.experiment import Experiment, Metric

from posts.recommender import claims
from posts.recommender.diagram import source as architecture
from posts.recommender.made import made_films, made_sessions
from posts.recommender.tables import DATASETS, OVERLAPS_SHOWN, SIZES, TABLES, TRAINED_ON


@dataclass(frozen=True)
class Config:
    """Every model, study and the service; where each value comes from is in paper.toml."""

    dataset: str = "beauty"  # of the offline comparison
    model: str = "counting"
    trials: int = 4  # settings that each model is tried with, on validation
    trial: int = 0
    bootstrap_draws: int = 2000
    longest: int = 50  # SASRec: items of a history that it sees
    width: int = 64
    batch: int = 256
    loss: str = "softmax"
    negatives: int = 2048  # items that the softmax of a batch is over, all where there are fewer
    epochs: int = 60
    validate_every: int = 3  # epochs
    patience: int = 6  # epochs without a better validation NDCG
    movies: str = "films"
    negatives_sampled: int = 100  # of the sampled evaluation that misleads
    overlap: str = "ample"
    logged: int = 2000
    logs: int = 400
    least_effective: float = 200.0  # logged actions that a log must be worth
    largest_weight: float = 0.05
    people: int = 300
    catalogue: int = 300
    rounds: int = 40
    explore: float = 0.0
    conversion: float = 0.02
    lift: float = 0.05
    tests: int = 4000
    sessions: int = 20_000
    repeats: int = 300
    items: int = 12_000  # of the indexes that are timed
    queries: int = 200
    dimensions: int = 64
    candidates: int = 100
    largest_graph: int = 100_000  # items up to which a graph is built
    stranded_items: int = 12_000
    trade: float = 0.3  # of score for calibration
    explore_slot: float = 0.2  # how often the last place of a list explores
    pool: int = 20  # items it explores among
    ranker_targets: int = 8  # last items of each history that the ranker learns from
    load_requests: int = 2000
    load_rates: tuple[int, ...] = (20, 50, 100)
    neighbours_shown: int = 24  # of each film in the page's demo
    films_shown: int = 1500


FILMS = ("films", "films-100k")
SEEDS, FEW = range(5), range(3)
recommender = Experiment(
    Config,
    data={
        "beauty": amazon_beauty,
        "toys": amazon_toys,
        "sports": amazon_sports,
        "films": movielens_latest_small,
        "films-100k": movielens_100k,
        "architecture": architecture,
    },
    metrics=[
        Metric("recall", digits=4, better="higher", title="recall@10", tolerance=0.001),
        Metric("recall_low", digits=4, title="recall@10, lower end of the 95 % bootstrap interval over users"),
        Metric("recall_high", digits=4, title="recall@10, upper end"),
        Metric("ndcg", digits=4, better="higher", title="NDCG@10", tolerance=0.001),
        Metric("ndcg_low", digits=4, title="NDCG@10, lower end of the 95 % bootstrap interval over users"),
        Metric("ndcg_high", digits=4, title="NDCG@10, upper end"),
        Metric("validation_ndcg", digits=4, better="higher", title="NDCG@10, validation", tolerance=0.001),
        Metric("validation_recall", digits=4, better="higher", title="recall@10, validation", tolerance=0.001),
        Metric("epochs_trained", digits=0, title="epochs until validation stopped improving", tolerance=1e9),
        Metric("fit_seconds", unit="s", digits=1, better="lower", title="CPU time of one fit", tolerance=1e9),
        Metric("users", digits=0, title="users"),
        Metric("gap", digits=4, title="difference, paired over users"),
        Metric("gap_low", digits=4, title="difference, lower end of the 95 % bootstrap interval"),
        Metric("gap_high", digits=4, title="difference, upper end"),
        Metric("order", digits=0, better="lower", title="place in the order of models"),
        Metric("coverage", unit="%", digits=1, better="higher", title="catalogue that anybody is shown"),
        Metric("exposure_gini", digits=3, better="lower", title="Gini coefficient of exposure"),
        Metric("diversity", digits=3, better="higher", title="diversity within a list, in genres"),
        Metric("diversity_low", digits=3, title="diversity, lower end"),
        Metric("diversity_high", digits=3, title="diversity, upper end"),
        Metric("miscalibration", unit="nats", digits=3, better="lower", title="divergence from the person's genres"),
        Metric("miscalibration_low", unit="nats", digits=3, title="divergence, lower end"),
        Metric("miscalibration_high", unit="nats", digits=3, title="divergence, upper end"),
        Metric("popularity_lift", digits=2, title="popularity of a list above the history's, in doublings"),
        Metric("popularity_lift_low", digits=2, title="popularity lift, lower end"),
        Metric("popularity_lift_high", digits=2, title="popularity lift, upper end"),
        Metric("covered", unit="%", digits=1, title="logs whose 95 % interval holds the truth"),
        Metric("bias", digits=4, title="mean error of the estimate"),
        Metric("rmse", digits=4, better="lower", title="root mean squared error"),
        Metric("refused", unit="%", digits=1, title="logs that the check of overlap refuses"),
        Metric("effective", digits=0, title="effective sample size, median"),
        Metric("truth", digits=4, title="true value of the target policy"),
        Metric("fraction", unit="%", digits=1, better="higher", title="clicks as a share of the oracle's"),
        Metric("never_shown", unit="%", digits=1, better="lower", title="items that nobody was ever shown"),
        Metric("arm_users", digits=0, title="users an arm"),
        Metric("power", unit="%", digits=1, title="tests that find the difference"),
        Metric("false_alarms", unit="%", digits=1, title="tests that find a difference where none is"),
        Metric("sessions_needed", digits=0, better="lower", title="sessions for a power of 80 %", tolerance=1e9),
        Metric("better_clicks", digits=3, title="clicks a session, better list"),
        Metric("worse_clicks", digits=3, title="clicks a session, worse list"),
        Metric("won", unit="%", digits=1, title="decided sessions that the better list wins"),
        Metric("microseconds", unit="µs", digits=0, better="lower", title="median time of a query", tolerance=1e9),
        Metric("microseconds_p99", unit="µs", digits=0, better="lower", title="99th percentile", tolerance=1e9),
        Metric("speedup", unit="×", digits=2, better="higher", title="times as fast as exact search", tolerance=1e9),
        Metric("index_recall", unit="%", digits=1, better="higher", title="true nearest that are found", tolerance=2),
        Metric("build_seconds", unit="s", digits=1, better="lower", title="time to build", tolerance=1e9),
        Metric("candidate_recall", unit="%", digits=1, better="higher", title="targets among the candidates"),
        Metric("as_expected", unit="%", digits=0, better="higher", title="requests answered as they should be"),
        Metric("milliseconds", unit="ms", digits=1, better="lower", title="median latency", tolerance=1e9),
        Metric("milliseconds_p99", unit="ms", digits=1, better="lower", title="99th percentile", tolerance=1e9),
        Metric("megabytes", unit="MB", digits=2, better="lower", title="what the demo loads"),
    ],
    smoke={
        "config": {
            "trials": 2,
            "bootstrap_draws": 50,
            "width": 16,
            "batch": 64,
            "epochs": 2,
            "validate_every": 1,
            "patience": 1,
        }
        | {"negatives": 32, "negatives_sampled": 10, "logged": 300, "logs": 4, "people": 20, "catalogue": 20}
        | {"rounds": 3, "tests": 50, "sessions": 300, "repeats": 5, "queries": 5, "dimensions": 16}
        | {"candidates": 30, "stranded_items": 600, "ranker_targets": 2, "pool": 5, "load_requests": 20}
        | {"load_rates": (100,), "films_shown": 30, "neighbours_shown": 5, "items": 800},
        "data": {"beauty": made_sessions, "toys": made_sessions, "sports": made_sessions}
        | {"films": made_films, "films-100k": made_films},
        "grid": {"dataset": ["beauty"], "trial": [0, 1], "items": [800], "overlap": ["ample", "broken"]}
        | {"explore": [0.0, 0.05], "movies": ["films"]},
    },
)
EVERY = ("popularity", "item-knn", "counting", "ease", "ials")
baselines = recommender.stage("compare:tune_and_test", name="baselines", dataset=DATASETS, model=["popularity", "ease"])
searched = recommender.stage(
    "compare:tune_and_test", name="searched", dataset=DATASETS, model=["item-knn", "counting"], seed=SEEDS
)
ials = recommender.stage("compare:tune_and_test", name="ials", dataset=DATASETS, model=["ials"], seed=FEW)
tune = recommender.stage("train:tune", name="sasrec-tune", dataset=TRAINED_ON, trial=range(Config.trials))
sasrec = recommender.stage("train:fit", name="sasrec", over=[tune], dataset=TRAINED_ON, seed=FEW)
binary = recommender.stage("train:fit", name="binary", over=[tune], loss=["binary"], dataset=["beauty"], seed=FEW)
differ = recommender.stage("compare:differ", name="differ", over=[baselines, searched, ials, sasrec])
films = recommender.stage("movielens:hold_out", name="films", model=EVERY, seed=SEEDS)
sampled = recommender.stage("studies.misleading:sampled", name="sampled", seed=SEEDS)
ties = recommender.stage("studies.misleading:ties", name="ties")
leak = recommender.stage("studies.misleading:leak", name="leak", movies=FILMS)
lists = recommender.stage("studies.beyond:lists", name="lists")
reranked = recommender.stage("studies.beyond:reranked", name="reranked")
cold = recommender.stage("studies.beyond:cold", name="cold")
worlds = recommender.stage("studies.overlap:measure", name="overlap", overlap=OVERLAPS_SHOWN, seed=SEEDS)
feedback = recommender.stage("studies.feedback:run_loop", name="feedback", explore=[0.0, 0.05, 0.2], seed=SEEDS)
power = recommender.stage("studies.feedback:power", name="power", seed=SEEDS)
interleave = recommender.stage("studies.feedback:interleave", name="interleave", seed=SEEDS)
indexes = recommender.stage("studies.retrieval:measure", name="indexes", items=SIZES, seed=FEW)
stranded = recommender.stage("studies.retrieval:stranded", name="stranded", seed=FEW)
bundle = recommender.stage("service.build:build", name="bundle")
drills = recommender.stage("service.drills:run_all", name="drills", over=[bundle])
load = recommender.stage(
    "service.load:measure", name="load", over=[bundle], seed=FEW, programs=["python"], covers=["service.serve"]
)
demo = recommender.stage("demo:publish")
diagram = recommender.stage("diagram:draw", programs=["dot"])
draw = recommender.stage(
    "figures:draw", over=[baselines, searched, ials, sasrec, sampled, worlds, feedback, indexes, reranked]
)
card = recommender.stage("figures_card:draw", name="card", over=[baselines, searched, ials, sasrec])

recommender.take(claims)
for rows_of_a_table in TABLES:
    recommender.table(rows_of_a_table)
