"""What a page tells machines: description, canonical address, Open Graph, JSON-LD.

Addresses must be absolute there, so a site that does not know its own (SITEURL is empty while writing) leaves them out.
"""

from __future__ import annotations

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from lockstep.site import social
from lockstep.site.details import elsewhere, shortened
from lockstep.site.feeds import plain_text

PAGES = {  # that stand for themselves, by address: title and description
    "skills/": ("Skills", "Each skill with the sections, claims, tables and code of the posts that show it at work."),
    "tags/": ("Tags", "What the posts are about."),
    "evidence/": ("Evidence", "Every claim and every measured number of the site, with the runs it rests on."),
}


def use(generator: Any) -> None:
    """Give the templates of a generator `page_head()`, and the filter `elsewhere`."""
    settings = generator.settings

    @pass_context
    def page_head(context: Context) -> dict[str, Any]:
        return head(context, settings)

    generator.env.globals["page_head"] = page_head
    generator.env.filters["elsewhere"] = elsewhere


def head(context: Context | dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Title, description, canonical address, picture, kind and structured data of the page being written."""
    site, article, page = settings["SITEURL"], context.get("article"), context.get("page")
    place = address(context.get("output_file", ""))
    name, description = context.get("about") or PAGES.get(place, (settings["SITENAME"], settings["SITESUBTITLE"]))
    if tag := context.get("tag"):
        name, description = f"Posts about {tag}", f"What {settings['SITENAME']} has about {tag}."
    told: dict[str, Any] = {"title": name, "description": description, "url": f"{site}/{place}" if site else ""}
    told |= {"type": "website", "image": social.url(social.site_name(settings), settings), "structured": None}
    told["image_text"] = f"{settings['SITENAME']}. {settings['SITESUBTITLE']}"
    if article:
        image = social.url(f"{article.lockstep['url']}{article.lockstep['card']}", settings)
        told |= {
            "type": "article",
            "title": article.title,
            "description": article.lockstep["description"],
            "image": image,
        }
        told["image_text"] = ". ".join([article.title, *(" ".join(n.values()) for n in article.lockstep["numbers"])])
        told["structured"] = technical_article(article, told, settings)
    elif page:
        told |= {"title": page.title, "description": shortened(plain_text(page.content)) or description}
    elif not place:
        told["structured"] = website(settings)
    return told


def address(output_file: str) -> str:
    """The address of a written file: a folder goes without its `index.html`."""
    folder, slash, name = output_file.rpartition("/")
    return f"{folder}{slash}" if name == "index.html" else output_file


def technical_article(article: Any, told: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A post as schema.org describes it."""
    more = article.lockstep
    labels = [str(tag) for tag in getattr(article, "tags", [])] + [skill["name"] for skill in more["skills"]]
    return _present(
        {
            "@context": "https://schema.org",
            "@type": "TechArticle",
            "headline": article.title,
            "description": told["description"],
            "author": person(settings),
            "datePublished": article.date.date().isoformat(),
            "dateModified": getattr(article, "modified", article.date).date().isoformat(),
            "inLanguage": settings["DEFAULT_LANG"],
            "keywords": list(dict.fromkeys(labels)),
            "timeRequired": f"PT{more['minutes']}M",
            "url": told["url"],
            "mainEntityOfPage": told["url"],
            "image": told["image"],
        }
    )


def website(settings: dict[str, Any]) -> dict[str, Any]:
    """The site and the person behind it."""
    site = {
        "@context": "https://schema.org",
        "@type": "WebSite",
        "name": settings["SITENAME"],
        "description": settings["SITESUBTITLE"],
        "inLanguage": settings["DEFAULT_LANG"],
        "url": f"{settings['SITEURL']}/" if settings["SITEURL"] else "",
        "author": person(settings),
    }
    return _present(site)


def person(settings: dict[str, Any]) -> dict[str, Any]:
    """The author."""
    links = [url for _, url in settings["LINKS"] if url.startswith("http")]
    who = {"@type": "Person", "name": settings["AUTHOR"], "jobTitle": settings.get("ROLE", ""), "sameAs": links}
    return _present(who | {"url": f"{settings['SITEURL']}/" if settings["SITEURL"] else ""})


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
