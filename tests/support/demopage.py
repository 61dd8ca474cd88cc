"""A page with a post's demos, under the policy that every page of the site has: what the tests of a demo open."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from lockstep.record.cache import BINDINGS
from playwright.sync_api import Browser, Page
from webpages import opened

ROOT = Path(__file__).parents[2]
NAME = "post/index.html"  # of the page in the assembled site
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">{policy}<title>Demo</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="../theme/icon.svg">
<link rel="stylesheet" href="../theme/css/site.css"><link rel="stylesheet" href="../theme/css/demo.css"></head>
<body><main class="post"><div class="body">{figures}</div></main></body></html>"""
SMALLEST = """all => Math.min(...all.flatMap((one) => {
    const { width, height } = one.getBoundingClientRect();
    return [width, height];
}))"""  # the shortest side of them all, in pixels


def figure(fields: Mapping[str, Any]) -> str:
    """A demo's figure as the theme makes it."""
    partials = Environment(loader=FileSystemLoader(BINDINGS), autoescape=True)
    return partials.get_template("demo.html").render(fields)


def assemble(folder: Path, figures: str, *sources: Path) -> None:
    """Write the page with these figures; the files of all sources lie in its folder `demo`."""
    base = (ROOT / "theme/templates/base.html").read_text()
    policy = re.search(r'<meta http-equiv="Content-Security-Policy".*?>', re.sub(r"{%.*?%}", "", base))
    assert policy, "the theme's pages have a policy"
    for source in sources:
        shutil.copytree(source, folder / "post/demo", dirs_exist_ok=True)
    shutil.copytree(ROOT / "theme/static", folder / "theme")
    (folder / NAME).write_text(PAGE.format(policy=policy[0], figures=figures))


@contextmanager
def shown(browser: Browser, site: str, **options: Any) -> Iterator[Page]:
    """The page, loaded; at its end, whatever it complained about fails the test."""
    with opened(browser, site, NAME, **options) as (page, watch):
        page.wait_for_load_state("networkidle")
        yield page
        assert watch.problems == [], watch.problems
