"""Demos: the scripts that a post keeps beside its code go where its pages look for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def copy(pelican: Any) -> None:
    """Copy `code/posts/SLUG/demo/` into the site. What the scripts load is content, which Pelican copies itself."""
    content, output = Path(pelican.settings["PATH"]), Path(pelican.settings["OUTPUT_PATH"])
    for folder in sorted(content.parent.glob("code/posts/*/demo")):
        shutil.copytree(folder, output / folder.parent.name / "demo", dirs_exist_ok=True)
