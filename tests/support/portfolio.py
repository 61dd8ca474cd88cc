"""A small site of four posts with tags, headline numbers, thumbnails and skills, and what its tests read of it."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

from mini import create, edit, lockstep

ROOT = Path(__file__).parents[2]
PROSE = "content/mini/index.md"
HOSTILE = '<script>alert(1)</script> & "quoted" {braces} 100_%'
SITEURL = "https://blog.example/me"
PUBLISH = "from lockstep.project.project import Project; from lockstep.site.generate import generate; "
PUBLISH += "generate(Project.find(), 'publishconf.py')"
DRAW = """def total(run):
    for name in ("first.svg", "second.svg"):
        run.figure(name).write_text("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 300 200.4'/>")
"""
HEADER = """Tags: Measuring, <b>bold & "sharp"</b>, top 10
Headline: [](measured:score) on the line <script>alert(2)</script>
    [](reported:score) published
Thumbnail: figures/second.svg
Skills: statistics: claim:scores_are_positive, table:scores, #how-it-went
    <i>code</i>: code:layers.py#Net
"""
BODY = """
## How it went

![The first.](figures/first.svg)

![The second.](figures/second.svg)

[The net.](code:layers.py#Net)
"""
OTHERS = {
    "next": ("2026-01-03", "capstone", "Tags: Measuring\nSkills: statistics: #words", "Another"),
    "far": ("2026-01-04", "design", "Tags: top 1", HOSTILE),
    "near": ("2026-01-05", "capstone", "Tags: Measuring, top 10\nSkills: statistics: #words", "Nearest"),
}


def dressed(root: Path) -> Path:
    """The small project with the site's settings and theme and a page about its author; nothing has run."""
    create(root)
    for name in ("pelicanconf.py", "publishconf.py", "site.toml"):
        shutil.copy(ROOT / name, root / name)
    site = root / "site.toml"
    site.write_text(re.sub(r"(?m)^posts = .*\n", "", site.read_text()))  # it names posts that are not here
    shutil.rmtree(root / "theme")
    shutil.copytree(ROOT / "theme", root / "theme")
    (root / "content/pages").mkdir()
    (root / "content/pages/about.md").write_text("Title: About\nSlug: about\n\nWords about it.\n")
    return root


def make(root: Path) -> Path:
    """Four posts, one of them with runs, and the site's settings and theme."""
    dressed(root)
    (root / "content/pages/404.md").write_text("Title: No\nSlug: 404\nSave_as: 404.html\nStatus: hidden\n\nNo.\n")
    edit(root, "code/posts/mini/evaluate.py", "def total(run):\n", DRAW)
    edit(root, PROSE, "Summary: It scores [](measured:score)", f"{HEADER}Summary: It totals [](measured:total)")
    with (root / PROSE).open("a") as file:
        file.write(BODY)
    for slug, (date, kind, more, title) in OTHERS.items():
        (root / f"content/{slug}").mkdir()
        text = f"Title: {title}\nDate: {date}\nCategory: {kind}\nSummary: Of {slug}.\n{more}\n\n## Words\n\nProse.\n"
        (root / f"content/{slug}/index.md").write_text(text)
    done = lockstep(root, "build")
    assert done.returncode == 0, done.stderr
    return root


def publish(root: Path) -> Path:
    done = lockstep(root, code=PUBLISH, SITEURL=f"{SITEURL}/", LOCKSTEP_OUTPUT=str(root / "published"))
    assert done.returncode == 0, done.stderr
    return root / "published"


def failing(root: Path) -> str:
    done = lockstep(root, "build", "--frozen")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


class Document(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        self.texts.setdefault(self._open, []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def meta(self) -> dict[str | None, str | None]:
        return {a.get("name") or a.get("property"): a.get("content") for a in self.all("meta")}
