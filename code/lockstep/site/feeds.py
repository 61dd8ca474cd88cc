"""Feeds: the full text, with every bound value as the plain text it is."""

from __future__ import annotations

import re
from typing import Any

PROVENANCE = re.compile(r'<span class="provenance".*?</span><!--end-->', re.DOTALL)
MARK = re.compile(r'<button\b[^>]*class="mark"[^>]*>.*?</button>')
BUTTON = re.compile(r"<button\b[^>]*>(.*?)</button>", re.DOTALL)
WRAPPER = re.compile(r"</?data\b[^>]*>")


def plain_text(html: str) -> str:
    """Without pop-overs and buttons; their visible text stays."""
    return WRAPPER.sub("", BUTTON.sub(r"\1", MARK.sub("", PROVENANCE.sub("", html))))


def plain(context: Any, feed: Any) -> None:
    for item in feed.items:
        for part in ("content", "description"):
            if item.get(part):
                item[part] = plain_text(item[part])
