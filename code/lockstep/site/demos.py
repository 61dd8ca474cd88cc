"""Demos: the scripts that a post keeps beside its code go where its pages look for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lockstep.site.output import put


def copy(pelican: Any) -> None:
    """Copy `code/posts/SLUG/demo/` into the site. What the scripts load is content, which Pelican copies itself.

    `NAME.toml`, which says what a demo loads besides, is for the build and stays.
    """
    for folder in sorted(Path(pelican.settings["PATH"]).parent.glob("code/posts/*/demo")):
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".toml":
                put(pelican.settings, f"{folder.parent.name}/demo/{path.relative_to(folder)}", path.read_bytes())
