"""What is wrong with prose whatever the numbers say: bindings out of place, links that are none, notes without texts.

Both `check` and the site ask here, of the same parse, before either goes on: what one refuses, so does the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.errors import LockstepError, Problem, nearest
from lockstep.prose import addresses
from lockstep.prose.mathml import formula
from lockstep.prose.passages import BLOCK, HEADER, Binding, Prose


def mistakes(prose: Prose, file: str) -> Iterator[Problem]:
    """Every problem of a source by itself."""
    for binding in prose.bindings:
        if told := misplaced(binding):
            yield Problem(file, binding.line, told)
    for at, told in [*prose.misread, *_addresses(prose), *_notes(prose), *_formulas(prose)]:
        yield Problem(file, prose.line_of(at), told)
    for raw in prose.raw:
        if not raw.closed:
            yield Problem(file, prose.line_of(raw.at), "the comment that begins here has no end: close it with -->")
        for line, told in addresses.wrong_html(raw.html):
            yield Problem(file, prose.line_of(raw.at) + line, told)


def misplaced(binding: Binding) -> str | None:
    """Why a binding may not stand where it does, or None."""
    name = f"{binding.kind}:{binding.target}" if binding.kind != "figure" else f"the figure {binding.target}"
    is_figure = binding.kind == "figure" and binding.target.startswith("figures/")
    if binding.kind == "figure" and not is_figure:
        return None  # a picture that no stage drew is one like any other
    if binding.nested:
        return f"{name} is nested in another binding or link: put them side by side"
    if binding.place == "raw":
        return f"{name} stands in raw HTML, where nothing refreshes it: write Markdown"
    if binding.place == "heading":
        return f"{name} stands in a heading, whose text must not change with results: move it into the text below"
    if binding.place == "alt":
        return f"{name} stands in an alternative text, which shows no binding: move it into the caption"
    if binding.place.startswith("metadata:") and binding.place not in HEADER:
        field = binding.place.removeprefix("metadata:")
        return f"{name} stands in {field}: of the header, only summary and headline may hold bindings"
    if not binding.plain:
        form = f"![…]({binding.target})" if is_figure else f"[…]({binding.kind}:…)"
        return f"{name} is not written out where it stands, so that nothing refreshes it: write {form}"
    if (binding.kind in BLOCK or is_figure) and not binding.alone:
        return f"{name} must stand alone in its paragraph, outside of lists and quotations"
    return None


def _addresses(prose: Prose) -> Iterator[tuple[int, str]]:
    for address in prose.addresses:
        wrong = addresses.wrong_picture if address.picture else addresses.wrong_link
        if told := wrong(address.href):
            yield address.at, told


def _formulas(prose: Prose) -> Iterator[tuple[int, str]]:
    for one in prose.formulas:
        try:
            formula(one.content, one.display)
        except LockstepError as error:
            yield one.at, str(error)


def _notes(prose: Prose) -> Iterator[tuple[int, str]]:
    """Each note has one text, and one place in the body outside of other notes."""
    texts: set[str] = set()
    for text in prose.texts_of_notes:
        if text.name in texts:
            yield text.at, f'the note "{text.name}" has two texts'
        texts.add(text.name)
    used: set[str] = set()
    for note in prose.notes:
        if note.name not in texts:
            told = f"the note [^{note.name}] has no text: write a line [^{note.name}]: …{nearest(note.name, texts)}"
            yield note.at, told
        elif note.name in used:
            yield note.at, f'the note "{note.name}" stands twice: each has one place'
        elif note.place != "body":
            where = "another note" if note.place == "note" else note.place.removeprefix("metadata:")
            yield note.at, f'the note "{note.name}" stands in {where}: its place is the text'
        used.add(note.name)
    for text in prose.texts_of_notes:
        if text.name not in used:
            yield text.at, f'nothing refers to the note "{text.name}": write [^{text.name}] where it belongs'
