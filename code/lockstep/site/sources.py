"""Pages of code: every Python file of a post, highlighted, each line with an anchor (`gan/code/evaluate.py/#L23`).

They are what the pop-over of a number and an excerpt link to, so that its code is at hand wherever the site is.
"""

from __future__ import annotations

from typing import Any

from lockstep.project.project import Project
from lockstep.record.files import read_text
from lockstep.site import highlighting, libraries
from lockstep.site.links import code_page


def files(project: Project, slug: str) -> list[dict[str, str]]:
    """Path, address and highlighted lines of every Python file of a post that is not empty."""
    used = libraries.of(["pygments"])
    key = project.cache.code_key(slug, used)
    kept = project.cache.get("sources", slug, key)
    if kept is None:
        folder = project.root / "code" / "posts" / slug
        texts = {path: read_text(path, project.relative(path)) for path in sorted(folder.rglob("*.py"))}
        paths = {project.relative(path): text for path, text in texts.items() if text.strip()}
        kept = [{"path": path, "url": code_page(path), "html": lines(text)} for path, text in paths.items()]
        project.cache.put("sources", slug, key, kept, used)
    return kept


def lines(source: str) -> str:
    """Highlighted, one element a line, numbered as the file is."""
    html = highlighting.python(source, stripnl=False)
    numbered = enumerate(html.removesuffix("\n").split("\n"), start=1)
    return "".join(f'<span class="line" id="L{number}">{line}\n</span>' for number, line in numbered)


def write(generator: Any, writer: Any, project: Project) -> None:
    """A page for each file of each post."""
    template = generator.get_template("source")
    pages = {article.slug: article for article in [*generator.articles, *generator.hidden_articles, *generator.drafts]}
    for slug in project.slugs:
        found = files(project, slug)
        for file in found:
            writer.write_file(
                f"{file['url']}index.html",
                template,
                generator.context,
                relative_urls=generator.settings["RELATIVE_URLS"],
                post=pages.get(slug),
                slug=slug,
                file=file,
                files=found,
                about=(file["path"], f"{file['path']}: code behind the numbers of the site."),
            )
