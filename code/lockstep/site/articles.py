"""Reading prose: one reader that resolves bindings, and what the templates get beside the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from pelican.readers import BaseReader

from lockstep.errors import CheckFailed, LockstepError, Problem, problem_of
from lockstep.project.project import Project
from lockstep.prose import bindings
from lockstep.prose.colophon import colophon
from lockstep.prose.mistakes import mistakes
from lockstep.record.cache import BINDINGS
from lockstep.site import evidence, libraries, links, related, sources
from lockstep.site.citations import Bibliography
from lockstep.site.details import details
from lockstep.site.markdown import Html, Page

failures: list[Problem] = []
read: set[Path] = set()
rendered: Project | None = None  # set while generate.py renders it


class Reader(BaseReader):
    """Prose by the engine's own parser, with bindings, formulas and citations. What fails is kept in `failures`."""

    enabled = True
    file_extensions: ClassVar[list[str]] = ["md"]

    def __init__(self, settings: Any):
        super().__init__(settings)
        self.project = project_of(self.settings)
        folder = Path(self.settings["THEME"]) / "templates"
        parts = PrefixLoader({"parts": FileSystemLoader(folder / "parts")})  # what it cannot see is not in a page's key
        self.environment = Environment(
            loader=ChoiceLoader([FileSystemLoader([folder / "bindings", BINDINGS]), parts]),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.bibliography = Bibliography.read(self.project.root / "content" / "references.bib")
        source = self.settings.get("SOURCE_URL", "").rstrip("/")
        self.environment.globals["source_url"] = source
        self.environment.filters["commits"] = lambda told: links.commits(source, told)
        used = (self.settings.get("SOURCE_URL"), self.settings["THEME"])  # of all settings
        self.seen = repr((used, libraries.rendering(self.settings)))

    def read(self, source_path: str) -> Any:
        """Content and metadata of one file. Raises what it also keeps in `failures`."""
        path = Path(source_path).resolve()
        relative = self.project.relative(path)
        slug = path.parent.name
        post = self.project.post(slug) if path.name == "index.md" and slug in self.project.slugs else None
        page = Page(slug, post, self.bibliography)
        key = self.project.cache.key(slug, self.seen) if post else ""
        kept = self.project.cache.get("page", slug, key)
        try:
            if not (entry := kept):
                with self.project.cache.watching(slug if post else ""):
                    entry = self.anew(bindings.read(path, relative), page, relative)
        except LockstepError as error:
            failures.extend(error.problems if isinstance(error, CheckFailed) else [problem_of(error, relative)])
            raise
        except Exception as error:
            failures.append(Problem(relative, 1, f"{type(error).__name__}: {error}"))
            raise
        if not kept:
            self.project.cache.put("page", slug, key, entry, self.seen)
        read.add(path)
        metadata = {name: self.process_metadata(name, value) for name, value in entry["meta"].items()}
        return entry["content"], {**metadata, "lockstep": entry["shown"]}

    def anew(self, prose: bindings.Prose, page: Page, file: str) -> dict[str, Any]:
        """Verify the source and render it: content, metadata, what templates show beside. Raises CheckFailed."""
        if wrong := list(mistakes(prose, file)):
            raise CheckFailed(wrong)
        page.listed = prose.metadata.get("status", ("published", 0))[0] == "published"  # and no draft, nor hidden
        html = Html(page, self.render, file)
        content = html.body(prose)
        page.part = "summary"
        meta = dict(_entries(prose, html))
        more = details(page, prose, content, meta.get("summary", ""), html)
        self.verify(prose, page)
        ran = page.resolver is not None and page.resolver.post.declaration.exists()
        shown = {
            "references": page.references(),
            "colophon": colophon(page.resolver) if page.resolver and ran else {},
            "toc": html.outline.html() if page.post else "",
            "downloads": evidence.downloads(page.post),
            "provenance": "\n".join(page.provenance["text"]),
            "card_provenance": "\n".join(page.provenance["summary"]),
            **more,
        }
        if page.post and page.listed:
            shown["evidence"] = evidence.entry(self.environment, page.evidence, meta.get("title", ""), shown)
        return {"content": content, "meta": meta, "shown": shown}

    def verify(self, prose: bindings.Prose, page: Page) -> None:
        """What the source binds is what the page shows. Raises LockstepError."""
        bound = prose.bindings
        expected = Counter((b.kind, b.target) for b in bound if b.kind != "figure" or b.target.startswith("figures/"))
        if (shown := Counter(page.rendered)) != expected:
            lost = ", ".join(f"{kind}:{target}" for kind, target in [*(expected - shown), *(shown - expected)])
            raise LockstepError(f"bindings in the source and on the page differ: {lost}")

    def render(self, fields: dict[str, Any]) -> str:
        """One binding through the theme's partial of its kind."""
        return self.environment.get_template(f"{fields['kind']}.html").render(fields).strip()


def _entries(prose: bindings.Prose, html: Html) -> Iterator[tuple[str, Any]]:
    """Each entry of the header as Pelican takes it: the summary as HTML, others as text or the texts of their lines."""
    for one in reversed(prose.fields):
        texts = [text for _, _, text in one.lines]
        yield one.name, texts if len(texts) > 1 else texts[0]
    for _, tokens in prose.header.get("summary", []):
        yield "summary", f"<p>{html.entry(tokens)}</p>"


def project_of(settings: Any) -> Project:
    """The project that is being rendered."""
    return rendered or Project.find(Path(settings["PATH"]))


def use_reader(readers: Any) -> None:
    """Called before a site is generated, so also before each new rendering while writing."""
    readers.reader_classes["md"] = Reader
    failures.clear()
    read.clear()


def add_pages(generator: Any, writer: Any) -> None:
    """Pages that are made of all posts, after those of each."""
    project = project_of(generator.settings)
    evidence.write(generator, writer, project)
    sources.write(generator, writer, project)


def complete(generator: Any) -> None:
    """Articles that Pelican dropped are found by counting, here and in generate.py."""
    if failures:
        raise CheckFailed(failures)
    related.connect(generator)
