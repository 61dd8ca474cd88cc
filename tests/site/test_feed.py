"""The published feed is valid Atom, and holds what a reader needs who never opens the site."""

import html
import re
from pathlib import Path

import feedparser
import pytest
from atom import violations
from webpages import Elements, nothing_in

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def feed(published) -> str:
    return (published / "feed.atom").read_text(encoding="utf-8")


def test_the_feed_is_valid(feed):
    nothing_in({"feed.atom": violations(feed)})


def test_a_feed_reader_finds_every_post_whole(feed):
    read = feedparser.parse(feed)
    assert not read.bozo
    assert read.version == "atom10"
    texts = {path.parent.name: path.read_text() for path in (ROOT / "content").glob("*/index.md")}
    posts = {slug for slug, text in texts.items() if "\nStatus: draft\n" not in text}
    assert {entry.link for entry in read.entries} == {f"https://example.org/{slug}/" for slug in posts}
    for entry in read.entries:
        assert entry.updated_parsed
        assert entry.author
        assert len(entry.content[0].value) > 10 * len(entry.summary)


def test_the_feed_brings_nothing_that_only_a_page_can_do(feed):
    for text in re.findall(r"<(?:content|summary) type=\"html\">(.*?)</", feed, re.DOTALL):
        page = Elements(html.unescape(text))
        assert {tag for tag, _ in page.found} & {"script", "style", "button", "dialog", "noscript", "form"} == set()
        assert page.values("popover") == []


SMALL = """<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><id>https://example.org/</id>
<link href="https://example.org/feed.atom" rel="self"/><updated>2026-01-02T00:00:00Z</updated>
<entry><title>E</title><id>tag:example.org,2026-01-02:/e/</id><link href="https://example.org/e/" rel="alternate"/>
<author><name>A</name></author><published>2026-01-01T00:00:00Z</published><updated>2026-01-02T00:00:00Z</updated>
<content type="html">&lt;a href="https://example.org/e/#x"&gt;x&lt;/a&gt;</content></entry></feed>"""
SPOILT = {
    "no id": ("<id>https://example.org/</id>", ""),
    "two titles": ("<title>E</title>", "<title>E</title><title>E</title>"),
    "a date without a time": ("<updated>2026-01-02T00:00:00Z<", "<updated>2026-01-02<"),
    "a date that there is not": ("2026-01-01T00", "2026-02-31T00"),
    "an entry younger than its feed": ("<updated>2026", "<updated>2025"),
    "changed before it was published": ("<published>2026-01-01", "<published>2026-03-01"),
    "no author": ("<author><name>A</name></author>", ""),
    "an author without a name": ("<name>A</name>", "<uri>https://example.org/</uri>"),
    "a relative link": ('href="https://example.org/e/" rel', 'href="/e/" rel'),
    "a relative link in the content": ('"https://example.org/e/#x"', '"../e/#x"'),
    "a relative id": ("<id>tag:example.org,2026-01-02:/e/</id>", "<id>/e/</id>"),
    "an element that Atom does not have": ("<author>", "<pubDate>x</pubDate><author>"),
    "markup in a plain title": ("<title>E</title>", "<title><b>E</b></title>"),
    "no link to itself": (' rel="self"', ""),
    "two alternates": ('rel="alternate"/>', 'rel="alternate"/><link href="https://example.org/f/"/>'),
}


@pytest.mark.parametrize("what", SPOILT)
def test_each_fault_of_a_feed_is_seen(what):
    assert violations(SMALL) == []
    old, new = SPOILT[what]
    assert old in SMALL
    assert len(violations(SMALL.replace(old, new, 1))) >= 1
