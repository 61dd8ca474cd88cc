"""The search index, by Pagefind, over what was written: made again only where a page has changed.

Pages of code, which lie deeper than any other, are not searched: they would outnumber the posts that lead to them.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from lockstep.errors import LockstepError
from lockstep.site.output import mirror

FOLDER = "pagefind"
DEPTH = 2  # folders above a page that is searched: SLUG/, tags/TAG/
APART = (".provenance", ".take", ".large", ".mark", ".references", ".colophon", ".neighbours", ".contents", "math")


def index(output: Path, kept: Path) -> None:
    """Write `output/pagefind/`. `kept` is the folder outside the site where the last index waits to be used again.

    Raises LockstepError where Pagefind fails.
    """
    key, before, made = digest(output), kept / "pages", kept / FOLDER
    if not (made.is_dir() and before.is_file() and before.read_text(encoding="utf-8") == key):
        before.unlink(missing_ok=True)  # until the new index is whole, there is none
        _make(output, made)
        before.write_text(key, encoding="utf-8")
    mirror(made, output / FOLDER)


def _make(output: Path, made: Path) -> None:
    """Into an empty folder: Pagefind leaves what is there already, also what no page needs any more."""
    shutil.rmtree(made, ignore_errors=True)
    command = [sys.executable, "-m", "pagefind", "--site", str(output), "--root-selector", "main", "--quiet"]
    command += ["--glob", f"{{{','.join('*/' * depth + '*.html' for depth in range(DEPTH + 1))}}}"]
    command += ["--output-path", str(made), "--exclude-selectors", ", ".join(APART)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LockstepError(f"the search index could not be made: {(done.stderr or done.stdout).strip()}")
    for surplus in made.glob("pagefind-*ui*"):  # interfaces that the theme does not use
        surplus.unlink()
    (made / "pagefind-highlight.js").unlink(missing_ok=True)


def digest(output: Path) -> str:
    """Of the pages that are searched, by what stands in `main`, and of what makes the index of them."""
    found = hashlib.sha256(f"{version('pagefind')} {APART}".encode())
    for path in sorted(page for depth in range(DEPTH + 1) for page in output.glob("*/" * depth + "*.html")):
        main = re.search(rb"<main\b.*</main>", path.read_bytes(), re.DOTALL)
        found.update(f"{path.relative_to(output)}\0".encode() + (main[0] if main else b""))
    return found.hexdigest()
