"""What the post fraud declares: settings, data, metrics, stages, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import fraud_handbook
from lockstep.experiment import Experiment, Metric

from posts.fraud import claims
from posts.fraud.data import small
from posts.fraud.diagram import source
from posts.fraud.tables import TABLES

DRILLS = ("killed", "torn", "duplicated", "clocks", "store_gone", "bad_model", "labels_stop", "drift")
OF_SERVERS = ("redis_killed", "broker_killed")
DELAYS = (0, 1, 2, 3, 5, 7, 10, 14)
RATES = (500, 1000)
PRIORITIES = ("normal", "real-time")
SERVICE = ["service.__main__"]  # what a service runs that a stage starts as a process of its own
SERVERS = ["studies.served"]


@dataclass(frozen=True)
class Config:
    """The protocol, the model, the worlds of our own and the load. paper.toml says where each value comes from."""

    delay: int = 7
    weeks: tuple[int, ...] = (115, 129, 143, 157)
    validation_weeks: tuple[int, ...] = (87, 99)
    since: int = 37
    top_cards: int = 100
    trees: int = 200
    leaves: int = 31
    learning_rate: float = 0.05
    smallest_leaf: int = 100
    candidates: tuple[tuple[str, tuple[float, ...]], ...] = (
        ("15 leaves, 200 trees", (200, 15, 0.05, 100)),
        ("31 leaves, 200 trees", (200, 31, 0.05, 100)),
        ("15 leaves, 400 trees", (400, 15, 0.05, 100)),
        ("7 leaves, 200 trees", (200, 7, 0.05, 100)),
    )
    customers: int = 5000
    terminals: int = 10_000
    days: int = 183
    resamples: int = 1000
    rate: int = 500
    priority: str = "normal"
    load_seconds: int = 60
    connections: int = 64
    gather: float = 0.002
    drills: tuple[str, ...] = (*DRILLS, *OF_SERVERS)
    stores: tuple[str, ...] = ("file", "sqlite", "redis", "kafka")
    commits: int = 500
    calls: int = 2000
    caught: float = 0.67
    better: float = 0.70
    differing: float = 0.06
    frauds_a_day: float = 80.0
    payments: int = 10_000


fraud = Experiment(
    Config,
    data={"transactions": fraud_handbook, "architecture": source},
    metrics=[
        Metric("auc", digits=3, better="higher", title="area under the ROC curve"),
        Metric("average_precision", digits=3, better="higher", title="average precision", tolerance=0.01),
        Metric("card_precision", digits=3, better="higher", title="card precision at 100"),
        Metric("of_limit", digits=3, better="higher", title="average precision over that of the limit"),
        Metric("expected_frauds", digits=1, title="frauds that the limit expects"),
        Metric("frauds", digits=0, title="frauds"),
        Metric("validation_precision", digits=3, better="higher", title="average precision on validation weeks"),
        Metric("gain", digits=4, better="higher", title="area under the ROC curve, minus that of the limit"),
        Metric("card_low", digits=4, title="its lower end, cards resampled"),
        Metric("card_high", digits=4, title="its upper end, cards resampled"),
        Metric("terminal_low", digits=4, title="its lower end, terminals resampled"),
        Metric("terminal_high", digits=4, title="its upper end, terminals resampled"),
        Metric("recall", unit="%", digits=1, better="higher", title="frauds that are blocked"),
        Metric("wrongly_blocked", unit="%", digits=2, better="lower", title="genuine payments that are blocked"),
        Metric("saved", unit="%", digits=1, better="higher", title="cost saved against approving everything"),
        Metric("compared", digits=0, title="transactions compared"),
        Metric("values", digits=0, title="features compared"),
        Metric("differing", digits=0, better="lower", title="features that differ in any bit"),
        Metric("same_second", digits=0, title="neighbours of the same second"),
        Metric("snapshot_size", unit="MB", digits=1, title="state of the service"),
        Metric("within", unit="%", digits=1, better="higher", title="answers within 10 ms of when they were due"),
        Metric("failed", digits=0, better="lower", title="requests without a decision"),
        Metric("requests", digits=0, title="requests counted"),
        Metric("p50", unit="ms", digits=1, better="lower", title="median latency"),
        Metric("p99", unit="ms", digits=0, better="lower", title="latency, 99th percentile"),
        Metric("p999", unit="ms", digits=0, better="lower", title="latency, 99.9th percentile"),
        Metric("seen", unit="%", digits=2, better="higher", title="instants that a sleeping process sees in time"),
        Metric("longest", unit="ms", digits=0, better="lower", title="longest time that it is not woken"),
        Metric("kept", digits=0, better="higher", title="drills that ended as promised"),
        Metric("sent", digits=0, title="events sent"),
        Metric("lost", digits=0, better="lower", title="acknowledged events that were lost"),
        Metric("by_rules", digits=0, title="decided by rules"),
        Metric("until", unit="transactions", digits=0, better="lower", title="until it was noticed"),
        Metric("cpu_time", unit="µs", digits=1, better="lower", title="CPU time a call"),
        Metric("ratio", unit="×", digits=1, better="lower", title="CPU time over that of the call in use"),
        Metric("error", digits=9, better="lower", title="largest difference from Booster.predict"),
        Metric("commit_time", unit="µs", digits=0, better="lower", title="a commit, median"),
        Metric("commit_tail", unit="µs", digits=0, better="lower", title="a commit, 99th percentile"),
        Metric("length", unit="days", digits=0, better="lower", title="length of the test, computed"),
        Metric("bytes", unit="kB", digits=0, better="lower", title="trees packed for the page"),
        Metric("rate_needed", unit="requests/s", digits=1, title="payments a second at the peak, estimated"),
        Metric("memory", unit="GB", digits=1, title="state in memory, estimated"),
        Metric("journal_growth", unit="GB", digits=2, title="journal a day, estimated"),
        Metric("processes", digits=0, title="processes, estimated"),
    ],
    smoke={
        "config": {"weeks": (60, 74), "validation_weeks": (46,), "trees": 20, "smallest_leaf": 20, "top_cards": 5}
        | {"candidates": (("a", (5, 7, 0.1, 20)), ("b", (10, 7, 0.1, 20)))}
        | {
            "customers": 200,
            "terminals": 400,
            "days": 95,
            "load_seconds": 2,
            "connections": 4,
            "calls": 20,
            "resamples": 20,
        }
        | {"drills": DRILLS, "stores": ("file", "sqlite"), "commits": 5},
        "data": {"transactions": small},
        "grid": {"seed": [0], "delay": [7], "rate": [50], "priority": ["normal"], "payments": [10_000]},
    },
)
fraud.stage("reproduce:score", seed=range(5))
fraud.stage("weeks:choose", name="choose")
limit = fraud.stage("weeks:weigh", name="limit")
models = fraud.stage("weeks:models", name="weeks", over=[limit], seed=range(5))
fraud.stage("weeks:worlds", name="worlds", seed=range(5))
delays = fraud.stage("studies.delays:score", name="delays", delay=DELAYS, seed=[0])
fraud.stage("studies.beaten:resample", name="beaten", seed=[0])
fraud.stage("parity:compare")
fitted = fraud.stage("studies.fitted:fit", name="fitted", seed=[0])
fraud.stage("studies.power:plan", name="power")
fraud.stage("estimate:size", payments=[10_000, 100_000, 1_000_000, 10_000_000, 100_000_000])
fraud.stage("studies.scorers:measure", name="scorers", over=[fitted])
fraud.stage("studies.servers:measure", name="servers", seed=range(5), programs=["python"], covers=SERVERS)
fraud.stage("studies.stores:measure", name="stores", programs=["redis-server"])
grid = {"rate": RATES, "priority": PRIORITIES, "seed": range(5)}
fraud.stage("load:offer", over=[fitted], programs=["python"], covers=SERVICE, **grid)
fraud.stage("studies.stalls:watch", name="stalls", priority=PRIORITIES, seed=range(5))
fraud.stage("drills:perform", over=[fitted], seed=range(3), programs=["python", "redis-server"], covers=SERVICE)
fraud.stage("demo:publish", over=[fitted])
fraud.stage("figures.curves:draw", name="figures", over=[limit, models, delays])
fraud.stage("figures.card:draw", name="card", over=[delays])
fraud.stage("diagram:draw", name="architecture", programs=["dot"])

fraud.take(claims)
for rows_of_a_table in TABLES:
    fraud.table(rows_of_a_table)
