"""What the post drift declares: tools and their versions, the matrix of edits, the price of a check, and claims."""

from dataclasses import dataclass

from lockstep.experiment import Experiment, Metric

from posts.drift.adversary.collected import KINDS
from posts.drift.diagram import source
from posts.drift.engine import runs


@dataclass(frozen=True)
class Config:
    """One arrangement of the small experiment, or one size of project. paper.toml says where each value comes from."""

    arrangement: str = "lockstep"
    edits: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    lockstep: str = "0.0.1"
    snakemake: str = "9.27.1"
    dvc: str = "3.67.1"
    pytask: str = "0.6.0"
    posts: int = 1000
    rounds: int = 3
    timed: tuple[str, ...] = ("lockstep", "lockstep-first", "snakemake", "dvc", "pytask")


PLAIN, CAREFUL, LARGE = "plain", "careful", 1000
LOST = ("missed", "needless", "refused")
TOOLS = {"snakemake": "Snakemake", "dvc": "DVC", "pytask": "pytask"}
ARRANGEMENTS = ("lockstep", *(f"{tool}-{setting}" for tool in TOOLS for setting in (PLAIN, CAREFUL)))
OURS, ALL, ADVERSARY, OTHERS = {"tool": "lockstep"}, "all", "adversary", "adversary-others"

drift = Experiment(
    Config,
    data={"engine": runs, "architecture": source},
    metrics=[
        Metric("right", digits=0, better="higher", title="edits after which exactly the right steps ran"),
        Metric("missed", digits=0, better="lower", title="edits after which a wrong result stayed"),
        Metric("needless", digits=0, better="lower", title="edits after which a step ran for nothing"),
        Metric("refused", digits=0, title="edits of steps that are not run, since they need what nobody declared"),
        Metric("needless_share", unit="%", digits=1, better="lower", title="edits after which a step ran for nothing"),
        Metric("expressible", digits=0, title="edits that the tool can be told of"),
        Metric("cells", digits=0, title="edits times arrangements"),
        Metric("agreeing", digits=0, title="cells in which all experiments agree"),
        Metric("cpu_seconds", unit="s", digits=2, better="lower", title="CPU time of a check, user and system"),
        Metric("wall_seconds", unit="s", digits=2, better="lower", title="time of a check on the clock"),
        Metric("cpu_ratio", unit="×", digits=1, title="CPU time of a check, over that of lockstep"),
        Metric("wall_ratio", unit="×", digits=1, title="time of a check on the clock, over that of lockstep"),
    ],
    smoke={
        "config": {
            "edits": ("a comment", "an annotation", "a class attribute", "a grid value added", "a stage at the end"),
            "kinds": ("conditions on import",),
            "rounds": 2,
            "timed": ("lockstep", "lockstep-first"),
        },
        "grid": {"arrangement": ["lockstep"], "posts": [2]},
    },
)
matrix = drift.stage("matrix:measure", arrangement=ARRANGEMENTS, seed=range(3), programs=["python"])
tried = drift.stage("tried:measure", name="adversary", arrangement=ARRANGEMENTS[:1], seed=range(3), programs=["python"])
tried_by_others = drift.stage("tried:measure", name=OTHERS, arrangement=ARRANGEMENTS[1:], seed=[0], programs=["python"])
times = drift.stage("times:measure", name="times", posts=[10, 100, LARGE], programs=["python"])
draw = drift.stage("figures:draw", over=[matrix, times])
card = drift.stage("figures_card:draw", name="card", over=[matrix])
diagram = drift.stage("diagram:draw", name="diagram", programs=["dot"])


def count(measured, metric, tool, setting=None, edits=ALL, stage="matrix"):
    """A number of edits, by default of all in the matrix that we began with."""
    where = {"tool": tool, "stage": stage} | ({"setting": setting} if setting else {})
    return measured(metric, edits=edits, **where)


@drift.claim("equivalent", margin="edits")
def nothing_is_missed_here(measured):
    """In lockstep no edit leaves a wrong result behind."""
    return count(measured, "missed", "lockstep"), 0


@drift.claim("equivalent", margin="edits")
def nothing_of_the_adversary_is_missed_here(measured):
    """In lockstep no edit of the adversary leaves a wrong result behind."""
    return count(measured, "missed", "lockstep", edits=ADVERSARY, stage="adversary"), 0


@drift.claim("greater")
def some_runs_are_needless_here(measured):
    """In lockstep some edits run steps again whose results they do not change."""
    return count(measured, "needless", "lockstep"), 0


@drift.claim("greater")
def plain_snakemake_misses(measured):
    """With its script alone listed, a step in Snakemake keeps wrong results after some edits."""
    return count(measured, "missed", "snakemake", PLAIN), 0


@drift.claim("greater")
def plain_dvc_misses(measured):
    """With its script alone listed, a step in DVC keeps wrong results after some edits."""
    return count(measured, "missed", "dvc", PLAIN), 0


@drift.claim("greater")
def plain_pytask_misses(measured):
    """With its own file alone depended on, a task in pytask keeps wrong results after some edits."""
    return count(measured, "missed", "pytask", PLAIN), 0


