"""Settings of the site while writing; publishconf.py adds what only a published site has."""

import os
from pathlib import Path

import lockstep.site  # imported here: Pelican would only warn where a plugin fails to load
from lockstep.site import settings

ROOT = Path(__file__).parent
SITE = settings.read(ROOT / "site.toml")

SITENAME = SITE.name
AUTHOR = SITE.author
ROLE = SITE.role
SITESUBTITLE = SITE.description
PERSON = SITE  # who the home page and the page about the author introduce
SKILLS = SITE.skills
ORDER, ORDER_LINE = SITE.posts, settings.line_of(ROOT / "site.toml", "posts =")  # of the posts on the home page
PORTRAIT = settings.portrait(ROOT / "content", SITE.portrait)
LINKS = tuple((link.name, link.url) for link in SITE.links)
MENU = (("Evidence", "evidence/"), ("Skills", "skills/"), ("About", "about/"))
SOURCE_URL = SITE.source
SITEURL = ""
RELATIVE_URLS = True
TIMEZONE = "UTC"
DEFAULT_LANG = "en"
DEFAULT_DATE_FORMAT = "%-d %B %Y"

PATH = str(ROOT / "content")
OUTPUT_PATH = os.environ.get("LOCKSTEP_OUTPUT", str(ROOT / "output"))
DELETE_OUTPUT_DIRECTORY = True
THEME = str(ROOT / "theme")
THEME_STATIC_DIR = "theme"
PLUGINS = [lockstep.site]
LOAD_CONTENT_CACHE = False
CACHE_CONTENT = False

ARTICLE_PATHS = sorted(str(path.relative_to(PATH)) for path in Path(PATH).glob("*/index.md"))
PAGE_PATHS = ["pages"]
STATIC_PATHS = sorted(
    [str(path.relative_to(PATH)) for kind in ("figures", "demo") for path in Path(PATH).glob(f"*/{kind}")]
    + [place for place in [SITE.portrait] if place]
)
READERS = {"html": None}
PATH_METADATA = r"(?:(?!pages/)(?P<slug>[^/]+)/index\.md)?.*"
USE_FOLDER_AS_CATEGORY = False
DEFAULT_METADATA = {"category": "paper"}  # DEFAULT_CATEGORY has no effect where categories have no pages
ARTICLE_URL = "{slug}/"
ARTICLE_SAVE_AS = "{slug}/index.html"
DRAFT_URL, DRAFT_SAVE_AS = ARTICLE_URL, ARTICLE_SAVE_AS  # what a draft refers to stands beside it
PAGE_URL = "{slug}/"
PAGE_SAVE_AS = "{slug}/index.html"
DIRECT_TEMPLATES = ["index", "skills", "tags"]
PAGINATED_TEMPLATES: dict[str, None] = {}  # so that no tag that ends in a digit meets the page of another
TAG_URL = "tags/{slug}/"
TAG_SAVE_AS = "tags/{slug}/index.html"
TAGS_SAVE_AS = "tags/index.html"
SKILLS_SAVE_AS = "skills/index.html"
CATEGORY_SAVE_AS = AUTHOR_SAVE_AS = ""
CATEGORIES_SAVE_AS = AUTHORS_SAVE_AS = ARCHIVES_SAVE_AS = ""

FEED_ALL_ATOM = CATEGORY_FEED_ATOM = TRANSLATION_FEED_ATOM = AUTHOR_FEED_ATOM = AUTHOR_FEED_RSS = None
