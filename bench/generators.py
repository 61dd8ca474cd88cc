"""Site builds side by side, `invoke bench --generators`: this one, plain Pelican, Hugo and Eleventy on the same prose.

A generated project of 10, 100 and 1000 posts (blog.py); the others get the same Markdown with its bindings replaced
by their text, a simple template, an index page and a feed of the newest twenty posts. CPU and wall seconds of fresh
processes, the best of three; one run at a time, every tool in each round. Hugo is Debian's package, Eleventy what
bench/eleventy/package-lock.json says. The result is written to docs/benchmarks/site.json.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from blog import ROOT, generate, plain
from livereload import latencies
from lockstep.record.machine import hardware

ROUNDS = 3
RECORD = ROOT / "docs" / "benchmarks" / "site.json"
ELEVENTY = ROOT / "bench" / "eleventy"
OURS = [sys.executable, "-m", "lockstep", "build"]
FROZEN = [*OURS, "--frozen"]
DOES_NOT = {
    "lockstep": "here does not publish (its feed and sitemap are written by `publish` alone)",
    "pelican": "verifies nothing; no tables of contents, provenance, evidence, pages of code, tags, search or pictures",
    "hugo": "as Pelican; its Markdown is CommonMark, and it renders pages in parallel on every core",
    "eleventy": "as Pelican; its Markdown is CommonMark",
}
STATES = {
    "nothing cached": "no output, no cache of any kind; the runs of the posts are in the ledger",
    "nothing to do": "once more, with nothing changed",
    "one post edited": "once more, after a sentence of one post was changed",
}


@dataclass(frozen=True)
class Cost:
    """Of one command, or the least of several."""

    wall: float
    cpu: float

    def least(self, other: Cost | None) -> Cost:
        return self if other is None else Cost(min(self.wall, other.wall), min(self.cpu, other.cpu))


def cost(command: list[str], root: Path) -> Cost:
    """Seconds of a process and its children. Raises SystemExit where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-1000:]} {done.stderr[-2000:]}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def hugo_site(prose: Path) -> Path:
    """The same posts with Hugo's front matter, and its layouts."""
    root = prose.with_name(prose.name + "-hugo")
    shutil.copytree(ROOT / "bench" / "hugo", root)
    with_front_matter(prose, root / "content")
    return root


def eleventy_site(prose: Path) -> Path:
    root = prose.with_name(prose.name + "-eleventy")
    shutil.copytree(ELEVENTY, root, ignore=shutil.ignore_patterns("node_modules"))
    (root / "node_modules").symlink_to(ELEVENTY / "node_modules")
    (root / "pages").rename(root / "content")
    with_front_matter(prose, root / "content" / "posts")
    return root


def with_front_matter(prose: Path, folder: Path) -> None:
    """Every post as YAML front matter and Markdown, in one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in prose.glob("content/*/index.md"):
        header, _, text = path.read_text().partition("\n\n")
        fields = [line.partition(": ") for line in header.splitlines()]
        front = "".join(
            f"{name.lower()}: {value if name == 'Date' else json.dumps(value)}\n" for name, _, value in fields
        )
        (folder / f"{path.parent.name}.md").write_text(f"---\n{front}---\n{text}")


def edited(path: Path) -> Callable[[], None]:
    """Another sentence of one post, each time."""

    def edit() -> None:
        with path.open("a") as file:
            file.write(f"\nOne more sentence, {time.time_ns()}.\n")

    return edit


def without(root: Path, *names: str) -> Callable[[], None]:
    def remove() -> None:
        for name in names:
            shutil.rmtree(root / name, ignore_errors=True)

    return remove


def nothing() -> None:
    """Leave everything as it is."""


def measured(posts: int) -> dict[str, Any]:
    """Every tool in every state, at one size."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "blog"
        root.mkdir()
        generate(root, posts)
        cost([*OURS, "--no-render"], root)  # makes the runs
        prose = plain(root)
        hugo, eleventy = hugo_site(prose), eleventy_site(prose)
        tools = {
            "lockstep": (
                FROZEN,
                root,
                root / "content/post5/index.md",
                (".lockstep/cache", ".lockstep/search", "output"),
            ),
            "pelican": ([sys.executable, "-m", "pelican", "-q"], prose, prose / "content/post5/index.md", ("output",)),
            "hugo": (["hugo", "--quiet"], hugo, hugo / "content/post5.md", ("output", "resources")),
            "eleventy": (
                ["node", "node_modules/@11ty/eleventy/cmd.cjs", "--quiet"],
                eleventy,
                eleventy / "content/posts/post5.md",
                ("output",),
            ),
        }
        found: dict[str, dict[str, Cost]] = {name: {} for name in tools}
        for _ in range(ROUNDS):
            for name, (command, place, post, made) in tools.items():
                for state, change in zip(STATES, (without(place, *made), nothing, edited(post)), strict=True):
                    change()
                    found[name][state] = cost(command, place).least(found[name].get(state))
        pages = {name: len(list((place / "output").rglob("*.html"))) for name, (_, place, _, _) in tools.items()}
        return {
            "seconds": {
                name: {state: _rounded(vars(c)) for state, c in states.items()} for name, states in found.items()
            },
            "pages": pages,
            "phases": phases(root),
        }


