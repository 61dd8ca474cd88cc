"""Reading prose: one reader that resolves bindings, and what the templates get beside the text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from pelican.readers import MarkdownReader

from lockstep import bindings
from lockstep.errors import CheckFailed, LockstepError, Problem
from lockstep.project import Project
from lockstep.resolve import Resolver
from lockstep.site.citations import Bibliography
from lockstep.site.markdown import Bindings, Page

failures: list[Problem] = []
read: set[Path] = set()
rendered: Project | None = None  # set while generate.py renders it


class Reader(MarkdownReader):
    """Pelican's Markdown reader, with bindings, math and citations. What fails is kept in `failures`."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.project = rendered or Project.find(Path(self.settings["PATH"]))
        folder = str(Path(self.settings["THEME"]) / "templates" / "bindings")
        self.environment = Environment(
            loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self.bibliography = Bibliography.read(self.project.root / "content" / "references.bib")
        self.extension = Bindings(self.render)
        markdown = self.settings["MARKDOWN"]
        own = {**markdown, "extensions": [*markdown["extensions"], self.extension]}
        self.settings = {**self.settings, "MARKDOWN": own}

    def read(self, source_path: str) -> tuple[str, dict[str, Any]]:
        """Content and metadata of one file. Raises what it also keeps in `failures`."""
        path = Path(source_path).resolve()
        relative = self.project.relative(path)
        slug = path.parent.name
        post = self.project.post(slug) if path.name == "index.md" and slug in self.project.slugs else None
        page = Page(slug, Resolver.of(post) if post else None, self.bibliography)
        self.extension.page = page
        try:
            content, metadata = super().read(source_path)
            self.verify(path, page)
            ran = page.resolver is not None and page.resolver.post.declaration.exists()
            metadata["lockstep"] = {
                "references": page.references(),
                "colophon": page.resolver.colophon() if page.resolver and ran else [],
                "toc": self.contents if path.name == "index.md" else "",
            }
        except LockstepError as error:
            failures.append(Problem(relative, 1, str(error)))
            raise
        except Exception as error:
            failures.append(Problem(relative, 1, f"{type(error).__name__}: {error}"))
            raise
        read.add(path)
        return content, metadata

    def _parse_metadata(self, meta: Any) -> dict[str, Any]:
        self.contents = getattr(self._md, "toc", "")  # the summary, converted next, has none
        return super()._parse_metadata(meta)

    def verify(self, path: Path, page: Page) -> None:
        """What the source binds is what the page shows. Raises LockstepError."""
        found = bindings.parse(path.read_text(encoding="utf-8")).bindings
        expected = Counter((b.kind, b.target) for b in found if b.kind != "figure" or b.target.startswith("figures/"))
        if (shown := Counter(page.rendered)) != expected:
            lost = ", ".join(f"{kind}:{target}" for kind, target in [*(expected - shown), *(shown - expected)])
            raise LockstepError(f"bindings in the source and on the page differ: {lost}")

    def render(self, fields: dict[str, Any]) -> str:
        """One binding through the theme's partial of its kind."""
        return self.environment.get_template(f"{fields['kind']}.html").render(fields).strip()


def use_reader(readers: Any) -> None:
    readers.reader_classes["md"] = Reader


def complete(generator: Any) -> None:
    """Articles that Pelican dropped are found by counting, here and in generate.py."""
    if failures:
        raise CheckFailed(failures)
