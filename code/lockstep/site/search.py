"""The search index, by Pagefind, over what was written: made again only where a page has changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lockstep.errors import LockstepError

APART = (".provenance", ".take", ".large", ".mark", ".references", ".colophon", ".neighbours", ".contents", "math")


def index(output: Path, kept: Path) -> None:
    """Write `output/pagefind/`. `kept` is the folder outside the site where the last index waits to be used again.

    Raises LockstepError where Pagefind fails.
    """
    key, before = digest(output), kept / "pages"
    if before.is_file() and before.read_text(encoding="utf-8") == key:
        shutil.copytree(kept / "pagefind", output / "pagefind", dirs_exist_ok=True)
        return
    shutil.rmtree(kept, ignore_errors=True)
    command = [sys.executable, "-m", "pagefind", "--site", str(output), "--root-selector", "main", "--quiet"]
    command += ["--output-path", str(kept / "pagefind"), "--exclude-selectors", ", ".join(APART)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LockstepError(f"the search index could not be made: {(done.stderr or done.stdout).strip()}")
    for surplus in (kept / "pagefind").glob("pagefind-*ui*"):  # interfaces that the theme does not use
        surplus.unlink()
    (kept / "pagefind" / "pagefind-highlight.js").unlink(missing_ok=True)
    before.write_text(key, encoding="utf-8")
    shutil.copytree(kept / "pagefind", output / "pagefind", dirs_exist_ok=True)


def digest(output: Path) -> str:
    """Of the pages that are searched: what stands in `main`."""
    found = hashlib.sha256()
    for path in sorted(output.rglob("*.html")):
        main = re.search(rb"<main\b.*</main>", path.read_bytes(), re.DOTALL)
        found.update(f"{path.relative_to(output)}\0".encode() + (main[0] if main else b""))
    return found.hexdigest()
