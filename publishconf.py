"""Settings of the published site."""

import os

from pelicanconf import *  # noqa: F403

SITEURL = os.environ.get("SITEURL", "https://example.org").rstrip("/")
RELATIVE_URLS = False
FEED_DOMAIN = SITEURL
FEED_ALL_ATOM = "feed.atom"  # here alone: its addresses must be absolute
FEED_MAX_ITEMS = 20
