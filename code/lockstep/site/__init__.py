"""The Pelican plugin: prose with bindings in, pages with provenance out. Import it in pelicanconf.py.

Pelican only warns where a plugin fails to load, and drops an article whose reader fails; `generate.py` counts.
"""

from __future__ import annotations

from pelican import signals

from lockstep.site import articles, demos, feeds


def register() -> None:
    signals.readers_init.connect(articles.use_reader)
    signals.article_generator_finalized.connect(articles.complete)
    signals.feed_generated.connect(feeds.plain)
    signals.finalized.connect(demos.copy)
