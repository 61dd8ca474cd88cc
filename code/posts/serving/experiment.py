"""What the post serving declares: settings, data, metrics, stages with grids, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import gsm8k, smollm2
from lockstep.experiment import Experiment, Metric

from posts.serving.claims import CLAIMS
from posts.serving.diagram import source
from posts.serving.small import small, tiny
from posts.serving.tables import TABLES

ENGINES = (
    "ours, int8",
    "ours, float32",
    "CTranslate2, int8",
    "CTranslate2, float32",
    "llama.cpp, Q4_0",
    "llama.cpp, Q8_0",
)
RECIPES = (
    "rounded rows",
    "smoothed",
    "columns apart",
    "both, by largest values",
    "both",
    "both, head in float32",
    "four bits",
)
DRILLS = (
    "drains",
    "killed",
    "disconnect",
    "slow_reader",
    "flood",
    "corrupt_adapter",
    "kv_full",
    "clock_jump",
    "poisoned_prefix",
    "cancels",
)
SERVER = ["__main__", "service.serve"]  # what runs in the processes that a stage starts
SERVERS = ("ours, int8", "llama-server, Q4_0", "llama-server, Q8_0")
RATES = (2.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Config:
    """The protocol of each measurement. paper.toml says where each value comes from."""

    recipes: tuple[str, ...] = RECIPES
    problems: int = 30
    engines: tuple[str, ...] = ENGINES
    batches: tuple[int, ...] = (1, 4, 16)
    prompt: int = 256
    repeats: int = 3
    calls: int = 50
    rate: float = 1.0
    load_seconds: int = 30
    written: int = 48
    slo_first: float = 2.5
    slo_each: float = 0.25
    pages: int = 1024
    context: int = 2048
    servers: tuple[str, ...] = SERVERS
    together: int = 16
    rounds: int = 4
    strikes: int = 100
    drills: tuple[str, ...] = DRILLS
    clients: int = 6
    soak_seconds: int = 3600
    replicas: int = 10
    loads: tuple[int, ...] = (50, 80)
    simulated: int = 60
    core_hour: float = 0.04
    gpu_hour: float = 1.0
    trace_seed: int = 0
    traced: int = 40
    trace_every: float = 3.0


serving = Experiment(
    Config,
    data={"base": smollm2, "problems": gsm8k, "architecture": source},
    metrics=[
        Metric("perplexity", digits=2, better="lower", title="perplexity"),
        Metric("perplexity_ratio", digits=4, better="lower", title="perplexity over that in float32"),
        Metric("ratio_low", digits=4, title="its lower end, problems resampled"),
        Metric("ratio_high", digits=4, title="its upper end, problems resampled"),
        Metric("drift", unit="nats", digits=4, better="lower", title="mean absolute drift of a log-probability"),
        Metric("same_token", unit="%", digits=1, better="higher", title="same token as float32 would write"),
        Metric("right", unit="%", digits=1, better="higher", title="solutions told from others"),
        Metric("tokens", digits=0, title="tokens"),
        Metric("speed", unit="tokens/s", digits=1, better="higher", title="tokens per CPU second"),
        Metric("relative", unit="×", digits=2, better="higher", title="speed over that of our int8 engine"),
        Metric("products", unit="ms", digits=2, better="lower", title="all products of the blocks, CPU time"),
        Metric("roof", unit="tokens/s", digits=0, title="roof of a batch of one"),
        Metric("bandwidth", unit="GB/s", digits=1, better="higher", title="memory read by one thread"),
        Metric("first_p50", unit="s", digits=2, better="lower", title="first token, median"),
        Metric("first_p95", unit="s", digits=2, better="lower", title="first token, 95th percentile"),
        Metric("first_p99", unit="s", digits=2, better="lower", title="first token, 99th percentile"),
        Metric("each_p50", unit="s", digits=3, better="lower", title="each other token, median"),
        Metric("each_p99", unit="s", digits=3, better="lower", title="each other token, 99th percentile"),
        Metric("good", unit="%", digits=1, better="higher", title="requests in time"),
        Metric("goodput", unit="requests/s", digits=2, better="higher", title="requests in time, a second"),
        Metric("capacity", unit="requests/s", digits=2, better="higher", title="requests a second at full use"),
        Metric("refused", digits=1, title="requests turned away"),
        Metric("lost", digits=0, better="lower", title="lost"),
        Metric("requests", digits=0, title="requests counted"),
        Metric("load_cpu", unit="s", digits=1, title="CPU of the server"),
        Metric("with_http", unit="s", digits=2, title="CPU with HTTP"),
        Metric("without_http", unit="s", digits=2, title="CPU without HTTP"),
        Metric("overhead", unit="%", digits=1, better="lower", title="CPU that HTTP adds"),
        Metric("kept", digits=0, better="higher", title="promise kept"),
        Metric("sent", digits=0, title="requests"),
        Metric("late", digits=0, better="lower", title="steps after the client had gone"),
        Metric("longest", unit="tokens", digits=0, title="longest queue"),
        Metric("preempted", digits=0, title="sent back to wait"),
        Metric("same", digits=0, title="same tokens as alone"),
        Metric("changed", digits=0, better="lower", title="answers that changed"),
        Metric("ready_after", unit="s", digits=1, better="lower", title="until a new process answers"),
        Metric("soaked", digits=0, title="requests of the soak"),
        Metric("growth", unit="MB/h", digits=1, better="lower", title="growth of memory"),
        Metric("memory", unit="MB", digits=0, better="lower", title="memory at the end"),
        Metric("left", digits=2, better="lower", title="share of pages in use at the end"),
        Metric("soak_time", unit="min", digits=0, title="length of the soak"),
        Metric("prefix_hits", unit="%", digits=1, better="higher", title="prefixes found"),
        Metric("cost", unit="$", digits=2, better="lower", title="a million tokens"),
        Metric("break_even", unit="tokens/s", digits=0, title="demand from which a GPU is cheaper"),
        Metric("cores", digits=1, title="cores at that demand"),
        Metric("bytes", unit="kB", digits=0, better="lower", title="record that the page loads"),
        Metric("steps", digits=0, title="steps recorded"),
    ],
    smoke={
        "config": {
            "recipes": ("rounded rows", "both", "four bits"),
            "problems": 3,
            "engines": ("ours, int8", "ours, float32"),
            "prompt": 32,
            "repeats": 1,
            "calls": 3,
            "load_seconds": 2,
            "written": 6,
            "pages": 256,
            "context": 512,
            "servers": ("ours, int8",),
            "together": 4,
            "rounds": 12,
            "strikes": 2,
            "clients": 2,
            "soak_seconds": 3,
            "simulated": 8,
            "traced": 12,
        },
        "data": {"base": tiny, "problems": small},
        "grid": {"seed": [0], "rate": [4.0], "replicas": [4]},
    },
)
parity = serving.stage("parity:compare", seed=range(5))
kernels = serving.stage("studies.kernels:measure", name="kernels")
contest = serving.stage(
    "studies.contest:race",
    name="contest",
    seed=range(5),
    programs=["python", "llama-server"],
    covers=["studies.rivals"],
)
serving.stage(
    "studies.together:measure",
    name="together",
    seed=range(5),
    programs=["python", "llama-server"],
    covers=[*SERVER, "studies.rivals"],
)
load = serving.stage("load:measure", name="load", rate=RATES, seed=range(5), programs=["python"], covers=SERVER)
queue = serving.stage("studies.queue:foretell", name="queue", over=[contest], rate=RATES, seed=range(5))
serving.stage("load:overhead", name="overhead", seed=range(5), programs=["python"], covers=SERVER)
serving.stage("drills:perform", seed=range(3), programs=["python"], covers=SERVER)
serving.stage("load:soak", name="soak", seed=[0], programs=["python"], covers=SERVER)
router = serving.stage(
    "studies.router:measure", name="router", over=[contest], replicas=(1, 10, 100, 1000), seed=range(5)
)
serving.stage("studies.cost:count", name="cost", over=[contest])
serving.stage("trace:publish")
serving.stage("figures.curves:draw", name="figures", over=[contest, load, queue, router])
serving.stage("figures.card:draw", name="card", over=[contest])
serving.stage("diagram:draw", name="architecture", programs=["dot"])

for verdict, margin, compare in CLAIMS:
    serving.claim(verdict, margin=margin)(compare)
for rows_of_a_table in TABLES:
    serving.table(rows_of_a_table)
