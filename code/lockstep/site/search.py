"""The search index, by Pagefind, over what was written: made again only where a page has changed.

A large site is divided into parts of a few hundred pages, each with an index of its own, so that an edit costs one part
however many posts there are; the page in the browser merges them. Only pages that say so (`data-pagefind-body`) are
searched, and Pagefind is given no more of them than that. Pages of code, which lie deeper than any other, are not even
looked at: they would outnumber the posts that lead to them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from lockstep.errors import LockstepError
from lockstep.site.output import Output

FOLDER, PARTS = "pagefind", "parts.json"
PART = 256  # pages of a part, at most, on average
DEPTH = 2  # folders above a page that is searched: SLUG/, tags/TAG/
APART = (  # what stands around the text
    *(".told", ".provenance", ".take", ".large", ".mark", ".references", ".colophon", ".cite", ".neighbours"),
    *(".contents", ".contents-button", ".kind", ".tags", ".dateline", ".demo .stage", ".symbol", "math"),
)
SEARCHED = re.compile(rb"<main\b[^>]*\bdata-pagefind-body\b.*</main>", re.DOTALL)
LANGUAGE = re.compile(rb"<html\b[^>]*>")

Pages = dict[str, bytes]


def index(output: Path, kept: Path) -> None:
    """Write `output/pagefind/`: the first part, the others in folders beside it, and the list of those.

    `kept` is the folder outside the site where each part waits to be used again. Raises LockstepError where Pagefind
    fails.
    """
    parts = divided(searched(output))
    names = ["" if number == 0 else f"part-{number}/" for number in range(len(parts))]
    into = Output(output / FOLDER)
    for number, (name, pages) in enumerate(zip(names, parts, strict=True)):
        made = _renewed(kept / str(number), pages)
        for path in made.rglob("*"):
            if path.is_file():
                into.put(f"{name}{path.relative_to(made)}", path.read_bytes())
    into.put(PARTS, json.dumps(names[1:]).encode())
    into.finish()
    for folder in kept.iterdir():
        if folder.is_dir() and folder.name not in map(str, range(len(parts))):
            shutil.rmtree(folder)


def searched(output: Path) -> Pages:
    """What is searched of each page, by its place."""
    found: Pages = {}
    for depth in range(DEPTH + 1):
        for path in output.glob("*/" * depth + "*.html"):
            page = path.read_bytes()
            if (main := SEARCHED.search(page)) and (language := LANGUAGE.search(page)):
                found[path.relative_to(output).as_posix()] = language[0] + main[0]
    return found


def divided(pages: Pages) -> list[Pages]:
    """Parts that a page stays in while others come and go, until there are twice as many pages. At least one."""
    number = 1
    while number * PART < len(pages):
        number *= 2
    parts: list[Pages] = [{} for _ in range(number)]
    for place in sorted(pages):
        parts[int(hashlib.sha256(place.encode()).hexdigest(), 16) % number][place] = pages[place]
    return [part for part in parts if part] or [{}]


def _renewed(folder: Path, pages: Pages) -> Path:
    """The index of a part, made again where it is not that of these pages."""
    key, before, made = _digest(pages), folder / "key", folder / FOLDER
    if not (made.is_dir() and before.is_file() and before.read_text(encoding="utf-8") == key):
        before.unlink(missing_ok=True)  # until the new index is whole, there is none
        site = Output(folder / "site")
        for place, page in pages.items():
            site.put(place, page)
        site.finish()
        _make(folder / "site", made)
        before.write_text(key, encoding="utf-8")
    return made


def _make(site: Path, made: Path) -> None:
    """Into an empty folder: Pagefind leaves what is there already, also what no page needs any more."""
    shutil.rmtree(made, ignore_errors=True)
    site.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pagefind", "--site", str(site), "--root-selector", "main", "--quiet"]
    command += ["--output-path", str(made), "--exclude-selectors", ", ".join(APART)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LockstepError(f"the search index could not be made: {(done.stderr or done.stdout).strip()}")
    for surplus in made.glob("pagefind-*ui*"):  # interfaces that the theme does not use
        surplus.unlink()
    (made / "pagefind-highlight.js").unlink(missing_ok=True)


def _digest(pages: Pages) -> str:
    """Of what is searched, and of what makes the index of it."""
    found = hashlib.sha256(f"{version('pagefind')} {APART}".encode())
    for place, page in pages.items():
        found.update(f"\0{place}\0{len(page)}\0".encode() + page)
    return found.hexdigest()
