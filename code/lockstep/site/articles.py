"""Reading prose: one reader that resolves bindings, and what the templates get beside the text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from pelican.readers import MarkdownReader

from lockstep import bindings
from lockstep.colophon import colophon
from lockstep.errors import CheckFailed, LockstepError, Problem, placed
from lockstep.project import Project
from lockstep.site import evidence, libraries, related, sources
from lockstep.site.citations import Bibliography
from lockstep.site.details import details
from lockstep.site.markdown import Bindings, Page
from lockstep.site.notes import Notes

failures: list[Problem] = []
read: set[Path] = set()
rendered: Project | None = None  # set while generate.py renders it


class Reader(MarkdownReader):
    """Pelican's Markdown reader, with bindings, math and citations. What fails is kept in `failures`."""

    _md: Any
    contents = ""
    meta: dict[str, list[str]]

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.project = project_of(self.settings)
        folder = Path(self.settings["THEME"]) / "templates"
        parts = PrefixLoader({"parts": FileSystemLoader(folder / "parts")})  # what it cannot see is not in a page's key
        self.environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder / "bindings"), parts]),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.bibliography = Bibliography.read(self.project.root / "content" / "references.bib")
        self.environment.globals["source_url"] = self.settings.get("SOURCE_URL", "").rstrip("/")
        self.extension = Bindings(self.render)
        markdown = self.settings["MARKDOWN"]
        own = {**markdown, "extensions": [*markdown["extensions"], self.extension, Notes()]}
        used = (markdown, self.settings.get("SOURCE_URL"), self.settings["THEME"])  # of all settings
        self.seen = repr((used, libraries.rendering(self.settings)))
        self.settings = {**self.settings, "MARKDOWN": own}

    def read(self, source_path: str) -> tuple[str, dict[str, Any]]:
        """Content and metadata of one file. Raises what it also keeps in `failures`."""
        path = Path(source_path).resolve()
        relative = self.project.relative(path)
        slug = path.parent.name
        post = self.project.post(slug) if path.name == "index.md" and slug in self.project.slugs else None
        page = Page(slug, post, self.bibliography)
        self.extension.page = page
        key = self.project.cache.key(slug, self.seen) if post else ""
        kept = self.project.cache.get("page", slug, key)
        try:
            if kept:
                content, metadata, shown = self.again(kept)
            else:
                with self.project.cache.watching(slug if post else ""):
                    content, metadata, shown = self.anew(path, page, source_path)
        except LockstepError as error:
            failures.extend(error.problems if isinstance(error, CheckFailed) else [placed(str(error), relative)])
            raise
        except Exception as error:
            failures.append(Problem(relative, 1, f"{type(error).__name__}: {error}"))
            raise
        if not kept:
            entry = {"content": content, "meta": self.meta, "summary": str(metadata.get("summary", "")), "shown": shown}
            self.project.cache.put("page", slug, key, entry, self.seen)
        read.add(path)
        return content, {**metadata, "lockstep": shown}

    def anew(self, path: Path, page: Page, source_path: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Convert the source and verify it: content, metadata, and what the templates show beside."""
        prose = bindings.read(path, self.project.relative(path))
        page.listed = prose.metadata.get("status", ("published", 0))[0] == "published"  # and no draft, nor hidden
        content, metadata = super().read(source_path)
        more = details(page, prose, content, str(metadata.get("summary", "")), self.convert)
        self.verify(prose, page)
        ran = page.resolver is not None and page.resolver.post.declaration.exists()
        shown = {
            "references": page.references(),
            "colophon": colophon(page.resolver) if page.resolver and ran else {},
            "toc": self.contents if path.name == "index.md" else "",
            "downloads": evidence.downloads(page.post),
            **more,
        }
        if page.post and page.listed:
            shown["evidence"] = evidence.entry(self.environment, page.evidence, str(metadata.get("title", "")), shown)
        return content, metadata, shown

    def again(self, kept: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The same from an entry of the cache."""
        self._md = _Kept(kept["summary"])
        return kept["content"], self._parse_metadata(kept["meta"]), kept["shown"]

    def _parse_metadata(self, meta: Any) -> dict[str, Any]:
        self.meta = {name: list(values) for name, values in meta.items()}  # converting the summary empties it
        self.contents = getattr(self._md, "toc", "")  # the summary, converted next, has none
        if self.extension.page:
            self.extension.page.part = "summary"
        return super()._parse_metadata(meta)

    def convert(self, text: str) -> str:
        """Markdown of the header, with its bindings, after the text has been read."""
        self._md.reset()
        return self._md.convert(text)

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


class _Kept:
    """Stands in for the converter where a page is unchanged: the one text left to convert is the summary."""

    def __init__(self, summary: str):
        self.summary = summary
        self.preprocessors = self

    def deregister(self, name: str) -> None: ...

    def reset(self) -> None: ...

    def convert(self, text: str) -> str:
        return self.summary


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
