"""The price of being sure, `invoke bench`: a generated project of 10, 100 and 1000 posts.

Each post has code of its own with two stages, four recorded runs, and a page of prose with ten bindings. Measured in
CPU seconds of a fresh process, best of three: `check`, a build with nothing to do, and plain Pelican on the same prose
with its bindings replaced by their text, with its own simple theme and the same extensions.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SENTENCE = "The quick brown fox jumps over the lazy dog while nobody measures how long that takes or how it fails. "
PARAGRAPH = SENTENCE * 6

EXPERIMENT = '''
from dataclasses import dataclass
from lockstep.experiment import Experiment, Metric

@dataclass(frozen=True)
class Config:
    scale: float = 2.0

post = Experiment(Config, metrics=[Metric("score", unit="points"), Metric("total")])
train = post.stage("train:fit", seed=range(3))
total = post.stage("train:total", name="total", over=[train])

@post.claim("greater")
def positive(measured):
    """Positive."""
    return measured("score"), 0
'''
TRAIN = """
from posts.{slug} import helpers

def fit(run):
    return {{"score": run.config.scale + helpers.square(run.seed) + 50.0 + {number}}}

def total(run):
    return {{"total": sum(row["score"] for made in run.inputs for row in made.rows)}}
"""
HELPERS = "def square(x):\n    return x * x\n"
BINDING = re.compile(r"\[([^\]]*)\]\((?:measured|config|claim):[^)]*\)")
PLAIN = """
from pathlib import Path
SITENAME, AUTHOR, SITEURL, TIMEZONE, DEFAULT_LANG = "Blog", "The author", "https://blog.example", "UTC", "en"
PATH, THEME, PAGE_PATHS, FEED_ALL_ATOM, FEED_MAX_ITEMS = "content", "simple", ["pages"], "feed.atom", 20
CATEGORY_FEED_ATOM = TRANSLATION_FEED_ATOM = AUTHOR_FEED_ATOM = AUTHOR_FEED_RSS = None
PATH_METADATA = r"(?:(?!pages/)(?P<slug>[^/]+)/index\.md)?.*"
ARTICLE_PATHS = sorted(path.parent.name for path in Path("content").glob("*/index.md"))
ARTICLE_URL, ARTICLE_SAVE_AS, PAGE_URL, PAGE_SAVE_AS = "{slug}/", "{slug}/index.html", "{slug}/", "{slug}/index.html"
CATEGORY_SAVE_AS = TAG_SAVE_AS = AUTHOR_SAVE_AS = CATEGORIES_SAVE_AS = TAGS_SAVE_AS = AUTHORS_SAVE_AS = ""
ARCHIVES_SAVE_AS = ""
DIRECT_TEMPLATES = ["index"]
MARKDOWN = {"extensions": [f"markdown.extensions.{name}" for name in
    ("meta", "tables", "fenced_code", "codehilite", "toc", "smarty")], "output_format": "html5"}
"""
BOUND = (
    "We score [](measured:score), or [](measured:total) in all, with scale [](config:scale): "
    "[it is positive](claim:positive).\n\n"
)


def generate(root: Path, posts: int) -> None:
    for name in ("pelicanconf.py", "site.toml"):
        shutil.copy(ROOT / name, root / name)
    site = root / "site.toml"
    site.write_text(re.sub(r"(?m)^posts = .*\n", "", site.read_text()))  # it names posts that are not here
    shutil.copytree(ROOT / "theme", root / "theme")
    (root / "content/pages").mkdir(parents=True)
    (root / "content/pages/about.md").write_text("Title: About\nSlug: about\n\nWords.\n")
    for number in range(posts):
        slug = f"post{number}"
        code, content = root / "code/posts" / slug, root / "content" / slug
        code.mkdir(parents=True)
        content.mkdir()
        (code / "experiment.py").write_text(EXPERIMENT)
        (code / "train.py").write_text(TRAIN.format(slug=slug, number=number))
        (code / "helpers.py").write_text(HELPERS)
        (content / "paper.toml").write_text('[config.scale]\nvalue = 2.0\nwhere = "section 3"\n')
        head = (
            f"Title: Post {number}\nDate: 2026-01-02\nSummary: It scores [](measured:score) with [](config:scale).\n\n"
        )
        body = "\n".join(f"## Part {part}\n\n{PARAGRAPH}\n\n{BOUND}" for part in range(2))
        (content / "index.md").write_text(head + body)


def plain(root: Path) -> Path:
    """The same prose without bindings, for Pelican alone with its `simple` theme and the same Markdown extensions."""
    other = root.with_name(root.name + "-plain")
    for path in [*root.glob("content/*/index.md"), *root.glob("content/pages/*.md")]:
        copy = other / path.relative_to(root)
        copy.parent.mkdir(parents=True)
        copy.write_text(BINDING.sub(r"\1", path.read_text()))
    (other / "pelicanconf.py").write_text(PLAIN)
    return other


def cpu(command: list[str], root: Path) -> float:
    """CPU seconds, user and system, of the best of three."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{command}: {done.stdout[-500:]} {done.stderr[-2000:]}")
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def main() -> None:
    print(f"{'posts':>6}{'check':>10}{'build':>10}{'Pelican':>10}{'overhead':>10}   CPU seconds")
    for posts in (int(argument) for argument in sys.argv[1:] or ("10", "100", "1000")):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "blog"
            root.mkdir()
            generate(root, posts)
            subprocess.run(
                [sys.executable, "-m", "lockstep", "build", "--no-render"], cwd=root, capture_output=True, check=True
            )
            check = cpu([sys.executable, "-m", "lockstep", "check"], root)
            build = cpu([sys.executable, "-m", "lockstep", "build"], root)
            alone = cpu([sys.executable, "-m", "pelican", "-q", "-s", "pelicanconf.py"], plain(root))
        print(f"{posts:>6}{check:>10.2f}{build:>10.2f}{alone:>10.2f}{build / alone - 1:>10.0%}", flush=True)


if __name__ == "__main__":
    main()