@drift.claim("equivalent", margin="edits")
def careful_snakemake_misses_nothing(measured):
    """With every module listed, no edit leaves a wrong result behind in Snakemake."""
    return count(measured, "missed", "snakemake", CAREFUL), 0


@drift.claim("equivalent", margin="edits")
def careful_dvc_misses_nothing(measured):
    """With every module listed, no edit leaves a wrong result behind in DVC."""
    return count(measured, "missed", "dvc", CAREFUL), 0


@drift.claim("equivalent", margin="edits")
def careful_pytask_misses_nothing(measured):
    """With every module listed, no edit leaves a wrong result behind in pytask."""
    return count(measured, "missed", "pytask", CAREFUL), 0


@drift.claim("less")
def fewer_needless_than_careful_snakemake(measured):
    """Fewer edits run something for nothing in lockstep than in Snakemake with every module listed."""
    return count(measured, "needless", "lockstep"), count(measured, "needless", "snakemake", CAREFUL)


@drift.claim("less")
def fewer_needless_than_careful_dvc(measured):
    """Fewer edits run something for nothing in lockstep than in DVC with every module listed."""
    return count(measured, "needless", "lockstep"), count(measured, "needless", "dvc", CAREFUL)


@drift.claim("less")
def fewer_needless_than_careful_pytask(measured):
    """Fewer edits run something for nothing in lockstep than in pytask with every module listed."""
    return count(measured, "needless", "lockstep"), count(measured, "needless", "pytask", CAREFUL)


@drift.claim("greater")
def five_times_dvc(measured):
    """On a thousand posts a check in DVC takes more than five times the CPU time of ours."""
    return measured("cpu_ratio", asked="dvc", posts=LARGE), 5


@drift.claim("greater")
def five_times_snakemake(measured):
    """On a thousand posts a check in Snakemake takes more than five times the CPU time of ours."""
    return measured("cpu_ratio", asked="snakemake", posts=LARGE), 5


@drift.claim("greater")
def five_times_pytask(measured):
    """On a thousand posts a check in pytask takes more than five times the CPU time of ours."""
    return measured("cpu_ratio", asked="pytask", posts=LARGE), 5


@drift.claim("greater")
def the_first_check_is_slower_than_snakemake(measured):
    """On a thousand posts our first check in a clone takes more CPU time than a check in Snakemake."""
    at = {"posts": LARGE}
    return measured("cpu_seconds", asked="lockstep-first", **at), measured("cpu_seconds", asked="snakemake", **at)


@drift.claim("less")
def the_first_check_is_faster_than_dvc(measured):
    """On a thousand posts our first check in a clone takes less CPU time than a check in DVC."""
    at = {"posts": LARGE}
    return measured("cpu_seconds", asked="lockstep-first", **at), measured("cpu_seconds", asked="dvc", **at)


@drift.claim("less")
def the_first_check_is_faster_than_pytask(measured):
    """On a thousand posts our first check in a clone takes less CPU time than a check in pytask."""
    at = {"posts": LARGE}
    return measured("cpu_seconds", asked="lockstep-first", **at), measured("cpu_seconds", asked="pytask", **at)


@drift.table
def verdicts(measured, reported):
    """What each tool made of the edits, in each setting."""
    rows = []
    for tool, name in {"lockstep": "lockstep", **TOOLS}.items():
        for setting in [None] if tool == "lockstep" else [PLAIN, CAREFUL]:
            row = {"tool": name, "modules listed": {None: "not needed", PLAIN: "no", CAREFUL: "all"}[setting]}
            counts = ("right", "missed", "needless", "expressible")
            rows.append(row | {metric: count(measured, metric, tool, setting) for metric in counts})
    return rows


@drift.table
def adversary(measured, reported):
    """Each kind of the adversary's cases: how many lockstep misses or refuses, and how many each other tool misses."""
    rows = []
    for kind in (*KINDS, ADVERSARY):
        row = {"edits of": "all kinds" if kind == ADVERSARY else kind}
        row |= {
            metric: count(measured, metric, "lockstep", edits=kind, stage="adversary")
            for metric in ("expressible", *LOST)
        }
        for tool, name in TOOLS.items():
            for setting in (PLAIN, CAREFUL):
                row[f"missed in {name}, {setting}"] = count(measured, "missed", tool, setting, kind, OTHERS)
        rows.append(row | {"told to the others": count(measured, "expressible", "dvc", PLAIN, kind, OTHERS)})
    return rows


@drift.table
def prices(measured, reported):
    """CPU seconds of a check by number of posts, and on the largest project the ratio to ours."""
    named = {
        "lockstep": "lockstep check",
        "lockstep-first": "lockstep check, the first in a clone",
        "snakemake": "snakemake --dry-run",
        "dvc": "dvc status",
        "pytask": "pytask --dry-run",
    }
    rows = []
    for asked, text in named.items():
        row = {"command": text}
        row |= {f"{posts:,} posts": measured("cpu_seconds", asked=asked, posts=posts) for posts in (10, 100, LARGE)}
        rows.append(row | {"ratio": measured("cpu_ratio", asked=asked, posts=LARGE)})
    return rows
