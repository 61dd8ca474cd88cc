"""The Pelican plugin: prose with bindings in, pages with provenance out. Import it in pelicanconf.py.

Pelican only warns where a plugin fails to load, and drops an article whose reader fails; `generate.py` counts.
"""

from __future__ import annotations

from pelican import signals

from lockstep.site import articles, crawlers, demos, feeds, filters, head, links, social


def register() -> None:
    signals.initialized.connect(links.use)
    signals.readers_init.connect(articles.use_reader)
    signals.initialized.connect(crawlers.start)
    signals.generator_init.connect(head.use)
    signals.article_generator_finalized.connect(articles.complete)
    signals.article_writer_finalized.connect(articles.add_pages)
    signals.feed_generated.connect(feeds.plain)
    signals.article_writer_finalized.connect(filters.write)
    signals.article_writer_finalized.connect(social.write)
    signals.content_written.connect(crawlers.note)
    signals.finalized.connect(demos.copy)
    signals.finalized.connect(crawlers.write)