def phases(root: Path) -> dict[str, dict[str, float]]:
    """Where our wall time goes, in each state: one run each."""
    changes = (
        without(root, ".lockstep/cache", ".lockstep/search", "output"),
        nothing,
        edited(root / "content/post5/index.md"),
    )
    found = {}
    for state, change in zip(STATES, changes, strict=True):
        change()
        command = [sys.executable, str(ROOT / "bench" / "phases.py")]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        found[state] = _rounded(json.loads(done.stdout.splitlines()[-1]))
    return found


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in seconds.items()}


def versions() -> dict[str, str]:
    """Of everything that is compared. Raises SystemExit where something is missing, with how to get it."""
    if not shutil.which("hugo"):
        raise SystemExit("there is no hugo here: apt-get install hugo")
    if not shutil.which("node"):
        raise SystemExit("there is no node here: apt-get install nodejs npm")
    if not (ELEVENTY / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=ELEVENTY, check=True, stdout=subprocess.DEVNULL)
    package = json.loads((ELEVENTY / "node_modules/@11ty/eleventy/package.json").read_text())

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return {
        "python": platform.python_version(),
        "pelican": version("pelican"),
        "markdown": version("markdown"),
        "pagefind": version("pagefind"),
        "hugo": said("hugo", "version").split()[1],
        "eleventy": package["version"],
        "node": said("node", "--version"),
    }


def show(posts: int, found: dict[str, Any]) -> None:
    print(f"\n{posts} posts, seconds wall (CPU)\n{'':12}" + "".join(f"{state:>20}" for state in STATES))
    for name, states in found["seconds"].items():
        cells = (f"{c['wall']:.2f} ({c['cpu']:.2f})" for c in states.values())
        print(f"{name:12}" + "".join(f"{cell:>20}" for cell in cells), flush=True)
    for name in dict.fromkeys(name for spent in found["phases"].values() for name in spent):
        print(
            f"  {name:40}" + "".join(f"{spent.get(name, 0):>10.2f}" for spent in found["phases"].values()), flush=True
        )


def main() -> None:
    record: dict[str, Any] = {
        "versions": versions(),
        "hardware": hardware(),
        "load at the start": round(os.getloadavg()[0], 2),
        "rounds": ROUNDS,
        "states": STATES,
        "does not": DOES_NOT,
        "posts": {},
    }
    for posts in (int(argument) for argument in sys.argv[1:] or ("10", "100", "1000")):
        record["posts"][str(posts)] = measured(posts)
        show(posts, record["posts"][str(posts)])
    record["livereload"] = latencies()
    for name, spent in record["livereload"]["seconds"].items():
        print(f"livereload, 20 posts, {name:10} median {spent['median']:.2f} s, slowest {spent['slowest']:.2f} s")
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"\nwritten to {RECORD.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
